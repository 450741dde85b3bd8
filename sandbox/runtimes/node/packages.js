// Copyright (C) The codeexec authors.
//
// In the zygote: packages beside those of the rootfs, and the names of all.
//
// /opt/packages, where it is configured, has versions of a set of packages, and
// "current" leads to one of them.  A zygote stays with the one that it has
// found, and so do its runs: a link in a directory above the program's own is
// where require() and import look.

'use strict';

const fs = require('fs');
const path = require('path');

const TOP = '/opt/packages';

const LINK = '/home/node_modules';

const OTHERS = ['/usr/local/lib/node_modules', '/usr/lib/node_modules',
  '/usr/share/nodejs'];

const modules = (version) => path.join(TOP, String(version), 'node_modules');

exports.expected = () => fs.existsSync(TOP);

// The number of the version, or 0.
exports.add = () => {
  let version;
  try {
    version = fs.readlinkSync(path.join(TOP, 'current'));
  } catch {
    return 0;
  }
  if (!/^[1-9]\d*$/.test(version) || !fs.existsSync(modules(version))) {
    process._rawDebug(`codeexec: no packages in "${TOP}/${version}"`);
    return 0;
  }
  exports.link(Number(version));
  return Number(version);
};

// In a run, too, which has a /home of its own.
exports.link = (version) => {
  if (version) {
    fs.symlinkSync(modules(version), LINK);
  }
};

function* directories(top) {
  for (const name of fs.existsSync(top) ? fs.readdirSync(top).sort() : []) {
    if (name.startsWith('@')) {
      for (const below of fs.readdirSync(path.join(top, name)).sort()) {
        yield `${name}/${below}`;
      }
    } else if (!name.startsWith('.')) {
      yield name;
    }
  }
}

function read(file) {
  try {
    const { name, version } = JSON.parse(fs.readFileSync(file, 'utf8'));
    return { name: String(name), version: String(version) };
  } catch {
    return {};
  }
}

// What codeexecd is told: packages.c.  Of two of a name the first one counts.
exports.describe = (version) => {
  const found = new Map();
  for (const top of [...(version ? [modules(version)] : []), ...OTHERS]) {
    for (const directory of directories(top)) {
      const file = path.join(top, directory, 'package.json');
      const { name, version: number } = read(file);
      if (name === directory && !found.has(name)) {
        found.set(name, number);
      }
    }
  }
  return JSON.stringify({ version,
    packages: Object.fromEntries([...found].sort()) });
};
