const { AsyncLocalStorage } = require('async_hooks');
const store = new AsyncLocalStorage();
store.run({ id: 7 }, () => setTimeout(async () => { await null; console.log(store.getStore().id); }, 2));
const { EventEmitter, once } = require('events');
const e = new EventEmitter();
once(e, 'x').then(([v]) => console.log(v));
e.emit('x', 'event');
const registry = new FinalizationRegistry(() => {});
registry.register({}, 1);
console.log(new WeakRef({ a: 1 }).deref().a);
//= 1
//= event
//= 7
