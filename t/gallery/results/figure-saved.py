# A saved figure is shown as what it was saved as, and not again
# shown: {"png": {"size": [640, 480]}, "@name": "chart.png", "@size": "640x480"}
# stdout: "['chart.png']\n"
import os
import matplotlib.pyplot as plt
plt.plot([1, 2, 3])
plt.savefig('chart.png')
plt.show()
print(os.listdir())
