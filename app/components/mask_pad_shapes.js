// Regions of the pad: bytes of 0 and 1, row by row, and what is drawn into them. Coordinates are in pixels.

const SIZE = 256;

const emptyRegion = () => new Uint8Array(SIZE * SIZE);

function fillRows(region, top, bottom, span, value) {
  for (let y = Math.max(0, Math.ceil(top - 0.5)); y < Math.min(SIZE, bottom + 0.5); y++) {
    const [left, right] = span(y + 0.5);
    const from = Math.max(0, Math.ceil(left - 0.5)), to = Math.min(SIZE, Math.ceil(right - 0.5));
    if (to > from) region.fill(value, y * SIZE + from, y * SIZE + to);
  }
}

// The ellipse in the box of two opposite corners; a pixel belongs to it when its centre does.
function fillEllipse(region, [x0, y0], [x1, y1], value) {
  const cx = (x0 + x1) / 2, cy = (y0 + y1) / 2, a = Math.abs(x1 - x0) / 2, b = Math.abs(y1 - y0) / 2;
  if (a < 0.5 || b < 0.5) return;
  fillRows(region, cy - b, cy + b, y => {
    const half = a * Math.sqrt(Math.max(0, 1 - ((y - cy) / b) ** 2));
    return [cx - half, cx + half];
  }, value);
}

const fillDisc = (region, [x, y], radius, value) => fillEllipse(region, [x - radius, y - radius], [x + radius, y + radius], value);

// A round brush from one place to another: discs a quarter of the radius apart.
function fillStroke(region, from, to, radius, value) {
  const steps = Math.max(1, Math.ceil(Math.hypot(to[0] - from[0], to[1] - from[1]) / Math.max(1, radius / 4)));
  for (let step = 0; step <= steps; step++) {
    const share = step / steps;
    fillDisc(region, [from[0] + (to[0] - from[0]) * share, from[1] + (to[1] - from[1]) * share], radius, value);
  }
}

// What of the background no way leads to from outside: 1 there.
function holesOf(region) {
  const outside = new Uint8Array(SIZE * SIZE), stack = [];
  const visit = place => { if (!region[place] && !outside[place]) { outside[place] = 1; stack.push(place); } };
  for (let n = 0; n < SIZE; n++) for (const place of [n, (SIZE - 1) * SIZE + n, n * SIZE, n * SIZE + SIZE - 1]) visit(place);
  while (stack.length) {
    const place = stack.pop(), x = place % SIZE;
    if (x > 0) visit(place - 1);
    if (x < SIZE - 1) visit(place + 1);
    if (place >= SIZE) visit(place - SIZE);
    if (place < SIZE * (SIZE - 1)) visit(place + SIZE);
  }
  return outside.map((free, place) => (free || region[place] ? 0 : 1));
}

// A ring that was just closed means what it encloses; a hole that was there before was made on purpose.
function closeRings(region, before) {
  const old = holesOf(before);
  holesOf(region).forEach((hole, place) => { if (hole && !old[place]) region[place] = 1; });
}

// The polygon of some corners, by the even-odd rule.
function fillPolygon(region, corners) {
  for (let y = 0; y < SIZE; y++) {
    const crossed = [];
    corners.forEach(([x0, y0], n) => {
      const [x1, y1] = corners[(n + 1) % corners.length];
      if ((y0 > y + 0.5) !== (y1 > y + 0.5)) crossed.push(x0 + (y + 0.5 - y0) / (y1 - y0) * (x1 - x0));
    });
    crossed.sort((a, b) => a - b);
    for (let n = 0; n + 1 < crossed.length; n += 2) fillRows(region, y + 0.5, y + 0.5, () => [crossed[n], crossed[n + 1]], 1);
  }
}

// The region with the hole around a place filled; unchanged where that is no hole.
function filled(region, [x, y]) {
  const holes = holesOf(region), next = region.slice(), stack = [Math.floor(y) * SIZE + Math.floor(x)];
  while (stack.length) {
    const place = stack.pop();
    if (!holes[place] || next[place]) continue;
    next[place] = 1;
    stack.push(place - 1, place + 1, place - SIZE, place + SIZE);
  }
  return next;
}

// The region pushed by some pixels, and scaled about its middle.
function shifted(region, dx, dy, scale) {
  let sum = 0, mx = 0, my = 0;
  region.forEach((pixel, place) => { if (pixel) { sum++; mx += place % SIZE; my += Math.floor(place / SIZE); } });
  [mx, my] = [mx / sum, my / sum];
  return region.map((_, place) => {
    const x = Math.round(mx + (place % SIZE - dx - mx) / scale), y = Math.round(my + (Math.floor(place / SIZE) - dy - my) / scale);
    return x < 0 || y < 0 || x >= SIZE || y >= SIZE ? 0 : region[y * SIZE + x];
  });
}

const areaOf = region => { let sum = 0; for (const pixel of region) sum += pixel; return sum / region.length; };

// The outline between pixel centres by marching squares (Lorensen and Cline 1987, in the plane), as a Path2D.
// Listed by what is inside, bits from the top left clockwise: the sides the line enters and leaves a square by.
const CROSSINGS = [[], [3, 2], [2, 1], [3, 1], [0, 1], [3, 0, 2, 1], [0, 2], [3, 0], [3, 0], [0, 2], [3, 2, 0, 1], [0, 1], [3, 1], [2, 1], [3, 2], []];

function outlineOf(region, scale) {
  const path = new Path2D();
  const at = (x, y) => (x < 0 || y < 0 || x >= SIZE || y >= SIZE ? 0 : region[y * SIZE + x]);
  for (let y = -1; y < SIZE; y++) {
    for (let x = -1; x < SIZE; x++) {
      const kind = at(x, y) * 8 + at(x + 1, y) * 4 + at(x + 1, y + 1) * 2 + at(x, y + 1);
      const crossings = CROSSINGS[kind];
      if (!crossings.length) continue;
      const sides = [[x + 1, y + 0.5], [x + 1.5, y + 1], [x + 1, y + 1.5], [x + 0.5, y + 1]]; // top, right, bottom, left
      for (let i = 0; i < crossings.length; i += 2) {
        path.moveTo(sides[crossings[i]][0] * scale, sides[crossings[i]][1] * scale);
        path.lineTo(sides[crossings[i + 1]][0] * scale, sides[crossings[i + 1]][1] * scale);
      }
    }
  }
  return path;
}

// A region as the pixels of an image: `inside` and `outside` are [red, green, blue, alpha].
function imageOf(region, inside, outside) {
  const image = new ImageData(SIZE, SIZE);
  const words = new Uint32Array(image.data.buffer);
  const packed = ([r, g, b, a]) => (r | g << 8 | b << 16 | a << 24) >>> 0;
  const [yes, no] = [packed(inside), packed(outside)];
  for (let i = 0; i < region.length; i++) words[i] = region[i] ? yes : no;
  return image;
}

function canvasOf(image) {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = SIZE;
  canvas.getContext('2d', {willReadFrequently: true}).putImageData(image, 0, 0);
  return canvas;
}

// The region of a picture: where it is light and not see-through.
function regionOf(picture) {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = SIZE;
  const context = canvas.getContext('2d', {willReadFrequently: true});
  context.drawImage(picture, 0, 0, SIZE, SIZE);
  const {data} = context.getImageData(0, 0, SIZE, SIZE), region = emptyRegion();
  for (let i = 0; i < region.length; i++) region[i] = data[4 * i] > 127 && data[4 * i + 3] > 127 ? 1 : 0;
  return region;
}

// A region from a page's address, as mask_pad.py codes it. Throws where it is none.
function decoded(text) {
  const packed = Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), char => char.charCodeAt(0));
  const region = emptyRegion();
  let place = 0, length = 0, shift = 0, value = 0;
  for (const byte of packed) {
    length |= (byte & 127) << shift;
    shift += 7;
    if (byte > 127) continue;
    region.fill(value, place, place + length);
    place += length;
    [length, shift, value] = [0, 0, 1 - value];
  }
  if (place !== SIZE * SIZE) throw new Error('not a mask');
  return region;
}

function pictureFrom(url) {
  return new Promise((done, failed) => {
    const picture = new Image();
    picture.onload = () => done(picture);
    picture.onerror = () => failed(new Error('not a picture'));
    picture.src = url;
  });
}
