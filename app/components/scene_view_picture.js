// The picture that the camera button saves: background, drawing and labels in one PNG.

function savePicture(glplot, state, style, [width, height]) {
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
  picture.toBlob(blob => {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(blob);
    link.download = `${state.scan.name.replace(/[^\w-]+/g, '_') || 'scan'}.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
}
