# What is no chart of these has its title
# shown: {"text": {"like": "Figure"}, "png": {"like": "PNG"}, "@size": {"like": "x"}, "chart": {"json": {"type": "unknown", "title": "Circle", "elements": []}}}
# shown: {"text": {"like": "Figure"}, "png": {"like": "PNG"}, "@size": {"like": "x"}, "chart": {"json": {"type": "superchart", "title": null, "elements": [{"type": "unknown", "title": "Heat", "elements": []}, {"type": "unknown", "title": "Round", "elements": []}, {"type": "unknown", "title": "3D", "elements": []}]}}}

import matplotlib.pyplot as plt
ax = plt.subplot()
ax.add_artist(plt.Circle((0, 0), 1))
plt.title('Circle', loc='left')
plt.show()
fig = plt.figure()
plt.subplot(131, title='Heat').imshow([[1, 2], [3, 4]])
plt.subplot(132, projection='polar').plot([1, 2], [3, 4])
plt.title('Round')
plt.subplot(133, title='3D', projection='3d').plot([1, 2], [3, 4], [5, 6])
plt.show()
