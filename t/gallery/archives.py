# zip, tar, gzip, bz2, lzma, zlib, hashes.

import bz2
import gzip
import hashlib
import hmac
import io
import lzma
import tarfile
import zipfile
import zlib

text = 'текст\n'.encode() * 1000
for kind in gzip, bz2, lzma:
    packed = kind.compress(text)
    print(kind.__name__, len(packed) < 200, kind.decompress(packed) == text)
print(zlib.crc32(text), zlib.decompress(zlib.compress(text)) == text)

with zipfile.ZipFile('a.zip', 'w', zipfile.ZIP_DEFLATED) as z:
    z.writestr('d/тест.txt', text)
with zipfile.ZipFile('a.zip') as z:
    print(z.namelist(), z.testzip(), z.read('d/тест.txt') == text)
    z.extractall('out')
with tarfile.open('a.tar.xz', 'w:xz') as t:
    t.add('out')
with tarfile.open('a.tar.xz') as t:
    print(t.getnames())
print(hashlib.sha256(b'x').hexdigest()[:16], hashlib.blake2b(b'x').hexdigest()[:16],
      hashlib.md5(b'x').hexdigest()[:16],
      hmac.new(b'k', b'x', 'sha512').hexdigest()[:16])
print(hashlib.scrypt(b'p', salt=b's', n=1024, r=8, p=1).hex()[:16],
      hashlib.pbkdf2_hmac('sha256', b'p', b's', 1000).hex()[:16])
