setImmediate(() => console.log('immediate'));
Promise.resolve().then(() => console.log('promise'));
process.nextTick(() => console.log('tick'));
queueMicrotask(() => console.log('microtask'));
console.log('sync');
setTimeout(() => console.log('late'), 20);
//= sync
//= tick
//= promise
//= microtask
//= immediate
//= late
