// A seed.
function dice() {
  return Math.floor(Math.random() * 1e6);
}
