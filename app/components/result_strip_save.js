// A frame that is taken home says what it is: the mark is drawn into it.

async function saveCard(card, mark) {
  const image = new Image();
  image.src = card.image;
  await image.decode();
  const canvas = Object.assign(document.createElement('canvas'), {width: image.naturalWidth, height: image.naturalHeight});
  const paint = canvas.getContext('2d');
  paint.drawImage(image, 0, 0);
  const high = Math.round(canvas.height / 16);
  paint.font = `700 ${Math.round(0.7 * high)}px system-ui, sans-serif`;
  const wide = paint.measureText(mark).width + high;
  paint.fillStyle = 'rgba(0, 0, 0, .6)';
  paint.fillRect(canvas.width - wide, canvas.height - high, wide, high);
  paint.fillStyle = '#fff';
  paint.textBaseline = 'middle';
  paint.fillText(mark, canvas.width - wide + high / 2, canvas.height - high / 2);
  Object.assign(document.createElement('a'), {href: canvas.toDataURL('image/png'), download: `${card.file}.png`}).click();
}
