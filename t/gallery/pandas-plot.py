# image: bars.png png 400x300
# image: several.svg svg
# Plots that pandas draws.

import pandas as pd

frame = pd.DataFrame({'a': [1, 3, 2], 'b': [2, 1, 4]}, index=list('xyz'))
axes = frame.plot.bar(figsize=(4, 3), title='bars')
axes.figure.savefig('bars.png', dpi=100)
figures = frame.plot(subplots=True)
figures[0].figure.savefig('several.svg')
print(len(figures), [patch.get_height() for patch in axes.patches])
