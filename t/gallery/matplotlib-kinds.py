# image: kinds.png png 800x600
# image: surface.png png 640x480
# image: wave.gif gif 320x240
# Many kinds of plots, a surface, an animation, and pixels that are looked at.

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.animation import FuncAnimation

figure, axes = plt.subplots(2, 3, figsize=(8, 6), layout='constrained')
x = np.linspace(0, 6, 50)
axes[0, 0].scatter(x, np.sin(x), c=x)
axes[0, 1].hist(np.random.default_rng(1).normal(size=500), bins=20)
axes[0, 2].pie([1, 2, 3], labels=list('abc'))
axes[1, 0].imshow(np.outer(x, x), cmap='viridis')
axes[1, 1].boxplot([[1, 2, 3], [2, 3, 9]])
axes[1, 2].contourf(np.outer(np.sin(x), np.cos(x)))
figure.savefig('kinds.png')

three = plt.figure().add_subplot(projection='3d')
gx, gy = np.meshgrid(x, x)
three.plot_surface(gx, gy, np.sin(gx) * gy)
plt.savefig('surface.png')

figure, axes = plt.subplots(figsize=(3.2, 2.4))
line, = axes.plot(x, np.sin(x))
FuncAnimation(figure, lambda i: line.set_ydata(np.sin(x + i)), 4) \
    .save('wave.gif', writer='pillow', dpi=100)

pixels = plt.imread('kinds.png')
print(pixels.shape, pixels.dtype, pixels[0, 0].tolist(),
      len(np.unique(pixels.reshape(-1, 4), axis=0)) > 500)
print(plt.get_backend().lower(), len(plt.get_fignums()))
