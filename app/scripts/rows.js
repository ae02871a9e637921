// A row is a button for mouse and keyboard; Python hears ("choose", {"id": object id}).
const choose = row => {
  element.querySelectorAll('[data-object]').forEach(r => r.setAttribute('aria-selected', r === row));
  trigger('choose', {id: Number(row.dataset.object)});
};
element.addEventListener('click', e => {
  const row = e.target.closest('[data-object]');
  if (row) choose(row);
});
element.addEventListener('keydown', e => {
  const row = e.target.closest('[data-object]');
  if (!row) return;
  if (e.key === 'Enter' || e.key === ' ') { e.preventDefault(); choose(row); }
  const next = {ArrowDown: row.nextElementSibling, ArrowUp: row.previousElementSibling}[e.key];
  if (next) { e.preventDefault(); next.focus(); }
});
