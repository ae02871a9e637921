// The strip: one per component. Gradio gives element, props, trigger and watch.

function startStrip() {
  const root = element.querySelector('.rs');
  const [tools, empty, grid, large, view] = ['tools', 'empty', 'cards', 'large', 'view'].map(name => root.querySelector(`.rs-${name}`));
  const pair = root.querySelector('.rs-beside'), divide = pair.querySelector('input');
  const state = {cards: [], table: null, value: null, preview: null, opened: null, beside: '', pair: null};
  let words = {};

  const made = (tag, name, text = '') => Object.assign(document.createElement(tag), {className: name, textContent: text});
  const numbered = (text, place) => text.replace('{number}', place + 1);

  function speak() {
    words = spoken();
    empty.textContent = words.empty;
    for (const line of tools.children) line.querySelector('span').textContent = words[line.dataset.line ?? 'table'];
    const [previous, next, close] = large.querySelectorAll('button');
    previous.textContent = words.previous;
    next.textContent = words.next;
    close.textContent = words.close;
    pair.querySelector('.rs-close').textContent = words.close;
    divide.setAttribute('aria-label', words.divide);
    showCards();
    if (pair.open) showPair();
  }

  // ---- one card

  function picture(card, place) {
    const image = new Image();
    image.src = card.image;
    image.alt = numbered(words.picture, place);
    image.draggable = false;
    const drawing = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
    drawing.setAttribute('viewBox', `0 0 ${card.size} ${card.size}`);
    drawing.setAttribute('aria-hidden', 'true');
    for (const kind of ['drawn', 'found']) {
      const group = document.createElementNS(drawing.namespaceURI, 'g');
      group.classList.add(`rs-${kind}`);
      for (const name of ['rs-halo', `rs-${kind}`]) {
        const path = document.createElementNS(drawing.namespaceURI, 'path');
        path.classList.add(name);
        path.setAttribute('d', card[kind]);
        group.append(path);
      }
      drawing.append(group);
    }
    return [image, drawing, Object.assign(made('span', 'rs-mark', words.mark), {ariaHidden: 'true'})];
  }

  function cardOf(card, place) {
    const figure = made('figure', 'rs-card'), button = made('button', 'rs-picture'), caption = made('figcaption', '');
    button.type = 'button';
    button.append(...picture(card, place));
    button.querySelector('img').alt = button.title = numbered(words.enlarge, place) + (state.table ? ` (${card.lines[0]})` : '');
    button.onclick = () => open(place);
    const choose = made('button', '', card.before ? words.change : words.choose);
    choose.type = 'button';
    choose.onclick = () => card.before ? openBefore(place) : choosePair(place, null);
    caption.append(made('b', '', card.title), ...card.lines.map(line => made('span', '', line)), choose, toolsOf(card));
    figure.append(button, caption);
    return figure;
  }

  function toolsOf(card) {
    const row = made('div', 'rs-own'), told = made('span', 'rs-told');
    told.setAttribute('role', 'status');
    const copied = done => { told.textContent = done ? words.copied : words.not_copied; };
    const tools = {
      save: () => saveCard(card, words.mark),
      copy: card.copied && (async () => copied(await window.trilab.copyText(card.copied))),
      link: card.link.lab && (async () => copied(await window.trilab.copy(card.link))),
    };
    for (const [name, act] of Object.entries(tools)) {
      if (!act) continue;
      const button = Object.assign(made('button', `rs-${name}`), {type: 'button', title: words[name], onclick: act});
      button.setAttribute('aria-label', words[name]);
      row.append(button);
    }
    row.append(told);
    return row;
  }

  function showCards() {
    grid.replaceChildren(...inTable(state.table, state.cards.map(cardOf)));
    layTable(grid, state.table);
    tools.hidden = !state.cards.length;
    tools.querySelector('.rs-table-save').hidden = !state.table;
    root.dataset.count = state.cards.length;
    showPreview();
  }

  function showPreview() {
    const {preview} = state;
    empty.hidden = !!(state.cards.length || preview);
    let figure = grid.querySelector('.rs-making');
    if (!preview) {
      if (figure?.previousSibling?.matches('.rs-row')) figure.previousSibling.remove();
      return figure?.remove();
    }
    if (!figure) {
      if (state.table) grid.append(...rowOf(state.table, state.cards.length));
      figure = made('figure', 'rs-card rs-making');
      figure.append(made('div', 'rs-picture'), made('div', 'rs-bar'), made('figcaption', ''));
      figure.children[1].append(made('i', ''));
      figure.children[2].append(made('span', ''));
      grid.append(figure);
    }
    if (preview.image) {
      const image = figure.querySelector('img') ?? figure.firstChild.appendChild(new Image());
      image.alt = '';
      image.src = preview.image;
    }
    figure.querySelector('i').style.width = `${100 * preview.fraction}%`;
    figure.querySelector('figcaption span').textContent = preview.text;
  }

  // ---- one card, large

  function open(place) {
    const card = state.cards[place];
    if (!card) return;
    state.opened = place;
    view.replaceChildren(...picture(card, place));
    large.querySelector('.rs-title').textContent = card.title;
    large.querySelector('.rs-lines').textContent = card.lines.join(' · ');
    for (const button of large.querySelectorAll('[data-step]')) button.disabled = !state.cards[place + Number(button.dataset.step)];
    if (!large.open) large.showModal();
  }

  // ---- two pictures, the one over the other: of one noise by two models, or of one frame before and after

  function choosePair(place, other) {
    state.pair = {place, chosen: other, others: state.pair?.others ?? [], image: '', text: words.asked, card: null};
    showPair();
    if (!pair.open) pair.showModal();
    trigger('choose', {place, other});
  }

  function openBefore(place) {
    state.pair = {place, chosen: null, others: [], image: state.cards[place].before, text: '', card: null};
    showPair();
    pair.showModal();
  }

  function showPair() {
    const {place, chosen, others, image, text, card} = state.pair, own = state.cards[place];
    if (!own) return pair.close();
    const [left, right] = pair.querySelectorAll('.rs-side'), [one, two] = pair.querySelectorAll('.rs-names b');
    pair.querySelector('h2').textContent = own.before ? words.change : words.same;
    one.textContent = `${own.name} · ${own.title}`;
    two.textContent = card ? `${card.name} · ${card.title}` : own.before ? words.before : others.find(([, name]) => name === chosen)?.[0] ?? '';
    left.replaceChildren(...picture(own, place));
    right.replaceChildren(...(card ? picture(card, place) : image ? [Object.assign(new Image(), {src: image, alt: ''})] : []));
    pair.querySelector('.rs-far').textContent = card ? '' : text;
    pair.querySelector('.rs-with').hidden = Boolean(own.before);
    pair.querySelector('.rs-with').replaceChildren(made('span', '', words.with), ...others.map(([label, name]) => {
      const button = made('button', '', label);
      button.type = 'button';
      button.setAttribute('aria-pressed', name === chosen);
      button.onclick = () => { if (name !== state.pair.chosen) choosePair(place, name); };
      return button;
    }));
  }

  divide.addEventListener('input', () => pair.querySelector('.rs-pair').style.setProperty('--cut', `${divide.value}%`));
  pair.addEventListener('click', event => { if (event.target === pair) pair.close(); });

  large.addEventListener('click', event => {
    if (event.target === large) large.close();
    const step = event.target.dataset.step;
    if (step) open(state.opened + Number(step));
  });
  large.addEventListener('keydown', event => {
    const step = {ArrowLeft: -1, ArrowRight: 1}[event.key];
    if (step) open(state.opened + step);
  });
  tools.addEventListener('click', event => {
    const line = event.target.closest('button');
    if (!line) return;
    if (!line.dataset.line) return saveTable(state.table, state.cards, words.mark, root.dataset.hide ?? '');
    line.setAttribute('aria-pressed', line.getAttribute('aria-pressed') !== 'true');
    root.dataset.hide = [...tools.querySelectorAll('[aria-pressed=false]')].map(one => one.dataset.line).join(' ');
  });

  // ---- what Python sends

  function refresh() {
    if (given('beside') !== state.beside) {
      state.beside = given('beside');
      state.pair = state.beside ? JSON.parse(state.beside) : null;
      if (pair.open) state.pair ? showPair() : pair.close();
    }
    const count = Number(props.value || 0);
    const sent = Array.from({length: count}, (_, place) => given(`card_${place}`));
    if (sent.some(card => !card)) return;  // the number came before the card
    const value = [given('table'), ...sent].join('\n');
    const fresh = value !== state.value;
    if (!fresh && given('preview') === state.previewed) return;
    state.previewed = given('preview');
    state.preview = state.previewed ? JSON.parse(state.previewed) : null;
    if (!fresh) return showPreview();
    state.value = value;
    state.table = given('table') ? JSON.parse(given('table')) : null;
    state.cards = sent.map(card => JSON.parse(card));
    if (large.open) large.close();
    if (pair.open && state.pair?.place >= state.cards.length) pair.close();
    showCards();
  }

  speaking(speak);
  watch(['value', 'preview', 'beside', 'table'], refresh);
  refresh();
  // Of updates that come close together `watch` tells only some: what it left out is seen here.
  const look = setInterval(() => { root.isConnected ? refresh() : clearInterval(look); }, 300);
}

startStrip();
