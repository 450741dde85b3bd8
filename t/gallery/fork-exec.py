# fork, exec, spawn, wait, pipes, process groups, descriptors.

import os
import signal
import subprocess
import sys

sys.stdout.reconfigure(line_buffering=True)

read, write = os.pipe()
if (pid := os.fork()) == 0:
    os.dup2(write, 1)
    os.execvp('echo', ['echo', 'from exec'])
os.close(write)
print(os.read(read, 100), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))

if (pid := os.fork()) == 0:
    os.kill(os.getpid(), signal.SIGTERM)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))

pid = os.posix_spawn('/bin/sh', ['sh', '-c', 'exit 5'], os.environ)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
print(os.system('exit 3') >> 8, os.popen('echo popen').read().strip())

child = subprocess.Popen(['sleep', '20'], start_new_session=True)
print(os.getpgid(child.pid) == child.pid)
os.killpg(child.pid, signal.SIGKILL)
print(child.wait())

child = subprocess.run([sys.executable, '-c', 'import os; os.write(7, b"x")'],
                       pass_fds=(7,), preexec_fn=None, close_fds=True) \
    if os.dup2(1, 7) else None
print()
print(child.returncode)
done = subprocess.run(['sh', '-c', 'echo $A; pwd; umask'], cwd='/usr',
                      env={'A': 'b'}, umask=0o77, text=True,
                      stdout=subprocess.PIPE)
print(done.stdout.split())

pidfd = os.pidfd_open(os.getpid())
os.close(pidfd)

depth = 0
while depth < 5 and os.fork() == 0:
    depth += 1
try:
    os.wait()
except ChildProcessError:
    pass
print('generation', depth)
if depth:
    os._exit(0)
