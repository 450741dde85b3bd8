# Whatever is in a cell, as JSON has it
# shown: {"text": {"like": "o"}, "html": {"like": "table"}, "data": {"json": {"columns": ["o"], "index": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], "data": [["{1}"], ["b'\\xff'"], [1.5], [{"a": [1, null]}], ["1j"], [100000000000000000000], ["é\"<"], [true], [null], [1.25]], "shape": [10, 1]}}}
# shown: {"text": {"like": "n"}, "html": {"like": "table"}, "data": {"json": {"columns": ["n", "s", "c", "i"], "index": ["a", "b"], "data": [[1, "x", "p", "(0, 1]"], [null, null, "q", "(1, 2]"]], "shape": [2, 4]}}}
# shown: {"text": {"like": "r"}, "html": {"like": "table"}, "data": {"like": "\"shape\":\\[1,1\\]"}}
import decimal
import numpy as np
import pandas as pd
display(pd.DataFrame({'o': [
    {1}, b'\xff', decimal.Decimal('1.5'), {'a': (1, float('nan'))}, 1j,
    10 ** 20, 'é"<', True, np.inf, np.float32(1.25)]}))
display(pd.DataFrame({
    'n': pd.array([1, None], dtype='Int64'),
    's': pd.array(['x', None], dtype='string'),
    'c': pd.Categorical(['p', 'q']), 'i': pd.interval_range(0, 2)},
    index=['a', 'b']))
itself = []
itself.append(itself)
display(pd.DataFrame({'r': [itself]}))
