// What a link to a frame said is on the page now; the next link tells its own.
function linkRead() {
  trilab.address({model: null, seed: null, look: null, count: null});
}
