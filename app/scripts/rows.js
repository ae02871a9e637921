// A row holds a button; a click anywhere on the row is one. Python hears ("choose", {"id": object id}).
element.addEventListener('click', event => {
  const row = event.target.closest('[data-object]');
  if (!row) return;
  element.querySelectorAll('[aria-pressed]').forEach(one => one.setAttribute('aria-pressed', row.contains(one)));
  trigger('choose', {id: Number(row.dataset.object)});
});
element.addEventListener('keydown', event => {
  const row = event.target.closest('tr[data-object]');
  const next = {ArrowDown: row?.nextElementSibling, ArrowUp: row?.previousElementSibling}[event.key];
  if (next) { event.preventDefault(); next.querySelector('button').focus(); }
});
