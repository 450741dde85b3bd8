# Saved where nobody sees it: it is shown when it is left open
# shown: {"text": {"like": "Figure"}, "png": {"like": "PNG"}, "@size": {"like": "x"}}
# stdout: "True\n"
import io
import matplotlib.pyplot as plt
plt.plot([1, 2, 3])
out = io.BytesIO()
plt.savefig(out)
print(out.getvalue().startswith(b'\x89PNG'))
