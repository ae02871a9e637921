// The address always says what is on the page, so that it can be shared; one method, the FIRST, goes unsaid.
function sceneAddress(scan, q, methods) {
  trilab.opening(false);
  const several = methods.length > 1 || (methods.length && methods[0] !== FIRST);
  trilab.address({scan, q: scan && q, methods: several ? methods.join() : null});
}
