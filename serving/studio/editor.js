// The picture with what is left out veiled. A tap chooses a subject; strokes erase or restore. Coordinates are pixels of the picture as shown.
// props.value: {card, picture, kept}; `kept` is a transparent picture of what is kept without strokes. Tells 'tap' {x, y}, 'everything' and 'apply' {erase, restore}.
const VEIL = 'rgb(246 247 249 / 0.86)';
const HINTS = {
  tap: 'Tap what you want to cut out.',
  erase: 'Draw over what shall go, then apply.',
  restore: 'Draw over what shall come back, then apply.',
};
const canvas = element.querySelector('canvas');
const context = canvas.getContext('2d');
const veil = document.createElement('canvas');
const size = element.querySelector('[name=size]');
const hint = element.querySelector('.hint');
const button = name => element.querySelector(`[data-do=${name}]`);
const strokesOf = new Map();  // by card: what was drawn on it, for as long as the page is open
const toldOf = new Map();  // by card: the strokes that Python knows
let picture = null, kept = null, open = null, pointer = null;

const card = () => props.value?.card;
const strokes = () => strokesOf.get(card()) ?? [];
const tool = () => element.querySelector('[name=tool]:checked').value;
const brush = () => size.value / 1000 * Math.max(canvas.width, canvas.height);  // diameter, in pixels of the picture
const brushes = () => tool() !== 'tap';
const summary = () => JSON.stringify(strokes());

function loaded(url) {
  return new Promise(resolve => {
    if (!url) return resolve(null);
    const image = new Image();
    image.onload = () => resolve(image);
    image.onerror = () => resolve(null);
    image.src = url;
  });
}

function drawStroke(on, stroke, style, operation) {
  on.globalCompositeOperation = operation;
  on.strokeStyle = on.fillStyle = style;
  on.lineWidth = stroke.size;
  on.lineCap = on.lineJoin = 'round';
  on.beginPath();
  stroke.points.forEach(point => on.lineTo(...point));
  on.stroke();
  on.beginPath();  // a line of one point is not drawn
  on.arc(...stroke.points[0], stroke.size / 2, 0, 2 * Math.PI);
  on.fill();
  on.globalCompositeOperation = 'source-over';
}

function draw() {
  if (!picture) return;
  const on = veil.getContext('2d');
  on.globalCompositeOperation = 'source-over';
  on.clearRect(0, 0, veil.width, veil.height);
  on.fillStyle = VEIL;
  if (kept || strokes().length) on.fillRect(0, 0, veil.width, veil.height);
  if (kept) {
    on.globalCompositeOperation = 'destination-out';
    on.drawImage(kept, 0, 0, veil.width, veil.height);
  }
  for (const stroke of strokes()) {
    drawStroke(on, stroke, '#000', 'destination-out');
    if (stroke.tool === 'erase') drawStroke(on, stroke, VEIL, 'source-over');
  }
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.drawImage(picture, 0, 0, canvas.width, canvas.height);
  context.drawImage(veil, 0, 0);
  if (pointer) drawPointer();
}

function drawPointer() {
  const scale = canvas.width / Math.max(1, canvas.clientWidth);
  const radius = brushes() ? brush() / 2 : 12 * scale;
  for (const [colour, width] of [['#fff', 4], ['#1d4ed8', 2]]) {
    context.strokeStyle = colour;
    context.lineWidth = width * scale;
    context.beginPath();
    context.arc(...pointer, radius, 0, 2 * Math.PI);
    context.stroke();
  }
}

function refresh() {
  const drawn = strokes().length;
  button('undo').disabled = button('clear').disabled = !drawn;
  button('apply').disabled = summary() === (toldOf.get(card()) ?? '[]');
  for (const shown of [element.querySelector('.brush'), button('undo'), button('clear'), button('apply')]) shown.hidden = !brushes();
  button('everything').hidden = brushes();
  canvas.style.touchAction = brushes() ? 'none' : 'manipulation';
  hint.textContent = HINTS[tool()];
  draw();
}

async function show() {
  const value = props.value;
  element.firstElementChild.hidden = !value;
  if (!value) return;
  const images = await Promise.all([loaded(value.picture), loaded(value.kept)]);
  if (props.value !== value && props.value?.card !== value.card) return;
  [picture, kept] = images;
  if (!picture) return;
  if (canvas.dataset.card !== value.card) {
    [canvas.width, canvas.height] = [veil.width, veil.height] = [picture.naturalWidth, picture.naturalHeight];
    canvas.style.width = `min(100%, ${Math.round(420 * canvas.width / canvas.height)}px)`;
    canvas.dataset.card = value.card;
    pointer = null;
  }
  refresh();
}

function at(event) {
  const box = canvas.getBoundingClientRect();
  const scale = canvas.width / box.width;
  return [Math.round((event.clientX - box.left) * scale), Math.round((event.clientY - box.top) * scale)];
}

function begin(point) {
  if (!brushes()) return;
  open = {tool: tool(), size: brush(), points: [point]};
  strokesOf.set(card(), [...strokes(), open]);
  refresh();
}

function tap([x, y]) {
  trigger('tap', {card: card(), x: x / canvas.width, y: y / canvas.height});
}

function mask(name) {
  const on = document.createElement('canvas');
  [on.width, on.height] = [canvas.width, canvas.height];
  const drawing = on.getContext('2d');
  strokes().forEach(stroke => drawStroke(drawing, stroke, '#fff', stroke.tool === name ? 'source-over' : 'destination-out'));
  return strokes().some(stroke => stroke.tool === name) ? on.toDataURL('image/png') : '';
}

const actions = {
  undo: () => strokesOf.set(card(), strokes().slice(0, -1)),
  clear: () => strokesOf.set(card(), []),
  everything: () => trigger('everything', {card: card()}),
  apply: () => {
    toldOf.set(card(), summary());
    trigger('apply', {card: card(), erase: mask('erase'), restore: mask('restore')});
  },
};

canvas.addEventListener('pointerdown', event => {
  if (!picture || event.button) return;
  if (brushes()) canvas.setPointerCapture(event.pointerId);
  begin(at(event));
});
canvas.addEventListener('pointermove', event => {
  if (open) open.points.push(at(event));
  pointer = brushes() && event.pointerType !== 'touch' ? at(event) : null;
  draw();
});
for (const name of ['pointerup', 'pointercancel']) canvas.addEventListener(name, () => { open = null; refresh(); });
canvas.addEventListener('pointerleave', () => { pointer = null; draw(); });
canvas.addEventListener('blur', () => { pointer = open = null; draw(); });
canvas.addEventListener('click', event => { if (picture && !brushes()) tap(at(event)); });
element.addEventListener('click', event => {
  const pressed = event.target.closest('[data-do]');
  if (pressed) { actions[pressed.dataset.do](); refresh(); }
});
element.addEventListener('input', refresh);

const MOVES = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};
const TOOLS = {t: 'tap', e: 'erase', r: 'restore'};
canvas.addEventListener('keydown', event => {
  if (!picture) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const step = brushes() ? brush() / 3 : canvas.width / 40;
  if (MOVES[key]) {
    const [x, y] = pointer ?? [canvas.width / 2, canvas.height / 2];
    pointer = [Math.min(canvas.width, Math.max(0, x + MOVES[key][0] * step)), Math.min(canvas.height, Math.max(0, y + MOVES[key][1] * step))];
    if (open) open.points.push(pointer);
    draw();
  } else if (key === ' ') {
    pointer ??= [canvas.width / 2, canvas.height / 2];
    if (!event.repeat) brushes() ? begin(pointer) : tap(pointer);
  } else if (key === 'z' && (event.ctrlKey || event.metaKey)) {
    actions.undo();
    refresh();
  } else if (TOOLS[key] && !event.ctrlKey && !event.metaKey) {
    element.querySelector(`[name=tool][value=${TOOLS[key]}]`).click();
  } else if (key === '[' || key === ']') {
    size.value = Number(size.value) + (key === ']' ? 8 : -8);
    refresh();
  } else return;
  event.preventDefault();
});
canvas.addEventListener('keyup', event => { if (event.key === ' ') { open = null; refresh(); } });

watch('value', show);
show();
