# A series of pandas counts in months
# needs: pandas
# shown: {"text": {"like": "Figure"}, "png": {"like": "PNG"}, "@size": {"like": "x"}, "chart": {"has": {"type": "line", "x_scale": "datetime", "x_label": null, "elements": [{"label": "n", "points": [["2024-01-01T00:00:00", 1.0], ["2024-02-01T00:00:00", 3.0], ["2024-03-01T00:00:00", 2.0]]}]}}}

import pandas as pd
pd.DataFrame({'n': [1, 3, 2]}, index=pd.date_range('2024-01-31', periods=3,
                                                   freq='M')).plot()
