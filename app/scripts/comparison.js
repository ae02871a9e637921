// A row of the comparison opens that method's own reasons, besides what every row does.
element.addEventListener('click', event => {
  const row = event.target.closest('tr[data-method]');
  if (!row) return;
  for (const own of element.querySelectorAll('details[data-method]'))
    own.open = own.dataset.method === row.dataset.method;
});
