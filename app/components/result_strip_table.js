// Cards in rows and columns: what stands over the columns and before the rows, and all of it as one picture.

const headOf = (name, text) => Object.assign(document.createElement('b'), {className: name, textContent: text});

// What comes before the card at a place: the name of its row, where it begins one.
const rowOf = (table, place) => (place % table.columns.length ? [] : [headOf('rs-row', table.rows[place / table.columns.length] ?? '')]);

// The figures of the cards, with what names their columns and rows; without a table the figures alone.
function inTable(table, figures) {
  if (!table) return figures;
  const heads = table.columns.map(name => headOf('rs-column', name));
  return [headOf('rs-corner', ''), ...heads, ...figures.flatMap((figure, place) => [...rowOf(table, place), figure])];
}

function layTable(grid, table) {
  grid.classList.toggle('rs-table', Boolean(table));
  grid.style.setProperty('--rs-columns', table?.columns.length ?? 0);
}

// ---- one picture of all, with names, marks, Dice and the outlines that are shown

const CELL = 256, GAP = 14, LEFT = 120, TOP = 44, BELOW = 30, SANS = 'system-ui, sans-serif';

async function saveTable(table, cards, mark, hidden) {
  const {columns} = table, rows = Math.ceil(cards.length / columns.length);
  const canvas = document.createElement('canvas');
  canvas.width = LEFT + columns.length * (CELL + GAP);
  canvas.height = TOP + rows * (CELL + BELOW + GAP);
  const paint = canvas.getContext('2d');
  paint.fillStyle = '#fff';
  paint.fillRect(0, 0, canvas.width, canvas.height);
  paint.textBaseline = 'middle';
  const written = (text, x, y, font, align, wide) => {
    Object.assign(paint, {fillStyle: '#151c21', font: `${font} ${SANS}`, textAlign: align});
    paint.fillText(text, x, y, wide);
  };
  columns.forEach((name, column) => written(name, LEFT + column * (CELL + GAP) + CELL / 2, TOP / 2, '600 19px', 'center', CELL));
  for (let row = 0; row < rows; row++) written(table.rows[row] ?? '', GAP, TOP + row * (CELL + BELOW + GAP) + CELL / 2, '600 17px', 'left', LEFT - 2 * GAP);
  for (const [place, card] of cards.entries()) {
    const x = LEFT + (place % columns.length) * (CELL + GAP), y = TOP + Math.floor(place / columns.length) * (CELL + BELOW + GAP);
    await paintCard(paint, card, x, y, hidden);
    written(card.title, x + CELL / 2, y + CELL + BELOW / 2, '16px', 'center', CELL);
    paintMark(paint, mark, x + CELL, y + CELL, CELL / 16);
  }
  Object.assign(document.createElement('a'), {href: canvas.toDataURL('image/png'), download: 'synthetic_comparison.png'}).click();
}

async function paintCard(paint, card, x, y, hidden) {
  const image = new Image();
  image.src = card.image;
  await image.decode();
  paint.drawImage(image, x, y, CELL, CELL);
  paint.save();
  paint.translate(x, y);
  paint.scale(CELL / card.size, CELL / card.size);
  for (const [kind, colour, dashes] of [['drawn', '#2fd3e6', []], ['found', '#ffd23e', [6, 4]]]) {
    if (hidden.split(' ').includes(kind)) continue;
    for (const [width, style] of [[4, 'rgba(0, 0, 0, .5)'], [2, colour]]) {
      Object.assign(paint, {lineWidth: width * card.size / CELL, strokeStyle: style, lineJoin: 'round'});
      paint.setLineDash(width === 2 ? dashes : []);
      paint.stroke(new Path2D(card[kind]));
    }
  }
  paint.restore();
}
