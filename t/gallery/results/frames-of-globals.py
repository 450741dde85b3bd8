# All tables that the program has, where the job wants them
# options: {"dataframes": {"rows": 1, "classes": "table table-striped", "border": 0}}
# shown: {"html": "<table class=\"dataframe table table-striped\">\n  <thead>\n    <tr style=\"text-align: right;\">\n      <th></th>\n      <th>a</th>\n    </tr>\n  </thead>\n  <tbody>\n    <tr>\n      <th>0</th>\n      <td>1</td>\n    </tr>\n  </tbody>\n</table>", "data": {"json": {"columns": ["a"], "index": [0, 1], "data": [[1], [2]], "shape": [2, 1]}}, "@name": "one"}
import pandas as pd
one = pd.DataFrame({'a': [1, 2]})
_hidden = pd.DataFrame()
