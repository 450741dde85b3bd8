# The usual programs, alone and in pipes.

import subprocess


def run(command, **more):
    done = subprocess.run(['bash', '-c', command], text=True,
                          capture_output=True, **more)
    print(f'$ {command}\n{done.stdout}', end='')
    if done.returncode or done.stderr:
        print(f'-> {done.returncode} {done.stderr.strip()}')


for command in r'''
printf 'b 2\na 1\nb 3\n' >f; sort f | uniq -c -w 1
cut -d ' ' -f 2 f | paste -sd +
tr a-z A-Z <f | tac | head -n 1
sed 's/b/B/' f | grep -c B
awk '{ n += $2 } END { print n }' f
cp f g && mv g h && ln -s h l && cat l | wc -c
seq 100000 | head -n 2
yes | head -c 4 | od -An -c
echo -n text | md5sum; echo -n text | sha256sum | cut -c -16
echo text | base64 | base64 -d
mkdir -p d/e && touch d/e/x && find d -name x -type f
du -b f | cut -f 1; stat -c '%s %a %U' f
date -u -d @0 +%F; TZ=Asia/Tokyo date -d @0 +%H
split -l 1 f part. && ls part.* | tr '\n' ' '; echo
find . -name 'part.*' | xargs rm && ls
tar czf a.tgz d && tar tzf a.tgz
timeout 0.1 sleep 20; echo $?
mkfifo p; (echo through >p &); cat p
cat <(echo one) <(echo two)
echo err >&2; exit 3
comm -12 <(seq 3) <(seq 2 4) | tr '\n' ' '; echo
dd if=/dev/zero bs=1k count=3 status=none | wc -c
tee copy <f >/dev/null && cmp f copy && echo same
env -i A=1 sh -c 'echo $A'; id -un; hostname; whoami; pwd
nproc >/dev/null && test -w . && ! test -w /usr && echo ok
for i in 1 2 3; do echo $i & done | sort; wait
ls /nowhere
sleep 20 & kill $!; wait $!; echo $?
chmod 600 f && [ -r f ] && rm -r d && ls | tr '\n' ' '; echo
'''.strip().splitlines():
    run(command)

print(subprocess.run(['cat'], input='in', text=True,
                     capture_output=True).stdout)
first = subprocess.Popen(['seq', '5'], stdout=subprocess.PIPE)
second = subprocess.Popen(['tail', '-n', '1'], stdin=first.stdout,
                          stdout=subprocess.PIPE, text=True)
first.stdout.close()
print(second.communicate()[0].strip(), first.wait())
try:
    subprocess.run(['sleep', '20'], timeout=0.1)
except subprocess.TimeoutExpired as error:
    print(error.cmd)
try:
    subprocess.run(['no-such-program'])
except FileNotFoundError as error:
    print(error.strerror)
