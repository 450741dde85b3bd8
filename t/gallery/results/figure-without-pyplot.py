# display() of a figure that pyplot does not know
# shown: {"text": {"like": "200x100"}, "png": {"like": "PNG"}, "@size": {"like": "x"}}
from matplotlib.figure import Figure
figure = Figure(figsize=(2, 1))
figure.subplots().plot([1, 2])
display(figure)
