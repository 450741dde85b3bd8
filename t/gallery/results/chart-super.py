# Several charts in a figure, and two kinds in one plot
# shown: {"text": {"like": "Figure"}, "png": {"like": "PNG"}, "@size": {"like": "x"}, "chart": {"has": {"type": "superchart", "title": "All", "elements": [{"type": "line", "title": "Sine"}, {"type": "scatter", "title": "Fit", "elements": [{"label": "", "points": [[1.0, 1.0], [2.0, 3.0]]}]}, {"type": "line", "title": "Fit", "elements": [{"label": "fit", "points": [[1.0, 1.0], [2.0, 3.0]]}]}]}}}

import matplotlib.pyplot as plt
fig, axs = plt.subplots(2, 2)
fig.suptitle('All')
axs[0][0].plot([0, 1, 0])
axs[0][0].set_title('Sine')
axs[0][1].scatter([1, 2], [1, 3])
axs[0][1].plot([1, 2], [1, 3], label='fit')
axs[0][1].set_title('Fit')
axs[1][1].axis('off')
plt.show()
