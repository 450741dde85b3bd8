# mmap, shared memory, ctypes, buffers, weak references.

import ctypes
import gc
import mmap
import os
import struct
import weakref
from multiprocessing import Process, shared_memory

area = mmap.mmap(-1, 1 << 16)
area[:4] = b'anon'
if (pid := os.fork()) == 0:
    area[4:9] = b'child'
    os._exit(0)
os.waitpid(pid, 0)
print(area[:9])

with open('mapped', 'wb') as f:
    f.write(b'\0' * 8192)
with open('mapped', 'r+b') as f, mmap.mmap(f.fileno(), 0) as m:
    m[4096:4100] = b'page'
    m.flush()
    m.resize(16384)
    print(len(m), m.find(b'page'))
with open('mapped', 'rb') as f, \
        mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as m:
    print(m[4096:4100], os.path.getsize('mapped'))


def write(name):
    other = shared_memory.SharedMemory(name)
    other.buf[:3] = b'abc'
    other.close()


if __name__ == '__main__':
    shared = shared_memory.SharedMemory(create=True, size=1 << 20)
    child = Process(target=write, args=(shared.name,))
    child.start()
    child.join()
    print(bytes(shared.buf[:3]), os.path.exists('/dev/shm/' + shared.name))
    shared.close()
    shared.unlink()
    print(os.listdir('/dev/shm'))
    numbers = shared_memory.ShareableList([1, 'two', 3.0])
    print(list(numbers))
    numbers.shm.close()
    numbers.shm.unlink()

libc = ctypes.CDLL(None, use_errno=True)
print(libc.strlen(b'four'), ctypes.sizeof(ctypes.c_void_p))
compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int),
                           ctypes.POINTER(ctypes.c_int))
values = (ctypes.c_int * 4)(3, 1, 4, 2)
libc.qsort(values, 4, 4, compare(lambda a, b: a[0] - b[0]))
print(list(values), struct.pack('>hI', 1, 2))


class Thing:
    pass


thing = Thing()
reference = weakref.ref(thing)
del thing
gc.collect()
print(reference())
