const order = [];
setTimeout(() => order.push('b'), 20);
setTimeout(() => order.push('a'), 5);
const i = setInterval(() => {
  order.push('i');
  if (order.length > 3) clearInterval(i);
}, 30);
const never = setTimeout(() => order.push('never'), 10);
clearTimeout(never);
setImmediate(() => setImmediate(() => console.log('immediate')));
process.on('exit', () => console.log(order.join(' ')));
//= immediate
//= a b i i
