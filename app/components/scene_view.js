// The viewer: one per component. Gradio gives element, props, trigger and watch.

function startViewer() {
  const root = element.querySelector('.sv');
  const [stage, plot, labelBox, tip, message, tools, scale, toast, still] =
    ['stage', 'plot', 'labels', 'tip', 'message', 'tools', 'scale', 'told', 'still'].map(name => root.querySelector(`.sv-${name}`));
  const state = {scan: null, overlay: null, labels: [], software: false, seeThrough: true, moved: false, value: null, over: null, view: '', repairs: '',
    oneSided: new Set(), glowing: new Set(), ends: null, sides: 0, recalled: false};
  const NOTHING = {candidates: [], anchors: [], from: null, marks: [], picked: null, cell: null, eye: null};
  let words = {}, Plotly = null, pending = 0;

  // ---- words and states

  function speak() {
    words = spoken();
    stage.setAttribute('aria-label', words.view);
    scale.title = words.scale;
    for (const button of tools.children) {
      const name = words[button.dataset.do];
      button.setAttribute('aria-label', name);
      button.title = name;
    }
    say(root.dataset.state);
    if (state.scan) layOver();
  }

  function say(name) {
    root.dataset.state = name;
    message.textContent = name === 'ready' ? '' : words[name];
  }

  const painted = () => new Promise(done => requestAnimationFrame(() => setTimeout(done)));

  // ---- Plotly, and the only places that look inside it

  function loadPlotly() {
    if (window.Plotly) return Promise.resolve(window.Plotly);
    window.svPlotly ??= new Promise((done, failed) => {
      const script = document.createElement('script');
      script.src = GIVEN.plotly;
      script.onload = () => done(window.Plotly);
      script.onerror = () => { window.svPlotly = undefined; failed(new Error('plotly is missing')); };
      document.head.append(script);
    });
    return window.svPlotly;
  }

  // A scan that ships lies at an address, where the browser may have it already, and beside it a still of it.
  async function payload(text) {
    const {at, still: picture} = JSON.parse(text);
    still.hidden = !picture;
    if (picture) still.src = picture;
    return at ? (await fetch(at)).text() : text;
  }

  const scene = () => plot._fullLayout?.scene?._scene;
  const inner = () => scene()?.glplot;
  // Where the eye is now: the layout tells it only after a turn has ended, and of fingers never.
  const camera = () => scene().getCamera();
  const size = () => [plot.clientWidth, plot.clientHeight];

  // ---- drawing

  function layout(camera) {
    const {low, high, ratio} = state.scan.frame;
    const axis = n => ({visible: false, showspikes: false, range: [low[n], high[n]], autorange: false});
    return {
      autosize: true, margin: {l: 0, r: 0, t: 0, b: 0}, showlegend: false, hovermode: false,
      paper_bgcolor: 'rgba(0,0,0,0)', plot_bgcolor: 'rgba(0,0,0,0)',
      scene: {
        xaxis: axis(0), yaxis: axis(1), zaxis: axis(2), aspectmode: 'manual',
        aspectratio: {x: ratio[0], y: ratio[1], z: ratio[2]},
        dragmode: 'turntable', hovermode: false, camera,
      },
    };
  }

  const OPTIONS = {displayModeBar: false, displaylogo: false, scrollZoom: true, doubleClick: false, responsive: false};

  async function showScan(text) {
    const turn = ++pending;
    state.scan = null;
    state.labels = [];
    still.hidden = true;
    if (state.ends) state.ends = [];
    placeLabels(true);
    if (!text || text === 'null') { if (Plotly) Plotly.purge(plot); return say(text ? 'empty' : 'opening'); }
    say('loading');
    const kind = graphics();
    if (kind === 'none') return say('no_webgl');
    state.software = kind === 'software';
    try {
      await painted();
      const [scan, drawer] = await Promise.all([payload(text).then(whole => unpackScan(whole, state.software)), loadPlotly()]);
      Plotly = drawer;
      if (turn !== pending) return;
      scan.frame = frameOf(scan.bounds);
      mend(scan, state.repairs);
      state.scan = scan;
      cut();
      state.moved = false;
      await visible();
      if (turn !== pending) return;
      Plotly.purge(plot);
      await Plotly.newPlot(plot, [scan.trace], layout(fitted(scan, START, room())), OPTIONS);
      refine(inner(), state);
      root.dataset.vertices = scan.mesh.x.length;
      await layOver();
      inner().redraw();
      say('ready');
      recall();
      if (scan.finer && !state.software) sharpen(scan).catch(error => console.warn('scene view:', error));
    } catch (error) {
      console.error('scene view:', error);
      if (turn === pending) { state.scan = null; say('broken'); }
    }
  }

  // Where the whole mesh takes long it comes after a coarse one, which software keeps.
  async function sharpen(scan) {
    const mesh = await meshOf(scan, await (await fetch(scan.finer)).json(), false);
    if (state.scan !== scan) return;
    scan.mesh = mesh;
    scan.packed.place = null;
    mend(scan, state.repairs);
    cut();
    root.dataset.vertices = mesh.x.length;
    await layOver();
  }

  // A tab that is not shown has no size; Plotly must not draw into nothing.
  const visible = () => new Promise(done => {
    const look = () => (plot.clientWidth ? done() : setTimeout(look, 150));
    look();
  });
  // The tools stand at the right, on a phone below.
  const room = () => {
    const [width, height] = size();
    return width > 600 ? {width, height, right: 56, bottom: 0} : {width, height, right: 0, bottom: 64};
  };

  // Where the ceiling cannot be seen through it is cut off.
  function cut() {
    const {scan} = state;
    scan.drawn = cutOpen(scan.mesh, state.seeThrough ? scan.lid ?? null : null);
    scan.trace = scanTrace(scan.drawn);
  }

  async function layOver() {
    const {scan} = state;
    if (!scan || !Plotly) return;
    const {traces, labels} = overlayOf(scan, {...NOTHING, ...state.overlay, ends: state.ends ?? []}, words);
    const corners = names => traces.filter(trace => trace.i && names.test(trace.name)).map(trace => trace.i.length * 3);
    state.oneSided = new Set([scan.drawn.i.length * 3, ...corners(/ object$/)]);
    state.glowing = new Set(corners(/^(winner|winner object|candidates|anchors|picked|measure)$/));
    state.labels = labels;
    showLabels();
    await Plotly.react(plot, [scan.trace, ...traces], layout(camera()), OPTIONS);
    root.dataset.traces = traces.map(trace => trace.name).join();
    placeLabels(true);
  }

  // ---- labels: HTML over the picture, so that type stays crisp

  function showLabels() {
    labelBox.replaceChildren(...state.labels.map(label => {
      const tag = document.createElement(label.id === null ? 'span' : 'button');
      tag.className = `sv-label sv-${label.kind}`;
      tag.textContent = label.text;
      tag.style.setProperty('--sv-colour', label.colour ?? 'transparent');
      if (label.id !== null) {
        tag.type = 'button';
        tag.onclick = () => choose(label.id, label.at);
      }
      label.tag = tag;
      return tag;
    }));
    for (const label of state.labels) Object.assign(label, {width: label.tag.offsetWidth, height: label.tag.offsetHeight});
  }

  // Puts each label over its object, and leaves out those that a stronger one covers.
  function placeLabels(force) {
    const params = inner()?.cameraParams;
    if (!params || !state.scan) { if (force) labelBox.replaceChildren(); return; }
    const [width, height] = size();
    const view = [...params.view, ...params.projection, width, height].map(value => value.toFixed(4)).join();
    if (view === state.view && !force) return;
    state.view = view;
    tellTurn();
    showScale(scale, camera(), state.scan.frame, height);
    const taken = [];
    for (const label of state.labels) {
      const spot = onScreen(label.at, state.scan.frame, params, width, height);
      const box = spot && {x: spot.x - label.width / 2, y: spot.y - label.height - (label.kind === 'cell' ? 0 : 10), w: label.width, h: label.height};
      const off = !box || spot.x < 0 || spot.y < 0 || spot.x > width || spot.y > height;
      const hidden = off || taken.some(other =>
        box.x < other.x + other.w && other.x < box.x + box.w && box.y < other.y + other.h && other.y < box.y + box.h);
      label.tag.style.visibility = hidden ? 'hidden' : 'visible';
      label.box = hidden ? null : box;
      if (hidden) continue;
      box.x = Math.min(Math.max(box.x, 4), width - box.w - 4);
      box.y = Math.min(Math.max(box.y, 4), height - box.h - 4);
      taken.push(box);
      label.tag.style.transform = `translate(${box.x.toFixed(1)}px, ${box.y.toFixed(1)}px)`;
    }
  }

  // Degrees by which a plan with north (high y) on top has to be turned clockwise to lie as the room is seen.
  function tellTurn() {
    const {eye, center} = camera();
    const away = Math.atan2(center.y - eye.y, center.x - eye.x) * 180 / Math.PI;
    document.documentElement.style.setProperty('--sv-turn', `${(away - 90).toFixed(0)}deg`);
  }

  // ---- picking

  function under(event) {
    const params = inner()?.cameraParams;
    if (!params || !state.scan) return null;
    const frame = plot.getBoundingClientRect();
    const ray = rayThrough(event.clientX - frame.left, event.clientY - frame.top, state.scan.frame, params, ...size());
    const hit = hitMesh(state.scan.drawn, ray, !state.seeThrough || state.scan.two_sided);
    const instance = hit && state.scan.instances[hit.place - 1];
    return instance ? {instance, xyz: hit.xyz} : null;
  }

  function choose(id, xyz) {
    state.overlay = {...NOTHING, ...state.overlay, marks: [], picked: id};
    root.dataset.picked = id ?? '';
    layOver();
    trigger('pick', id === null ? {id: null} : {id, xyz: xyz.map(value => Math.round(value * 1000) / 1000)});
  }

  function clear() {
    if (state.overlay?.picked != null) choose(null);
  }

  function measure(xyz) {
    state.ends = state.ends.length < 2 ? [...state.ends, xyz] : [xyz];
    layOver();
  }

  let pressed = null, hovering = 0;

  stage.addEventListener('pointerdown', event => {
    if (!event.isPrimary) pressed = null;  // a second finger: not a tap
    else pressed = event.button === 0 && !event.target.closest('.sv-label') ? {x: event.clientX, y: event.clientY} : null;
    tip.hidden = true;
  }, true);
  window.addEventListener('pointerup', event => {
    const still = pressed && Math.hypot(event.clientX - pressed.x, event.clientY - pressed.y) < 5;
    if (pressed && !still) state.moved = true;
    pressed = null;
    if (!still || !state.scan || !stage.contains(event.target)) return;
    const found = under(event);
    if (state.ends) return found && measure(found.xyz);
    found ? choose(found.instance.id, found.xyz) : clear();
  }, true);
  stage.addEventListener('pointermove', event => {
    if (event.buttons || event.pointerType === 'touch' || !state.scan) { tip.hidden = true; return; }
    cancelAnimationFrame(hovering);
    hovering = requestAnimationFrame(() => hover(event));
  });
  stage.addEventListener('pointerleave', () => { cancelAnimationFrame(hovering); tip.hidden = true; });
  // Plotly looks for the point under a moving mouse by drawing the scan once more: not needed here.
  // Only where a press begins must it know, else the view jumps by the way from where the last one ended.
  let telling = false;
  stage.addEventListener('mousemove', event => { if (!event.buttons && !telling) event.stopPropagation(); }, true);
  stage.addEventListener('mousedown', event => {
    telling = true;
    event.target.dispatchEvent(new MouseEvent('mousemove', {clientX: event.clientX, clientY: event.clientY, bubbles: true}));
    telling = false;
  }, true);

  function hover(event) {
    const found = event.target.closest('.sv-label') ? null : under(event);
    tip.hidden = !found;
    plot.style.cursor = found ? 'pointer' : 'grab';
    if (!found) return;
    const frame = stage.getBoundingClientRect();
    tip.textContent = named(found.instance);
    tip.style.setProperty('--sv-colour', found.instance.colour);
    const x = Math.min(event.clientX - frame.left + 14, frame.width - tip.offsetWidth - 6);
    const y = Math.max(event.clientY - frame.top - tip.offsetHeight - 10, 6);
    tip.style.transform = `translate(${x}px, ${y}px)`;
  }

  function tell(text) {
    toast.textContent = text;
    setTimeout(() => { if (toast.textContent === text) toast.textContent = ''; }, 4000);
  }

  // A link may say where to stand and which object is meant; once, for the scan that it opens.
  function recall() {
    if (state.recalled || !window.trilab) return;
    state.recalled = true;
    const asked = new URLSearchParams(location.search), found = state.scan.byId.get(Number(asked.get('object') ?? NaN));
    const from = cameraOf(asked.get('view'));
    window.trilab.address({object: null, view: null});
    if (from) { state.moved = true; lookFrom(from); }
    if (found) choose(found.id, topOf(found.box));
  }

  // ---- camera, tools, keys

  const lookFrom = camera => Plotly.relayout(plot, {'scene.camera': camera});
  function nudge(azimuth, elevation, zoom) {
    state.moved = true;
    return lookFrom(moved(camera(), azimuth, elevation, zoom));
  }
  // The same without a new layout: as smooth as a finger.
  function glide(to) {
    state.moved = true;
    const [eye, center, up] = [to.eye, to.center, to.up].map(({x, y, z}) => [x, y, z]);
    scene().camera.lookAt(eye, center, up);
  }
  hearFingers(stage, {
    turn: (dx, dy) => { if (state.scan && inner()) glide(moved(camera(), -Math.PI * dx / plot.clientHeight, Math.PI * dy / plot.clientHeight, 1)); },
    pinch: (zoom, dx, dy) => { if (state.scan && inner()) glide(panned(moved(camera(), 0, 0, zoom), dx, dy, plot.clientHeight)); },
  });
  stage.addEventListener('wheel', () => { state.moved = true; }, {capture: true, passive: true});

  const actions = {
    reset: async () => { await lookFrom(fitted(state.scan, START, room())); state.moved = false; },
    top: () => { state.moved = true; return lookFrom(fitted(state.scan, [0, -0.002, 1], room())); },
    closer: () => nudge(0, 0, 0.8),
    further: () => nudge(0, 0, 1.25),
    walls: async () => {
      state.seeThrough = !state.seeThrough;
      if (state.scan.lid) { cut(); await layOver(); }
      tools.querySelector('[data-do=walls]').setAttribute('aria-pressed', state.seeThrough);
      inner().redraw();
    },
    side: () => { state.moved = true; return lookFrom(fitted(state.scan, SIDES[state.sides++ % SIDES.length], room())); },
    full: () => (document.fullscreenElement ? document.exitFullscreen() : root.requestFullscreen()),
    measure: () => {
      state.ends = state.ends ? null : [];
      root.toggleAttribute('data-measuring', !!state.ends);
      tools.querySelector('[data-do=measure]').setAttribute('aria-pressed', !!state.ends);
      tell(state.ends ? words.measuring : '');
      return layOver();
    },
    link: async () => tell(await window.trilab.copy({object: state.overlay?.picked, view: told(camera())}) ? words.copied : words.not_copied),
    picture: () => savePicture(inner(), state, getComputedStyle(root), size()[0]),
  };
  tools.addEventListener('click', event => {
    const name = event.target.closest('button')?.dataset.do;
    if (name && state.scan && inner()) actions[name]();
  });
  const keys = {
    ArrowLeft: [-0.2, 0, 1], ArrowRight: [0.2, 0, 1], ArrowUp: [0, 0.15, 1], ArrowDown: [0, -0.15, 1],
    '+': [0, 0, 0.8], '=': [0, 0, 0.8], '-': [0, 0, 1.25],
  };
  stage.addEventListener('keydown', event => {
    if (event.key === 'Escape') clear();
    if (!keys[event.key] || !state.scan || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    nudge(...keys[event.key]);
  });

  new ResizeObserver(async () => {
    if (!state.scan || !inner() || !plot.clientWidth) return;
    const start = !state.moved;
    await Plotly.relayout(plot, {width: plot.clientWidth, height: plot.clientHeight, 'scene.camera': camera()});
    if (start) actions.reset();
    placeLabels(true);
  }).observe(plot);

  function everyFrame() {
    if (!root.isConnected) return;
    placeLabels(false);
    requestAnimationFrame(everyFrame);
  }

  // ---- what Python sends

  async function refresh() {
    const fresh = props.value !== state.value;
    const repaired = given('repairs') !== state.repairs;
    if (!fresh && !repaired && given('overlay') === state.over) return;
    state.over = given('overlay');
    state.repairs = given('repairs');
    try {
      state.overlay = state.over ? JSON.parse(state.over) : null;
    } catch (error) {
      console.error('scene view overlay:', error);
      state.overlay = null;
    }
    root.dataset.picked = state.overlay?.picked ?? '';
    if (!fresh) {
      if (repaired && state.scan) mend(state.scan, state.repairs);
      return layOver();
    }
    state.value = props.value;
    await showScan(props.value);
  }

  speaking(speak);
  // A visitor chose another scan: the one before is not shown under its name. It comes back where the other can't be opened.
  document.addEventListener('tl:opening', event => {
    if (event.detail) say('opening');
    else if (root.dataset.state === 'opening' && state.scan) say('ready');
  });
  document.addEventListener('tl:fly', event => {
    const found = state.scan?.byId.get(event.detail);
    if (!found || !inner()) return;
    state.moved = true;
    lookFrom(near(found.box, camera(), state.scan.frame));
  });
  watch(['value', 'overlay', 'repairs'], refresh);
  refresh();
  everyFrame();
}

startViewer();
