# Dates are ISO 8601
# shown: {"text": {"like": "2024"}, "html": {"like": "2024"}, "data": {"json": {"columns": ["day", "at", "zone", "month", "span"], "index": ["2024-02-28T00:00:00", "2024-02-29T00:00:00"], "data": [["2024-02-28", "2024-02-28T12:30:00.000001", "2024-02-28T00:00:00+08:00", "2024-02", "P0DT0H1M0S"], [null, null, "2024-02-29T00:00:00+08:00", "2024-03", null]], "shape": [2, 5]}}}
import datetime
import pandas as pd
days = pd.date_range('2024-02-28', periods=2)
display(pd.DataFrame({
    'day': [datetime.date(2024, 2, 28), None],
    'at': [pd.Timestamp('2024-02-28 12:30:00.000001'), pd.NaT],
    'zone': pd.date_range('2024-02-28', periods=2, tz='Asia/Shanghai'),
    'month': pd.period_range('2024-02', periods=2, freq='M'),
    'span': [pd.Timedelta('1min'), None],
}, index=days))
