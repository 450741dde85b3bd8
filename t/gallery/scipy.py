# needs: scipy
# Optimising, integrating, statistics, sparse matrices, signals, distances.

import numpy as np
from scipy import (fft, integrate, interpolate, linalg, ndimage, optimize,
                   signal, sparse, spatial, special, stats)
from scipy.sparse.linalg import spsolve

print(f'{optimize.brentq(lambda x: x * x - 2, 0, 2):.9f}')
best = optimize.minimize(lambda p: (p[0] - 1) ** 2 + (p[1] + 2) ** 2, [0, 0])
print(best.success, best.x.round(4).tolist())
print(f'{integrate.quad(np.sin, 0, np.pi)[0]:.9f}')
path = integrate.solve_ivp(lambda t, y: -y, (0, 1), [1.0], rtol=1e-8)
print(f'{path.y[0, -1]:.6f}')
print(f'{stats.norm.cdf(1.96):.6f}',
      f'{stats.ttest_ind([1, 2, 3, 4], [2, 3, 4, 7]).pvalue:.6f}')
print(linalg.expm(np.zeros((2, 2))).tolist())
matrix = sparse.diags([[2.0] * 4, [-1.0] * 3, [-1.0] * 3], [0, 1, -1]).tocsc()
print(spsolve(matrix, np.ones(4)).round(6).tolist())
print(interpolate.CubicSpline([0, 1, 2, 3], [0, 1, 8, 27])(1.5).round(6))
print(signal.find_peaks([0, 2, 0, 3, 0])[0].tolist())
print(spatial.KDTree([[0, 0], [3, 4]]).query([3, 3])[1])
print(special.gamma(6), ndimage.label([1, 1, 0, 1])[1])
print(fft.rfft([1.0, 2.0, 3.0]).round(4).tolist())
linear = optimize.linprog([-1, -2], A_ub=[[1, 1]], b_ub=[4])
print(linear.status, linear.fun)
