# A program that fails has none
# options: {"figure": true}
# status: error
# stderr: {"like": "division by zero"}
# needs: matplotlib
# shown: {"@error": {"has": {"name": "ZeroDivisionError"}}}
import matplotlib.pyplot as plt
plt.plot([1])
1 / 0
