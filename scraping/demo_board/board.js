'use strict';
// A masonry grid as on Pinterest: pins come page by page while scrolling, and rows that are far from the window leave the document.
const GAP = 16, WIDTH = 236;
const grid = document.getElementById('grid');
const { style, virtual } = document.body.dataset;
const columns = Math.max(1, Math.floor((document.documentElement.clientWidth - GAP) / (WIDTH + GAP)));
const heights = new Array(columns).fill(0);
const placed = [];
let bookmark = '0', loading = false;

grid.style.width = `${columns * (WIDTH + GAP)}px`;

function place(pin) {
  const column = heights.indexOf(Math.min(...heights));
  const height = Math.round(pin.height * WIDTH / pin.width);
  placed.push({ pin, x: column * (WIDTH + GAP), y: heights[column], height, node: null });
  heights[column] += height + GAP;
  grid.style.height = `${Math.max(...heights)}px`;
}

function build(item) {
  const node = document.createElement('div');
  node.className = 'pin';
  node.dataset.testId = 'pin';
  Object.assign(node.style, { left: `${item.x}px`, top: `${item.y}px`, height: `${item.height}px` });
  const link = document.createElement('a');
  link.href = `/pin/${item.pin.id}/`;
  const image = document.createElement('img');
  image.loading = 'lazy';
  image.alt = item.pin.alt;
  image.srcset = item.pin.srcset;
  image.src = item.pin.src;
  link.append(image);
  node.append(link);
  return node;
}

function draw() {
  const top = window.scrollY - window.innerHeight, bottom = window.scrollY + 2 * window.innerHeight;
  for (const item of placed) {
    const near = item.y + item.height > top && item.y < bottom;
    if (near && !item.node) grid.append(item.node = build(item));
    if (!near && item.node && virtual === '1') { item.node.remove(); item.node = null; }
  }
}

async function more() {
  if (loading || bookmark === '') return;
  if (window.scrollY + 2 * window.innerHeight < grid.scrollHeight) return;
  loading = true;
  try {
    const answer = await (await fetch(`/api/${style}?bookmark=${bookmark}`)).json();
    answer.pins.forEach(place);
    bookmark = answer.bookmark;
  } finally {
    loading = false;
  }
  draw();
  more();
}

addEventListener('scroll', () => { draw(); more(); }, { passive: true });
document.querySelector('.consent button')?.addEventListener('click', (event) => event.target.closest('.consent').remove());
more();
