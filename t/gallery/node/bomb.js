const all = [];
for (;;) all.push(new Array(1000).fill({}).map((x, i) => ({ i })));
//! end signal 6
//! stderr (?s)JavaScript heap out of memory
//=
