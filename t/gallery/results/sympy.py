# Formulas
# needs: sympy
# options: {"last_value": true}
# shown: {"text": "x**2/3", "latex": "$\\displaystyle \\frac{x^{2}}{3}$"}
# shown: {"text": "Matrix([\n[1, 2],\n[3, 4]])", "latex": {"like": "begin\\{matrix\\}1 & 2"}, "@main": ""}
from sympy import Matrix, symbols
display(symbols('x') ** 2 / 3)
Matrix([[1, 2], [3, 4]])
