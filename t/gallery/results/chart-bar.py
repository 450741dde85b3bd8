# Bars, in groups and lying
# shown: {"text": {"like": "Figure"}, "png": {"like": "PNG"}, "@size": {"like": "x"}, "chart": {"json": {"type": "bar", "title": "Sales", "x_label": null, "y_label": "Sold (pieces)", "x_unit": null, "y_unit": "pieces", "elements": [{"label": "A", "group": "2023", "value": 1.0}, {"label": "B", "group": "2023", "value": -2.0}, {"label": "A", "group": "2024", "value": 3.5}, {"label": "B", "group": "2024", "value": 4.0}]}}}
# shown: {"text": {"like": "Figure"}, "png": {"like": "PNG"}, "@size": {"like": "x"}, "chart": {"has": {"type": "bar", "elements": [{"label": "x", "group": "", "value": 7.0}, {"label": "y", "group": "", "value": 8.0}]}}}
# shown: {"text": {"like": "Figure"}, "png": {"like": "PNG"}, "@size": {"like": "x"}, "chart": {"has": {"type": "bar", "elements": [{"label": "0.5", "group": "", "value": 3.0}, {"label": "1.5", "group": "", "value": 1.0}]}}}

import matplotlib.pyplot as plt
plt.bar([-0.2, 0.8], [1, -2], 0.4, label='2023')
plt.bar([0.2, 1.2], [3.5, 4], 0.4, label='2024', yerr=[0.1, 0.2], capsize=2)
plt.xticks([0, 1], ['A', 'B'])
plt.ylabel('Sold (pieces)')
plt.title('Sales')
plt.show()
plt.barh(['x', 'y'], [7, 8])
plt.show()
plt.hist([0, 0.5, 0.7, 1.5], bins=[0, 1, 2])
plt.show()
