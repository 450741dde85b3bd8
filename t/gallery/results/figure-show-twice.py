# show() closes its figures: the next plot is a new one
# shown: {"text": {"like": "Figure"}, "png": {"colors": {"#ff0000": 20}}, "@size": {"like": "x"}}
# shown: {"text": {"like": "Figure"}, "png": {"colors": {"#0000ff": 20, "#ff0000": 0}}, "@size": {"like": "x"}}
# stdout: "[]\n"
import matplotlib.pyplot as plt
plt.fill([0, 1, 1, 0], [0, 0, 1, 1], color='#ff0000')
plt.show()
print(plt.get_fignums())
plt.fill([0, 1, 1, 0], [0, 0, 1, 1], color='#0000ff')
plt.show()
