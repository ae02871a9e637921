// A frame that is taken home says what it is: the mark is drawn into it.

async function saveCard(card, mark) {
  const image = new Image();
  image.src = card.image;
  await image.decode();
  const canvas = Object.assign(document.createElement('canvas'), {width: image.naturalWidth, height: image.naturalHeight});
  const paint = canvas.getContext('2d');
  paint.drawImage(image, 0, 0);
  paint.textBaseline = 'middle';
  paintMark(paint, mark, canvas.width, canvas.height, Math.round(canvas.height / 16));
  Object.assign(document.createElement('a'), {href: canvas.toDataURL('image/png'), download: `${card.file}.png`}).click();
}

// The mark in the corner whose right and bottom these are, `high` pixels high.
function paintMark(paint, mark, right, bottom, high) {
  Object.assign(paint, {font: `700 ${Math.round(0.7 * high)}px system-ui, sans-serif`, textAlign: 'left'});
  const wide = paint.measureText(mark).width + high;
  paint.fillStyle = 'rgba(0, 0, 0, .6)';
  paint.fillRect(right - wide, bottom - high, wide, high);
  paint.fillStyle = '#fff';
  paint.fillText(mark, right - wide + high / 2, bottom - high / 2);
}
