# A wide table: fewer rows, the first thousand columns
# shown: {"text": {"like": "rows"}, "html": {"like": "rows"}, "data": {"has": {"shape": [2000, 500]}, "like": "\"index\":\\[0,[\\d,]*,99\\]"}}
# shown: {"text": {"like": "rows"}, "html": {"like": "rows"}, "data": {"has": {"shape": [3, 5000], "index": [0, 1, 2]}, "like": "\"columns\":\\[0,[\\d,]*,999\\]"}}
# shown: {"text": {"like": "Empty"}, "html": {"like": "table"}, "data": {"json": {"columns": [], "index": [], "data": [], "shape": [0, 0]}}}
import numpy as np
import pandas as pd
display(pd.DataFrame(np.zeros((2000, 500), int)))
display(pd.DataFrame(np.zeros((3, 5000), int)))
display(pd.DataFrame())
