# pathlib, tempfile, shutil, glob, locks, links, times, sparse files.

import fcntl
import filecmp
import glob
import os
import shutil
import stat
import tempfile
from pathlib import Path

home = Path.home()
print(home, Path.cwd() == home, list(home.iterdir()))
deep = home / 'a' / 'b'
deep.mkdir(parents=True)
(deep / 'é 中.txt').write_text('text\n', encoding='utf-8')
print([p.relative_to(home).as_posix() for p in home.rglob('*')])
print((deep / 'é 中.txt').stat().st_size, deep.is_dir())

shutil.copytree('a', 'c')
shutil.move('c', 'd')
shutil.copy2(deep / 'é 中.txt', 'copy')
print(filecmp.cmp(deep / 'é 中.txt', 'copy'), sorted(glob.glob('*')))
archive = shutil.make_archive('all', 'zip', 'd')
print(Path(archive).name, shutil.which('ls') is not None)
print(shutil.disk_usage('.').total >= 1 << 20)

with tempfile.TemporaryDirectory() as name:
    print(Path(name).parent, stat.filemode(os.stat(name).st_mode))
with tempfile.NamedTemporaryFile('w+', suffix='.txt') as f:
    f.write('x')
    f.flush()
    print(os.path.getsize(f.name))
with tempfile.TemporaryFile() as f, tempfile.SpooledTemporaryFile(10) as s:
    f.write(b'abc')
    f.seek(1)
    s.write(b'x' * 100)
    print(f.read(), s.tell())

os.symlink('copy', 'link')
os.link('copy', 'hard')
print(os.readlink('link'), os.stat('hard').st_nlink,
      os.path.realpath('link'))
os.utime('copy', (1, 2))
os.chmod('copy', 0o640)
os.rename('copy', 'renamed')
info = os.stat('renamed')
print(info.st_mtime, oct(info.st_mode & 0o777))
with open('sparse', 'wb') as f:
    f.truncate(1 << 20)
    f.seek(5, os.SEEK_SET)
    f.write(b'x')
print(os.path.getsize('sparse'), os.stat('sparse').st_blocks * 512 < 1 << 16)

with open('lock', 'w') as one, open('lock') as two:
    fcntl.flock(one, fcntl.LOCK_EX)
    try:
        fcntl.flock(two, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print('locked')
    fcntl.lockf(one, fcntl.LOCK_EX)

with open('sparse', 'rb') as source, open('target', 'wb') as target:
    print(shutil.copyfileobj(source, target), os.path.getsize('sparse'))
print(shutil.copyfile('sparse', 'again'), filecmp.cmp('sparse', 'again'))
for name in '/etc/x', '/usr/x', '/x', '/proc/x':
    try:
        open(name, 'w')
    except OSError as error:
        print(name, error.strerror)
shutil.rmtree(deep.parent)
print(sorted(os.listdir()))
