// Plotly traces: the scan itself, and the small ones that lie over it.

const COLOURS = {winner: [255, 45, 110], middle: [255, 176, 46], low: [140, 155, 170], anchor: [47, 111, 237], picked: [0, 188, 212], measure: [0, 120, 88], eye: [122, 60, 190]};
const SURE = 0.5; // a candidate below this probability is a guess, and drawn as one
const css = rgb => `rgb(${rgb.map(Math.round).join()})`;
const mixed = (a, b, share) => a.map((value, n) => value + (b[n] - value) * share);

// 0 to 1, the share of the best score -> colour.
const scoreColour = share => share < 0.5
  ? mixed(COLOURS.low, COLOURS.middle, share * 2)
  : mixed(COLOURS.middle, COLOURS.winner, share * 2 - 1);

const FLAT = {ambient: 1, diffuse: 0, specular: 0, fresnel: 0};
const ROOM = {ambient: 0.78, diffuse: 0.32, specular: 0.02, roughness: 0.95, fresnel: 0.02,
  vertexnormalsepsilon: 0, facenormalsepsilon: 0};

// The mesh below a height; without one, all of it.
function cutOpen(mesh, lid) {
  if (lid === null) return mesh;
  const lower = n => mesh.z[mesh.i[n]] < lid && mesh.z[mesh.j[n]] < lid && mesh.z[mesh.k[n]] < lid;
  const [i, j, k] = [mesh.i, mesh.j, mesh.k].map(corner => corner.filter((_, n) => lower(n)));
  return {...mesh, i, j, k};
}

function scanTrace({x, y, z, i, j, k, r, g, b}) {
  const colours = Array.from(x, (_, n) => `rgb(${r[n]},${g[n]},${b[n]})`);
  return {type: 'mesh3d', name: 'scan', x, y, z, i, j, k, vertexcolor: colours, hoverinfo: 'skip',
    lighting: ROOM, lightposition: {x: 2000, y: -4000, z: 9000}};
}

// Triangles that are put together piece by piece and drawn as one trace.
class Pieces {
  constructor() { Object.assign(this, {x: [], y: [], z: [], i: [], j: [], k: [], vertexcolor: []}); }

  add(points, faces, colour) {
    const first = this.x.length;
    for (const [x, y, z] of points) { this.x.push(x); this.y.push(y); this.z.push(z); this.vertexcolor.push(colour); }
    for (const [a, b, c] of faces) { this.i.push(first + a); this.j.push(first + b); this.k.push(first + c); }
  }

  // A square rod, thickness in metres.
  rod(from, to, thickness, colour) {
    const along = unit(minus(to, from));
    const side = unit(cross(along, Math.abs(along[2]) > 0.9 ? [1, 0, 0] : [0, 0, 1]));
    const other = cross(along, side);
    const points = [from, to].flatMap((end, n) => [[-1, -1], [1, -1], [1, 1], [-1, 1]].map(([s, o]) =>
      end.map((value, axis) => value + thickness / 2 * (s * side[axis] + o * other[axis] + (n ? 1 : -1) * along[axis]))));
    const sides = [0, 1, 2, 3].flatMap(n => { const m = (n + 1) % 4; return [[n, m, m + 4], [n, m + 4, n + 4]]; });
    this.add(points, [...sides, [0, 2, 1], [0, 3, 2], [4, 5, 6], [4, 6, 7]], colour);
  }

  box(box, thickness, colour) {
    const corner = n => [box[n & 1 ? 3 : 0], box[n & 2 ? 4 : 1], box[n & 4 ? 5 : 2]];
    for (let n = 0; n < 8; n++)
      for (const bit of [1, 2, 4]) if (!(n & bit)) this.rod(corner(n), corner(n | bit), thickness, colour);
  }

  dashes(from, to, thickness, colour) {
    const way = minus(to, from);
    const count = Math.max(1, Math.round(Math.hypot(...way) / 0.16));
    const at = share => from.map((value, n) => value + way[n] * share);
    for (let n = 0; n < count; n++) this.rod(at(n / count), at((n + 0.6) / count), thickness, colour);
  }

  trace(name, opacity = 1) {
    const {x, y, z, i, j, k, vertexcolor} = this;
    return {type: 'mesh3d', name, x, y, z, i, j, k, vertexcolor, opacity, lighting: FLAT, flatshading: true, hoverinfo: 'skip'};
  }
}

// The faces of one instance in a strong tint, a little in front of the scan's own.
function highlight(mesh, place, colour, share, name) {
  const corners = [];
  for (let n = 0; n < mesh.i.length; n++) {
    const face = [mesh.i[n], mesh.j[n], mesh.k[n]];
    if (face.every(vertex => mesh.place[vertex] === place)) corners.push(face);
  }
  const number = new Map();
  for (const vertex of corners.flat()) if (!number.has(vertex)) number.set(vertex, number.size);
  if (!number.size) return null;
  const vertices = [...number.keys()];
  const at = n => [mesh.x[n], mesh.y[n], mesh.z[n]];
  const colours = vertices.map(n => css(mixed([mesh.r[n], mesh.g[n], mesh.b[n]], colour, share)));
  const normals = new Map(vertices.map(n => [n, [0, 0, 0]]));
  for (const face of corners) {
    const [a, b, c] = face.map(at);
    const normal = cross(minus(b, a), minus(c, a));
    for (const vertex of face) normals.get(vertex).forEach((value, n, sum) => { sum[n] = value + normal[n]; });
  }
  const raised = vertices.map(n => { const out = unit(normals.get(n)); return at(n).map((value, axis) => value + 0.006 * out[axis]); });
  const [x, y, z] = [0, 1, 2].map(axis => raised.map(point => point[axis]));
  const [i, j, k] = [0, 1, 2].map(corner => corners.map(face => number.get(face[corner])));
  return {type: 'mesh3d', name, x, y, z, i, j, k, vertexcolor: colours, lighting: ROOM, hoverinfo: 'skip'};
}

const topOf = box => [(box[0] + box[3]) / 2, (box[1] + box[4]) / 2, box[5]];

// The predicted ninth of the floor, filled, in a faint 3 x 3 grid of lines.
function cellTraces(scan, cell) {
  const [x0, y0, , x1, y1] = scan.bounds;
  const z = scan.floor + 0.06; // above the noise of a scanned floor
  const x = n => x0 + (x1 - x0) * n / 3, y = n => y0 + (y1 - y0) * n / 3;
  const fill = new Pieces(), lines = new Pieces();
  fill.add([[x(cell.x), y(cell.y), z], [x(cell.x + 1), y(cell.y), z], [x(cell.x + 1), y(cell.y + 1), z], [x(cell.x), y(cell.y + 1), z]],
    [[0, 1, 2], [0, 2, 3]], css(COLOURS.winner));
  for (let n = 0; n < 4; n++) {
    lines.rod([x(n), y0, z], [x(n), y1, z], 0.014, css(COLOURS.low));
    lines.rod([x0, y(n), z], [x1, y(n), z], 0.014, css(COLOURS.low));
  }
  return [fill.trace('cell', 0.3), lines.trace('grid', 0.7)];
}

const EYES = 1.6, FAR = 0.55, WIDE = 0.34, HIGH = 0.22; // metres: how high eyes are, and the pyramid of a look

// Who stands at a place of the floor and looks ahead: a pole, and a pyramid that opens that way.
function eyeTrace(scan, {at: [x, y], ahead: [dx, dy]}) {
  const colour = css(COLOURS.eye), eye = [x, y, scan.floor + EYES], pieces = new Pieces();
  const corner = (s, u) => [x + FAR * dx - s * WIDE * dy, y + FAR * dy + s * WIDE * dx, eye[2] + u * HIGH];
  const corners = [[-1, -1], [1, -1], [1, 1], [-1, 1]].map(([s, u]) => corner(s, u));
  pieces.dashes([x, y, scan.floor], eye, 0.03, colour);
  corners.forEach((one, n) => { pieces.rod(eye, one, 0.03, colour); pieces.rod(one, corners[(n + 1) % 4], 0.03, colour); });
  return pieces.trace('eye');
}

// An instance's label in the page's language.
const named = instance => instance.names?.[document.documentElement.lang] ?? instance.label;

// Where a method's legend says what it means: "chair 7", "chair × 4" where so many fit, or nothing.
function meant(scan, {id, fits}) {
  const instance = scan.byId.get(id);
  return instance ? `${named(instance)} ${fits ? `× ${fits}` : id}` : '–';
}

// An overlay -> {traces, labels}. A label: {text, at (metres), kind, id, rank}; the first ones matter most.
function overlayOf(scan, overlay, words) {
  const traces = [], labels = [];
  const best = Math.max(...overlay.candidates.map(candidate => candidate.score), 1e-9);
  const strongest = overlay.candidates.find(candidate => candidate.strongest);
  const percent = share => `${Math.round(share * 100)} %`;
  if (overlay.cell) traces.push(...cellTraces(scan, overlay.cell));
  const called = candidate => named(scan.byId.get(candidate.id) ?? candidate);
  const others = new Pieces();
  for (const candidate of overlay.candidates) {
    const wins = candidate === strongest;
    if (candidate.fits && !wins) { // as good as any other
      const box = new Pieces();
      box.box(candidate.box, 0.035, css(COLOURS.middle));
      traces.push(box.trace('candidates'), highlight(scan.drawn, scan.byId.get(candidate.id)?.place, COLOURS.middle, 0.6, 'winner object'));
      labels.push({text: `${called(candidate)} ${candidate.id}`, at: topOf(candidate.box), kind: 'fits', colour: css(COLOURS.middle), id: candidate.id, rank: candidate.rank});
      continue;
    }
    const colour = wins ? (candidate.score < SURE ? COLOURS.middle : COLOURS.winner) : scoreColour(0.75 * candidate.score / best);
    if (wins) {
      const box = new Pieces();
      box.box(candidate.box, 0.045, css(colour));
      traces.push(box.trace('winner'), highlight(scan.drawn, scan.byId.get(candidate.id)?.place, colour, 0.75, 'winner object'));
    } else others.box(candidate.box, 0.02, css(colour));
    const text = wins ? `${candidate.rank} · ${called(candidate)} · ${percent(candidate.score)}` : `${candidate.rank} · ${percent(candidate.score)}`;
    labels.push({text, at: topOf(candidate.box), kind: wins ? (candidate.score < SURE ? 'guess' : 'winner') : 'candidate', colour: css(colour), id: candidate.id, rank: wins ? 0 : candidate.rank});
  }
  if (others.x.length) traces.push(others.trace('candidates'));
  const marks = new Pieces();
  for (const {id, score, colour: own, method, box} of overlay.marks) {
    const instance = scan.byId.get(id);
    if (!instance) continue;
    const colour = own ?? css(scoreColour(0.5 * score));
    marks.box(box ?? instance.box, own ? 0.03 : 0.014, colour);
    const told = own ? `${named(instance)} ${id}` : `${named(instance)} · ${percent(score)}`;
    labels.push({text: method ? `${method} · ${named(instance)}` : told, at: topOf(box ?? instance.box), kind: 'candidate', colour, id, rank: 10 - score});
  }
  if (marks.x.length) traces.push(marks.trace('marks', 0.8));
  const lines = new Pieces();
  const from = scan.byId.get(overlay.from);
  for (const anchor of from ? overlay.anchors : []) {
    const instance = scan.byId.get(anchor.object_id);
    if (!instance) continue;
    lines.dashes(topOf(from.box), topOf(instance.box), 0.02 + 0.03 * anchor.weight, css(COLOURS.anchor));
    lines.box(instance.box, 0.016, css(COLOURS.anchor));
    labels.push({text: named(instance), at: topOf(instance.box), kind: 'anchor', colour: css(COLOURS.anchor), id: anchor.object_id, rank: 0.5});
  }
  if (lines.x.length) traces.push(lines.trace('anchors'));
  const picked = scan.byId.get(overlay.picked);
  if (picked) {
    const box = new Pieces();
    box.box(picked.box, 0.025, css(COLOURS.picked));
    if (picked.id !== strongest?.id) traces.push(highlight(scan.drawn, picked.place, COLOURS.picked, 0.45, 'picked object'));
    traces.push(box.trace('picked'));
    if (picked.id !== strongest?.id) labels.push({text: named(picked), at: topOf(picked.box), kind: 'picked', colour: css(COLOURS.picked), id: picked.id, rank: 0.2});
  }
  if (overlay.cell) {
    const [x0, y0, , x1, y1] = scan.bounds;
    const at = [x0 + (x1 - x0) * (overlay.cell.x + 0.5) / 3, y0 + (y1 - y0) * (overlay.cell.y + 0.5) / 3, scan.floor];
    labels.push({text: `${words.floor} · ${percent(overlay.cell.probability)}`, at, kind: 'cell', id: null, rank: 99});
  }
  if (overlay.eye) {
    traces.push(eyeTrace(scan, overlay.eye));
    labels.push({text: words.eye, at: [...overlay.eye.at, scan.floor + EYES + HIGH], kind: 'eye', colour: css(COLOURS.eye), id: null, rank: 5});
  }
  const rod = measured(overlay.ends);
  traces.push(...rod.traces);
  labels.push(...rod.labels);
  labels.sort((a, b) => a.rank - b.rank);
  return {traces: traces.filter(Boolean), labels};
}
