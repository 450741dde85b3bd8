# Letters that the first font lacks
# shown: {"text": {"like": "Figure"}, "png": {"like": "PNG"}, "@size": {"like": "x"}}
import matplotlib.pyplot as plt
plt.title('销售额 ä')
plt.bar(['一', '二'], [1, 2])
plt.show()
