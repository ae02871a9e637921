// The picture that the camera button saves: background, drawing and labels in one PNG.

function savePicture(glplot, state, style, width) {
  glplot.redraw(); // WebGL forgets a frame once it was shown, so copy it right after drawing
  const {canvas} = glplot;
  const zoom = canvas.width / width;
  const picture = Object.assign(document.createElement('canvas'), {width: canvas.width, height: canvas.height});
  const paint = picture.getContext('2d');
  const shade = paint.createRadialGradient(canvas.width / 2, canvas.height * 0.42, 0, canvas.width / 2, canvas.height * 0.42, canvas.width * 0.75);
  shade.addColorStop(0, style.getPropertyValue('--sv-near').trim());
  shade.addColorStop(1, style.getPropertyValue('--sv-far').trim());
  paint.fillStyle = shade;
  paint.fillRect(0, 0, canvas.width, canvas.height);
  paint.drawImage(canvas, 0, 0);
  paint.scale(zoom, zoom);
  paint.textBaseline = 'middle';
  for (const {box, tag} of state.labels) {
    if (!box) continue;
    const look = getComputedStyle(tag);
    paint.font = `${look.fontWeight} ${look.fontSize} ${look.fontFamily}`;
    paint.fillStyle = look.backgroundColor;
    paint.beginPath();
    paint.roundRect(box.x, box.y, box.w, box.h, parseFloat(look.borderRadius) || 0);
    paint.fill();
    paint.fillStyle = look.color;
    paint.fillText(tag.textContent, box.x + parseFloat(look.paddingLeft), box.y + box.h / 2);
  }
  const {legend = [], title = ''} = state.overlay ?? {};
  if (legend.length) paintLegend(paint, legend.map(one => ({...one, text: `${one.method}: ${meant(state.scan, one)}`})), title, picture.height / zoom);
  picture.toBlob(blob => {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(blob);
    link.download = `${state.scan.name.replace(/[^\w-]+/g, '_') || 'scan'}.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
}

// Sentence and methods at the lower left, large enough for a slide.
function paintLegend(paint, legend, title, height) {
  const line = 26, top = height - 16 - line * (legend.length + 1);
  paint.font = '600 17px system-ui, sans-serif';
  const width = Math.max(...[`“${title}”`, ...legend.map(({text}) => `    ${text}`)].map(text => paint.measureText(text).width)) + 28;
  paint.fillStyle = 'rgba(255,255,255,0.88)';
  paint.beginPath();
  paint.roundRect(12, top - 8, width, line * (legend.length + 1) + 14, 8);
  paint.fill();
  paint.fillStyle = '#111';
  paint.fillText(`“${title}”`, 24, top + line / 2);
  legend.forEach(({colour, text}, row) => {
    const y = top + line * (row + 1.5);
    paint.fillStyle = colour;
    paint.fillRect(24, y - 8, 16, 16);
    paint.fillStyle = '#111';
    paint.fillText(text, 48, y);
  });
}
