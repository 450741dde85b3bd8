# Modules that need no import, if the program speaks of them
# options: {"imports": {"np": "numpy", "plt": "matplotlib.pyplot", "Counter": "collections:Counter", "s": "statistics", "nope": "no_such", "gone": "os:gone"}}
# stdout: "6\nCounter({'a': 2})\n['Counter', 'np']\nnope\n"
print(np.array([1, 2, 3]).sum())
print(Counter('aa'))
print(sorted({*globals()} & {'Counter', 'np', 'p' + 'lt', chr(115)}))
try:
    nope
except NameError as error:
    print(error.name)
gone = 1
