function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
const f = new Float64Array(1e6);
for (let k = 0; k < 5; k++) for (let i = 0; i < f.length; i++) f[i] += Math.sqrt(i) * k;
console.log(fib(27), f[999999].toFixed(3), (2n ** 200n).toString().length);
//= 196418 9999.995 61
