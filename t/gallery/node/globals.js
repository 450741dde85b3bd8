for (const name of ['fetch', 'URL', 'TextEncoder', 'structuredClone', 'AbortController', 'performance', 'Blob', 'WebAssembly', 'btoa', 'crypto'])
  if (typeof globalThis[name] === 'undefined' && name !== 'crypto') console.log('no', name);
console.log(new URL('/x?a=1', 'http://h').searchParams.get('a'), btoa('x'), structuredClone({ d: new Date(0) }).d.getTime());
console.log(this === module.exports, __dirname, module.id, require.resolve('fs'), module.children.length);
console.log(Object.keys(globalThis).includes('module'), typeof display);
//= 1 eA== 0
//= true /home/user . fs 0
//= false undefined
