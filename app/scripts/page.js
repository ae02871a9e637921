// What stands before everything else in the document: the address says which lab is open, in which language and
// which colours, and whether the page is on a stage; each changes in place, so that nothing a visitor has is lost.
// CORE, Gradio's module of translations, SCRIPTS, all its modules that the page needs, AHEAD, what each lab fetches
// at once, and LANGUAGES, ours by their tags, are put before this by Python.
(() => {
const root = document.documentElement;
const asked = () => new URLSearchParams(location.search);
const LABS = ['scene', 'face', 'colonoscopy'];
const labOf = () => (LABS.includes(asked().get('lab')) ? asked().get('lab') : LABS[0]);
const languageOf = () => {
  const spoken = tag => tag.toLowerCase().split('-')[0];
  const wanted = asked().get('lang') || navigator.languages?.[0] || '';
  return LANGUAGES.find(tag => spoken(tag) === spoken(wanted)) ?? LANGUAGES[0];
};
const dark = () => {
  const theme = asked().get('__theme');
  return theme === 'dark' || (theme !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches);
};

// Gradio reads its language from here, and nowhere else.
Object.defineProperty(navigator, 'language', {get: () => root.lang, configurable: true});
root.lang = languageOf();
root.classList.toggle('talk', asked().get('talk') === '1');

const asset = name => new URL(`assets/${name}`, location.href).href;
for (const {as, href, parameter, else: other} of AHEAD[labOf()] ?? []) {
  const link = Object.assign(document.createElement('link'), {rel: 'preload', as});
  link.href = href + (parameter ? new URLSearchParams({'': asked().get(parameter) || other}).toString().slice(1) : '');
  if (as === 'fetch') link.crossOrigin = 'anonymous';
  link.fetchPriority = 'high';
  document.head.append(link);
}
for (const name of SCRIPTS) {
  document.head.append(Object.assign(document.createElement('link'), {rel: 'modulepreload', href: asset(name), crossOrigin: ''}));
}

// ---- the address

let last = asked();

// Sets parameters of the address ('' and null take one away). push: Back leads here again.
function address(changes, push = false) {
  const url = new URL(location.href);
  for (const [key, value] of Object.entries(changes)) {
    value ? url.searchParams.set(key, value) : url.searchParams.delete(key);
  }
  if (url.href !== location.href) history[push ? 'pushState' : 'replaceState'](null, '', url);
  last = asked();
}

function lab(name) {
  if (name !== labOf()) address({lab: name}, true);
}

// The tab that the address names is open from the first picture on.
let config;
Object.defineProperty(window, 'gradio_config', {
  configurable: true,
  get: () => config,
  set(value) {
    config = value;
    const tabs = value.components?.find(one => one.props?.elem_id === 'tl-labs');
    if (tabs) tabs.props.selected = labOf();
  },
});

// Back leads to the lab before; language, colours and stage stay as they are now, and so does what is on the page.
addEventListener('popstate', () => {
  const {lab: there} = Object.fromEntries(asked());
  const url = new URL(location.href);
  url.search = last;
  history.replaceState(null, '', url);
  address({lab: there});
  const tab = document.getElementById(`tl-${labOf()}-button`);
  if (tab?.getAttribute('aria-selected') === 'false') tab.click();
  follow();
});

// ---- language, colours, stage

async function speak() {
  const lang = languageOf();
  if (root.lang === lang) return;
  root.lang = lang;
  (await import(asset(CORE))).changeLocale(lang);
  const words = config.i18n_translations[lang];
  // Gradio leaves the names of tabs that were not opened yet as they are.
  for (const name of LABS) {
    const text = document.getElementById(`tl-${name}-button`)?.firstChild;
    if (text?.nodeType === Node.TEXT_NODE && words[`${name}.tab`]) text.nodeValue = words[`${name}.tab`];
  }
  document.dispatchEvent(new Event('tl:language'));
}

function follow() {
  document.body.classList.toggle('dark', dark());
  root.classList.toggle('talk', asked().get('talk') === '1');
  speak().catch(() => location.reload());
  mark();
  dispatchEvent(new Event('resize'));
}

// Which of the header's controls are in force, for who sees and who hears them.
function mark() {
  for (const control of document.querySelectorAll('[data-set]')) {
    const [key, value] = control.dataset.set.split('=');
    const on = {lang: root.lang === value, __theme: (dark() ? 'dark' : 'light') === value, talk: root.classList.contains('talk') === !!value}[key];
    control.setAttribute('aria-pressed', !!on);
  }
}

document.addEventListener('click', event => {
  const control = event.target.closest?.('[data-set]');
  if (!control) return;
  const [key, value] = control.dataset.set.split('=');
  address({[key]: value});
  follow();
});
// The header arrives with Gradio and anew with each language.
new MutationObserver(records => {
  if (records.some(({target}) => target.closest?.('#tl-header'))) mark();
}).observe(root, {childList: true, subtree: true});

// Gradio names each button of a choice anew, now and then otherwise than its neighbours: then each is a stop for the
// Tab key, and no arrow leads from one to the next. So they are named right before such a key is followed.
document.addEventListener('keydown', event => {
  if (event.key !== 'Tab' && !event.key.startsWith('Arrow')) return;
  for (const button of document.querySelectorAll('fieldset[id] input[type=radio]')) button.name = button.closest('fieldset').id;
}, true);

// ---- windows over the page, filled when they are opened

async function show(address) {
  const old = document.querySelector('.tl-about');
  const pane = old ?? Object.assign(document.createElement('dialog'), {className: 'tl-window tl-about'});
  const words = config.i18n_translations[root.lang];
  pane.setAttribute('aria-label', words['page.cards']);
  pane.innerHTML = '<form method="dialog"><button></button></form><h2></h2><div></div>';
  pane.querySelector('button').textContent = words['page.close'];
  pane.querySelector('h2').textContent = words['page.cards'];
  if (!old) {
    document.querySelector('.gradio-container').append(pane);
    pane.addEventListener('click', event => { if (event.target === pane) pane.close(); });
  }
  pane.showModal();
  pane.querySelector('div').innerHTML = await (await fetch(address)).text();
}
document.addEventListener('click', event => {
  const opener = event.target.closest?.('[data-about]');
  if (opener) show(opener.dataset.about);
});

// ---- the presenter's keys, on the stage only

const shown = selector => [...document.querySelectorAll(selector)].find(one => one.offsetParent && !one.disabled);
let example = 0;
// What was made earlier lies over the page: there is no room for it in the page. Closed, it is as it was.
const earlier = () => document.querySelector('.hs:popover-open');
function closed({target, newState}) {
  if (newState === 'closed') target.popover = null;
}
document.addEventListener('click', event => { if (event.target.closest?.('.hs-past')) earlier()?.hidePopover(); });
const keys = {
  n() {
    const all = [...document.querySelectorAll('#tl-examples button, #tl-face-chips button, .mp-presets button')].filter(one => one.offsetParent);
    all[example++ % all.length]?.click();
  },
  a: () => shown('#tl-find, #tl-animate, #tl-draw')?.click(),
  c: () => shown('.rs-card')?.querySelector('figcaption button').click(),
  h() {
    const strip = shown('.tl-history')?.querySelector('.hs');
    if (!strip) return;
    strip.popover = 'auto';
    strip.addEventListener('toggle', closed);
    strip.showPopover();
    strip.querySelector('[tabindex="0"]')?.focus();
  },
  f: () => (document.fullscreenElement ? document.exitFullscreen() : root.requestFullscreen()),
  q: () => document.querySelector('.tl-leave button')?.click(),
  '?': () => document.querySelector('.tl-keys')?.showModal(),
  ...Object.fromEntries(LABS.map((name, n) => [n + 1, () => document.getElementById(`tl-${name}-button`)?.click()])),
};
document.addEventListener('keydown', event => {
  if (event.key === 'Escape' && event.target.matches?.('#tl-labs :is(input, textarea)')) event.target.blur();
  if (!root.classList.contains('talk') || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches?.('input:not([type=range], [type=radio], [type=checkbox]), textarea, select, [contenteditable]') || document.querySelector('dialog[open]')) return;
  const act = keys[event.key];
  if (!act) return;
  event.preventDefault();
  const open = earlier();
  open?.hidePopover();
  if (!open || act !== keys.h) act();
});

// A scan is being opened (or no longer): what is told of the one before is not shown meanwhile.
function opening(on) {
  document.getElementById('tl-scene')?.classList.toggle('tl-opening', on);
  document.dispatchEvent(new CustomEvent('tl:opening', {detail: on}));
}

// Clicks a hidden download button as soon as its file has reached it.
async function save(id) {
  await new Promise(done => setTimeout(done, 200));
  document.querySelector(`#${id} button, button#${id}, #${id}`).click();
}

// Copies the page's address with these parameters; whether it could. Where the browser forbids it, the address has them.
async function copy(changes) {
  const url = new URL(location.href);
  for (const [key, value] of Object.entries(changes)) if (value != null) url.searchParams.set(key, value);
  const done = await copyText(url.href);
  if (!done) address(changes);
  return done;
}

const copyText = text => Promise.resolve(navigator.clipboard?.writeText(text)).then(() => !!navigator.clipboard, () => false);

window.trilab = {address, copy, copyText, lab, opening, save};
})();
