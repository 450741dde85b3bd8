# Figures that are left open are shown at the end, in their order
# shown: {"text": {"like": "640x480"}, "png": {"colors": {"#00ff00": 20}}, "@size": {"like": "x"}}
# shown: {"text": {"like": "300x200"}, "png": {"colors": {"#0000ff": 10}}, "@size": {"like": "x"}}
import matplotlib.pyplot as plt
plt.fill([0, 1, 1, 0], [0, 0, 1, 1], color='#00ff00')
plt.figure(figsize=(3, 2))
plt.fill([0, 1, 1, 0], [0, 0, 1, 1], color='#0000ff')
