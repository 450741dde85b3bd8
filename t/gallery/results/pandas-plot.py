# A plot of pandas
# shown: {"text": {"like": "Figure"}, "png": {"colors": {"#ff0000": 10}}, "@size": {"like": "x"}}
import pandas as pd
pd.DataFrame({'a': [2, 1]}).plot.bar(color='#ff0000')
