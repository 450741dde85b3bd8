# Times are ISO 8601, categories are names
# shown: {"text": {"like": "Figure"}, "png": {"like": "PNG"}, "@size": {"like": "x"}, "chart": {"has": {"type": "line", "x_scale": "datetime", "y_scale": "categorical", "y_ticks": ["low", "high"], "elements": [{"label": "", "points": [["2024-01-01T00:00:00", "low"], ["2024-01-02T12:30:00", "high"], ["2024-01-03T00:00:00", "low"]]}]}}}

import datetime
import matplotlib.pyplot as plt
day = datetime.datetime(2024, 1, 1)
plt.plot([day, day + datetime.timedelta(hours=36, minutes=30),
          day + datetime.timedelta(2)], ['low', 'high', 'low'])
plt.show()
