# A figure of too many points has no chart; a saved one has
# shown: {"text": {"like": "Figure"}, "png": {"like": "PNG"}, "@size": {"like": "x"}, "chart": null}
# shown: {"png": {"size": [640, 480]}, "@name": "a.png", "@size": "640x480", "chart": {"has": {"type": "line"}}}

import matplotlib.pyplot as plt
plt.plot(range(10001))
plt.show()
plt.plot(range(10000))
plt.savefig('a.png')
