# A plot of seaborn
# needs: seaborn
# options: {"last_value": true}
# shown: {"text": {"like": "Axes"}, "@main": ""}
# shown: {"text": {"like": "Figure"}, "png": {"like": "PNG"}, "@size": {"like": "x"}}
import pandas as pd
import seaborn as sns
sns.set_theme()
sns.barplot(data=pd.DataFrame({'k': ['a', 'b'], 'v': [1, 2]}), x='k', y='v')
