// What is done to the picture below Plotly.

// Two things that Plotly's meshes cannot do are done in WebGL, in the draw calls that have as many
// corners as the mesh in question. `oneSided`: backs of faces are left out, so that walls and ceiling
// are open to someone outside. `glowing`: what lies behind something else shines through.
function refine(glplot, state) {
  unpicked(glplot);
  for (const {_trace} of glplot.objects) unchanged(_trace);
  const {gl} = glplot;
  const draw = gl.drawArrays.bind(gl);
  gl.drawArrays = (mode, first, count) => {
    if (mode !== gl.TRIANGLES) return draw(mode, first, count);
    const opened = state.seeThrough && !state.scan?.two_sided && state.oneSided.has(count);
    if (opened) {
      gl.enable(gl.CULL_FACE);
      gl.cullFace(gl.FRONT); // Plotly's projection mirrors, so fronts are WebGL's backs
    }
    if (state.glowing.has(count) && !gl.getParameter(gl.BLEND)) {
      gl.disable(gl.DEPTH_TEST);
      gl.enable(gl.BLEND);
      gl.blendColor(0, 0, 0, 0.4);
      gl.blendFunc(gl.CONSTANT_ALPHA, gl.ONE_MINUS_CONSTANT_ALPHA);
      draw(mode, first, count);
      gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
      gl.disable(gl.BLEND);
      gl.enable(gl.DEPTH_TEST);
    }
    draw(mode, first, count);
    if (opened) gl.disable(gl.CULL_FACE);
  };
}

// At each change Plotly draws all once more and reads it back, to know what lies under the mouse, and draws anew
// where something does. The viewer finds that by a ray, so nothing takes part.
function unpicked(glplot) {
  const add = glplot.add;
  glplot.add = one => {
    one.pickSlots = 0;
    add(one);
  };
  for (const one of glplot.objects.slice()) {
    glplot.remove(one);
    glplot.add(one);
  }
}

// Plotly makes every mesh anew whatever changes. Of the room's hardly anything does: only what lies over it.
function unchanged(trace) {
  const update = trace.update.bind(trace);
  const given = ({x, i, vertexcolor}) => [x, i, vertexcolor, ...trace.scene.dataScale];
  let made = given(trace.data);
  trace.update = data => {
    const now = given(data);
    if (now.every((value, n) => value === made[n])) return;
    made = now;
    update(data);
  };
}
