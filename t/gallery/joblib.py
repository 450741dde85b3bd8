# needs: joblib
# Work on two processes and on two threads, and a cache on disk.

import warnings

from joblib import Memory, Parallel, delayed, parallel_backend

# It would like to know the number of physical cores.
warnings.simplefilter('ignore')


def square(n):
    return n * n


if __name__ == '__main__':
    for backend in 'loky', 'threading', 'multiprocessing':
        with parallel_backend(backend, n_jobs=2):
            print(backend, Parallel()(delayed(square)(n) for n in range(5)))

    cached = Memory('cache', verbose=0).cache(square)
    print(cached(4), cached(4), cached.check_call_in_cache(4))
