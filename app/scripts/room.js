// ("describe"), ("find"), ("stop"), and ("choose", {"id"}) of a row; a row that is chosen already flies there. The list
// stays where it was scrolled to, and shows what is searched for.
let top = 0, sought = '';
const names = ['describe', 'find', 'stop'];
const rows = () => [...element.querySelectorAll('li[data-object]')];
element.addEventListener('click', event => {
  const row = event.target.closest('[data-object]');
  if (row) {
    const id = Number(row.dataset.object);
    if (row.querySelector('[aria-pressed=true]')) return document.dispatchEvent(new CustomEvent('tl:fly', {detail: id}));
    element.querySelectorAll('[aria-pressed]').forEach(one => one.setAttribute('aria-pressed', row.contains(one)));
    return trigger('choose', {id});
  }
  const name = event.target.closest('button')?.dataset.do;
  if (names.includes(name)) trigger(name, {});
});
function search() {
  const wanted = sought.trim().toLowerCase();
  for (const row of rows()) {
    const label = row.querySelector('[data-label]')?.dataset.label ?? ''; // what it is called in the scan's own language
    row.hidden = !`${row.textContent} ${label}`.toLowerCase().includes(wanted);
  }
}
element.addEventListener('input', event => {
  sought = event.target.value;
  search();
});
element.addEventListener('keydown', event => {
  const shown = rows().filter(row => !row.hidden), here = shown.indexOf(event.target.closest('li[data-object]'));
  const next = {ArrowDown: shown[here + 1], ArrowUp: shown[here - 1]}[event.key];
  if (next) { event.preventDefault(); next.querySelector('button').focus(); }
});
element.addEventListener('scroll', event => { top = event.target.scrollTop; }, true);
watch('value', () => requestAnimationFrame(() => {
  const list = element.querySelector('ol'), field = element.querySelector('.tl-search');
  if (field) { field.value = sought; search(); }
  if (list) list.scrollTop = top;
}));
