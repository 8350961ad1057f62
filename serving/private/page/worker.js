/*
 * The maker: loads the models once, then turns pictures into stickers without any further request. It runs beside the page, so that the page
 * stays quick. Asked by messages {id, kind, ...}, it answers {id, answer} or {id, problem}; while it loads it sends {progress}.
 */

import * as ort from './runtime/ort.wasm.bundle.min.mjs';
import { byColour } from './colours.js';
import { composed, contentSize } from './composer.js';
import { fused, sighting } from './fusion.js';
import { boxFrom } from './masks.js';
import { fit, letterbox, middle, mirrored, overWhite, ownAlpha, resized, shrunk, tensorOf } from './pixels.js';
import { foregroundColours, refined, unmixed } from './refine.js';
import { MIN_SUBJECT_SHARE, choose, decode, join, sampled, styleProbabilities } from './subjects.js';

const CLASSIFIER = 'sticker-style-classifier';
const SEGMENTORS = { anime: 'sticker-segmentor-anime', normal: 'sticker-segmentor-normal' };
const WASM = 'runtime/ort-wasm-simd-threaded.wasm';
/** A larger picture is scaled down to this many pixels: more does not fit a phone's canvas. */
const MAX_PIXELS = 16_000_000;
const WORK_SIDE = 1024;
/** Subjects are sought on a view of at most this side. */
const LOOK_SIDE = 384;

/** What is told to the person as it is. */
class Problem extends Error {}

const models = {};
let current = null;

const actions = { load, open, sticker, cutout };

// one after the other: what is asked of a picture must not meet the next one
let last = Promise.resolve();
self.addEventListener('message', ({ data }) => {
  last = last.then(() => answered(data));
});

async function answered({ id, kind, ...asked }) {
  try {
    self.postMessage({ id, answer: await actions[kind](asked) });
  } catch (error) {
    const problem = error instanceof Problem ? error.message : `This browser could not do it: ${error.message ?? error}. Reload the page; if it stays, use the Studio page.`;
    self.postMessage({ id, problem });
  }
}

// --- loading

/** Fetch and open everything that will ever be needed; answers {name: version}. */
async function load() {
  const names = [CLASSIFIER, ...Object.values(SEGMENTORS)];
  const cards = await Promise.all(names.map(async (name) => (await fetched(`models/${name}/card.json`)).json()));
  const responses = await Promise.all([WASM, ...cards.map((card) => `models/${card.name}/model.onnx?sha256=${card.file_sha256}`)].map(fetched));
  const [wasm, ...files] = await bodies(responses);
  tell('Starting the models', 1);
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmBinary = wasm.buffer;
  for (const [i, card] of cards.entries()) models[card.name] = { card, session: await ort.InferenceSession.create(files[i], { executionProviders: ['wasm'] }) };
  return Object.fromEntries(cards.map((card) => [card.name, card.version]));
}

async function fetched(path) {
  const response = await fetch(new URL(path, import.meta.url)).catch(() => null);
  if (!response) throw new Problem('The models could not be fetched: the server does not answer. Check that it runs, then reload the page.');
  if (!response.ok) throw new Problem(`The models could not be fetched: ${await response.text()} (${response.status}).`);
  return response;
}

/** The bytes of several responses, read side by side, telling how far they are. */
async function bodies(responses) {
  const total = responses.reduce((sum, response) => sum + Number(response.headers.get('content-length')), 0);
  let read = 0;
  const body = async (response) => {
    const parts = [];
    const reader = response.body.getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      parts.push(part.value);
      read += part.value.length;
      tell(`Loading the models, ${Math.round(read / 1e6)} of ${Math.round(total / 1e6)} MB`, read / total);
    }
    return new Uint8Array(await new Blob(parts).arrayBuffer());
  };
  return Promise.all(responses.map(body));
}

function tell(text, share) {
  self.postMessage({ progress: { text, share } });
}

// --- looking

/** Decode the file upright and find what is in it; answers {style, probability, segmentor}. */
async function open({ file }) {
  current?.bitmap.close();
  current = null;
  const bitmap = await decoded(file);
  const work = pixelsOf(bitmap, { left: 0, top: 0, right: bitmap.width, bottom: bitmap.height }, fit([bitmap.width, bitmap.height], workLimit(bitmap)));
  const own = ownAlpha(work, MIN_SUBJECT_SHARE);
  const view = shrunk(overWhite(work), LOOK_SIDE);
  const probabilities = await classified(view);
  const style = probabilities.anime >= probabilities.normal ? 'anime' : 'normal';
  const detections = own ? [] : await segmented(view, models[SEGMENTORS[style]]);
  current = { bitmap, own, view, detections };
  return { style, probability: probabilities[style], segmentor: SEGMENTORS[style] };
}

function workLimit({ width, height }) {
  return [Math.min(WORK_SIDE, width), Math.min(WORK_SIDE, height)];
}

async function decoded(file) {
  const bitmap = await createImageBitmap(file, { imageOrientation: 'from-image' }).catch(() => null);
  if (!bitmap) throw new Problem(`This browser cannot read ${file.name || 'this picture'}: it is damaged, or of a kind that the browser does not know. Save it as JPEG or PNG and try again.`);
  const scale = Math.sqrt(MAX_PIXELS / (bitmap.width * bitmap.height));
  if (scale >= 1) return bitmap;
  const [resizeWidth, resizeHeight] = [Math.max(1, Math.floor(bitmap.width * scale)), Math.max(1, Math.floor(bitmap.height * scale))];
  const smaller = await createImageBitmap(bitmap, { resizeWidth, resizeHeight, resizeQuality: 'high' });
  bitmap.close();
  return smaller;
}

/** The part `box` of a bitmap as a picture of [width, height]. */
function pixelsOf(bitmap, box, [width, height]) {
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  context.imageSmoothingQuality = 'high';
  context.drawImage(bitmap, box.left, box.top, box.right - box.left, box.bottom - box.top, 0, 0, width, height);
  return context.getImageData(0, 0, width, height);
}

async function classified(view) {
  const { card, session } = models[CLASSIFIER];
  const looks = [];
  for (const seen of [view, middle(view)]) {
    const outputs = await run(session, tensorOf(resized(seen, card.input_px, card.input_px), card));
    looks.push(outputs[session.outputNames[0]].data);
  }
  return styleProbabilities(looks, card);
}

/** The objects in a picture, by a look at it and one at its mirror image. */
async function segmented(view, model) {
  const plain = await look(view, model);
  const turned = await look(mirrored(view), model);
  const turnedBack = turned.map(({ score, probability }) => sighting(score, mirrored(probability)));
  return fused([plain, turnedBack], model.card.score_threshold);
}

async function look(view, { card, session }) {
  const { square, box } = letterbox(view, card.input_px);
  const outputs = await run(session, tensorOf(square, card));
  const [predictions, prototypes] = session.outputNames.map((name) => outputs[name]);
  return decode(predictions, prototypes, box, card);
}

function run(session, { values, shape }) {
  return session.run({ [session.inputNames[0]]: new ort.Tensor('float32', values, shape) });
}

// --- making

/** What to cut out of the open picture: a probability field, how it came about, and of how many subjects. */
function found({ subject, whole }) {
  const { own, view, detections } = current;
  if (own) return { field: own, how: 'alpha', subjects: 1 };
  const chosen = choose(detections, subject);
  const joined = join(chosen, view.width, view.height);
  if (joined) return { field: byColour(view, joined), how: 'segmentor', subjects: chosen.length };
  if (!whole) throw new Problem('Nothing that stands out was found. Crop the picture closer to the subject, or tick “Use the whole picture”.');
  return { field: { width: view.width, height: view.height, data: new Float32Array(view.width * view.height).fill(1) }, how: 'whole', subjects: 0 };
}

/** The finished sticker of the open picture; answers {picture, how, subjects}. */
function sticker({ subject, whole, outlinePx, colour }) {
  const { field, how, subjects } = found({ subject, whole });
  const { bitmap } = current;
  const box = roomy(field, bitmap);
  const size = fit([box.right - box.left, box.bottom - box.top], contentSize(outlinePx));
  const pixels = pixelsOf(bitmap, box, size);
  const coarse = part(field, box, bitmap, size);
  const alpha = how === 'segmentor' ? unmixed(pixels, refined(pixels, coarse)) : coarse;
  const colours = how === 'segmentor' ? foregroundColours(pixels, alpha) : pixels;
  return { picture: composed(colours, alpha, outlinePx, colour), how, subjects };
}

/** Box of the subject in the bitmap's px, with room for its soft edge. */
function roomy(field, bitmap) {
  const box = boxFrom(field, 0.5);
  const [scaleX, scaleY] = [bitmap.width / field.width, bitmap.height / field.height];
  const room = 0.015 * Math.max(box.right - box.left, box.bottom - box.top);
  const left = Math.floor(Math.max(0, (box.left - room) * scaleX));
  const top = Math.floor(Math.max(0, (box.top - room) * scaleY));
  const right = Math.max(left + 1, Math.ceil(Math.min(bitmap.width, (box.right + room) * scaleX)));
  const bottom = Math.max(top + 1, Math.ceil(Math.min(bitmap.height, (box.bottom + room) * scaleY)));
  return { left, top, right, bottom };
}

/** The part of a field within `box` (the bitmap's px) at [width, height]. */
function part(field, box, bitmap, [width, height]) {
  const [scaleX, scaleY] = [field.width / bitmap.width, field.height / bitmap.height];
  const [stepX, stepY] = [((box.right - box.left) * scaleX) / width, ((box.bottom - box.top) * scaleY) / height];
  return sampled(field, [box.left * scaleX + 0.5 * stepX - 0.5, box.top * scaleY + 0.5 * stepY - 0.5], [stepX, stepY], [width, height]);
}

/** The subject of the open picture on a transparent ground, at the picture's size: a PNG blob. */
async function cutout({ subject, whole }) {
  const { field, how } = found({ subject, whole });
  const { bitmap } = current;
  const everything = { left: 0, top: 0, right: bitmap.width, bottom: bitmap.height };
  const size = fit([bitmap.width, bitmap.height], workLimit(bitmap));
  const pixels = pixelsOf(bitmap, everything, size);
  const coarse = part(field, everything, bitmap, size);
  const alpha = how === 'segmentor' ? unmixed(pixels, refined(pixels, coarse)) : coarse;
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext('2d');
  context.imageSmoothingQuality = 'high';
  context.drawImage(bitmap, 0, 0);
  if (how === 'segmentor') {
    context.drawImage(layer(foregroundColours(pixels, alpha), (i) => alpha.data[i] < 0.999), 0, 0, bitmap.width, bitmap.height);
    context.globalCompositeOperation = 'destination-in';
    context.drawImage(layer(pixels, (i) => alpha.data[i]), 0, 0, bitmap.width, bitmap.height);
  }
  return canvas.convertToBlob({ type: 'image/png' });
}

/** A picture with the alpha (0..1) that `alphaAt(pixel)` says, to draw with. */
function layer(picture, alphaAt) {
  const data = new Uint8ClampedArray(picture.data);
  for (let i = 0; i < data.length / 4; i++) data[4 * i + 3] = 255 * alphaAt(i);
  const canvas = new OffscreenCanvas(picture.width, picture.height);
  canvas.getContext('2d').putImageData(new ImageData(data, picture.width, picture.height), 0, 0);
  return canvas;
}
