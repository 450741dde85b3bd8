# A table: text, HTML and data
# options: {"last_value": true}
# shown: {"text": "   a    b\n0  1  0.5\n1  2  NaN", "html": {"like": "<table border=\"1\" class=\"dataframe\">.*<td>0.5</td>"}, "data": {"json": {"columns": ["a", "b"], "index": [0, 1], "data": [[1, 0.5], [2, null]], "shape": [2, 2]}}, "@main": ""}
import pandas as pd
pd.DataFrame({'a': [1, 2], 'b': [0.5, None]})
