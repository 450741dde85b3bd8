// Copyright (C) The codeexec authors.
//
// What "codeexecd --check" runs in a jail: a program that tries to get out, as
// check.py does.
//
// codeexecd's variables say which attack and what to look for.  Each line of
// the output is "+ LAYER what failed, as it must" or "- LAYER what went
// through".  Some attacks end the run; what that means is for codeexecd to say.
//
// Node has no way to make a system call of one's choice: a program in machine
// code is written for that, and started.

/* global attack, calls, copying, files, canary, abstract, hostname, library,
   pids, core, memory, disk, inodes, processes, open_files, loops, landlock */

'use strict';

const { spawnSync } = require('child_process');
const fs = require('fs');
const os = require('os');
const util = require('util');
const { Worker } = require('worker_threads');

const WRITE = fs.constants.O_WRONLY | fs.constants.O_CREAT;

const NAMESPACES = {
  mount: 0x20000, cgroup: 0x2000000, uts: 0x4000000, ipc: 0x8000000,
  user: 0x10000000, pid: 0x20000000, network: 0x40000000,
};

const SIGCHLD = 17;

// Of x86-64, beside those that codeexecd tells.
const CLOSE = 3, PAUSE = 34, SOCKET = 41, CONNECT = 42, SETRESUID = 117,
  MKNOD = 133, EXIT = 231, PRLIMIT = 302, PIDFD_OPEN = 434;

const RESOURCES = {
  cpu: [0, 'cpu time'], fsize: [1, 'file size'], stack: [3, 'stack size'],
  core: [4, 'core file size'], nproc: [6, 'processes'],
  nofile: [7, 'open files'], memlock: [8, 'locked memory'],
  sigpending: [11, 'pending signals'], msgqueue: [12, 'msgqueue size'],
  nice: [13, 'nice priority'], rtprio: [14, 'realtime priority'],
};


// The error's name, or null if it worked.
function attempt(f) {
  try {
    f();
    return null;
  } catch (error) {
    return error.code ?? String(error);
  }
}


// Counts the attempts on a layer, and says how they went.
class Layer {
  constructor(name) {
    this.name = name;
    this.tried = 0;
    this.through = [];
  }

  must(holds, what) {
    this.tried++;
    if (!holds) {
      this.through.push(what);
    }
  }

  refused(what, error, ...expected) {
    this.must(error !== null
      && (expected.length === 0 || expected.includes(error)),
    error === null ? what : `${what}: ${error}`);
  }

  report(text = '%d attempts failed') {
    if (this.tried === 0) {
      return;
    }
    for (const what of this.through.slice(0, 3)) {
      console.log('-', this.name, what);
    }
    if (this.through.length === 0) {
      console.log('+', this.name, text.replace('%d', this.tried));
    }
  }
}


// Of machine code: what is in front of a number of 64 bits that goes to a
// register, and a system call.
const RAX = '48b8', RBX = '48bb';
const ARGUMENTS = ['48bf', '48be', '48ba', '49ba', '49b8', '49b9'];
const SYSCALL = Buffer.from('0f05', 'hex');
const STORE = Buffer.from('488903', 'hex');             // at RBX
const FROM_RAX = Buffer.from('4889c7', 'hex');          // to the first argument
const IF_ZERO = Buffer.from('4885c00f85', 'hex');       // else go on, so far

const BASE = 0x400000;
const HEAD = 64 + 56;

// Elsewhere those layers are attacked by Python only.
const HAS_CODE = process.arch === 'x64';

const PREVIOUS = Symbol('what the call before has returned');

function load(register, value) {
  const bytes = Buffer.alloc(10);

  bytes.write(register, 'hex');
  bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)), 2);
  return bytes;
}

function call([number, ...args], data) {
  return Buffer.concat([
    ...args.map((value, i) => (value === PREVIOUS ? FROM_RAX
      : load(ARGUMENTS[i], Buffer.isBuffer(value) ? data.add(value) : value))),
    load(RAX, number), SYSCALL,
  ]);
}

// Where the bytes will be that calls point to.
class Data {
  constructor(address) {
    this.parts = [];
    this.end = address;
  }

  add(bytes) {
    const at = this.end;

    this.parts.push(bytes);
    this.end += bytes.length;
    return at;
  }
}

// An executable that makes the calls and writes what each has returned; the
// process that a call makes does what the child does.
function program(list, child, before = '') {
  const results = BASE + 0x100000;
  const data = new Data(results + 8 * list.length);
  const other = Buffer.concat(child.map((one) => call(one, data)));
  const far = Buffer.alloc(4);
  const parts = [Buffer.from(before, 'hex')];

  far.writeUInt32LE(other.length);
  list.forEach((one, i) => {
    parts.push(call(one, data), load(RBX, results + 8 * i), STORE);
    if (one.forks) {
      parts.push(IF_ZERO, far, other);
    }
  });
  parts.push(call([1, 1, results, 8 * list.length], data),
    call([EXIT, 0], data));

  const code = Buffer.concat(parts);
  const head = Buffer.alloc(0x100000);

  head.write('7f454c46020101', 'hex');                  // ELF, 64 bits
  head.writeUInt32LE(0x3e0002, 16);                     // x86-64, executable
  head.writeUInt32LE(1, 20);
  head.writeBigUInt64LE(BigInt(BASE + HEAD), 24);
  head.writeBigUInt64LE(64n, 32);
  head.writeUInt32LE(0x380040, 52);                     // sizes of the headers
  head.writeUInt16LE(1, 56);
  head.writeUInt32LE(1, 64);                            // one part,
  head.writeUInt32LE(7, 68);                            // to do all with
  head.writeBigUInt64LE(BigInt(BASE), 80);
  head.writeBigUInt64LE(BigInt(BASE), 88);

  const size = BigInt(data.end - BASE);

  head.writeBigUInt64LE(size, 96);
  head.writeBigUInt64LE(size, 104);
  head.writeBigUInt64LE(0x1000n, 112);
  code.copy(head, HEAD);
  return Buffer.concat([head, Buffer.alloc(8 * list.length), ...data.parts]);
}

// The error's name of each call, or null for those that worked.
function native(list, child = [[EXIT, 0]]) {
  fs.writeFileSync('native', program(list, child), { mode: 0o700 });

  // A file, as children that stay would keep a pipe open.
  const out = fs.openSync('native.out', 'w+');
  const done = spawnSync('./native', [], { stdio: ['ignore', out, 'ignore'] });
  const results = fs.readFileSync('native.out');

  fs.closeSync(out);
  fs.unlinkSync('native');
  fs.unlinkSync('native.out');

  if (done.signal) {
    process.kill(process.pid, done.signal);
  }
  if (results.length !== 8 * list.length) {
    throw new Error(`machine code: ${done.error ?? done.status}`);
  }
  return list.map((_, i) => {
    const value = Number(results.readBigInt64LE(8 * i));

    return value >= 0 ? null : util.getSystemErrorName(value);
  });
}

// Each is a text, a call, and the errors that are expected, if not any.
function refuse(layer, attempts) {
  if (!HAS_CODE) {
    return;
  }

  const errors = native(attempts.map(([, one]) => one));

  attempts.forEach(([what, , ...expected], i) => {
    if (what !== null) {
      layer.refused(what, errors[i], ...expected);
    }
  });
}

function named(name, ...args) {
  return [name, [calls[name], ...args]];
}

function forks(number, ...args) {
  return Object.assign([number, ...args], { forks: true });
}

function words(...values) {
  const bytes = Buffer.alloc(8 * values.length);

  values.forEach((value, i) => bytes.writeBigUInt64LE(
    BigInt.asUintN(64, BigInt(value)), 8 * i));
  return bytes;
}


function attackNamespaces() {
  const layer = new Layer('namespaces');
  const address = Buffer.from(`\x01\0\0${abstract}`, 'latin1');

  for (const pid of pids.filter((number) => number >= 100)) {
    layer.refused(`process ${pid} of the host`,
      attempt(() => process.kill(pid, 0)), 'ESRCH');
  }
  layer.must(process.ppid === 0, 'a parent');
  layer.must(os.hostname() !== hostname, "the host's name");
  refuse(layer, [
    [null, [SOCKET, 1, 1, 0]],
    ['an abstract socket of the host',
      [CONNECT, PREVIOUS, address, address.length]],
    named('shmget', 0, 4096, 0o1600),
    [null, [PIDFD_OPEN, 1, 0]],
    ['setns', [calls.setns, PREVIOUS, 0x20000000]],
  ]);
  layer.report();
}


function attackNesting() {
  const layer = new Layer('nested-namespaces');
  const attempts = [];

  for (const [name, flag] of Object.entries(NAMESPACES)) {
    attempts.push([`unshare ${name}`, [calls.unshare, flag]],
      [`clone ${name}`, forks(calls.clone, flag | SIGCHLD, 0, 0, 0, 0)]);
  }
  attempts.push(['clone3', forks(calls.clone3,
    words(NAMESPACES.user, 0, 0, 0, SIGCHLD, 0, 0, 0), 64)]);
  refuse(layer, attempts);
  layer.report();
}


function attackRoot() {
  const layer = new Layer('root');

  for (const path of ['/x', '/usr/x', '/usr/bin/x', '/etc/passwd', '/opt/x',
    '/opt/codeexec/x', '/dev/x', '/proc/x', '/home/../x', `${library}/x`]) {
    layer.refused(`writing ${path}`,
      attempt(() => fs.openSync(path, WRITE)));
    layer.refused(`mkdir ${path}`, attempt(() => fs.mkdirSync(path)));
  }
  layer.refused('removing /etc/passwd',
    attempt(() => fs.unlinkSync('/etc/passwd')));
  for (const path of ['/etc/shadow', '/root', '/var', '/sys', '/run',
    ...files]) {
    for (const root of ['', `/home/${'../'.repeat(40)}`, '/proc/1/root',
      '/proc/self/cwd/../..']) {
      layer.refused(`reading ${root}${path}`,
        attempt(() => fs.statSync(root + path)));
    }
  }

  const here = process.cwd();

  for (let i = 0; i < 40; i++) {
    process.chdir('..');
  }
  layer.must(fs.statSync('.').ino === fs.statSync('/').ino, 'above the root');
  process.chdir(here);

  refuse(layer, ['mount', 'umount2', 'pivot_root', 'chroot', 'open_tree',
    'move_mount', 'fsopen', 'mount_setattr'].filter((name) => calls[name])
    .map((name) => [...named(name, -1, -1, -1, -1, -1), 'EPERM', 'ENOSYS']));
  layer.report();
}


function attackProc() {
  const layer = new Layer('proc');
  const names = fs.readdirSync('/proc').sort().join(' ');

  layer.must(names === ['self', 'thread-self', String(process.pid)].sort()
    .join(' '), `in /proc: ${names.slice(0, 80)}`);
  for (const name of ['1', 'sys/kernel/core_pattern', 'sysrq-trigger', 'kcore',
    'kallsyms', 'keys', 'cmdline', 'version', 'meminfo']) {
    layer.refused(`/proc/${name}`, attempt(() => fs.statSync(`/proc/${name}`)));
  }
  for (const name of ['oom_score_adj', 'uid_map', 'setgroups', 'mem', 'comm']) {
    layer.refused(`writing /proc/self/${name}`,
      attempt(() => fs.openSync(`/proc/self/${name}`, 'r+')));
  }
  attempt(() => layer.must(!fs.readFileSync('/proc/self/environ', 'latin1')
    .includes(canary), "codeexecd's environment"));
  layer.must(!(canary in process.env), "codeexecd's environment");
  layer.report();
}


function attackDevices() {
  const layer = new Layer('devices');
  const known = { null: 3, zero: 5, full: 7, random: 8, urandom: 9 };
  const names = fs.readdirSync('/dev');

  for (const name of names) {
    const stat = fs.lstatSync(`/dev/${name}`);

    layer.must(stat.isSymbolicLink() || (stat.isCharacterDevice()
      && stat.rdev === (1 << 8 | known[name])), `/dev/${name}`);
  }
  layer.must(Object.keys(known).every((name) => names.includes(name)),
    'a node is missing');
  refuse(layer, [[0o20600, 1, 1], [0o60600, 8, 0], [0o20600, 10, 200]].map(
    ([mode, major, minor]) => ['mknod',
      [MKNOD, Buffer.from('node\0'), mode, major << 8 | minor]]));
  for (const name of ['mem', 'kmsg', 'tty', 'ptmx', 'kvm', 'fuse', 'net/tun']) {
    layer.refused(`/dev/${name}`,
      attempt(() => fs.openSync(`/dev/${name}`, 'r+')));
  }
  layer.report();
}


function attackSockets() {
  const layer = new Layer('sockets');
  const attempts = [];
  const pair = Buffer.alloc(8);

  for (let family = 0; family < 64; family++) {
    if (family !== 1) {
      for (const kind of [1, 2, 3, 5]) {
        attempts.push([`socket family ${family} type ${kind}`,
          [SOCKET, family, kind, 0]]);
      }
      attempts.push([`socketpair of family ${family}`,
        [calls.socketpair, family, 1, 0, pair]]);
    }
  }
  refuse(layer, attempts);
  layer.report();
}


function attackSyscalls() {
  const layer = new Layer('syscalls');
  const attempts = Object.entries(calls).filter(([name]) =>
    !['clone', 'personality', 'socketpair'].includes(name))
    .map(([name, number]) => [name, [number, -1, -1, -1, -1, -1, -1], 'EPERM',
      'ENOSYS', ...copying.includes(name) ? ['EINVAL'] : []]);

  attempts.push([...named('personality', 0x0400000), 'EPERM', 'ENOSYS']);
  refuse(layer, attempts);
  layer.report('%d calls refused');
}


function attackCapabilities() {
  const layer = new Layer('capabilities');
  const status = Object.fromEntries(fs.readFileSync('/proc/self/status',
    'latin1').split('\n').map((line) => line.split(':\t')));

  for (const name of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) {
    layer.must(/^0+$/.test(status[name]), `${name} ${status[name]}`);
  }
  layer.must(status.NoNewPrivs === '1', 'no_new_privs is not set');
  layer.refused('setuid', attempt(() => process.setuid(0)));
  layer.refused('setgid', attempt(() => process.setgid(0)));
  layer.refused('setgroups', attempt(() => process.setgroups([])));
  layer.refused('chown', attempt(() => fs.chownSync('.', 0, 0)));
  refuse(layer, [['setresuid', [SETRESUID, -1, 0, -1]]]);
  layer.must(process.getuid() !== 0 && process.geteuid() === process.getuid(),
    'uid');
  layer.report();
}


function attackLimits() {
  const layer = new Layer('rlimits');
  const text = fs.readFileSync('/proc/self/limits', 'latin1');
  const most = { core, nofile: open_files, fsize: disk, cpu: 1 << 20,
    msgqueue: 0, nice: 0, rtprio: 0, memlock: 1 << 16, sigpending: 1024,
    nproc: 2 * (processes + 1), stack: 8 << 20 };
  const attempts = [];

  for (const [name, limit] of Object.entries(most)) {
    const [number, title] = RESOURCES[name];
    const [, soft, hard] = new RegExp(`^Max ${title} +(\\w+) +(\\w+)`, 'm')
      .exec(text);

    const above = hard === 'unlimited' ? -1 : Number(hard) + 1;

    layer.must(Number(soft) <= Number(hard) && Number(hard) <= limit,
      `${name.toUpperCase()} is ${soft}, ${hard}`);
    attempts.push([`raising ${name.toUpperCase()}`, [PRLIMIT, 0, number,
      words(above, above), 0]]);
  }
  refuse(layer, attempts);

  const fds = [];

  layer.refused('open files', attempt(() => {
    while (fds.length <= open_files) {
      fds.push(fs.openSync('/dev/null'));
    }
  }), 'EMFILE');
  fds.forEach((fd) => fs.closeSync(fd));
  layer.report();
}


// All that is beside us in the jail has our uid: only Landlock is between.
function attackLandlock() {
  const layer = new Layer('landlock');
  const own = fs.readdirSync('/proc/self/task').map(Number);

  for (let pid = 2; pid < 20; pid++) {
    if (!own.includes(pid)) {
      layer.refused('a signal to the keeper',
        attempt(() => process.kill(pid, 0)));
    }
  }
  layer.report();
}


function surface() {
  attackNamespaces();
  attackNesting();
  attackRoot();
  attackProc();
  attackDevices();
  attackSockets();
  attackSyscalls();
  attackCapabilities();
  attackLimits();
  if (landlock >= 6) {
    attackLandlock();
  }
}


function fillDisk() {
  const layer = new Layer('disk');
  const block = Buffer.alloc(1 << 18, 1);
  const fds = [0, 1, 2].map((i) => fs.openSync(`fill${i}`, WRITE));
  let written = 0, made = 0, error = null;

  while (error === null && written < 2 * disk) {
    error = attempt(() => {
      written += fs.writeSync(fds[Math.floor(written * 2 / disk) % 3], block);
    });
  }
  layer.must(error === 'ENOSPC' && written <= disk,
    `${written} bytes were written, ${error}`);
  fds.forEach((fd, i) => {
    fs.closeSync(fd);
    fs.unlinkSync(`fill${i}`);
  });

  for (error = null; error === null && made < inodes + 16;) {
    error = attempt(() => fs.closeSync(fs.openSync(`f${made}`, WRITE)));
    made += error === null;
  }
  layer.must(error === 'ENOSPC' && made <= inodes,
    `${made} files were made, ${error}`);
  process.on('SIGXFSZ', () => {});
  layer.refused('a file of a terabyte',
    attempt(() => fs.truncateSync('f0', 2 ** 40)));
  layer.report(`no space after ${written >> 20} MB and ${made} files`);
}


function eatMemory() {
  const areas = [];

  for (let size = 0; size < memory + (64 << 20); size += 4 << 20) {
    areas.push(Buffer.alloc(4 << 20, 1));
  }
  console.log(`- memory ${areas.length * 4} MB`);
}


function forkAll() {
  if (!HAS_CODE) {
    return;
  }

  const layer = new Layer('processes');
  const list = Array.from({ length: processes + 16 }, () =>
    forks(calls.clone, SIGCHLD, 0, 0, 0, 0));
  const made = native(list, [[CLOSE, 1], [PAUSE], [EXIT, 0]])
    .filter((error) => error === null).length;
  const n = made + 1 + fs.readdirSync('/proc/self/task').length;

  layer.must(n <= processes, `${n} processes and threads`);
  layer.report(`no more after ${n}`);
  process.exit();
}


function spin() {
  const until = Date.now() + 900;

  for (let i = 1; i < loops; i++) {
    new Worker(`while (Date.now() < ${until});`, { eval: true });
  }
  setTimeout(() => {
    while (Date.now() < until);
  }, 100);
}


// The i386 entry point of the kernel: getpid() of another policy.
function foreign() {
  if (!HAS_CODE) {
    process.abort();
  }
  fs.writeFileSync('native', program([], [], 'b814000000cd80'),
    { mode: 0o700 });
  process.kill(process.pid, spawnSync('./native').signal ?? 0);
}


({ surface, disk: fillDisk, memory: eatMemory, processes: forkAll, cpu: spin,
  foreign })[attack]();
