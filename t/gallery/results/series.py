# A column
# options: {"last_value": true}
# shown: {"text": "a    1\nb    2\nName: n, dtype: int64", "html": {"like": "<th>n</th>"}, "data": {"json": {"name": "n", "index": ["a", "b"], "data": [1, 2], "shape": [2]}}, "@main": ""}
import pandas as pd
pd.Series({'a': 1, 'b': 2}, name='n')
