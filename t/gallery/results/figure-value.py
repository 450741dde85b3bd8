# A figure as the value of the last expression is not shown again
# options: {"last_value": true}
# shown: {"text": "<Figure size 640x480 with 1 Axes>", "png": {"like": "PNG"}, "@size": {"like": "x"}, "@main": ""}
import matplotlib.pyplot as plt
figure, axes = plt.subplots()
axes.pie([1, 2, 3])
figure
