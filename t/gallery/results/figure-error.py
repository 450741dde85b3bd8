# A figure that can't be drawn is not the end of the program
# stdout: "on\n"
# stderr: {"like": "\\A(codeexec: |Traceback|ValueError).*too large"}
# shown: {"text": {"like": "with 1 Axes"}, "png": {"like": "PNG"}, "@size": {"like": "x"}}
import matplotlib.pyplot as plt
plt.figure(figsize=(1000, 1000))
plt.plot([1, 2])
plt.show()
print('on')
plt.plot([1, 2])
