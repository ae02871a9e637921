// Another scan is on its way; what the widgets hold goes on to Python.
function sceneOpening(...given) {
  trilab.opening(true);
  return given;
}
