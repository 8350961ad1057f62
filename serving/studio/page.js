// A picture pasted anywhere on the page goes the way of a dropped one.
() => {
  document.documentElement.lang = 'en';
  document.addEventListener('paste', event => {
    const field = document.querySelector('#pictures input[type=file]');
    const files = [...(event.clipboardData?.files ?? [])].filter(file => file.type.startsWith('image/'));
    if (!field || !files.length) return;
    event.preventDefault();
    const carried = new DataTransfer();
    files.forEach(file => carried.items.add(file));
    field.files = carried.files;
    field.dispatchEvent(new Event('change', {bubbles: true}));
  });
}
