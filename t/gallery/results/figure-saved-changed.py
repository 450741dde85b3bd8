# A figure that was changed since it was saved is another one
# shown: {"png": {"size": [640, 480]}, "@name": "before.png", "@size": "640x480"}
# shown: {"text": {"like": "Figure"}, "png": {"like": "PNG"}, "@size": {"like": "x"}}
import matplotlib.pyplot as plt
plt.plot([1, 2, 3])
plt.savefig('before.png')
plt.title('after')
plt.show()
