# Threads, locks, queues, pools, timers, local data.

import concurrent.futures
import queue
import threading

total = 0
lock = threading.Lock()
local = threading.local()


def add(n):
    global total
    local.n = n
    for _ in range(1000):
        with lock:
            total += 1
    return local.n


with concurrent.futures.ThreadPoolExecutor(16) as pool:
    print(sum(pool.map(add, range(32))), total)

jobs, done = queue.Queue(4), queue.PriorityQueue()


def work():
    while (n := jobs.get()) is not None:
        done.put(n * n)
        jobs.task_done()


threads = [threading.Thread(target=work, name=f'worker {n}', daemon=True)
           for n in range(8)]
for thread in threads:
    thread.start()
for n in range(20):
    jobs.put(n)
jobs.join()
for _ in threads:
    jobs.put(None)
for thread in threads:
    thread.join()
print([done.get() for _ in range(20)][-3:], threading.active_count())

barrier = threading.Barrier(4, timeout=20)
order = []


def meet(n):
    barrier.wait()
    order.append(n)


threads = [threading.Thread(target=meet, args=(n,)) for n in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(sorted(order))

rang = threading.Event()
threading.Timer(0.01, rang.set).start()
print(rang.wait(20), threading.Condition().acquire())


def fail():
    raise ValueError('in a thread')


threading.excepthook = lambda args: print(args.exc_type.__name__)
thread = threading.Thread(target=fail)
thread.start()
thread.join()
