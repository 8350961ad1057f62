/* Masks: uint8 0 or 1, row by row. Parts and holes as in sticker_studio/refine.py, and exact distances. */

const MIN_PART_SHARE = 0.02;
const MAX_HOLE_SHARE = 0.005;

/** `mask` without parts that are tiny beside its largest, and with its tiny holes filled. */
export function withoutSpecks(mask, width, height, { minPartShare = MIN_PART_SHARE, maxHoleShare = MAX_HOLE_SHARE } = {}) {
  const parts = labelled(mask, width, height);
  const solid = largeEnough(parts, minPartShare * parts.areas.reduce((most, area) => Math.max(most, area), 0));
  const holes = labelled(flipped(solid), width, height);
  return flipped(largeEnough(holes, maxHoleShare * solid.reduce((sum, value) => sum + value, 0)));
}

function flipped(mask) {
  return mask.map((value) => 1 - value);
}

function largeEnough({ labels, areas }, minArea) {
  return Uint8Array.from(labels, (label) => (label && areas[label] >= minArea ? 1 : 0));
}

/** Parts that touch along a side: a label from 1 on for each pixel of the mask, and each label's area. */
function labelled(mask, width, height) {
  const labels = new Int32Array(mask.length);
  const areas = [0];
  const waiting = new Int32Array(mask.length);
  for (let seed = 0; seed < mask.length; seed++) {
    if (!mask[seed] || labels[seed]) continue;
    const label = areas.length;
    let [first, last] = [0, 0];
    const take = (i) => {
      if (!mask[i] || labels[i]) return;
      labels[i] = label;
      waiting[last++] = i;
    };
    take(seed);
    while (first < last) {
      const i = waiting[first++];
      const x = i % width;
      if (x > 0) take(i - 1);
      if (x < width - 1) take(i + 1);
      if (i >= width) take(i - width);
      if (i < width * (height - 1)) take(i + width);
    }
    areas.push(last);
  }
  return { labels, areas };
}

/** Distance in px from each pixel to the nearest one of the mask (Felzenszwalb and Huttenlocher, 2012); very large where it is empty. */
export function distanceTo(mask, width, height) {
  const far = 1e10;
  const squared = Float64Array.from(mask, (value) => (value ? 0 : far));
  const longest = Math.max(width, height);
  const [line, feet, bounds] = [new Float64Array(longest), new Int32Array(longest), new Float64Array(longest + 1)];
  for (let x = 0; x < width; x++) lowerEnvelope(squared, x, width, height, line, feet, bounds);
  for (let y = 0; y < height; y++) lowerEnvelope(squared, y * width, 1, width, line, feet, bounds);
  return Float32Array.from(squared, Math.sqrt);
}

/** One line of squared distances, in place: the lower envelope of the parabolas that stand on it. */
function lowerEnvelope(values, start, step, length, line, feet, bounds) {
  for (let i = 0; i < length; i++) line[i] = values[start + i * step];
  const meet = (p, q) => (line[q] + q * q - (line[p] + p * p)) / (2 * (q - p));
  let last = 0;
  [feet[0], bounds[0], bounds[1]] = [0, -Infinity, Infinity];
  for (let q = 1; q < length; q++) {
    while (last > 0 && meet(feet[last], q) <= bounds[last]) last--;
    bounds[last + 1] = meet(feet[last], q);
    feet[++last] = q;
    bounds[last + 1] = Infinity;
  }
  for (let q = 0, k = 0; q < length; q++) {
    while (bounds[k + 1] < q) k++;
    values[start + q * step] = (q - feet[k]) ** 2 + line[feet[k]];
  }
}

/** Box {left, top, right, bottom} of the pixels of a field from `level` on, right and bottom exclusive; null when there are none. */
export function boxFrom(field, level) {
  const box = { left: field.width, top: field.height, right: 0, bottom: 0 };
  for (let y = 0, i = 0; y < field.height; y++) {
    for (let x = 0; x < field.width; x++, i++) {
      if (field.data[i] < level) continue;
      box.left = Math.min(box.left, x);
      box.right = Math.max(box.right, x + 1);
      box.top = Math.min(box.top, y);
      box.bottom = y + 1;
    }
  }
  return box.right ? box : null;
}
