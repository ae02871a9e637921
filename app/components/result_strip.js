// The strip: one per component. Gradio gives element, props, trigger and watch.

function startStrip() {
  const root = element.querySelector('.rs');
  const [tools, empty, grid, large, view] = ['tools', 'empty', 'cards', 'large', 'view'].map(name => root.querySelector(`.rs-${name}`));
  const state = {cards: [], value: null, preview: null, opened: null};
  let words = {};

  const made = (tag, name, text = '') => Object.assign(document.createElement(tag), {className: name, textContent: text});
  const numbered = (text, place) => text.replace('{number}', place + 1);

  function speak() {
    words = JSON.parse(props.words);
    empty.textContent = words.empty;
    for (const line of tools.children) line.querySelector('span').textContent = words[line.dataset.line];
    const [previous, next, close] = large.querySelectorAll('button');
    previous.textContent = words.previous;
    next.textContent = words.next;
    close.textContent = words.close;
    showCards();
  }

  // ---- one card

  function picture(card, place) {
    const image = new Image();
    image.src = card.image;
    image.alt = numbered(words.picture, place);
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
    return [image, drawing, made('span', 'rs-mark', words.mark)];
  }

  function cardOf(card, place) {
    const figure = made('figure', 'rs-card'), button = made('button', 'rs-picture'), caption = made('figcaption', '');
    button.type = 'button';
    button.setAttribute('aria-label', numbered(words.enlarge, place));
    button.append(...picture(card, place));
    button.onclick = () => open(place);
    const choose = made('button', '', words.choose);
    choose.type = 'button';
    choose.onclick = () => trigger('choose', {place});
    caption.append(made('b', '', card.title), ...card.lines.map(line => made('span', '', line)), choose);
    figure.append(button, caption);
    return figure;
  }

  function showCards() {
    grid.replaceChildren(...state.cards.map(cardOf));
    tools.hidden = !state.cards.length;
    root.dataset.count = state.cards.length;
    showPreview();
  }

  function showPreview() {
    const {preview} = state;
    empty.hidden = !!(state.cards.length || preview);
    let figure = grid.querySelector('.rs-making');
    if (!preview) return figure?.remove();
    if (!figure) {
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
    line.setAttribute('aria-pressed', line.getAttribute('aria-pressed') !== 'true');
    root.dataset.hide = [...tools.querySelectorAll('[aria-pressed=false]')].map(one => one.dataset.line).join(' ');
  });

  // ---- what Python sends

  function refresh() {
    if (props.words !== state.spoken) { state.spoken = props.words; speak(); }
    const count = Number(props.value || 0);
    const sent = Array.from({length: count}, (_, place) => props[`card_${place}`]);
    if (sent.some(card => !card)) return;  // the number came before the card
    const value = sent.join('\n');
    const fresh = value !== state.value;
    if (!fresh && props.preview === state.previewed) return;
    state.previewed = props.preview;
    state.preview = props.preview ? JSON.parse(props.preview) : null;
    if (!fresh) return showPreview();
    state.value = value;
    state.cards = sent.map(card => JSON.parse(card));
    if (large.open) large.close();
    showCards();
  }

  watch(['value', 'preview', 'words'], refresh);
  refresh();
  // Of updates that come close together `watch` tells only some: what it left out is seen here.
  const look = setInterval(() => { root.isConnected ? refresh() : clearInterval(look); }, 300);
}

startStrip();
