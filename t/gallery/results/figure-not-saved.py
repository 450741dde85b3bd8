# Where files are not results, a figure is shown if it is left open
# options: {"saved": false}
# needs: matplotlib
# shown: {"text": {"like": "^<Figure"}, "png": {"like": "PNG"}, "@size": {"like": "x"}}
import matplotlib.pyplot as plt
plt.plot([1])
plt.savefig('one.pdf')
plt.figure()
plt.plot([1])
plt.savefig('two.png')
plt.close()
