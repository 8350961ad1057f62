/*
 * Pictures as the networks see them. A picture is {width, height, data}: data is RGBA uint8 (an ImageData fits); a field is
 * {width, height, data} with one float32 a pixel. As sticker_studio/inference.py has it.
 */

/** What lies around a picture in a square. */
export const PAD = 114;
/** Of each side, that the classifier's second look covers. */
export const MIDDLE_SHARE = 0.7;

/** The nearest integer, of two the even one: sizes must come out as Python's `round` makes them. */
export function rounded(value) {
  const up = Math.round(value);
  return up - value === 0.5 && up % 2 ? up - 1 : up;
}

/** A picture, or a field, scaled to width x height: area-averaged along a side that shrinks, linear along one that grows (cv2.INTER_AREA, INTER_LINEAR). */
export function resized(picture, width, height) {
  if (picture.width === width && picture.height === height) return picture;
  const channels = picture.data.length / (picture.width * picture.height);
  const columns = taps(picture.width, width);
  const rows = taps(picture.height, height);
  const narrow = new Float32Array(width * picture.height * channels);
  for (let y = 0; y < picture.height; y++) blend(picture.data, y * picture.width * channels, channels, columns, narrow, y * width * channels, channels, channels);
  const data = new Float32Array(width * height * channels);
  for (let x = 0; x < width; x++) blend(narrow, x * channels, width * channels, rows, data, x * channels, width * channels, channels);
  return { width, height, data: new picture.data.constructor(data) };
}

/** For each of `to` places on a line of `from` pixels: the first pixel it takes from, and the weights of that and the following ones. */
function taps(from, to) {
  const scale = from / to;
  return Array.from({ length: to }, (_, place) => (scale > 1 ? averaged(place * scale, (place + 1) * scale, from) : between((place + 0.5) * scale - 0.5, from)));
}

function averaged(start, end, from) {
  const first = Math.floor(start + 1e-6);
  const last = Math.min(from, Math.ceil(end - 1e-6));
  const weights = [];
  for (let i = first; i < last; i++) weights.push((Math.min(end, i + 1) - Math.max(start, i)) / (end - start));
  return { first, weights };
}

function between(place, from) {
  const first = Math.min(Math.max(Math.floor(place), 0), Math.max(0, from - 2));
  const share = Math.min(Math.max(place - first, 0), 1);
  return from === 1 ? { first, weights: [1] } : { first, weights: [1 - share, share] };
}

function blend(source, from, sourceStep, line, target, to, targetStep, channels) {
  for (const { first, weights } of line) {
    for (let channel = 0; channel < channels; channel++) {
      let sum = 0;
      for (let i = 0; i < weights.length; i++) sum += weights[i] * source[from + (first + i) * sourceStep + channel];
      target[to + channel] = sum;
    }
    to += targetStep;
  }
}

/** A picture scaled down so that no side exceeds `maxSide`. */
export function shrunk(picture, maxSide) {
  const scale = maxSide / Math.max(picture.width, picture.height);
  return scale >= 1 ? picture : resized(picture, Math.max(1, rounded(picture.width * scale)), Math.max(1, rounded(picture.height * scale)));
}

/** A picture fitted into the card's square, padded grey: the square picture and how it was fitted. */
export function letterbox(picture, side) {
  const { width, height } = picture;
  const scale = side / Math.max(width, height);
  const [w, h] = [Math.max(1, rounded(width * scale)), Math.max(1, rounded(height * scale))];
  const [left, top] = [(side - w) >> 1, (side - h) >> 1];
  const inner = resized(picture, w, h);
  const data = new Uint8ClampedArray(side * side * 4).fill(PAD);
  for (let y = 0; y < h; y++) data.set(inner.data.subarray(y * w * 4, (y + 1) * w * 4), ((top + y) * side + left) * 4);
  return { square: { width: side, height: side, data }, box: { width, height, scale, left, top } };
}

/** A picture as 1 x 3 x H x W float32, scaled to 0..1 and normalised as the card says. */
export function tensorOf(picture, card) {
  const area = picture.width * picture.height;
  const values = new Float32Array(3 * area);
  for (let channel = 0; channel < 3; channel++) {
    for (let i = 0; i < area; i++) values[channel * area + i] = (picture.data[4 * i + channel] / 255 - card.mean[channel]) / card.std[channel];
  }
  return { values, shape: [1, 3, picture.height, picture.width] };
}

/** The inner part of a picture: a drawn figure on a photographed ground is told by the figure. */
export function middle(picture) {
  const [left, top] = [Math.floor((picture.width * (1 - MIDDLE_SHARE)) / 2), Math.floor((picture.height * (1 - MIDDLE_SHARE)) / 2)];
  const [width, height] = [picture.width - 2 * left, picture.height - 2 * top];
  const data = new Uint8ClampedArray(width * height * 4);
  for (let y = 0; y < height; y++) {
    const start = ((top + y) * picture.width + left) * 4;
    data.set(picture.data.subarray(start, start + width * 4), y * width * 4);
  }
  return { width, height, data };
}

/** A picture, or a field, as in a mirror. */
export function mirrored({ width, height, data }) {
  const step = data.length / (width * height);
  const turned = new data.constructor(data.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [from, to] = [(y * width + x) * step, (y * width + width - 1 - x) * step];
      for (let i = 0; i < step; i++) turned[to + i] = data[from + i];
    }
  }
  return { width, height, data: turned };
}

/** The picture's own transparency as a field, where it has a meaningful one, else null (as serving/pipeline.decode). */
export function ownAlpha(picture, minSubjectShare) {
  const data = new Float32Array(picture.width * picture.height);
  let seenThrough = 0;
  for (let i = 0; i < data.length; i++) {
    data[i] = picture.data[4 * i + 3] / 255;
    if (data[i] < 0.5) seenThrough++;
  }
  const share = seenThrough / data.length;
  return share >= 0.01 && share <= 1 - minSubjectShare ? { width: picture.width, height: picture.height, data } : null;
}

/** A picture laid over white. */
export function overWhite(picture) {
  const data = new Uint8ClampedArray(picture.data.length);
  for (let i = 0; i < data.length; i += 4) {
    const alpha = picture.data[i + 3] / 255;
    for (let c = 0; c < 3; c++) data[i + c] = picture.data[i + c] * alpha + 255 * (1 - alpha);
    data[i + 3] = 255;
  }
  return { width: picture.width, height: picture.height, data };
}

/** `size` scaled, up or down, to fit `limit`; at least 1 px each. */
export function fit([width, height], [maxWidth, maxHeight]) {
  const scale = Math.min(maxWidth / width, maxHeight / height);
  return [Math.max(1, Math.min(maxWidth, rounded(width * scale))), Math.max(1, Math.min(maxHeight, rounded(height * scale)))];
}
