/*
 * The network's coarse border corrected by the colours on either side of it, at the size at which the network looked.
 * As refine.by_colour in sticker_studio/refine.py, where the constants come from: the colour models of GrabCut without the graph cut.
 */

import { distanceTo, withoutSpecks } from './masks.js';
import { resized, rounded } from './pixels.js';
import { CELLS, guided } from './refine.js';

const DOUBT_CELLS = 4;
const TAUGHT_CELLS = 6;
const SIDE = 192;
const BINS = 32;
const BIN_BLUR = 1.5;
const BIN_REACH = 3;
const ROUNDS = 2;
const MAX_LOG_ODDS = 3;
const RARE = 1e-5;
const MIN_TAUGHT_SHARE = 0.05;

/** The probability field of a network that looked at `picture` (of the same size), its border settled by colour. */
export function byColour(picture, probability) {
  const { width, height } = probability;
  const longer = Math.max(width, height);
  const scale = Math.min(1, SIDE / longer);
  const [w, h] = [Math.max(1, rounded(width * scale)), Math.max(1, rounded(height * scale))];
  const small = resized(probability, w, h);
  const away = distanceToBorder(small).map((value) => (value * CELLS) / Math.max(w, h));
  const told = toldByColour(resized(picture, w, h), small.data, away.map((value) => value <= TAUGHT_CELLS));
  const wide = resized({ width: w, height: h, data: told }, width, height).data;
  const doubted = Uint8Array.from(wide, (_, i) => away[Math.floor((Math.floor(i / width) * h) / height) * w + Math.floor(((i % width) * w) / width)] <= DOUBT_CELLS);
  const believed = probability.data.map((value, i) => (doubted[i] ? wide[i] : Number(value >= 0.5)));
  const led = guided(picture, { width, height, data: believed }, Math.max(2, rounded(longer / 40)));
  const decided = believed.map((value, i) => (doubted[i] ? led[i] : value));
  const core = withoutSpecks(Uint8Array.from(decided, (value) => value >= 0.5), width, height);
  return { width, height, data: decided.map((value, i) => (core[i] ? Math.max(value, 0.5) : Math.min(value, 0.49))) };
}

/** Px to the nearest pixel of the other side; without another side, far. */
function distanceToBorder({ width, height, data }) {
  const core = Uint8Array.from(data, (value) => value >= 0.5);
  const toCore = distanceTo(core, width, height);
  const toGround = distanceTo(core.map((value) => 1 - value), width, height);
  return toCore.map((value, i) => (core[i] ? toGround[i] : value));
}

/** Bayes' rule with smoothed histograms of the colours inside and outside, counted where `taught`; each round counts with the last one's answer. */
function toldByColour(picture, prior, taught) {
  const bin = (i, channel) => Math.floor((picture.data[4 * i + channel] * BINS) / 256);
  const colour = Int32Array.from(prior, (_, i) => (bin(i, 0) * BINS + bin(i, 1)) * BINS + bin(i, 2));
  const priorLogOdds = prior.map((value) => {
    const bounded = Math.min(Math.max(value, 1e-3), 1 - 1e-3);
    return Math.log(bounded / (1 - bounded));
  });
  let posterior = prior;
  const teaching = taught.reduce((sum, value) => sum + value, 0);
  for (let round = 0; round < ROUNDS; round++) {
    const [inside, outside] = [new Float32Array(BINS ** 3), new Float32Array(BINS ** 3)];
    let total = 0;
    for (let i = 0; i < prior.length; i++) {
      if (!taught[i]) continue;
      inside[colour[i]] += posterior[i];
      outside[colour[i]] += 1 - posterior[i];
      total += posterior[i];
    }
    if (!(total > MIN_TAUGHT_SHARE * teaching && total < (1 - MIN_TAUGHT_SHARE) * teaching)) return prior;
    const [near, far] = [frequencies(inside), frequencies(outside)];
    const logOdds = near.map((value, i) => Math.min(Math.max(Math.log((value + RARE) / (far[i] + RARE)), -MAX_LOG_ODDS), MAX_LOG_ODDS));
    posterior = priorLogOdds.map((value, i) => 1 / (1 + Math.exp(-value - logOdds[colour[i]])));
  }
  return posterior;
}

/** How often each of the BINS cubed colours occurs, smoothed, summing to 1. */
function frequencies(counts) {
  const weights = Array.from({ length: 2 * BIN_REACH + 1 }, (_, i) => Math.exp(-((i - BIN_REACH) ** 2) / (2 * BIN_BLUR ** 2)));
  const smooth = [1, BINS, BINS * BINS].reduce((values, step) => smoothed(values, step, weights), counts);
  const total = smooth.reduce((sum, value) => sum + value, 0);
  return smooth.map((value) => value / total);
}

/** The cube blurred along one side, mirrored at its faces. */
function smoothed(values, step, weights) {
  const mirrored = (place) => (place < 0 ? -1 - place : place >= BINS ? 2 * BINS - 1 - place : place);
  return values.map((_, i) => {
    const place = Math.floor(i / step) % BINS;
    return weights.reduce((sum, weight, k) => sum + weight * values[i + (mirrored(place + k - BIN_REACH) - place) * step], 0);
  });
}
