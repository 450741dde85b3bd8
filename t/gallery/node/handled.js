process.on('uncaughtException', (error, origin) => console.log(origin, error.message));
process.on('unhandledRejection', (reason) => console.log('rejected', reason));
process.on('beforeExit', () => { if (!globalThis.twice) { globalThis.twice = 1; setTimeout(() => console.log('revived'), 1); } });
setTimeout(() => { throw new Error('late'); }, 60);
setTimeout(() => console.log('goes on'), 90);
Promise.reject(7);
process.nextTick(() => { throw new Error('tick'); });
process.nextTick(() => console.log('next'));
//= uncaughtException tick
//= next
//= rejected 7
//= uncaughtException late
//= goes on
//= revived
