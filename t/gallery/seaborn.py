# needs: seaborn
# image: categories.png png 500x400
# image: map.svg svg
# A statistical plot, a heat map and a regression, without seaborn's data sets,
# which it would fetch.

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns

data = pd.DataFrame({'kind': list('aabbcc'), 'value': [1, 2, 3, 4, 5, 9]})
figure, axes = plt.subplots(figsize=(5, 4))
sns.set_theme(style='whitegrid')
sns.barplot(data=data, x='kind', y='value', errorbar=None, ax=axes)
print([patch.get_height() for patch in axes.patches])
figure.savefig('categories.png', dpi=100)

plt.figure()
sns.heatmap(data.pivot_table(columns='kind', values='value'), annot=True)
plt.savefig('map.svg')
grid = sns.pairplot(data.assign(other=data.value ** 2), hue='kind',
                    diag_kind='hist')
print(grid.axes.shape)
print(sns.regplot(x=[1, 2, 3], y=[2, 4, 6], ci=None).lines[0]
      .get_ydata().round(6)[[0, -1]].tolist())
