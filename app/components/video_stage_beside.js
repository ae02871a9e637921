// Beside the film: what it was made of, in time with it, and a mouth enlarged.

const FAR = 0.25;  // seconds from which a film jumps to the other's time; nearer it only changes its pace

// Keep a silent film in time with another: to the frame while that one rests, by its pace while it plays.
function keepInTime(film, silent) {
  const time = Math.min(film.currentTime, silent.duration || 0), late = time - silent.currentTime;
  const rests = film.paused || film.readyState < 3;
  if (!silent.seeking && Math.abs(late) > (rests || film.seeking ? 0.01 : FAR)) silent.currentTime = time;
  silent.playbackRate = film.playbackRate * (1 + Math.max(-0.4, Math.min(0.4, 2 * late)));
  if (rests) silent.pause();
  else if (silent.paused && !silent.ended) silent.play().catch(() => {});
}

// The place of the mouth in the frame that is shown at a time; none where nobody knows it.
const boxAt = (boxes, fps, time) => boxes?.[Math.max(0, Math.min(boxes.length - 1, Math.round(time * fps)))];

// A square of a picture, as sharp as the screen can show it. What was there stays until the next one has loaded.
function enlarge(canvas, picture, box) {
  const side = Math.round(canvas.clientWidth * devicePixelRatio), pen = canvas.getContext('2d');
  if (!box) return pen.clearRect(0, 0, canvas.width, canvas.height);
  if (!side || !(picture?.complete || picture?.readyState > 1)) return;
  if (canvas.width !== side) canvas.width = canvas.height = side;
  const [left, top, span] = box;
  pen.imageSmoothingQuality = 'high';
  pen.drawImage(picture, left, top, span, span, 0, 0, side, side);
}
