// Gradio's upload widgets refuse a file in the browser, by kind or size, in English and in words that don't help.
// A file of any kind is passed on instead: the server looks at what is in it, and tells. One that is too large
// isn't sent; that is said beside its widget, in the page's language.
(() => {
  if (window.tlAnyFile) return;
  window.tlAnyFile = true;
  const KINDS = {'tl-face-portrait': 'image/png', 'tl-face-footage': 'video/mp4', 'tl-face-speech': 'audio/wav'};
  const kindOf = node => {
    const widget = node.closest?.(Object.keys(KINDS).map(id => `#${id}`).join(','));
    return widget && {widget, kind: KINDS[widget.id]};
  };
  // The same file under its own name, said to be of the kind that the widget asks for.
  const passed = (files, kind) => {
    const given = new DataTransfer();
    for (const file of files) given.items.add(new File([file], file.name, {type: kind}));
    return given.files;
  };
  const tooLarge = (input, files) => {
    const {max_file_size: limit, i18n_translations: words} = window.gradio_config;
    const widget = input.closest('.tl-uploads, .row, .block') ?? input.parentElement;
    widget.parentElement.querySelector(':scope > .tl-too-large')?.remove();
    const large = [...files].find(file => file.size > limit);
    if (!large) return false;
    const facts = {name: large.name, size: Math.ceil(large.size / 2 ** 20), limit: Math.floor(limit / 2 ** 20)};
    const told = document.createElement('p');
    told.className = 'tl-notice tl-too-large';
    told.setAttribute('role', 'alert');
    told.textContent = words[document.documentElement.lang]['errors.file_too_big'].replace(/{(\w+)}/g, (_, fact) => facts[fact]);
    widget.after(told);
    return true;
  };
  document.addEventListener('click', event => {
    if (event.target.matches?.('input[type=file]') && kindOf(event.target)) event.target.removeAttribute('accept');
  }, true);
  document.addEventListener('change', event => {
    const input = event.target;
    if (!input.matches?.('input[type=file]') || !input.files.length) return;
    if (tooLarge(input, input.files)) {
      event.stopImmediatePropagation();
      input.value = '';
      return;
    }
    const found = kindOf(input);
    if (found) input.files = passed(input.files, found.kind);
  }, true);
  document.addEventListener('drop', event => {
    const found = event.dataTransfer?.files.length && kindOf(event.target);
    const input = found && found.widget.querySelector('input[type=file]');
    if (!input) return;
    event.preventDefault();
    event.stopPropagation();
    input.files = passed(event.dataTransfer.files, found.kind);
    input.dispatchEvent(new Event('change', {bubbles: true}));
  }, true);
})();
