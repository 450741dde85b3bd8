# Handlers, alarms, timers, masks, descriptors for events.

import os
import select
import signal
import socket
import threading
import time

seen = []
for name in 'SIGUSR1', 'SIGTERM', 'SIGCHLD':
    signal.signal(getattr(signal, name),
                  lambda number, frame: seen.append(signal.Signals(number).name))
os.kill(os.getpid(), signal.SIGUSR1)
signal.raise_signal(signal.SIGTERM)
print(seen)


def late(number, frame):
    raise TimeoutError


signal.signal(signal.SIGALRM, late)
signal.alarm(1)
try:
    while True:
        pass
except TimeoutError:
    print('alarm')
signal.setitimer(signal.ITIMER_REAL, 0.01)
try:
    time.sleep(30)
except TimeoutError:
    print('timer')

signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
os.kill(os.getpid(), signal.SIGUSR2)
print(signal.sigpending() == {signal.SIGUSR2},
      signal.sigwait([signal.SIGUSR2]) == signal.SIGUSR2)
signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
print(seen[-1])

a, b = socket.socketpair()
poll = select.epoll()
poll.register(a, select.EPOLLIN)
b.send(b'x')
print(poll.poll(20)[0][1] == select.EPOLLIN, select.select([a], [], [], 20)[0] == [a])
event = os.eventfd(3)
print(os.eventfd_read(event))
server = socket.socket(socket.AF_UNIX)
server.bind('\0abstract')
server.listen()
client = socket.socket(socket.AF_UNIX)
client.connect('\0abstract')
socket.send_fds(client, [b'fd'], [event])
print(socket.recv_fds(server.accept()[0], 10, 1)[0])
began = time.monotonic()
time.sleep(0.02)
print(time.monotonic() - began >= 0.02, time.process_time() > 0,
      time.thread_time() > 0)
