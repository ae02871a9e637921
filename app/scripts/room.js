// ("describe"), ("find"), ("stop"), and ("choose", {"id"}) of a row. The list stays where it was scrolled to.
let top = 0;
const names = ['describe', 'find', 'stop'];
element.addEventListener('click', event => {
  const row = event.target.closest('[data-object]');
  if (row) {
    element.querySelectorAll('[aria-pressed]').forEach(one => one.setAttribute('aria-pressed', row.contains(one)));
    return trigger('choose', {id: Number(row.dataset.object)});
  }
  const name = event.target.closest('button')?.dataset.do;
  if (names.includes(name)) trigger(name, {});
});
element.addEventListener('keydown', event => {
  const row = event.target.closest('li[data-object]');
  const next = {ArrowDown: row?.nextElementSibling, ArrowUp: row?.previousElementSibling}[event.key];
  if (next) { event.preventDefault(); next.querySelector('button').focus(); }
});
element.addEventListener('scroll', event => { top = event.target.scrollTop; }, true);
watch('value', () => requestAnimationFrame(() => {
  const list = element.querySelector('ol');
  if (list) list.scrollTop = top;
}));
