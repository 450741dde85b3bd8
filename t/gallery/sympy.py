# needs: sympy
# Algebra, calculus, equations, and printing it.

from sympy import (Eq, Function, Integral, Matrix, Symbol, diff, dsolve, exp,
                   factor, factorint, integrate, latex, limit, nsolve, oo, pi,
                   primerange, simplify, sin, solve, sqrt, symbols)

x, y = symbols('x y')
print(factor(x ** 3 - 1), simplify(sin(x) ** 2 + sin(x + pi / 2) ** 2))
print(diff(exp(x) * sin(x), x))
print(integrate(exp(-x ** 2), (x, -oo, oo)), limit(sin(x) / x, x, 0))
print(solve([Eq(x + y, 3), Eq(x - y, 1)], [x, y]), solve(x ** 2 - 2, x))
f = Function('f')
print(dsolve(f(x).diff(x) - f(x), f(x)))
print(latex(Integral(sqrt(x), x)), Matrix([[1, 2], [3, 4]]).inv())
print(factorint(2 ** 32 + 1), list(primerange(20)))
print(pi.evalf(40), nsolve(x ** 3 - x - 1, 1))
