// The strip: one per component. Gradio gives element, props, trigger and watch.

function startHistory() {
  const root = element.querySelector('.hs'), title = root.querySelector('.hs-title'), row = root.querySelector('.hs-row');
  const state = {value: '', pasts: [], current: null, waits: false};

  const made = (tag, name, text = '') => Object.assign(document.createElement(tag), {className: name, textContent: text});

  // ---- what the browser's tab remembers until it is closed: the key to what was made, and which strips had something

  const SHELF = 'tl-history';
  function remembered() {
    try {
      return JSON.parse(sessionStorage.getItem(SHELF)) ?? {};
    } catch {
      return {};
    }
  }

  function remember(key) {
    const had = new Set(remembered().had);
    had[state.pasts.length ? 'add' : 'delete'](given('name'));
    try {
      sessionStorage.setItem(SHELF, JSON.stringify({key, had: [...had]}));
    } catch { /* a browser that lets no page remember anything: a reload forgets */ }
  }

  // Asks for what is there, in the language of the page. The row's place is kept until it comes.
  function ask() {
    const {key, had} = remembered();
    if (!key) return;
    state.waits = !state.value && had.includes(given('name'));
    render();
    trigger('returned', {key});
  }

  // ---- the row

  function buttonOf({number, title: name, lines, pictures}) {
    const button = made('button', 'hs-past'), said = made('span', 'hs-said');
    Object.assign(button, {type: 'button', title: [name, ...lines].join('\n')});
    button.dataset.number = number;
    if (number === state.current) button.setAttribute('aria-current', 'true');
    if (pictures.length) button.append(made('span', 'hs-pictures'));
    button.firstChild?.append(...pictures.map(src => Object.assign(new Image(), {src, alt: '', draggable: false})));
    said.append(made('b', '', name), ...lines.map(line => made('span', '', line)));
    button.append(said);
    return button;
  }

  function render() {
    const focused = row.contains(document.activeElement) ? document.activeElement.dataset.number : null;
    root.hidden = !state.pasts.length && !state.waits;
    row.replaceChildren(...state.pasts.map(buttonOf));
    stop(row.querySelector('[aria-current]') ?? row.firstChild);
    if (focused) row.querySelector(`[data-number="${focused}"]`)?.focus({preventScroll: true});
  }

  // The one that Tab stops at.
  function stop(button) {
    for (const one of row.children) one.tabIndex = one === button ? 0 : -1;
  }

  row.addEventListener('click', event => {
    const button = event.target.closest('button');
    if (!button) return;
    stop(button);
    trigger('choose', {number: Number(button.dataset.number)});
  });
  row.addEventListener('keydown', event => {
    const all = [...row.children], here = all.indexOf(event.target.closest('button'));
    const next = {ArrowRight: all[here + 1], ArrowLeft: all[here - 1], Home: all[0], End: all.at(-1)}[event.key];
    if (!next) return;
    event.preventDefault();
    stop(next);
    next.focus();
  });

  // ---- what Python sends

  function refresh() {
    if (!props.value || props.value === state.value) return;
    const {key, pasts, current} = JSON.parse(props.value), newest = pasts[0]?.number;
    if (newest !== state.pasts[0]?.number) row.scrollLeft = 0;
    Object.assign(state, {value: props.value, pasts, current: current ?? state.current, waits: false});
    remember(key);
    render();
  }

  function speak() {
    title.textContent = spoken().title;
    row.setAttribute('aria-label', title.textContent);
    ask();
  }

  speaking(speak);
  watch('value', refresh);
  refresh();
  // Of updates that come close together `watch` tells only some: what it left out is seen here.
  const look = setInterval(() => { root.isConnected ? refresh() : clearInterval(look); }, 300);
}

startHistory();
