# exit: 3
# error: ^Traceback.*main\.py", line \d+, in inner.*ZeroDivisionError: division by zero
# What an uncaught exception leaves: images drawn, text printed, exit code.
# image: before.png png 100x100

import atexit
import sys

import matplotlib.pyplot as plt

plt.figure(figsize=(1, 1)).savefig('before.png', dpi=100)
atexit.register(print, 'atexit')


def inner():
    return 1 / 0


try:
    inner()
except ZeroDivisionError:
    import traceback
    traceback.print_exc()
print('text')
sys.exit(3)
