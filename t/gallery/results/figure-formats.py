# Each format that a figure is saved in
# shown: {"svg": {"like": "<svg .*</svg>"}, "@name": "a.svg"}
# shown: {"pdf": {"like": "\\A%PDF"}, "@name": "charts/a.pdf"}
# shown: {"jpeg": {"size": [640, 480]}, "@name": "a.jpg", "@size": "640x480"}
# shown: {"webp": {"like": "\\ARIFF"}, "@name": "a.webp"}
# shown: {"image/tiff": {"like": "\\A(II|MM)"}, "@name": "a.tif"}
# shown: {"png": {"size": [320, 240]}, "@name": "none.png", "@size": "320x240"}
# shown: {"svg": {"like": "<svg"}, "@name": "odd.png"}
import os
import matplotlib.pyplot as plt
os.mkdir('charts')
plt.plot([1, 2, 3])
for name in 'a.svg', 'charts/a.pdf', '/home/user/a.jpg', 'a.webp', 'a.tif':
    plt.savefig(name)
plt.savefig('none', dpi=50)
plt.savefig('odd.png', format='svg')
