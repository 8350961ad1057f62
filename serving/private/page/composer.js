/* A cut-out to a finished sticker: fitted into the square, with a die-cut outline. As serving/composer.py. */

import { distanceTo, withoutSpecks } from './masks.js';

export const SIDE = 512;
export const MARGIN = 16;
const CLOSING = 10;
const SMOOTH = 3;
const HOLE = 20;

/** The largest width and height the subject may have. */
export function contentSize(outlinePx) {
  const side = SIDE - 2 * (MARGIN + outlinePx);
  return [side, side];
}

/** The finished sticker (SIDE x SIDE, RGBA) of a subject at its final size: its picture, its alpha field, the outline's px and [r, g, b]. */
export function composed(picture, alpha, outlinePx, colour) {
  const [left, top] = [(SIDE - picture.width) >> 1, (SIDE - picture.height) >> 1];
  const [pixels, shares] = [new Uint8ClampedArray(SIDE * SIDE * 4), new Float32Array(SIDE * SIDE)];
  for (let y = 0; y < picture.height; y++) {
    const [from, to] = [y * picture.width, (top + y) * SIDE + left];
    pixels.set(picture.data.subarray(from * 4, (from + picture.width) * 4), to * 4);
    shares.set(alpha.data.subarray(from, from + picture.width), to);
  }
  const coverage = outlined(shares, outlinePx);
  for (let i = 0; i < shares.length; i++) {
    const total = Math.max(coverage[i], shares[i]);
    const share = total > 0 ? shares[i] / total : 0;
    for (let c = 0; c < 3; c++) pixels[4 * i + c] = pixels[4 * i + c] * share + colour[c] * (1 - share);
    pixels[4 * i + 3] = total * 255;
  }
  return { width: SIDE, height: SIDE, data: pixels };
}

/** Coverage of the die-cut outline and all inside it: `alpha` (SIDE x SIDE) grown by `outlinePx`, narrow nooks and small holes filled. */
export function outlined(alpha, outlinePx) {
  if (!outlinePx) return alpha;
  const smooth = blurred(alpha, SIDE, SIDE, SMOOTH);
  const mask = Uint8Array.from(alpha, (value, i) => smooth[i] >= 0.5 || value >= 0.9);
  if (!mask.some(Boolean)) return alpha;
  const distance = distanceTo(mask, SIDE, SIDE);
  const inset = distanceTo(Uint8Array.from(distance, (value) => value > outlinePx + CLOSING), SIDE, SIDE); // closing: grow further, then shrink back
  const coverage = distance.map((value, i) => Math.max(unit(outlinePx + 0.5 - value), unit(inset[i] - CLOSING - 0.5)));
  const solid = Uint8Array.from(coverage, (value) => value >= 0.5);
  const area = Math.max(1, solid.reduce((sum, value) => sum + value, 0));
  const filled = withoutSpecks(solid, SIDE, SIDE, { minPartShare: 0, maxHoleShare: HOLE ** 2 / area });
  return coverage.map((value, i) => Math.max(filled[i] && !solid[i] ? 1 : value, alpha[i]));
}

function unit(value) {
  return Math.min(Math.max(value, 0), 1);
}

/** Gaussian blur of a field's values, its border going on outside. */
function blurred(values, width, height, sigma) {
  const reach = Math.ceil(4 * sigma);
  const weights = Float32Array.from({ length: 2 * reach + 1 }, (_, i) => Math.exp(-((i - reach) ** 2) / (2 * sigma * sigma)));
  const total = weights.reduce((sum, value) => sum + value, 0);
  const pass = (source, length, step, lines, lineStep) => {
    const target = new Float32Array(source.length);
    for (let line = 0; line < lines; line++) {
      for (let i = 0; i < length; i++) {
        let sum = 0;
        for (let k = -reach; k <= reach; k++) sum += weights[k + reach] * source[line * lineStep + Math.min(Math.max(i + k, 0), length - 1) * step];
        target[line * lineStep + i * step] = sum / total;
      }
    }
    return target;
  };
  return pass(pass(values, width, 1, height, width), height, width, width, 1);
}
