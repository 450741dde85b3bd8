# An error of savefig() is that of a script
# status: error
# stderr: {"like": "main.py\", line 11.*ValueError: Format 'nope'", "unlike": "codeexec|figures"}
# stdout: {"like": "line 7, in <module>.*FileNotFound", "unlike": "codeexec|figures.py"}
# shown: {"@error": {"has": {"name": "ValueError"}}}
import matplotlib.pyplot as plt, sys, traceback; plt.plot([1, 2])
try: plt.savefig('no/such.png')
except OSError: traceback.print_exc(file=sys.stdout); plt.clf()

# The last one
plt.savefig('x.nope')
