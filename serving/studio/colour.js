// A colour as #rrggbb in a native colour field; where "none" is offered, the empty text stands for it.
const field = element.querySelector('input[type=color]');
const none = element.querySelector('input[type=checkbox]');
const shown = () => {
  if (none) none.checked = !props.value;
  if (props.value) field.value = props.value;
};
const told = () => {
  props.value = none && none.checked ? '' : field.value;
  trigger('input');
};
field.addEventListener('input', () => { if (none) none.checked = false; told(); });
if (none) none.addEventListener('change', told);
watch('value', shown);
shown();
