# Lines as numbers: labels, units, scales, ticks
# shown: {"text": {"like": "Figure"}, "png": {"like": "PNG"}, "@size": {"like": "x"}, "chart": {"json": {"type": "line", "title": "Rise", "x_label": "Time (s)", "y_label": "Power [kW]", "x_unit": "s", "y_unit": "kW", "x_ticks": [0.0, 1.0, 2.0], "x_tick_labels": ["0", "1", "2"], "x_scale": "linear", "y_ticks": [1.0, 10.0, 100.0], "y_tick_labels": ["1", "10", "100"], "y_scale": "log", "elements": [{"label": "a", "points": [[0.0, 1.0], [1.0, 10.0], [2.0, 100.0]]}, {"label": "", "points": [[0.0, 3.0], [1.0, null], [2.0, 2.0]]}]}}}

import matplotlib.pyplot as plt
plt.plot([1, 10, 100], label='a')
plt.plot([0, 1, 2], [3, float('nan'), 2])
plt.axhline(5)
plt.yscale('log')
plt.xticks([0, 1, 2])
plt.yticks([1, 10, 100], ['1', '10', '100'])
plt.xlabel('Time (s)')
plt.ylabel('Power [kW]')
plt.title('Rise')
plt.legend()
plt.show()
