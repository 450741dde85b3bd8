# Bars of pandas and of seaborn
# needs: pandas seaborn
# shown: {"text": {"like": "Figure"}, "png": {"like": "PNG"}, "@size": {"like": "x"}, "chart": {"has": {"type": "bar", "x_label": "k", "elements": [{"label": "x", "group": "a", "value": 2.0}, {"label": "y", "group": "a", "value": 1.0}, {"label": "x", "group": "b", "value": 3.0}, {"label": "y", "group": "b", "value": 4.0}]}}}
# shown: {"text": {"like": "Figure"}, "png": {"like": "PNG"}, "@size": {"like": "x"}, "chart": {"has": {"type": "bar", "x_label": "k", "y_label": "a", "elements": [{"label": "x", "group": "", "value": 2.0}, {"label": "y", "group": "", "value": 1.0}]}}}
# shown: {"text": {"like": "Figure"}, "png": {"like": "PNG"}, "@size": {"like": "x"}, "chart": {"has": {"type": "bar", "elements": [{"group": "p", "value": 1.0}, {"group": "p", "value": 2.0}, {"group": "q", "value": 0.0}, {"group": "q", "value": 2.0}]}}}

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
df = pd.DataFrame({'a': [2, 1], 'b': [3, 4]}, pd.Index(['x', 'y'], name='k'))
df.plot.bar()
plt.show()
sns.barplot(pd.concat([df] * 3).reset_index(), x='k', y='a')
plt.show()
plt.hist([[1, 2, 3], [2, 3]], bins=[1, 2, 3], label=['p', 'q'])
