/* The page: a picture in by choosing, dropping or pasting; a sticker out. All the work is done by worker.js, in this browser. */

const $ = (id) => document.getElementById(id);
const chosen = (name) => document.querySelector(`input[name=${name}]:checked`).value;

const STYLES = { anime: 'a drawing (anime style)', normal: 'a photograph or another picture (normal style)' };
const MAX_WEBP_BYTES = 100_000;
const WEBP_QUALITIES = [0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1];

let versions = {};
let seen = null; // what the maker told of the open picture
let wanted = 0; // the latest request to make; an older one that ends later is not shown

// --- the maker

const waiting = new Map();
let asked = 0;
let maker = null;

function startMaker() {
  maker = new Worker(new URL('worker.js', import.meta.url), { type: 'module' });
  maker.addEventListener('message', ({ data }) => (data.progress ? showProgress(data.progress) : settle(data)));
  maker.addEventListener('error', () => showProblem('The models could not be started: a file of this page is missing. Reload the page; if it stays, its server was not set up whole.'));
}

function settle({ id, answer, problem }) {
  const { resolve, reject } = waiting.get(id);
  waiting.delete(id);
  if (problem) reject(new Error(problem));
  else resolve(answer);
}

/** Have the maker do one thing. Rejects with words for the person. */
function ask(kind, details = {}) {
  return new Promise((resolve, reject) => {
    waiting.set(++asked, { resolve, reject });
    maker.postMessage({ id: asked, kind, ...details });
  });
}

// --- what is shown

function showProgress({ text, share }) {
  $('state').textContent = text;
  $('progress').value = share;
}

function show(kind, lines) {
  const box = document.createElement('div');
  box.className = kind;
  box.append(...lines.map((line) => Object.assign(document.createElement('p'), { textContent: line })));
  $('told').replaceChildren(box);
}

function showProblem(text) {
  $('loading').hidden = true;
  showSticker(null);
  show('problem', [text]);
}

function showBusy(text) {
  $('ground').classList.add('busy');
  $('told').replaceChildren(Object.assign(document.createElement('p'), { textContent: text }));
}

function showSticker(picture) {
  const canvas = $('sticker');
  $('ground').classList.remove('busy');
  $('empty').hidden = Boolean(picture);
  canvas.setAttribute('aria-label', picture ? 'Your sticker' : 'No sticker yet');
  const context = canvas.getContext('2d');
  if (picture) context.putImageData(new ImageData(picture.data, picture.width, picture.height), 0, 0);
  else context.clearRect(0, 0, canvas.width, canvas.height);
  for (const button of document.querySelectorAll('.downloads button')) button.disabled = !picture;
}

function inWords({ how, subjects }) {
  const looks = `Looks like ${STYLES[seen.style]}, ${Math.round(100 * seen.probability)} % sure.`;
  const cut = {
    segmentor: `Cut out by ${seen.segmentor}, version ${versions[seen.segmentor]}, ${subjects} ${subjects === 1 ? 'subject' : 'subjects'}.`,
    alpha: "The picture's own transparency was kept.",
    whole: 'Nothing was found, so the whole picture became the sticker.',
  }[how];
  return [looks, cut, 'Made in this browser.'];
}

// --- what is done

const options = () => ({ subject: chosen('subject'), whole: $('whole').checked });

async function open(file) {
  if ($('file').disabled) return;
  const number = ++wanted;
  const preview = $('original');
  if (preview.src) URL.revokeObjectURL(preview.src);
  preview.src = URL.createObjectURL(file);
  preview.hidden = false;
  document.querySelector('.invitation').classList.add('small');
  document.querySelector('.invitation strong').textContent = 'Choose another';
  seen = null;
  showSticker(null);
  showBusy('Looking at the picture …');
  try {
    const looked = await ask('open', { file });
    if (number !== wanted) return;
    seen = looked;
    await make();
    $('told').scrollIntoView({ block: 'nearest' });
  } catch (error) {
    if (number === wanted) showProblem(error.message);
  }
}

async function make() {
  if (!seen) return;
  const number = ++wanted;
  showBusy('Cutting out …');
  const outlinePx = $('outline').valueAsNumber;
  const colour = [1, 3, 5].map((at) => parseInt($('colour').value.slice(at, at + 2), 16));
  try {
    const made = await ask('sticker', { ...options(), outlinePx, colour });
    if (number !== wanted) return;
    showSticker(made.picture);
    show('done', inWords(made));
  } catch (error) {
    if (number === wanted) showProblem(error.message);
  }
}

/** The canvas as a file of `type`; a browser that cannot write it says so rather than give another kind. */
function encoded(type, quality) {
  const refusal = new Error(`This browser cannot write ${type.slice(6).toUpperCase()} files. Download the PNG.`);
  return new Promise((resolve, reject) => $('sticker').toBlob((blob) => (blob?.type === type ? resolve(blob) : reject(refusal)), type, quality));
}

async function webp() {
  for (const quality of WEBP_QUALITIES) {
    const blob = await encoded('image/webp', quality);
    if (blob.size <= MAX_WEBP_BYTES) return blob;
  }
  throw new Error('The sticker stays over 100 KB as WebP. Download the PNG.');
}

function save(blob, name) {
  const link = Object.assign(document.createElement('a'), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** Make a file and have the browser save it. */
async function download(name, makeFile) {
  try {
    const blob = await makeFile();
    save(blob, name);
    show('done', [`${name}, ${Math.ceil(blob.size / 1000)} KB, was made in this browser.`]);
  } catch (error) {
    show('problem', [error.message]);
  }
}

// --- what the person does

function openFrom(files) {
  const file = [...files].find(({ type }) => !type || type.startsWith('image/'));
  if (file) open(file);
  else if (files.length) showProblem('That is no picture file. Choose a JPEG, PNG, WebP, GIF or AVIF.');
}

function listen() {
  $('file').addEventListener('change', (event) => {
    openFrom(event.target.files);
    event.target.value = ''; // the same file may be chosen again
  });
  $('original').addEventListener('error', () => ($('original').hidden = true)); // what it is, the maker tells
  document.addEventListener('paste', (event) => openFrom(event.clipboardData.files));
  for (const kind of ['dragover', 'dragleave', 'drop']) {
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      $('drop').classList.toggle('over', kind === 'dragover');
      if (kind === 'drop') openFrom(event.dataTransfer.files);
    });
  }
  for (const input of document.querySelectorAll('input[name=subject], #whole, #colour, #outline')) input.addEventListener('change', make);
  $('outline').addEventListener('input', () => ($('outline-px').value = `${$('outline').value} px`));
  for (const input of document.querySelectorAll('input[name=ground]')) input.addEventListener('change', () => ($('ground').className = `ground ${input.value}`));
  $('webp').addEventListener('click', () => download('sticker.webp', webp));
  $('png').addEventListener('click', () => download('sticker.png', () => encoded('image/png')));
  $('cutout').addEventListener('click', () => download('cutout.png', () => ask('cutout', options())));
}

async function start() {
  listen();
  if (typeof OffscreenCanvas === 'undefined' || typeof WebAssembly === 'undefined') {
    showProblem('This browser is too old for private mode: it needs WebAssembly and OffscreenCanvas (Chrome 80, Firefox 114, Safari 16.4 or newer).');
    return;
  }
  try {
    startMaker();
    versions = await ask('load');
    $('versions').textContent = `Models: ${Object.entries(versions).map(([name, version]) => `${name} ${version}`).join(', ')}.`;
    $('loading').hidden = true;
    $('ready').textContent = 'Ready. From here on nothing is asked of the server: you may go offline.';
    $('file').disabled = false;
  } catch (error) {
    showProblem(error.message);
  }
}

start();
