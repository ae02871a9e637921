// Where the eye stands, where a point of the scan falls on the screen, and what lies under the pointer.

const FIELD_OF_VIEW = Math.PI / 4; // Plotly's own
const START = [0.62, -0.78, 0.82]; // from a corner, from above

const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const minus = (a, b) => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
const unit = a => a.map(value => value / (Math.hypot(...a) || 1));

// Plotly's cube: the middle of the scan is 0, the longest side of its frame 1.
function frameOf(bounds) {
  const margin = 0.25; // metres, so that boxes and lines at the edge are not cut
  const low = bounds.slice(0, 3).map(value => value - margin);
  const high = bounds.slice(3).map(value => value + margin);
  const size = minus(high, low);
  const scale = Math.max(...size);
  return {low, high, scale, middle: low.map((value, n) => value + size[n] / 2), ratio: size.map(value => value / scale)};
}

// Some points of the scan that someone in direction `back` sees, in Plotly's cube.
function seenPoints({drawn, frame, two_sided}, back) {
  const {x, y, z, i, j, k} = drawn;
  const at = n => [x[n], y[n], z[n]].map((value, axis) => (value - frame.middle[axis]) / frame.scale);
  const points = [];
  for (let n = 0; n < i.length; n += Math.ceil(i.length / 4000)) {
    const [a, b, c] = [at(i[n]), at(j[n]), at(k[n])];
    if (two_sided || dot(cross(minus(b, a), minus(c, a)), back) > 0) points.push(a);
  }
  return points;
}

// The camera in direction `toEye` that has all of the scan just in sight.
// room: {width, height} of the picture and what of it is covered at the {right} and {bottom}, pixels.
function fitted(scan, toEye, {width, height, right: covered, bottom}) {
  const back = unit(toEye);
  const right = unit(cross([0, 0, 1], back));
  const up = cross(back, right);
  const points = seenPoints(scan, back).map(point => [dot(point, right), dot(point, up), dot(point, back)]);
  const pixel = 2 * Math.tan(FIELD_OF_VIEW / 2) / height; // at distance 1
  const halfWide = 0.46 * (width - covered) * pixel, halfHigh = 0.46 * (height - bottom) * pixel;
  let cx = 0, cy = 0, distance = 1;
  for (let round = 0; round < 5; round++) {
    distance = Math.max(...points.map(([x, y, z]) => z + Math.max(Math.abs(x - cx) / halfWide, Math.abs(y - cy) / halfHigh)), 0.2);
    const across = points.map(([x, , z]) => (x - cx) / (distance - z)), along = points.map(([, y, z]) => (y - cy) / (distance - z));
    cx += (Math.min(...across) + Math.max(...across)) / 2 * distance;
    cy += (Math.min(...along) + Math.max(...along)) / 2 * distance;
  }
  cx += covered / 2 * pixel * distance;
  cy -= bottom / 2 * pixel * distance;
  const centre = right.map((value, n) => cx * value + cy * up[n]);
  const [eye, center] = [back.map((value, n) => centre[n] + distance * value), centre].map(([x, y, z]) => ({x, y, z}));
  return {eye, center, up: {x: 0, y: 0, z: 1}};
}

// The camera after a turn by `azimuth` and `elevation` (radians) and a zoom (> 1: further away).
function moved(camera, azimuth, elevation, zoom) {
  const {eye, center} = camera;
  const arm = [eye.x - center.x, eye.y - center.y, eye.z - center.z];
  const radius = Math.hypot(...arm) * zoom;
  const theta = Math.atan2(arm[1], arm[0]) + azimuth;
  const height = Math.asin(arm[2] / Math.hypot(...arm)) + elevation;
  const phi = Math.min(1.565, Math.max(-1.4, height));
  const flat = radius * Math.cos(phi);
  return {...camera, eye: {
    x: center.x + flat * Math.cos(theta), y: center.y + flat * Math.sin(theta), z: center.z + radius * Math.sin(phi),
  }};
}

// The camera after what it looks at was dragged by some pixels of a picture that is `height` pixels high.
function panned(camera, dx, dy, height) {
  const eye = [camera.eye.x, camera.eye.y, camera.eye.z], center = [camera.center.x, camera.center.y, camera.center.z];
  const arm = minus(eye, center), back = unit(arm);
  const right = unit(cross([0, 0, 1], back)), up = cross(back, right);
  const pixel = 2 * Math.tan(FIELD_OF_VIEW / 2) * Math.hypot(...arm) / height;
  const by = right.map((value, n) => (dy * up[n] - dx * value) * pixel);
  const moved = from => Object.fromEntries(['x', 'y', 'z'].map((axis, n) => [axis, from[n] + by[n]]));
  return {...camera, eye: moved(eye), center: moved(center)};
}

// Column-major 4 x 4, as WebGL has them: a b.
function product(a, b) {
  const out = new Float64Array(16);
  for (let column = 0; column < 4; column++)
    for (let row = 0; row < 4; row++)
      for (let n = 0; n < 4; n++) out[column * 4 + row] += a[n * 4 + row] * b[column * 4 + n];
  return out;
}

// A point of the scan, metres -> {x, y} in pixels of the stage, or null behind the eye.
function onScreen(point, frame, {view, projection}, width, height) {
  const matrix = product(projection, view);
  const p = minus(point, frame.middle).map(value => value / frame.scale);
  const [x, y, , w] = [0, 1, 2, 3].map(row => dot([matrix[row], matrix[4 + row], matrix[8 + row]], p) + matrix[12 + row]);
  return w > 1e-6 ? {x: (x / w + 1) / 2 * width, y: (1 - y / w) / 2 * height, depth: w} : null;
}

// The ray through a pixel, metres: {from, along}. The view is a rotation and a shift, so its inverse is cheap.
function rayThrough(px, py, frame, {view, projection}, width, height) {
  const eyeSpace = [(2 * px / width - 1) / projection[0], (1 - 2 * py / height) / projection[5], -1];
  const rows = [0, 1, 2].map(n => [view[n * 4], view[n * 4 + 1], view[n * 4 + 2]]);
  const along = unit(rows.map(row => dot(row, eyeSpace)));
  const shift = [view[12], view[13], view[14]];
  const from = rows.map((row, n) => -dot(row, shift) * frame.scale + frame.middle[n]);
  return {from, along};
}

// The nearest front side that the ray meets (Moeller and Trumbore 1997): {place, xyz}, or null.
function hitMesh({x, y, z, i, j, k, place}, {from, along}, bothSides) {
  const [ox, oy, oz] = from, [dx, dy, dz] = along;
  let nearest = Infinity, found = -1;
  for (let n = 0; n < i.length; n++) {
    const a = i[n], b = j[n], c = k[n];
    const ax = x[a], ay = y[a], az = z[a];
    const ux = x[b] - ax, uy = y[b] - ay, uz = z[b] - az;
    const vx = x[c] - ax, vy = y[c] - ay, vz = z[c] - az;
    const px = dy * vz - dz * vy, py = dz * vx - dx * vz, pz = dx * vy - dy * vx;
    const det = ux * px + uy * py + uz * pz;
    if (bothSides ? Math.abs(det) < 1e-12 : det < 1e-12) continue;
    const tx = ox - ax, ty = oy - ay, tz = oz - az;
    const u = (tx * px + ty * py + tz * pz) / det;
    if (u < 0 || u > 1) continue;
    const qx = ty * uz - tz * uy, qy = tz * ux - tx * uz, qz = tx * uy - ty * ux;
    const v = (dx * qx + dy * qy + dz * qz) / det;
    if (v < 0 || u + v > 1) continue;
    const t = (vx * qx + vy * qy + vz * qz) / det;
    if (t > 0 && t < nearest) { nearest = t; found = a; }
  }
  return found < 0 ? null : {place: place[found], xyz: from.map((value, n) => value + nearest * along[n])};
}
