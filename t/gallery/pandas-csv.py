# CSV, JSON, HTML and pickles, with text that is not ASCII.

import gzip
import io

import pandas as pd

frame = pd.DataFrame({'名前': ['太郎', 'Zoë'], 'n': [1, 2.5],
                      't': pd.to_datetime(['2024-02-29', None])})
frame.to_csv('f.csv.gz', index=False)
with gzip.open('f.csv.gz', 'rt', encoding='utf-8') as f:
    print(f.read(), end='')
back = pd.read_csv('f.csv.gz', parse_dates=['t'])
print(back.equals(frame), back.dtypes.astype(str).tolist())
print(frame.to_json(force_ascii=False, date_format='iso'))
print(frame.to_html(index=False).count('<td>'))
frame.to_pickle('f.pickle')
print(pd.read_pickle('f.pickle').equals(frame))
print(pd.read_csv(io.StringIO('a;b\n1,5;2'), sep=';', decimal=',').a[0])
chunks = pd.read_csv(io.StringIO('x\n' + '\n'.join(map(str, range(1000)))),
                     chunksize=100)
print(sum(chunk.x.sum() for chunk in chunks))
