# plt.show() shows the figure in its real size
# shown: {"text": "<Figure size 640x480 with 1 Axes>", "png": {"like": "\\A.PNG", "colors": {"#ff0000": 20, "#ffffff": 20}}, "@size": {"like": "\\A\\d+x\\d+\\z"}}
import matplotlib.pyplot as plt
plt.fill([0, 1, 1, 0], [0, 0, 1, 1], color='#ff0000')
plt.show()
