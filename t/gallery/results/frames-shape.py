# Tables with no more than their size
# options: {"dataframes": {"rows": 1, "data": "shape"}}
# needs: pandas
# shown: {"html": {"like": "^<table"}, "data": {"json": {"shape": [3, 1]}}, "@name": "one"}
import pandas as pd
one = pd.DataFrame({'a': [1, 2, 3]})
