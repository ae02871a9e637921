// What Python packed (scene_view.py, _level), unpacked. Throws where a payload is not whole.

async function inflate(text) {
  const packed = Uint8Array.from(atob(text), char => char.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('deflate'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// Reads `count` numbers of `size` bytes, low bytes first, each byte in a plane of its own.
function planes(bytes, at, count, size) {
  const values = new Uint32Array(count);
  for (let byte = 0; byte < size; byte++) {
    const start = at.offset + byte * count;
    for (let n = 0; n < count; n++) values[n] |= bytes[start + n] << (8 * byte);
  }
  at.offset += size * count;
  return values;
}

function summed(values, mask) {
  for (let n = 1; n < values.length; n++) values[n] = (values[n] + values[n - 1]) & mask;
  return values;
}

// A level of detail -> {x, y, z (metres), r, g, b, place (in the list of instances + 1), i, j, k}.
async function unpackLevel(level) {
  const bytes = await inflate(level.data);
  const {vertices, faces} = level;
  if (!(vertices > 0) || bytes.length !== vertices * 11 + faces * 9) throw new Error('payload size');
  const at = {offset: 0};
  const mesh = {};
  ['x', 'y', 'z'].forEach((axis, n) => {
    const steps = summed(planes(bytes, at, vertices, 2), 0xffff);
    mesh[axis] = Float32Array.from(steps, step => level.origin[n] + step * level.step[n]);
  });
  mesh.g = summed(planes(bytes, at, vertices, 1), 0xff);
  mesh.r = summed(planes(bytes, at, vertices, 1), 0xff).map((value, n) => (value + mesh.g[n]) & 0xff);
  mesh.b = summed(planes(bytes, at, vertices, 1), 0xff).map((value, n) => (value + mesh.g[n]) & 0xff);
  mesh.place = summed(planes(bytes, at, vertices, 2), 0xffff);
  mesh.i = summed(planes(bytes, at, faces, 3), 0xffffff);
  mesh.j = planes(bytes, at, faces, 3).map((value, n) => value + mesh.i[n]);
  mesh.k = planes(bytes, at, faces, 3).map((value, n) => value + mesh.i[n]);
  for (const corner of [mesh.i, mesh.j, mesh.k])
    for (const vertex of corner) if (vertex >= vertices) throw new Error('payload corner');
  return mesh;
}

// A cloud as a mesh: a small tetrahedron for each point, so large that they just close to surfaces.
// Without a GPU Plotly draws these much faster than its own markers, and all that follows needs to know
// of meshes only. Neighbours follow each other, so leaving out some keeps the rest even.
function solid(cloud, bounds, limit) {
  const stride = Math.ceil(cloud.x.length / limit);
  const count = Math.floor(cloud.x.length / stride);
  const extent = Math.max(...[0, 1, 2].map(n => bounds[n + 3] - bounds[n]));
  const radius = 0.95 * extent * Math.sqrt(2.5 / count);
  const tips = [[1, 1, 1], [-1, -1, 1], [-1, 1, -1], [1, -1, -1]];
  const mesh = {};
  ['x', 'y', 'z'].forEach((axis, a) => {
    mesh[axis] = Float32Array.from({length: 4 * count}, (_, n) => cloud[axis][(n >> 2) * stride] + radius * tips[n & 3][a] / Math.sqrt(3));
  });
  for (const name of ['r', 'g', 'b', 'place']) mesh[name] = Uint32Array.from({length: 4 * count}, (_, n) => cloud[name][(n >> 2) * stride]);
  const sides = {i: [0, 0, 0, 1], j: [1, 2, 3, 3], k: [2, 3, 1, 2]};
  for (const name in sides) mesh[name] = Uint32Array.from({length: 4 * count}, (_, n) => (n & ~3) + sides[name][n & 3]);
  return mesh;
}

async function meshOf(scan, level, coarse) {
  const mesh = await unpackLevel(level);
  return mesh.i.length ? mesh : solid(mesh, scan.bounds, coarse ? 10000 : 40000);
}

// The payload's text -> the scan with one mesh: the finest that is there, or the coarsest for software drawing.
async function unpackScan(text, coarse) {
  const scan = JSON.parse(text);
  scan.mesh = await meshOf(scan, scan.levels.at(coarse ? -1 : 0), coarse);
  scan.byId = new Map(scan.instances.map((instance, n) => [instance.id, {...instance, place: n + 1}]));
  if (scan.bounds.length !== 6 || !scan.bounds.every(Number.isFinite)) throw new Error('payload bounds');
  return scan;
}

// Instances that were repaired since the scan was packed: their list is replaced, and vertices follow their owners.
function mend(scan, text) {
  scan.packed ??= {instances: scan.instances};
  scan.packed.place ??= scan.mesh.place.slice();
  const {instances, owners} = text ? JSON.parse(text) : {instances: scan.packed.instances, owners: []};
  const now = new Map(instances.map((instance, n) => [instance.id, n + 1]));
  const owner = new Map(owners);
  const places = [0, ...scan.packed.instances.map(({id}) => now.get(owner.has(id) ? owner.get(id) : id) ?? 0)];
  scan.packed.place.forEach((place, n) => { scan.mesh.place[n] = places[place]; });
  scan.instances = instances;
  scan.byId = new Map(instances.map((instance, n) => [instance.id, {...instance, place: n + 1}]));
}

// 'gpu', 'software', or 'none' where the browser has no WebGL.
function graphics() {
  const gl = document.createElement('canvas').getContext('webgl');
  if (!gl) return 'none';
  const info = gl.getExtension('WEBGL_debug_renderer_info');
  const name = gl.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : gl.RENDERER);
  gl.getExtension('WEBGL_lose_context')?.loseContext();
  return /swiftshader|llvmpipe|software|basic render/i.test(name) ? 'software' : 'gpu';
}
