setImmediate(() => {
  console.log('immediate');
  setTimeout(() => console.log('late'), 1);
});
Promise.resolve().then(() => console.log('promise'));
process.nextTick(() => console.log('tick'));
queueMicrotask(() => console.log('microtask'));
console.log('sync');
//= sync
//= tick
//= promise
//= microtask
//= immediate
//= late
