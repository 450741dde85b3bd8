# fig.show() shows one figure; as it has not changed, it is not shown again
# shown: {"text": {"like": "with 2 Axes"}, "png": {"like": "PNG"}, "@size": {"like": "x"}}
# shown: {"text": {"like": "with 1 Axes"}, "png": {"like": "PNG"}, "@size": {"like": "x"}}
import matplotlib.pyplot as plt
one, axes = plt.subplots()
axes.plot([1, 2])
two, axes = plt.subplots(1, 2)
axes[0].plot([1, 2])
two.show()
