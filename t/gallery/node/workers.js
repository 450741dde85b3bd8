const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
if (isMainThread) {
  let sum = 0, left = 4;
  for (let i = 0; i < 4; i++) {
    const worker = new Worker(__filename, { workerData: i });
    worker.on('message', (x) => { sum += x; });
    worker.on('error', (error) => console.log('error', error.message));
    worker.on('exit', (code) => { if (--left === 0) console.log(sum, code); });
  }
} else {
  let a = [];
  for (let i = 0; i < 3e5; i++) { a.push({ i }); if (a.length > 5e4) a = []; }
  parentPort.postMessage(workerData * 10);
}
//= 60 0
