# Slices of a pie
# shown: {"text": {"like": "Figure"}, "png": {"like": "PNG"}, "@size": {"like": "x"}, "chart": {"json": {"type": "pie", "title": "Early?", "elements": [{"label": "No", "angle": 324.0, "radius": 1.0}, {"label": "Yes, or so", "angle": 36.0, "radius": 1.0}]}}}

import matplotlib.pyplot as plt
plt.pie([90, 10], labels=['No', 'Yes, or so'], autopct='%1.1f%%',
        startangle=90, explode=[0, 0.1], shadow=True)
plt.title('Early?')
plt.show()
