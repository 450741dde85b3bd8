# Tables that the job brings
# options: {"datasets": {"sales": {"columns": ["day", "n"], "data": [["a", 1], ["b", 2.5]]}, "rows": [{"x": 1}, {"x": 2}], "by": {"columns": ["v"], "index": ["p"], "data": [[1]]}}}
# stdout: "3.5 [1, 2] 1\n"
print(sales.n.sum(), rows['x'].tolist(), by.loc['p', 'v'])
