/*
 * From the networks' outputs to what is cut out: the style, the detections, and the probability of each pixel.
 * The same rules as sticker_studio/inference.py and sticker_studio/subjects.py.
 */

import { shared, sighting, size } from './fusion.js';
import { withoutSpecks } from './masks.js';

export const MIN_SUBJECT_SHARE = 0.002;
const ISLAND_SHARE = 0.1;
const SURE_SHARE = { all: 0.5, largest: 0.7 };
const PART_SHARE = 0.7;
const MAX_CANDIDATES = 300;
/** What one look may report, and from which score on (sticker_studio/fusion.py). */
const MAX_SIGHTINGS = 12;
const SIGHTING_SCORE = 0.03;
/** The logit of a pixel that cannot belong to the object. */
const OUTSIDE = -12;

/** Calibrated probability of each of the card's classes, from the logits of several looks. */
export function styleProbabilities(looks, card) {
  const means = card.classes.map((_, i) => looks.reduce((sum, logits) => sum + logits[i], 0) / looks.length / card.temperature);
  const top = Math.max(...means);
  const exponents = means.map((value) => Math.exp(value - top));
  const total = exponents.reduce((sum, value) => sum + value, 0);
  return Object.fromEntries(card.classes.map((name, i) => [name, exponents[i] / total]));
}

/**
 * The YOLO-seg head's outputs to the sightings of one look at the picture's size, surest first.
 * `predictions` is {dims: [1, 4 + classes + 32, anchors], data}, `prototypes` {dims: [1, 32, h, w], data}.
 */
export function decode(predictions, prototypes, box, card) {
  const [, channels, anchors] = predictions.dims;
  const classes = card.classes.length;
  const expected = 4 + classes + prototypes.dims[1];
  if (channels !== expected) throw new Error(`${card.name} ${card.version}: expected ${expected} head channels, got ${channels}; train it again.`);
  const at = (channel, anchor) => predictions.data[channel * anchors + anchor];
  const candidates = [];
  for (let anchor = 0; anchor < anchors; anchor++) {
    let score = 0;
    for (let i = 0; i < classes; i++) score = Math.max(score, at(4 + i, anchor));
    if (score >= SIGHTING_SCORE) candidates.push({ anchor, score, rect: rectangle(at, anchor) });
  }
  candidates.sort((one, other) => other.score - one.score);
  const kept = nonMaximumSuppression(candidates.slice(0, MAX_CANDIDATES), card.iou_threshold).slice(0, MAX_SIGHTINGS);
  const coefficients = ({ anchor }) => Float32Array.from({ length: prototypes.dims[1] }, (_, i) => at(4 + classes + i, anchor));
  return kept.map((one) => sighting(one.score, probabilityOf(coefficients(one), one.rect, prototypes, box, card.input_px)));
}

function rectangle(at, anchor) {
  const [x, y, w, h] = [0, 1, 2, 3].map((channel) => at(channel, anchor));
  return { left: x - w / 2, top: y - h / 2, right: x + w / 2, bottom: y + h / 2 };
}

function nonMaximumSuppression(candidates, maxIou) {
  const kept = [];
  for (const one of candidates) if (kept.every((other) => iou(one.rect, other.rect) <= maxIou)) kept.push(one);
  return kept;
}

function iou(a, b) {
  const width = Math.min(a.right, b.right) - Math.max(a.left, b.left);
  const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  if (width <= 0 || height <= 0) return 0;
  const area = (rect) => (rect.right - rect.left) * (rect.bottom - rect.top);
  return (width * height) / (area(a) + area(b) - width * height);
}

/** A detection's probability at the picture's size: upscaled as logits, for smooth edges. */
function probabilityOf(coefficients, rect, prototypes, box, side) {
  const [, count, height, width] = prototypes.dims;
  const stride = side / width;
  const logits = new Float32Array(width * height).fill(OUTSIDE);
  const inside = (x, y) => y >= rect.top / stride - 1 && y < rect.bottom / stride + 1 && x >= rect.left / stride - 1 && x < rect.right / stride + 1;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (!inside(x, y)) continue;
      let sum = 0;
      for (let i = 0; i < count; i++) sum += coefficients[i] * prototypes.data[(i * height + y) * width + x];
      logits[y * width + x] = Math.min(Math.max(sum, -12), 12);
    }
  }
  const ratio = box.scale / stride; // of a picture pixel to a prototype pixel; pixel centres are at +0.5
  const shift = (pad) => pad / stride + 0.5 * ratio - 0.5;
  const warped = sampled({ width, height, data: logits }, [shift(box.left), shift(box.top)], [ratio, ratio], [box.width, box.height]);
  return { ...warped, data: warped.data.map((logit) => 1 / (1 + Math.exp(-logit))) };
}

/** A field read at start + step * (column, row), linear between its pixels, its border going on outside. */
export function sampled(field, [startX, startY], [stepX, stepY], [width, height]) {
  const data = new Float32Array(width * height);
  const limit = (value, top) => Math.min(Math.max(value, 0), top);
  for (let row = 0; row < height; row++) {
    const y = limit(startY + stepY * row, field.height - 1);
    const [top, bottom] = [Math.floor(y), Math.min(Math.floor(y) + 1, field.height - 1)];
    for (let column = 0; column < width; column++) {
      const x = limit(startX + stepX * column, field.width - 1);
      const [left, right] = [Math.floor(x), Math.min(Math.floor(x) + 1, field.width - 1)];
      const value = (py) => field.data[py * field.width + left] * (1 - x + left) + field.data[py * field.width + right] * (x - left);
      data[row * width + column] = value(top) * (1 - y + top) + value(bottom) * (y - top);
    }
  }
  return { width, height, data };
}

/** The detections to cut out: all that are not doubted beside the surest, or the largest of these with those that lie mostly within it. */
export function choose(detections, subject) {
  const best = Math.max(0, ...detections.map((one) => one.score));
  const sure = detections.filter((one) => one.score >= SURE_SHARE[subject] * best);
  if (subject === 'all' || sure.length < 2) return sure;
  const weight = (one) => size(one.core) * one.score;
  const main = sure.reduce((one, other) => (weight(other) > weight(one) ? other : one));
  return sure.filter((one) => shared(one.core, main.core) > PART_SHARE * size(one.core));
}

/** The highest probability of any detection, specks gone; null when nothing worth cutting is left. */
export function join(detections, width, height) {
  const data = new Float32Array(width * height);
  for (const { probability, core } of detections) {
    const kept = withoutSpecks(core, width, height, { minPartShare: ISLAND_SHARE });
    for (let i = 0; i < data.length; i++) data[i] = Math.max(data[i], core[i] && !kept[i] ? 0.49 : probability.data[i]);
  }
  const core = withoutSpecks(Uint8Array.from(data, (value) => value >= 0.5), width, height);
  if (size(core) / core.length < MIN_SUBJECT_SHARE) return null;
  // specks go down to just under one half, filled holes up: the borders of what stays keep their slope
  return { width, height, data: data.map((value, i) => (core[i] ? Math.max(value, 0.5) : Math.min(value, 0.49))) };
}
