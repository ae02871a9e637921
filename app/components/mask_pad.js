// The pad: one per component. Gradio gives element, props, trigger and watch.

function startPad() {
  const root = element.querySelector('.mp');
  const [tools, stage, hint, area, presets, thickness] =
    ['tools', 'stage', 'hint', 'area', 'presets', 'thickness'].map(name => root.querySelector(`.mp-${name}`));
  // Drawn by the processor: so small a picture is there sooner than a software GPU has begun.
  const canvas = stage.querySelector('canvas'), context = canvas.getContext('2d', {willReadFrequently: true});
  const CLOSE = 6; // pixels from its first corner where a polygon ends
  const HISTORY = 60; // steps to undo, 64 kB each
  const state = {region: emptyRegion(), backdrop: null, tool: 'brush', past: [], future: [], laid: null, hover: null, drag: null, corners: []};
  let words = {}, asked = 0;

  // ---- words

  function speak() {
    words = spoken();
    stage.setAttribute('aria-label', words.pad);
    thickness.setAttribute('aria-label', words.thickness);
    thickness.title = words.thickness;
    hint.textContent = words.hint;
    presets.setAttribute('aria-label', words.presets);
    for (const button of tools.querySelectorAll('button')) {
      button.title = words[button.dataset.tool ?? button.dataset.do];
      button.setAttribute('aria-label', button.title);
    }
    showPresets();
    tell();
  }

  function showPresets() {
    presets.replaceChildren(...Object.entries(GIVEN.presets).map(([name, url]) => {
      const button = document.createElement('button'), picture = new Image();
      button.type = 'button';
      button.dataset.preset = name;
      button.title = words[`preset_${name}`] ?? name;
      button.setAttribute('aria-label', button.title);
      picture.src = url;
      picture.alt = '';
      picture.draggable = false;
      button.append(picture);
      button.onclick = () => layMask(url);
      return button;
    }));
  }

  function tell() {
    const share = 100 * areaOf(state.drag?.shown ?? state.region);
    area.toggleAttribute('data-empty', share === 0);
    area.textContent = share === 0 ? words.nothing : words.area.replace('{percent}', share < 10 ? share.toFixed(1) : Math.round(share));
    root.dataset.area = share.toFixed(2);
    hint.hidden = share > 0 || !!state.drag || !!state.backdrop;
  }

  // ---- drawing

  function draw() {
    asked = 0;
    const side = stage.clientWidth;
    if (!side) return;
    const pixels = Math.round(side * devicePixelRatio);
    if (canvas.width !== pixels) canvas.width = canvas.height = pixels;
    const scale = pixels / SIZE, region = state.drag?.shown ?? state.region;
    context.fillStyle = '#000';
    context.fillRect(0, 0, pixels, pixels);
    context.imageSmoothingQuality = 'high';
    if (state.backdrop) context.drawImage(state.backdrop, 0, 0, pixels, pixels);
    context.globalAlpha = state.backdrop ? 0.28 : 0.92;
    context.drawImage(canvasOf(imageOf(region, [255, 255, 255, 255], [0, 0, 0, 0])), 0, 0, pixels, pixels);
    context.globalAlpha = 1;
    const outline = outlineOf(region, scale);
    context.lineCap = 'round';
    line(outline, 4.5, 'rgba(0, 0, 0, .55)');
    line(outline, 2.2, '#2fd3e6');
    if (state.corners.length) drawCorners(scale);
    if (state.hover && ['brush', 'eraser'].includes(state.tool)) {
      const ring = new Path2D();
      ring.arc(state.hover[0] * scale, state.hover[1] * scale, thickness.value * scale / 2, 0, 2 * Math.PI);
      line(ring, 3, 'rgba(0, 0, 0, .6)');
      line(ring, 1.3, state.tool === 'eraser' ? '#ff9a8a' : '#fff');
    }
    tell();
  }

  // What of a polygon is there, and the side to where the pointer is.
  function drawCorners(scale) {
    const path = new Path2D();
    for (const [x, y] of state.hover ? [...state.corners, state.hover] : state.corners) path.lineTo(x * scale, y * scale);
    const [x, y] = state.corners[0];
    path.moveTo((x + CLOSE) * scale, y * scale);
    path.arc(x * scale, y * scale, CLOSE * scale, 0, 2 * Math.PI);
    line(path, 3, 'rgba(0, 0, 0, .6)');
    line(path, 1.5, '#fff');
  }

  function line(path, width, colour) {
    context.lineWidth = width * devicePixelRatio;
    context.strokeStyle = colour;
    context.stroke(path);
  }

  const redraw = () => { asked ||= requestAnimationFrame(draw); };

  // ---- what is drawn, step by step

  function commit(region) {
    if (region.every((pixel, place) => pixel === state.region[place])) return redraw();
    state.past.push(state.region);
    if (state.past.length > HISTORY) state.past.shift();
    state.future = [];
    become(region);
  }

  function become(region) {
    state.region = region;
    props.value = region.includes(1) ? canvasOf(imageOf(region, [255, 255, 255, 255], [0, 0, 0, 255])).toDataURL('image/png') : '';
    for (const [name, on] of [['undo', state.past.length], ['redo', state.future.length], ['clear', props.value]]) {
      tools.querySelector(`[data-do=${name}]`).disabled = !on;
    }
    redraw();
  }

  async function layMask(url) {
    try {
      commit(regionOf(await pictureFrom(url)));
    } catch (error) {
      console.error('mask pad:', error);
    }
  }

  async function layBackdrop(url) {
    try {
      state.backdrop = url ? await pictureFrom(url) : null;
    } catch (error) {
      console.error('mask pad:', error);
    }
    tools.querySelector('[data-do=field]').hidden = !state.backdrop;
    root.toggleAttribute('data-backdrop', !!state.backdrop);
    redraw();
  }

  const actions = {
    undo: () => { if (state.past.length) { state.future.push(state.region); become(state.past.pop()); } },
    redo: () => { if (state.future.length) { state.past.push(state.region); become(state.future.pop()); } },
    clear: () => commit(emptyRegion()),
    field: () => layBackdrop(null),
  };

  function choose(tool) {
    state.tool = tool;
    state.corners = [];
    for (const button of tools.querySelectorAll('[data-tool]')) button.setAttribute('aria-pressed', button.dataset.tool === tool);
    redraw();
  }

  tools.addEventListener('click', event => {
    const button = event.target.closest('button');
    if (button?.dataset.tool) choose(button.dataset.tool);
    if (button?.dataset.do) actions[button.dataset.do]();
  });
  thickness.addEventListener('input', redraw);

  // ---- mouse, pen, finger

  function placeOf(event) {
    const frame = stage.getBoundingClientRect();
    return [(event.clientX - frame.left) / frame.width * SIZE, (event.clientY - frame.top) / frame.height * SIZE];
  }

  // Two fingers are the browser's, to zoom and pan. One that begins with a quick move up or down scrolls the page.
  const SWIPE = {pixels: 24, milliseconds: 140};
  let swipe = null;

  stage.addEventListener('pointerdown', event => {
    const pen = state.drag?.by === 'pen'; // a palm beside it says nothing
    if (event.pointerType === 'touch' && !event.isPrimary) return pen ? undefined : drop();
    const penOverPalm = event.pointerType === 'pen' && state.drag?.by === 'touch'; // the palm's stroke goes
    if (event.button !== 0 || !event.isPrimary || (state.drag && !penOverPalm)) return;
    event.preventDefault();
    swipe = event.pointerType === 'touch' ? {x: event.clientX, y: event.clientY, last: event.clientY, begun: event.timeStamp} : null;
    stage.focus({preventScroll: true});
    try { stage.setPointerCapture(event.pointerId); } catch { /* a pointer that has gone already */ }
    const place = placeOf(event);
    if (state.tool === 'fill') return commit(filled(state.region, place));
    if (state.tool === 'polygon') return corner(place);
    state.drag = {pointer: event.pointerId, by: event.pointerType, from: place, at: place, shown: state.region.slice()};
    if (state.tool !== 'ellipse') fillDisc(state.drag.shown, place, thickness.value / 2, state.tool === 'brush' ? 1 : 0);
    redraw();
  });

  // A palm beside the pen would pan the page.
  const hold = event => { if (state.drag?.by === 'pen') event.preventDefault(); };
  for (const kind of ['touchstart', 'touchmove']) stage.addEventListener(kind, hold, {passive: false});

  function corner(place) {
    const [first] = state.corners;
    if (first && Math.hypot(place[0] - first[0], place[1] - first[1]) < CLOSE) return closePolygon();
    state.corners.push(place);
    redraw();
  }

  function closePolygon() {
    const region = state.region.slice();
    fillPolygon(region, state.corners);
    state.corners = [];
    commit(region);
  }

  stage.addEventListener('pointermove', event => {
    state.hover = event.pointerType === 'touch' ? null : placeOf(event);
    const {drag} = state;
    if (scrolls(event)) return;
    if (drag?.pointer === event.pointerId) {
      const between = event.getCoalescedEvents?.() ?? [];
      for (const moved of between.length ? between : [event]) follow(drag, placeOf(moved), event.shiftKey);
    }
    redraw();
  });

  function drop() {
    state.drag = swipe = null;
    redraw();
  }

  function scrolls(event) {
    if (!swipe || event.pointerType !== 'touch' || !event.isPrimary) return false;
    if (!swipe.on) {
      const dx = Math.abs(event.clientX - swipe.x), dy = Math.abs(event.clientY - swipe.y);
      const quick = event.timeStamp - swipe.begun < SWIPE.milliseconds;
      if (quick && dy > SWIPE.pixels && dy > 2 * dx) {
        swipe.on = true;
        state.drag = null;
        redraw();
      } else if (!quick) swipe = null;
    }
    if (!swipe?.on) return false;
    window.scrollBy(0, swipe.last - event.clientY);
    swipe.last = event.clientY;
    return true;
  }

  function follow(drag, place, regular) {
    if (state.tool === 'ellipse') {
      let [x, y] = place;
      if (regular) { // with Shift a circle
        const side = Math.max(Math.abs(x - drag.from[0]), Math.abs(y - drag.from[1]));
        [x, y] = [drag.from[0] + side * Math.sign(x - drag.from[0]), drag.from[1] + side * Math.sign(y - drag.from[1])];
      }
      drag.shown = state.region.slice();
      fillEllipse(drag.shown, drag.from, [x, y], 1);
    } else {
      fillStroke(drag.shown, drag.at, place, thickness.value / 2, state.tool === 'brush' ? 1 : 0);
    }
    drag.at = place;
  }

  function release(event, kept) {
    const {drag} = state;
    if (drag?.pointer !== event.pointerId) return;
    state.drag = null;
    if (kept && state.tool === 'brush') closeRings(drag.shown, state.region);
    kept ? commit(drag.shown) : redraw();
  }
  stage.addEventListener('pointerup', event => release(event, true));
  stage.addEventListener('pointercancel', event => release(event, false));
  stage.addEventListener('pointerleave', () => { state.hover = null; redraw(); });

  // ---- keys

  const letters = {b: () => choose('brush'), e: () => choose('ellipse'), x: () => choose('eraser'), p: () => choose('polygon'), f: () => choose('fill')};
  // What is drawn is pushed and scaled: a shape needs no mouse.
  const pushes = {arrowleft: [-1, 0, 1], arrowright: [1, 0, 1], arrowup: [0, -1, 1], arrowdown: [0, 1, 1], '+': [0, 0, 1.1], '=': [0, 0, 1.1], '-': [0, 0, 1 / 1.1]};
  // Undo is heard wherever nothing is being typed, letters where the pad has the focus.
  function pressed(event) {
    if (!root.isConnected) return document.removeEventListener('keydown', pressed);
    const key = event.key.toLowerCase(), {target} = event;
    if (!stage.clientWidth || target.matches?.('textarea, [contenteditable], input:not([type=range])')) return;
    let act = null;
    if (event.ctrlKey || event.metaKey) {
      if (key === 'z') act = event.shiftKey ? actions.redo : actions.undo;
      if (key === 'y') act = actions.redo;
    } else if (!event.altKey && root.contains(target)) {
      act = letters[key] ?? (key === 'delete' ? actions.clear : null);
      if (key === '[' || key === ']') act = () => { thickness.valueAsNumber += key === ']' ? 3 : -3; redraw(); };
      if (pushes[key] && target === stage && state.region.includes(1)) {
        const [dx, dy, scale] = pushes[key], step = event.shiftKey ? 16 : 4;
        act = () => commit(shifted(state.region, step * dx, step * dy, scale));
      }
      if (key === 'enter' && state.corners.length > 2) act = closePolygon;
      if (key === 'escape' && state.corners.length) act = () => { state.corners = []; redraw(); };
      if (key === 'escape' && state.drag) act = () => { state.drag = null; redraw(); };
    }
    if (!act) return;
    event.preventDefault();
    act();
  }
  document.addEventListener('keydown', pressed);

  // ---- what Python lays on it

  async function refresh() {
    if (!given('laid') || given('laid') === state.laid) return;
    state.laid = given('laid');
    const {mask, backdrop, given: asGiven} = JSON.parse(state.laid);
    if (backdrop) await layBackdrop(backdrop);
    if (asGiven) await layMask(asGiven); // a step of its own, which undo brings back
    if (mask) await layMask(mask);
  }

  // A link may bring a mask; the address forgets it, else the next one would be told beside it.
  function recall() {
    const text = new URLSearchParams(location.search).get('mask');
    if (!text) return;
    try {
      commit(decoded(text));
    } catch (error) {
      console.error('mask pad:', error);
    }
    window.trilab?.address({mask: null});
  }

  new ResizeObserver(redraw).observe(stage);
  speaking(speak);
  watch('laid', refresh);
  setTimeout(recall, 300); // Gradio passes on only what changes once the page stands
  refresh();
  redraw();
}

startPad();
