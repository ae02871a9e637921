// Fingers on the stage. One turns; a swipe that begins up or down scrolls the page instead (touch-action: pan-y).
// Two zoom and pan. Plotly itself knows one finger only, so it hears of none.

function hearFingers(stage, {turn, pinch}) {
  const fingers = new Map();
  for (const name of ['touchstart', 'touchmove', 'touchend', 'touchcancel']) {
    stage.addEventListener(name, event => {
      event.stopPropagation();
      if (event.touches.length > 1 && event.cancelable) event.preventDefault();
    }, {capture: true, passive: false});
  }
  const at = event => ({x: event.clientX, y: event.clientY});
  const middle = ([a, b]) => ({x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, apart: Math.hypot(a.x - b.x, a.y - b.y)});

  stage.addEventListener('pointerdown', event => {
    if (event.pointerType === 'touch') fingers.set(event.pointerId, at(event));
  }, true);
  window.addEventListener('pointermove', event => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const pair = fingers.size === 2 ? middle([...fingers.values()]) : null;
    fingers.set(event.pointerId, at(event));
    if (pair) {
      const now = middle([...fingers.values()]);
      pinch(pair.apart / Math.max(now.apart, 1), now.x - pair.x, now.y - pair.y);
    } else if (fingers.size === 1) {
      turn(event.clientX - before.x, event.clientY - before.y);
    }
  });
  for (const name of ['pointerup', 'pointercancel']) window.addEventListener(name, event => fingers.delete(event.pointerId));
}
