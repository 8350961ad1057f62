// Which cards go into the pack, and with which emoji.
element.addEventListener('change', event => {
  const item = event.target.closest('[data-card]');
  if (item) trigger('noted', {card: item.dataset.card, packed: item.querySelector('[type=checkbox]').checked, emoji: item.querySelector('.emoji').value.trim()});
});
