# The job says how many dots an inch has
# options: {"dpi": 200}
# shown: {"text": {"like": "400x300"}, "png": {"size": [680, 520]}, "@size": "680x520"}
import matplotlib.pyplot as plt
figure = plt.figure(figsize=(4, 3))
axes = figure.add_axes([0.1, 0.1, 0.8, 0.8])
axes.set_axis_off()
axes.imshow([[0, 1]], aspect='auto')
