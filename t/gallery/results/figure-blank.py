# A figure without anything in it is none
# stdout: "True\n"
import os
import matplotlib.pyplot as plt
plt.figure()
plt.show()
plt.figure()
plt.savefig('blank.png')
print(os.path.exists('blank.png'))
