// Gradio's upload widgets refuse a file by its kind in the browser, in English and in words that don't help.
// Whatever a visitor brings is passed on instead: the server looks at what is in the file, and tells.
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
  document.addEventListener('click', event => {
    if (event.target.matches?.('input[type=file]') && kindOf(event.target)) event.target.removeAttribute('accept');
  }, true);
  document.addEventListener('change', event => {
    const found = event.target.matches?.('input[type=file]') && kindOf(event.target);
    if (found && event.target.files.length) event.target.files = passed(event.target.files, found.kind);
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
