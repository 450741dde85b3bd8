import numpy as np
import matplotlib.pyplot as plt

angles = np.radians([90, 210, 330, 90])

plt.figure()
plt.plot(np.cos(angles), np.sin(angles), "b-")
plt.xlim(-1.1, 1.1)
plt.ylim(-0.8, 1.2)
plt.savefig("triangle.png")
plt.close()
