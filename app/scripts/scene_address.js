// The address always says what is on the page, so that it can be shared; one method, the FIRST of its kind, goes unsaid.
function sceneAddress(scan, q, methods, captioners) {
  trilab.opening(false);
  const said = (names, first) => (names.length > 1 || (names.length && names[0] !== first) ? names.join() : null);
  trilab.address({scan, q: scan && q, methods: said(methods, FIRST_METHOD), captioners: said(captioners, FIRST_CAPTIONER)});
}
