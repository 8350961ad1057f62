/*
 * Two looks at one picture, the second at its mirror image, and their fusion object by object: what only one look imagines is doubted.
 * As sticker_studio/fusion.py, whose looks here all cover the whole picture.
 */

const SAME_IOU = 0.5;
/** An object with more than this share of itself within a surer one is a part of it. */
const DOUBLED_SHARE = 0.75;

/** Something seen: its score, the probability field of its pixels, and its core (probability >= 0.5). */
export function sighting(score, probability) {
  return { score, probability, core: Uint8Array.from(probability.data, (value) => value >= 0.5) };
}

/** The objects that the looks saw, surest first; the score, from `minScore` on, is the mean over the looks. */
export function fused(looks, minScore) {
  const objects = grouped(looks).map((sightings) => merged(sightings, looks.length));
  objects.sort((one, other) => other.score - one.score);
  const kept = [];
  for (const one of objects) {
    const area = size(one.core);
    const isPart = kept.some((other) => shared(one.core, other.core) > DOUBLED_SHARE * area);
    if (one.score >= minScore && area && !isPart) kept.push(one);
  }
  return kept;
}

/** Each sighting, surest first, goes to the object that it overlaps most, or is a new one; an object has at most one sighting a look. */
function grouped(looks) {
  const objects = [];
  const everything = looks.flatMap((sightings, look) => sightings.map((one) => ({ ...one, look })));
  everything.sort((one, other) => other.score - one.score);
  for (const one of everything) {
    if (!size(one.core)) continue;
    const open = objects.filter((sightings) => sightings.every(({ look }) => look !== one.look));
    const overlaps = open.map(([first]) => iou(one.core, first.core));
    const best = overlaps.indexOf(Math.max(...overlaps));
    if (best >= 0 && overlaps[best] > SAME_IOU) open[best].push(one);
    else objects.push([one]);
  }
  return objects;
}

/** The mean of an object's sightings, by score. */
function merged(sightings, lookCount) {
  const total = sightings.reduce((sum, { score }) => sum + score, 0);
  const { width, height } = sightings[0].probability;
  const data = new Float32Array(width * height);
  for (const { score, probability } of sightings) for (let i = 0; i < data.length; i++) data[i] += (score / total) * probability.data[i];
  return sighting(total / lookCount, { width, height, data });
}

function iou(one, other) {
  const both = shared(one, other);
  return both / (size(one) + size(other) - both);
}

/** Pixels of a core. */
export function size(core) {
  return core.reduce((sum, value) => sum + value, 0);
}

/** Pixels of both cores. */
export function shared(one, other) {
  let sum = 0;
  for (let i = 0; i < one.length; i++) sum += one[i] & other[i];
  return sum;
}
