const order = [];
setTimeout(() => order.push('b'), 160);
setTimeout(() => order.push('a'), 80);
const i = setInterval(() => { order.push('i'); if (order.length > 4) clearInterval(i); }, 220);
setImmediate(() => order.push('now'));
process.on('exit', () => console.log(order.join(' ')));
//= now a b i i
