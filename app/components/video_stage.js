// The stage: one per component. Gradio gives element, props and watch.

function startStage() {
  const root = element.querySelector('.ts');
  const [views, screen, empty, captions, badge, doing, files] = ['views', 'screen', 'empty', 'captions', 'badge', 'doing', 'files'].map(name => root.querySelector(`.ts-${name}`));
  const video = screen.querySelector('video'), poster = screen.querySelector('.ts-poster'), pace = root.querySelector('.ts-pace');
  const state = {shown: null, view: 'whole', preview: null};
  let words = {};

  const made = (tag, text, more = {}) => Object.assign(document.createElement(tag), {textContent: text, ...more});

  function speak() {
    words = spoken();
    video.setAttribute('aria-label', words.film);
    views.setAttribute('aria-label', words.views);
    pace.setAttribute('aria-label', words.pace);
    for (const button of pace.children) button.textContent = words[button.dataset.do];
    captions.replaceChildren(...['mesh', 'blend', 'generated'].map(name => made('span', words[name])));
    render();
  }

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
    Object.assign(video, {controls: true, loop: pressed('loop'), muted: false, playbackRate: pressed('slow') ? 0.5 : 1, ...more});
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
    const {currentTime: time, paused, ended, muted, volume} = video;
    state.view = name;
    render();
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
    badge.textContent = preview?.url ? words.first : '';
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
