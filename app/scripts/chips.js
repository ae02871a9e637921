// A chip is a sentence to try; Python hears ("choose", {text, and the chip's data}).
element.addEventListener('click', event => {
  const chip = event.target.closest('button');
  if (chip) trigger('choose', {text: chip.textContent, ...chip.dataset});
});
