// The stage: one per component. Gradio gives element, props and watch.

function startStage() {
  const root = element.querySelector('.ts');
  const [views, screen, empty, captions, badge, doing, files] = ['views', 'screen', 'empty', 'captions', 'badge', 'doing', 'files'].map(name => root.querySelector(`.ts-${name}`));
  const video = screen.querySelector('video'), poster = screen.querySelector('.ts-poster'), pace = root.querySelector('.ts-pace');
  const original = screen.querySelector('.ts-original'), mouths = [...screen.querySelectorAll('.ts-mouth')];
  const nameControls = startControls(root.querySelector('.ts-controls'), video);
  const state = {shown: null, view: 'whole', preview: null};
  let words = {};

  const made = (tag, text, more = {}) => Object.assign(document.createElement(tag), {textContent: text, ...more});

  function speak() {
    words = spoken();
    video.setAttribute('aria-label', words.film);
    views.setAttribute('aria-label', words.views);
    pace.setAttribute('aria-label', words.pace);
    nameControls(words);
    for (const button of pace.children) button.textContent = words[button.dataset.do];
    original.lastChild.textContent = words.original;
    for (const mouth of mouths) {
      mouth.lastChild.textContent = words[mouth.dataset.of];
      mouth.firstChild.setAttribute('aria-label', words[mouth.dataset.of]);
    }
    captions.replaceChildren(...['mesh', 'blend', 'generated'].map(name => made('span', words[name])));
    render();
  }

  root.toggleAttribute('data-mouths', given('mouths') === true);
  if (given('loops') === true) pace.querySelector('[data-do=loop]').setAttribute('aria-pressed', true);
  const pressed = name => pace.querySelector(`[data-do=${name}]`).getAttribute('aria-pressed') === 'true';
  pace.addEventListener('click', event => {
    const button = event.target.closest('button');
    if (!button) return;
    button.setAttribute('aria-pressed', !pressed(button.dataset.do));
    Object.assign(video, {loop: pressed('loop'), playbackRate: pressed('slow') ? 0.5 : 1});
    if (pressed('loop') && video.ended) video.play();
  });
  video.addEventListener('loadedmetadata', () => { if (!state.preview) video.playbackRate = pressed('slow') ? 0.5 : 1; });

  // ---- what is played

  function play(url, more = {}) {
    Object.assign(video, {controls: root.dataset.layout !== 'beside', loop: pressed('loop'), muted: false, playbackRate: pressed('slow') ? 0.5 : 1, ...more});
    if (video.getAttribute('src') === url) return;  // said anew in another language: it goes on as it was
    video.setAttribute('src', url);
    video.load();
    video.play().catch(() => {});  // a browser may want a click first: the controls are there
  }

  function hush() {
    video.pause();
    video.removeAttribute('src');
    video.load();
  }

  // The other view goes on where this one was: both are of one sound.
  function look(name) {
    const {currentTime: time, paused, ended, muted, volume} = video, url = video.getAttribute('src');
    state.view = name;
    render();
    if (video.getAttribute('src') === url) return;
    video.addEventListener('loadedmetadata', () => {
      Object.assign(video, {currentTime: ended ? 0 : time, muted, volume});
      if (paused && !ended) video.pause();
    }, {once: true});
  }

  function viewsOf(shown) {
    return shown.views.map(({name}) => {
      const button = made('button', words[name], {type: 'button', onclick: () => { if (name !== state.view) look(name); }});
      button.setAttribute('aria-pressed', name === state.view);
      return button;
    });
  }

  // ---- what stands beside it

  // "film" alone, "close" beside its mouth, or "beside" what it was made of.
  function layout() {
    const {shown, preview, view} = state;
    if (given('mouths') !== true || !(shown || preview)) return 'film';
    if (view === 'beside') return 'beside';
    return !preview && view === 'panels' ? 'film' : 'close';
  }

  function arrange() {
    const now = root.dataset.layout = layout();
    original.hidden = mouths[0].hidden = now !== 'beside';
    mouths[1].hidden = now === 'film';
    // What is seen between two films, and before a film's first frame.
    if (state.preview?.poster) state.still = state.preview.poster;
    if (now === 'film' || !state.still) video.removeAttribute('poster');
    else video.setAttribute('poster', state.still);
    showOriginal();
    together();
  }

  // The picture or the silent film that the video is, or will be, made of.
  function showOriginal() {
    const {shown, preview} = state, there = original.querySelector('img, video');
    const {url, moving} = (preview ? {url: preview.poster} : shown?.source) ?? {};
    if (original.hidden || !url) return there?.remove();
    if (there?.getAttribute('src') === url) return;
    const picture = moving ? made('video', '', {muted: true, playsInline: true, preload: 'auto'}) : made('img', '', {alt: ''});
    picture.setAttribute('src', url);
    for (const event of ['load', 'loadeddata', 'seeked']) picture.addEventListener(event, together);
    there?.remove();
    original.prepend(picture);
  }

  // The original in time with the film, and the mouths of the frames that are shown.
  function together(_, frame) {
    const {shown, preview} = state, {boxes, fps = 25} = preview ?? shown ?? {}, [its, mouth] = mouths;
    const picture = original.querySelector('img, video'), time = frame?.mediaTime ?? video.currentTime;
    if (picture?.tagName === 'VIDEO') keepInTime(video, picture);
    if (!mouth.hidden) enlarge(mouth.firstChild, video, boxAt(boxes, fps, time));
    if (!its.hidden) enlarge(its.firstChild, picture, boxAt(boxes, fps, picture?.currentTime ?? 0));
  }

  for (const event of ['play', 'pause', 'seeking', 'seeked', 'ratechange', 'timeupdate', 'emptied']) video.addEventListener(event, together);
  const follow = (now, frame) => {
    together(now, frame);
    video.requestVideoFrameCallback(follow);
  };
  video.requestVideoFrameCallback(follow);
  new ResizeObserver(together).observe(screen);

  // ---- all of it

  function render() {
    const {shown, preview} = state;
    const ready = !!shown && !preview;
    const still = preview?.picture || preview?.poster;
    root.dataset.state = preview ? (preview.url ? 'first' : preview.picture ? 'drawing' : 'waiting') : shown ? 'ready' : 'empty';
    empty.textContent = preview ? words.waiting : words.empty;
    empty.hidden = ready || !!preview?.url || !!preview?.picture;
    video.hidden = !ready && !preview?.url;
    poster.hidden = !still || !!preview.url;
    if (!poster.hidden && poster.getAttribute('src') !== still) poster.src = still;
    arrange();
    badge.textContent = preview?.url ? words.first : original.hidden ? '' : words.result;
    doing.querySelector('i').style.width = `${100 * (preview?.fraction ?? 0)}%`;
    doing.querySelector('span').textContent = preview?.text ?? '';
    delete root.dataset.view;
    if (preview?.url) return play(preview.url, {controls: false, loop: true, muted: true});
    if (!ready) return hush();
    const view = shown.views.find(({name}) => name === state.view) ?? shown.views[0];
    state.view = root.dataset.view = view.name;
    views.replaceChildren(...(shown.views.length > 1 ? viewsOf(shown) : []));
    files.replaceChildren(...shown.files.map(({label, url, name}) => made('a', label, {href: url, download: name})));
    play(view.url);
  }

  // ---- what Python sends

  function refresh() {
    if (props.value === state.value && given('preview') === state.previewed) return;
    Object.assign(state, {value: props.value, previewed: given('preview')});
    state.shown = state.value ? JSON.parse(state.value) : null;
    state.preview = state.previewed ? JSON.parse(state.previewed) : null;
    render();
  }

  speaking(speak);
  watch(['value', 'preview'], refresh);
  refresh();
  // Of updates that come close together `watch` tells only some: what it left out is seen here.
  const look_again = setInterval(() => { root.isConnected ? refresh() : clearInterval(look_again); }, 300);
}

startStage();
