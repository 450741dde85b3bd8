# A summary of the variables
# options: {"variables": true}
# shown: {"@variables": {"json": {"n": {"type": "int", "value": "5"}, "s": {"type": "str", "value": "text"}, "l": {"type": "list", "value": "[1, {'a': (2,)}]"}, "e": {"type": "set", "value": "set()"}, "long": {"type": "list", "value": "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 5"}, "big": {"type": "int", "value": "an integer of 1000001 bits"}, "a": {"type": "numpy.ndarray", "shape": [2, 2], "dtype": "int64", "preview": "[[0 1]\n [2 3]]"}, "d": {"type": "pandas.DataFrame", "shape": [1, 2], "columns": ["p", "1"]}, "c": {"type": "pandas.Series", "length": 3, "dtype": "float64"}, "o": {"type": "C"}, "itself": {"type": "list", "value": "[...]"}, "when": {"type": "datetime.date", "value": "datetime.date(2024, 1, 2)"}}}}
import datetime
import numpy as np, pandas as pd
def f(): pass
class C:
    def __repr__(self): raise KeyError
n, s, l, e, _hidden = 5, 'text', [1, {'a': (2,)}], set(), 0
long = list(range(10 ** 6))
big = 1 << 10 ** 6
a = np.arange(4).reshape(2, 2)
d = pd.DataFrame({'p': [1], 1: [2]})
c = pd.Series([1., 2., 3.])
o = C()
itself = []
itself.append(itself)
when = datetime.date(2024, 1, 2)
