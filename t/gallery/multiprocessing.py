# Pools, queues, pipes, locks, values and managers, with every way to start a
# process.

import multiprocessing as mp
import os


def square(n):
    return n * n


def put(queue, lock, value, n):
    with lock:
        value.value += n
    queue.put((n, os.getpid() != os.getppid()))


def fail():
    os._exit(7)


def echo(end):
    while (data := end.recv()) is not None:
        end.send(data.upper())


if __name__ == '__main__':
    for method in 'fork', 'spawn', 'forkserver':
        context = mp.get_context(method)
        with context.Pool(3) as pool:
            print(method, pool.map(square, range(6)),
                  pool.apply_async(square, (9,)).get(30))

        queue, lock = context.Queue(), context.Lock()
        value = context.Value('i', 0)
        children = [context.Process(target=put, args=(queue, lock, value, n))
                    for n in range(3)]
        for child in children:
            child.start()
        print(sorted(queue.get(timeout=30) for _ in children))
        for child in children:
            child.join()
        print(value.value, [child.exitcode for child in children])

    here, there = mp.Pipe()
    child = mp.Process(target=echo, args=(there,))
    child.start()
    here.send('text')
    print(here.recv())
    here.send(None)
    child.join()

    child = mp.Process(target=fail)
    child.start()
    child.join()
    print(child.exitcode)

    with mp.Manager() as manager:
        shared = manager.dict(a=1)
        child = mp.Process(target=shared.update, args=({'b': 2},))
        child.start()
        child.join()
        print(dict(shared))

    array = mp.Array('d', [1.0, 2.0])
    semaphore = mp.Semaphore(2)
    print(semaphore.acquire(timeout=1), semaphore.acquire(timeout=1),
          semaphore.acquire(timeout=0.01), sum(array))

    child = mp.Process(target=mp.Event().wait)
    child.start()
    child.terminate()
    child.join()
    print(child.exitcode)
