# One that can't be drawn is an exception of the program
# options: {"figure": true, "dpi": 50}
# status: error
# stderr: {"like": "ValueError: "}
# needs: matplotlib
# shown: {"@error": {"has": {"name": "ValueError"}}}
import matplotlib.pyplot as plt
plt.title('$\\nosuchthing{$')
