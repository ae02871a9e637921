// A button that can't be clicked while something arrives.
function hold() {
  return {__type__: 'update', interactive: false};
}
