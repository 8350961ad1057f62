// Presses on the cards are told to Python by name: 'choose' and 'remove' of a card.
element.addEventListener('click', event => {
  const button = event.target.closest('[data-do]');
  if (button) trigger(button.dataset.do, {card: button.dataset.card});
});
