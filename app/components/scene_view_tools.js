// What a visitor measures and finds the way with.

const SIDES = [[0, -1, 0.3], [1, 0, 0.3], [0, 1, 0.3], [-1, 0, 0.3]]; // where one stands to see each side
const LENGTHS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20]; // metres that a bar may stand for

// A rod between two places, metres, with its length -> {traces, labels}.
function measured(ends) {
  if (!ends.length) return {traces: [], labels: []};
  const rods = new Pieces(), colour = css(COLOURS.measure);
  for (const end of ends) rods.box([...end.map(value => value - 0.02), ...end.map(value => value + 0.02)], 0.03, colour);
  if (ends.length < 2) return {traces: [rods.trace('measure')], labels: []};
  const [from, to] = ends;
  rods.rod(from, to, 0.02, colour);
  const at = from.map((value, n) => (value + to[n]) / 2);
  const text = `${Math.hypot(...minus(to, from)).toFixed(2)} m`;
  return {traces: [rods.trace('measure')], labels: [{text, at, kind: 'measure', id: null, rank: -1}]};
}

// How long a length is in the middle of the view; the picture is `height` pixels high.
function showScale(bar, {eye, center}, frame, height) {
  const away = Math.hypot(eye.x - center.x, eye.y - center.y, eye.z - center.z) * frame.scale;
  const metre = height / (2 * Math.tan(FIELD_OF_VIEW / 2) * away);
  const length = LENGTHS.findLast(one => one * metre <= 120) ?? LENGTHS[0];
  bar.style.width = `${(length * metre).toFixed(0)}px`;
  bar.textContent = `${length} m`;
}

// The camera close to a box, on the side where it is now.
function near(box, {eye, center, up}, {middle, scale}) {
  const to = [0, 1, 2].map(axis => ((box[axis] + box[axis + 3]) / 2 - middle[axis]) / scale);
  const back = unit([eye.x - center.x, eye.y - center.y, eye.z - center.z]);
  const away = Math.max(2.4 * Math.hypot(...minus(box.slice(3), box.slice(0, 3))), 1.5) / scale;
  const point = ([x, y, z]) => ({x, y, z});
  return {up, center: point(to), eye: point(to.map((value, axis) => value + away * back[axis]))};
}

// A camera as a link tells it, and back; null where the text is none.
const told = ({eye, center}) => [eye, center].flatMap(({x, y, z}) => [x, y, z]).map(value => value.toFixed(3)).join('_');
function cameraOf(text) {
  const [ex, ey, ez, cx, cy, cz] = (text ?? '').split('_').map(Number);
  if (![ex, ey, ez, cx, cy, cz].every(Number.isFinite)) return null;
  return {eye: {x: ex, y: ey, z: ez}, center: {x: cx, y: cy, z: cz}, up: {x: 0, y: 0, z: 1}};
}
