let kept = [], sum = 0;
for (let i = 0; i < 2e6; i++) {
  kept.push({ i, text: [i] });
  if (kept.length > 2e5) { sum += kept.length; kept = []; }
}
for (let i = 0; i < 60; i++) { const b = new ArrayBuffer(4 << 20); sum += b.byteLength >> 20; }
console.log(sum, process.memoryUsage().heapUsed > 1e6);
//= 1800249 true
