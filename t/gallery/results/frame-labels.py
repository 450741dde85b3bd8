# Labels of several levels, and such as are there twice
# shown: {"text": {"like": "x"}, "html": {"like": "colspan=\"2\""}, "data": {"json": {"columns": [["a", "x"], ["a", "y"]], "index": [[1, "q"], [2, "r"]], "data": [[1, 2], [3, 4]], "shape": [2, 2]}}}
# shown: {"text": {"like": "a  a"}, "html": {"like": "table"}, "data": {"json": {"columns": ["a", "a"], "index": [0, 0], "data": [[1, "p"], [3, "q"]], "shape": [2, 2]}}}
import pandas as pd
display(pd.DataFrame(
    [[1, 2], [3, 4]], columns=pd.MultiIndex.from_product([['a'], ['x', 'y']]),
    index=pd.MultiIndex.from_tuples([(1, 'q'), (2, 'r')])))
display(pd.DataFrame([[1, 'p'], [3, 'q']], columns=['a', 'a'], index=[0, 0]))
