# Inches and dots are the figure's.  Its margins are cut to a tenth of an inch:
# 8/10 of 400 and 300 pixels, and 20; of 400 and 300 at 50 dpi, and 10
# shown: {"text": {"like": "400x300"}, "png": {"size": [340, 260]}, "@size": "340x260"}
# shown: {"text": {"like": "400x300"}, "png": {"size": [330, 250]}, "@size": "330x250"}
import matplotlib.pyplot as plt
for dpi in 100, 50:
    figure = plt.figure(figsize=(4 * 100 / dpi, 3 * 100 / dpi), dpi=dpi)
    axes = figure.add_axes([0.1, 0.1, 0.8, 0.8])
    axes.set_axis_off()
    axes.imshow([[0, 1]], aspect='auto')
    plt.show()
