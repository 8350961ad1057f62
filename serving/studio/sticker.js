// Presses on what may stand in where nothing was found.
element.addEventListener('click', event => {
  const button = event.target.closest('[data-with]');
  if (button) trigger('stand_in', {fallback: button.dataset.with});
});
