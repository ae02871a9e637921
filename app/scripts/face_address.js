// The address says what is typed, so that it can be shared.
function faceAddress(says, say, tongue) {
  const typed = says === 'text' && say;
  trilab.address({say: typed, tongue: typed && tongue});
}
