// Python hears ("choose", {"id"}) of a chip, and ("repair", {"do", "id", "value"}) of a tool.
const repair = (tool, what, value) =>
  trigger('repair', {do: what, id: Number(tool.closest('[data-id]')?.dataset.id), value});
element.addEventListener('click', event => {
  const chip = event.target.closest('[data-object]');
  if (chip) return trigger('choose', {id: Number(chip.dataset.object)});
  const tool = event.target.closest('button[type=button][data-do]');
  if (tool) repair(tool, tool.dataset.do, null);
});
element.addEventListener('submit', event => {
  event.preventDefault();
  const form = event.target, value = new FormData(form).get('value');
  repair(form, form.dataset.do, form.dataset.do === 'merge' ? Number(value) : value);
});
