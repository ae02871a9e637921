// ("describe"), ("find"), ("stop"), and ("choose", {"id"}) of a row. The list stays where it was scrolled to.
let top = 0;
const names = ['describe', 'find', 'stop'];
const choose = row => trigger('choose', {id: Number(row.dataset.object)});
element.addEventListener('click', event => {
  const row = event.target.closest('[data-object]');
  if (row) return choose(row);
  const name = event.target.closest('button')?.dataset.do;
  if (names.includes(name)) trigger(name, {});
});
element.addEventListener('keydown', event => {
  const row = event.target.closest('li[data-object]');
  if (!row) return;
  if (event.key === 'Enter' || event.key === ' ') { event.preventDefault(); choose(row); }
  const next = {ArrowDown: row.nextElementSibling, ArrowUp: row.previousElementSibling}[event.key];
  if (next) { event.preventDefault(); next.focus(); }
});
element.addEventListener('scroll', event => { top = event.target.scrollTop; }, true);
watch('value', () => requestAnimationFrame(() => {
  const list = element.querySelector('ol');
  if (list) list.scrollTop = top;
}));
