console.log('in');
for (;;) {}
//! timeout 1
//! end timeout
//= in
