import pandas as pd

frame = pd.DataFrame({"n": range(10000), "odd": [n % 2 for n in range(10000)]})
print(frame.groupby("odd")["n"].sum().sum())
