# The first thousand rows are data; the shape is that of all
# options: {"last_value": true}
# stdout: "1000\n"
# shown: {"text": {"like": "\\[3000 rows x 2 columns\\]"}, "html": {"like": "3000 rows × 2 columns"}, "data": {"like": "\\[999,0.25\\]\\],\"shape\":\\[3000,2\\]\\}\\z", "unlike": "1000"}, "@main": ""}
import numpy as np
import pandas as pd
print(1000)
pd.DataFrame({'n': np.arange(3000), 'x': 0.25})
