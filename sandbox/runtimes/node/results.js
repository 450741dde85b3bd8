// Copyright (C) The codeexec authors.
//
// What the program shows, one record after another in a file that codeexecd
// reads when the run has ended: docs/protocol.md, "Results".
//
// A record is appended with one write(), so that what was shown before a crash
// or a timeout is there.

'use strict';

const fs = require('fs');

const FILE = '/home/results';

const TEXT_MAX = 100000;    // characters
const FINAL_MAX = 1 << 16;  // bytes of a record about the run

const SHORT = {
  'text/plain': 'text', 'text/html': 'html', 'text/markdown': 'markdown',
  'image/svg+xml': 'svg', 'text/latex': 'latex', 'image/png': 'png',
  'image/jpeg': 'jpeg', 'image/gif': 'gif', 'image/webp': 'webp',
  'application/pdf': 'pdf', 'application/json': 'json',
  'application/javascript': 'javascript', 'text/javascript': 'javascript',
};
const BINARY = new Set(['png', 'jpeg', 'gif', 'webp', 'pdf']);
const JSONS = new Set(['json', 'data', 'chart']);
const NAMES = new Set([...Object.values(SHORT), ...JSONS]);

let enabled = false;    // records about the run
let showing = false;    // and what the program shows
let size, most, room, shown, told;


// finals: how many records about the run there must be room for.
exports.start = (limits, shows, finals) => {
  size = limits.results_size ?? 1 << 24;
  enabled = true;
  showing = shows;
  most = Math.max(1, (limits.results ?? 100) - finals);
  room = size - Math.min(finals * FINAL_MAX, Math.floor(size / 4));
  shown = 0;
  told = false;
};


function cut(text, length = TEXT_MAX) {
  return text.length <= length ? text
    : `${text.slice(0, length)}\n… ${text.length - length} more characters`;
}

exports.cut = cut;


// The name of a form by its media type.
exports.nameOf = (type) => {
  const name = SHORT[String(type).toLowerCase()] ?? String(type).toLowerCase();

  if (!NAMES.has(name) && !(name.length < 128
      && /^[a-z0-9][a-z0-9.+_-]*\/[a-z0-9.+_-]+$/.test(name))) {
    throw new TypeError(`no media type: ${name.slice(0, 100)}`);
  }
  return name;
};


function isJSON(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

// Bytes of one form.
exports.encode = (name, content) => {
  if (ArrayBuffer.isView(content)) {
    return Buffer.from(content.buffer, content.byteOffset, content.byteLength);
  }
  if (JSONS.has(name) || name.endsWith('+json')) {
    return Buffer.from(typeof content === 'string' && isJSON(content) ? content
      : JSON.stringify(content) ?? 'null');
  }
  if (typeof content !== 'string') {
    throw new TypeError(`${name} is neither text nor bytes, but `
      + typeof content);
  }
  if (BINARY.has(name)
      || (/^(?:image|audio|video)\//.test(name) && !name.endsWith('+xml'))) {
    return Buffer.from(content, 'base64');
  }
  return Buffer.from(name === 'text' ? cut(content) : content);
};


function number(value, size) {
  const bytes = Buffer.alloc(size);

  bytes.writeUIntBE(value, 0, size);
  return bytes;
}

function record(forms) {
  const parts = forms.flatMap(([name, content]) => [number(name.length, 2),
    Buffer.from(name), number(content.length, 4), content]);
  const payload = Buffer.concat(parts);

  return Buffer.concat([number(payload.length, 4), payload]);
}


// When the disk is full, half a record would be taken for a whole one.
function append(data) {
  const fd = fs.openSync(FILE, 'a');

  try {
    const size = fs.fstatSync(fd).size;

    if (fs.writeSync(fd, data) < data.length) {
      fs.ftruncateSync(fd, size);
      throw new Error('no space left for it');
    }
  } finally {
    fs.closeSync(fd);
  }
}


function omit(why) {
  if (!told) {
    told = true;
    fs.writeSync(2, `codeexec: not all results are kept: ${why}\n`);
  }
}


// Shows one result: forms are pairs of names and bytes.  What does not fit is
// left out, the largest first: text may fit where a picture does not.
exports.put = (forms) => {
  if (!showing || forms.length === 0) {
    return;
  }
  if (shown >= most) {
    omit(`more than ${most}`);
    return;
  }

  const free = room - fs.statSync(FILE).size;
  const kept = [...forms].sort((a, b) => b[1].length - a[1].length);
  let data = record(forms);

  while (data.length > free) {
    const [name, content] = kept.shift();

    omit(`${name} of ${content.length} bytes`);
    if (kept.length === 0) {
      return;
    }
    data = record(forms.filter((form) => kept.includes(form)));
  }
  append(data);
  shown++;
};


// A record about the run.
exports.putFinal = (name, value) => {
  if (enabled) {
    append(record([[name, Buffer.from(JSON.stringify(value) ?? 'null')]]));
  }
};

// What main() has returned: all of it, or it has failed.
exports.putReturn = (value) => {
  const text = JSON.stringify(value) ?? 'null';

  if (enabled && Buffer.byteLength(text) + 64 > size - fs.statSync(FILE).size) {
    throw new RangeError(`main() returned more than ${size} bytes`);
  }
  exports.putFinal('@return', value);
};
