# Saved and closed, as programs in a loop do
# shown: {"png": {"like": "PNG"}, "@name": "0.png", "@size": "640x480"}
# shown: {"png": {"like": "PNG"}, "@name": "1.png", "@size": "640x480"}
import matplotlib.pyplot as plt
for i in range(2):
    figure, axes = plt.subplots()
    axes.plot([0, i])
    figure.savefig('%d.png' % i)
    plt.close(figure)
