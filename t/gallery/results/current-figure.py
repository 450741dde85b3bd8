# Only the current figure at the end, as a job may want it
# options: {"figure": true, "dpi": 50, "imports": {"plt": "matplotlib.pyplot"}}
# stdout: "True\n"
# needs: matplotlib
# shown: {"png": {"colors": {"#ff0000": 15}}, "@size": {"like": "^11\\dx11\\d$"}}
first = plt.figure(figsize=(4, 4))
plt.plot([1, 2])
plt.savefig('first.png')
plt.figure(figsize=(2, 2), facecolor='red')
plt.axes([0, 0, 1, 1])
plt.xticks([])
plt.yticks([])
print('display' not in dir(__builtins__))
