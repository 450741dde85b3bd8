# Groups, pivots, joins and time series.

import pandas as pd

sales = pd.DataFrame({
    'city': ['Oslo', 'Rome', 'Oslo', 'Rome', 'Kyiv'],
    'year': [2023, 2023, 2024, 2024, 2024],
    'sum': [10, 20, 30, 40, 50]})
print(sales.groupby('city')['sum'].agg(['sum', 'mean', 'max']))
print(sales.pivot_table(index='city', columns='year', values='sum',
                        fill_value=0).to_dict())
country = pd.DataFrame({'city': ['Oslo', 'Rome'], 'in': ['NO', 'IT']})
print(sales.merge(country, how='left').fillna('?')['in'].tolist())

days = pd.Series(range(60), pd.date_range('2024-01-01', periods=60, tz='UTC'))
months = days.resample('MS').sum()
print({str(month.date()): n for month, n in months.items()})
print(days.tz_convert('Asia/Tokyo').index[0])
print(days.rolling(3).mean().iloc[-1], days.describe()['std'].round(4))
