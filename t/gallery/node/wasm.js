const bytes = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 7, 1, 96, 2, 127, 127, 1, 127, 3, 2, 1, 0,
  7, 7, 1, 3, 97, 100, 100, 0, 0, 10, 9, 1, 7, 0, 32, 0, 32, 1, 106, 11]);
const add = new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports.add;
console.log(add(40, 2));
WebAssembly.instantiate(bytes).then(({ instance }) => console.log(instance.exports.add(1, 2)));
WebAssembly.compile(bytes).then((m) => console.log(WebAssembly.Module.exports(m)[0].name));
const memory = new WebAssembly.Memory({ initial: 1, maximum: 100 });
memory.grow(9);
console.log(memory.buffer.byteLength);
//= 42
//= 655360
//= 3
//= add
