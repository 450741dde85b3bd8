# concurrent.futures: results, exceptions, time-outs, and a worker that dies.

import concurrent.futures as futures
import os
import time


def work(n):
    if n == 3:
        raise ValueError(n)
    return n, sum(range(n * 1000))


if __name__ == '__main__':
    with futures.ProcessPoolExecutor(3) as pool:
        jobs = [pool.submit(work, n) for n in range(5)]
        for job in jobs:
            print(job.exception() or job.result())
        slow = pool.submit(time.sleep, 0.5)
        try:
            slow.result(0.01)
        except futures.TimeoutError:
            print('late')
        print(list(pool.map(abs, range(-3, 0), chunksize=2)))

    with futures.ProcessPoolExecutor(1) as pool:
        try:
            pool.submit(os._exit, 1).result()
        except futures.process.BrokenProcessPool as error:
            print(type(error).__name__)
