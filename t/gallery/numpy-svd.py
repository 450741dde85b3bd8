# A singular value decomposition, its rank and what it is put together from.

import numpy as np

a = np.arange(12.0).reshape(4, 3)
u, s, vt = np.linalg.svd(a, full_matrices=False)
print(u.shape, vt.shape)
print([f'{x:.6f}' for x in s[:2]], abs(s[2]) < 1e-12)
print(np.allclose(u @ np.diag(s) @ vt, a), np.linalg.matrix_rank(a))
