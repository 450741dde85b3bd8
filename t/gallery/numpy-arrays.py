# Linear algebra, transforms, generators, files, and arrays above what one
# page of memory holds.

import io

import numpy as np

m = np.array([[4.0, 1.0], [2.0, 3.0]])
print(np.linalg.solve(m, [1, 2]), round(np.linalg.det(m), 10))
print(sorted(np.linalg.eigvals(m).round(10)))
print(np.fft.rfft([1, 0, -1, 0]).real.round(10).tolist())
print(np.random.RandomState(1).randint(0, 100, 5).tolist())
print(np.random.default_rng(7).integers(0, 100, 5).tolist())

big = np.arange(2_000_000, dtype=np.float64)
print(big.sum(), (big.reshape(2000, 1000) @ np.ones(1000)).argmax())

np.savez_compressed('arrays.npz', m=m, big=big[:5])
with np.load('arrays.npz') as f:
    print(f['m'].tolist(), f['big'].tolist())
text = io.StringIO('1 2\n3 4\n')
print(np.loadtxt(text).mean())

np.save('map.npy', big)
view = np.load('map.npy', mmap_mode='r+')
view[3] = -1
view.flush()
print(np.load('map.npy')[:5].tolist())
