const { Worker, MessageChannel, receiveMessageOnPort } = require('worker_threads');
const shared = new Int32Array(new SharedArrayBuffer(8));
const code = `const { workerData } = require('worker_threads');
  for (let i = 0; i < 1000; i++) Atomics.add(workerData, 0, 1);
  Atomics.store(workerData, 1, 1); Atomics.notify(workerData, 1);
  process.exit(5);`;
const worker = new Worker(code, { eval: true, workerData: shared });
Atomics.wait(shared, 1, 0, 5000);
console.log(Atomics.load(shared, 0));
worker.on('exit', (code) => console.log('exit', code));
const { port1, port2 } = new MessageChannel();
port1.postMessage({ a: new Map([[1, 2]]) });
console.log(receiveMessageOnPort(port2).message.a.get(1));
port1.close();
//= 1000
//= 2
//= exit 5
