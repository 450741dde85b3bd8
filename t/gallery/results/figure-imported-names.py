# Whatever way pyplot is imported
# shown: {"text": {"like": "Figure"}, "png": {"like": "PNG"}, "@size": {"like": "x"}}
# shown: {"text": {"like": "Figure"}, "png": {"like": "PNG"}, "@size": {"like": "x"}}
from matplotlib.pyplot import plot, show
import matplotlib
plot([1, 2])
show(block=True)
matplotlib.use('Agg')
import pylab
pylab.plot([2, 1])
pylab.show()
