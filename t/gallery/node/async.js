const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
async function* count() { for (let i = 0; i < 3; i++) { await sleep(2); yield i; } }
(async () => {
  for await (const i of count()) console.log(i);
  const all = await Promise.allSettled([sleep(1), Promise.reject(new Error('no')), 7]);
  console.log(all.map((x) => x.status).join());
  console.log(await Promise.race([sleep(500).then(() => 'slow'), sleep(1).then(() => 'fast')]));
  process.exit();
})();
//= 0
//= 1
//= 2
//= fulfilled,rejected,fulfilled
//= fast
