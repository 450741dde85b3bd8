# Points of scatter() and of plot() without a line
# shown: {"text": {"like": "Figure"}, "png": {"like": "PNG"}, "@size": {"like": "x"}, "chart": {"has": {"type": "scatter", "title": null, "elements": [{"label": "a", "points": [[1.0, 2.0], [3.0, 4.0]]}, {"label": "", "points": [[5.0, 6.0]]}]}}}

import matplotlib.pyplot as plt
plt.scatter([1, 3], [2, 4], label='a', c=[1, 2])
plt.colorbar()
plt.plot([5], [6], 'o')
plt.scatter([], [], label='for the legend')
plt.show()
