const order = [];
setTimeout(() => order.push('b'), 20);
setTimeout(() => order.push('a'), 5);
const i = setInterval(() => { order.push('i'); if (order.length > 4) clearInterval(i); }, 30);
setImmediate(() => order.push('now'));
process.on('exit', () => console.log(order.join(' ')));
//= now a b i i
