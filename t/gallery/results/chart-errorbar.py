# Errors and stems are no lines of their own
# shown: {"text": {"like": "Figure"}, "png": {"like": "PNG"}, "@size": {"like": "x"}, "chart": {"has": {"type": "superchart", "elements": [{"type": "line", "elements": [{"label": "a", "points": [[0.0, 1.0], [1.0, 2.0]]}]}, {"type": "scatter", "elements": [{"label": "b", "points": [[0.0, 3.0], [1.0, 4.0]]}]}]}}}

import matplotlib.pyplot as plt
fig, axs = plt.subplots(1, 2)
axs[0].errorbar([0, 1], [1, 2], [0.5, 0.5], capsize=3, label='a')
axs[1].stem([0, 1], [3, 4], label='b')
plt.show()
