# Modules that need no import, if the program speaks of them
# options: {"imports": {"np": "numpy", "plt": "matplotlib.pyplot", "Counter": "collections:Counter", "nope": "no_such", "gone": "os:gone"}}
# stdout: "6\nCounter({'a': 2})\nnope\n"
print(np.array([1, 2, 3]).sum())
print(Counter('aa'))
try:
    nope
except NameError as error:
    print(error.name)
gone = 1
