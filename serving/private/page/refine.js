/*
 * Edges: from a coarse probability to a soft alpha that follows the picture, and colours free of the old background.
 * As sticker_studio/refine.py: He et al.'s guided filter with a colour guide, and Forte's blur fusion.
 */

import { distanceTo } from './masks.js';

/** Soft alpha field from a probability field of the same size, led by the picture's edges; the border may move by 1/64 of the longer side. */
export function refined(picture, probability) {
  const { width, height } = picture;
  const radius = Math.max(2, Math.round(Math.max(width, height) / 64));
  const core = Uint8Array.from(probability.data, (value) => value >= 0.5);
  const toCore = distanceTo(core, width, height);
  const toGround = distanceTo(core.map((value) => 1 - value), width, height);
  const guided = guidedFilter(picture, probability, radius, 1e-4);
  const alpha = guided.map((value, i) => {
    if (toGround[i] > radius) return 1;
    return toCore[i] > radius ? 0 : Math.min(Math.max((value - 0.5) * 2.5 + 0.5, 0), 1);
  });
  return { width, height, data: alpha };
}

/** He, Sun and Tang's filter (2010): `source` made to follow the edges of the picture, float32 a pixel. */
export function guidedFilter(picture, source, radius, eps) {
  const { width, height } = picture;
  const mean = (values) => boxMean(values, width, height, radius);
  const [r, g, b] = [0, 1, 2].map((channel) => plane(picture, channel, 1 / 255));
  const [mr, mg, mb, ms] = [r, g, b, source.data].map(mean);
  const covariance = (p, q, mp, mq) => mean(p.map((value, i) => value * q[i])).map((value, i) => value - mp[i] * mq[i]);
  const [cr, cg, cb] = [covariance(r, source.data, mr, ms), covariance(g, source.data, mg, ms), covariance(b, source.data, mb, ms)];
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
  const [sr, sg, sb, so] = [ar, ag, ab, offset].map(mean);
  return so.map((value, i) => value + sr[i] * r[i] + sg[i] * g[i] + sb[i] * b[i]);
}

/** The subject's own colours as a picture: where alpha is partial, no old background shines through. */
export function foregroundColours(picture, alpha, radius = 16) {
  const { width, height } = picture;
  const result = new Uint8ClampedArray(picture.data);
  const share = alpha.data;
  const mean = (values, reach) => boxMean(values, width, height, reach);
  for (let channel = 0; channel < 3; channel++) {
    const own = plane(picture, channel, 1);
    const coarse = blurFusion(own, own, own, share, (values) => mean(values, radius));
    const fine = blurFusion(own, coarse.near, coarse.far, share, (values) => mean(values, Math.max(2, Math.floor(radius / 6))));
    for (let i = 0; i < share.length; i++) if (share[i] < 0.999) result[4 * i + channel] = fine.near[i];
  }
  return { width, height, data: result };
}

function blurFusion(picture, foreground, background, alpha, mean) {
  const share = mean(alpha);
  const near = mean(foreground.map((value, i) => value * alpha[i])).map((value, i) => value / (share[i] + 1e-5));
  const far = mean(background.map((value, i) => value * (1 - alpha[i]))).map((value, i) => value / (1 - share[i] + 1e-5));
  const fused = near.map((value, i) => {
    const estimate = value + alpha[i] * (picture[i] - alpha[i] * value - (1 - alpha[i]) * far[i]);
    return Math.min(Math.max(estimate, 0), 255);
  });
  return { near: fused, far };
}

function plane(picture, channel, scale) {
  const values = new Float32Array(picture.width * picture.height);
  for (let i = 0; i < values.length; i++) values[i] = picture.data[4 * i + channel] * scale;
  return values;
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
