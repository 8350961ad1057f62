/*
 * Edges: from a coarse probability to a soft alpha that follows the picture, and colours free of the old background.
 * As sticker_studio/refine.py: He et al.'s guided filter with a colour guide, and Forte's blur fusion.
 */

import { distanceTo } from './masks.js';
import { resized, rounded } from './pixels.js';

/** Cells of a network's mask on the longer side of what it looked at. */
export const CELLS = 64;
const EPS = 1e-4;
/** The guided filter's ramp is wider than the picture's own. */
const STEEPER = 2.5;
/** Distance of two colours (RGB, 0..1) at which a pixel between them is believed half. */
const CONTRAST = 60 / 255;

/** Soft alpha field from a probability field of the same size, led by the picture's edges; the border may move by 1/64 of the longer side. */
export function refined(picture, probability) {
  const { width, height } = picture;
  const radius = Math.max(2, rounded(Math.max(width, height) / CELLS));
  const core = Uint8Array.from(probability.data, (value) => value >= 0.5);
  const toCore = distanceTo(core, width, height);
  const toGround = distanceTo(core.map((value) => 1 - value), width, height);
  const led = guided(picture, probability, radius);
  const alpha = led.map((value, i) => (toGround[i] > radius ? 1 : toCore[i] > radius ? 0 : value));
  return { width, height, data: alpha };
}

/** The guided filter's answer made as steep as the picture's own edges. */
export function guided(picture, source, radius) {
  return guidedFilter(picture, source, radius, EPS).map((value) => Math.min(Math.max((value - 0.5) * STEEPER + 0.5, 0), 1));
}

/**
 * He, Sun and Tang's filter (2010): the `source` field made to follow the edges of the picture, float32 a pixel.
 * What is fitted in windows is fitted on a view in which the radius is about 4 px (Fast Guided Filter, He and Sun, 2015).
 */
export function guidedFilter(picture, source, radius, eps) {
  const { width, height } = picture;
  const step = Math.max(1, rounded(radius / 4));
  const [w, h] = [Math.max(1, Math.floor(width / step)), Math.max(1, Math.floor(height / step))];
  const planes = planesOf(picture);
  const small = planes.map((plane) => resized(plane, w, h).data);
  const fitted = fit(small, resized(source, w, h).data, w, h, rounded(radius / step), eps);
  const [sr, sg, sb, offset] = fitted.map((data) => resized({ width: w, height: h, data }, width, height).data);
  const [r, g, b] = planes.map(({ data }) => data);
  return offset.map((value, i) => value + sr[i] * r[i] + sg[i] * g[i] + sb[i] * b[i]);
}

/** Slopes (three) and offset of `source` as a linear function of the colours, means over all windows that hold a pixel. */
function fit([r, g, b], source, width, height, radius, eps) {
  const mean = (values) => boxMean(values, width, height, radius);
  const [mr, mg, mb, ms] = [r, g, b, source].map(mean);
  const covariance = (p, q, mp, mq) => mean(p.map((value, i) => value * q[i])).map((value, i) => value - mp[i] * mq[i]);
  const [cr, cg, cb] = [covariance(r, source, mr, ms), covariance(g, source, mg, ms), covariance(b, source, mb, ms)];
  const [rr, rg, rb] = [covariance(r, r, mr, mr), covariance(r, g, mr, mg), covariance(r, b, mr, mb)];
  const [gg, gb, bb] = [covariance(g, g, mg, mg), covariance(g, b, mg, mb), covariance(b, b, mb, mb)];
  const [ar, ag, ab, offset] = [0, 1, 2, 3].map(() => new Float32Array(width * height));
  for (let i = 0; i < offset.length; i++) {
    // the inverse of the symmetric 3x3 covariance by its cofactors, times the covariance with the source
    const [xx, yy, zz] = [rr[i] + eps, gg[i] + eps, bb[i] + eps];
    const [xy, xz, yz] = [rg[i], rb[i], gb[i]];
    const [ixx, ixy, ixz] = [yy * zz - yz * yz, xz * yz - xy * zz, xy * yz - xz * yy];
    const [iyy, iyz, izz] = [xx * zz - xz * xz, xz * xy - xx * yz, xx * yy - xy * xy];
    const determinant = xx * ixx + xy * ixy + xz * ixz;
    ar[i] = (ixx * cr[i] + ixy * cg[i] + ixz * cb[i]) / determinant;
    ag[i] = (ixy * cr[i] + iyy * cg[i] + iyz * cb[i]) / determinant;
    ab[i] = (ixz * cr[i] + iyz * cg[i] + izz * cb[i]) / determinant;
    offset[i] = ms[i] - ar[i] * mr[i] - ag[i] * mg[i] - ab[i] * mb[i];
  }
  return [ar, ag, ab, offset].map(mean);
}

/**
 * Alpha whose border pixels say how far their colour is on the way from the background's to the subject's, both means of what is within `radius`;
 * where the two differ little, alpha stays.
 */
export function unmixed(picture, alpha, radius = 3) {
  const { width, height } = picture;
  const core = Uint8Array.from(alpha.data, (value) => value >= 0.5);
  const planes = planesOf(picture).map(({ data }) => data);
  const sides = planes.map((own) => nearAndFar(own, own, alpha.data, (values) => boxMean(values, width, height, radius)));
  const data = alpha.data.map((value, i) => {
    if (!onBorder(core, i, width, height)) return value;
    let [length, along] = [0, 0];
    for (const [channel, { near, far }] of sides.entries()) {
      const way = near[i] - far[i];
      length += way * way;
      along += (planes[channel][i] - far[i]) * way;
    }
    const share = Math.min(Math.max(along / (length + 1e-8), 0), 1);
    return value + ((share - value) * length) / (length + CONTRAST ** 2);
  });
  return { width, height, data };
}

/** Whether a pixel or one of its eight neighbours is of the other side. */
function onBorder(core, i, width, height) {
  const [x, y] = [i % width, Math.floor(i / width)];
  for (let row = Math.max(0, y - 1); row <= Math.min(height - 1, y + 1); row++) {
    for (let column = Math.max(0, x - 1); column <= Math.min(width - 1, x + 1); column++) if (core[row * width + column] !== core[i]) return true;
  }
  return false;
}

/** The subject's own colours as a picture: where alpha is partial, no old background shines through. */
export function foregroundColours(picture, alpha, radius = 4) {
  const { width, height } = picture;
  const result = new Uint8ClampedArray(picture.data);
  const share = alpha.data;
  const mean = (values, reach) => boxMean(values, width, height, reach);
  for (const [channel, { data: own }] of planesOf(picture).entries()) {
    const coarse = blurFusion(own, own, own, share, (values) => mean(values, radius));
    const fine = blurFusion(own, coarse.near, coarse.far, share, (values) => mean(values, Math.max(2, Math.floor(radius / 6))));
    for (let i = 0; i < share.length; i++) if (share[i] < 0.999) result[4 * i + channel] = 255 * fine.near[i];
  }
  return { width, height, data: result };
}

function blurFusion(picture, foreground, background, alpha, mean) {
  const { near, far } = nearAndFar(foreground, background, alpha, mean);
  const fused = near.map((value, i) => {
    const estimate = value + alpha[i] * (picture[i] - alpha[i] * value - (1 - alpha[i]) * far[i]);
    return Math.min(Math.max(estimate, 0), 1);
  });
  return { near: fused, far };
}

/** Mean colour of the subject and of the background around each pixel, by alpha; one channel. */
function nearAndFar(foreground, background, alpha, mean) {
  const share = mean(alpha);
  const near = mean(foreground.map((value, i) => value * alpha[i])).map((value, i) => value / (share[i] + 1e-5));
  const far = mean(background.map((value, i) => value * (1 - alpha[i]))).map((value, i) => value / (1 - share[i] + 1e-5));
  return { near, far };
}

/** Red, green and blue in 0..1, a field each. */
function planesOf({ width, height, data }) {
  return [0, 1, 2].map((channel) => ({ width, height, data: Float32Array.from({ length: width * height }, (_, i) => data[4 * i + channel] / 255) }));
}

/** Mean over the window of 2 * radius + 1 px each way, the picture mirrored at its border (cv2.BORDER_REFLECT). */
function boxMean(values, width, height, radius) {
  const across = new Float32Array(values.length);
  for (let y = 0; y < height; y++) slide(values, across, y * width, 1, width, radius);
  const result = new Float32Array(values.length);
  for (let x = 0; x < width; x++) slide(across, result, x, width, height, radius);
  return result;
}

function slide(source, target, start, step, length, radius) {
  const period = 2 * length;
  const at = (i) => {
    const place = ((i % period) + period) % period;
    return source[start + (place < length ? place : period - 1 - place) * step];
  };
  let sum = 0;
  for (let i = -radius; i <= radius; i++) sum += at(i);
  for (let i = 0; i < length; i++) {
    target[start + i * step] = sum / (2 * radius + 1);
    const [next, gone] = [i + radius + 1, i - radius];
    const inner = gone >= 0 && next < length;
    sum += inner ? source[start + next * step] - source[start + gone * step] : at(next) - at(gone);
  }
}
