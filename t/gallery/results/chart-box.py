# Box plots, drawn twice and lying, of matplotlib and of seaborn
# needs: pandas seaborn
# shown: {"text": {"like": "Figure"}, "png": {"like": "PNG"}, "@size": {"like": "x"}, "chart": {"json": {"type": "box_and_whisker", "title": "Scores", "x_label": null, "y_label": "Score", "x_unit": null, "y_unit": null, "elements": [{"label": "A", "min": 1.0, "first_quartile": 2.0, "median": 3.0, "third_quartile": 4.0, "max": 5.0, "outliers": []}, {"label": "B", "min": 1.0, "first_quartile": 2.25, "median": 3.5, "third_quartile": 4.75, "max": 5.0, "outliers": [50.0]}]}}}
# shown: {"text": {"like": "Figure"}, "png": {"like": "PNG"}, "@size": {"like": "x"}, "chart": {"has": {"type": "box_and_whisker", "elements": [{"label": "only", "min": 1.0, "first_quartile": 2.0, "median": 3.0, "third_quartile": 4.0, "max": 5.0, "outliers": []}]}}}
# shown: {"text": {"like": "Figure"}, "png": {"like": "PNG"}, "@size": {"like": "x"}, "chart": {"has": {"type": "box_and_whisker", "x_label": "k", "y_label": "v", "elements": [{"label": "x", "min": 1.0, "first_quartile": 2.0, "median": 3.0, "third_quartile": 4.0, "max": 5.0, "outliers": []}, {"label": "y", "min": 1.0, "first_quartile": 2.0, "median": 3.0, "third_quartile": 4.0, "max": 5.0, "outliers": []}]}}}

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
a = [1, 2, 3, 4, 5]
plt.boxplot([a], labels=['gone'])
plt.cla()
plt.boxplot([a, a + [50]], labels=['A', 'B'], patch_artist=True)
plt.ylabel('Score')
plt.title('Scores')
plt.show()
plt.boxplot(a, vert=False, labels=['only'])
plt.show()
sns.boxplot(pd.DataFrame({'k': ['x'] * 5 + ['y'] * 5, 'v': a + a}),
            x='k', y='v')
