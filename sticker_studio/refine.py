"""Edges: from a network's coarse probability to a soft alpha that follows the picture, and colours free of the old background.

Two steps. `by_colour`, at the size at which the network looked: where its coarse border is in doubt, the colours on either side decide (the colour models
of GrabCut, Rother, Kolmogorov and Blake, 2004, without the graph cut). `refine`, at the size that reaches the output: the border follows the picture's edges
(the guided filter of He, Sun and Tang, 2010). The foreground's colours are estimated by Forte's blur fusion (Approximate Fast Foreground Colour
Estimation, 2021).
"""

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from sticker_studio import masks
from sticker_studio.types import RGB, Alpha, Mask

_Float = npt.NDArray[np.float32]

MIN_PART_SHARE: Final = 0.02
"""Parts of a mask smaller than this share of its largest part are specks."""
MAX_HOLE_SHARE: Final = 0.005
"""Holes smaller than this share of the mask are filled."""
CELLS: Final = 64
"""Cells of a network's mask on the longer side of what it looked at."""
_DOUBT_CELLS: Final = 4.0
"""How far from the network's border the colours may decide (this and what follows: chosen on generated scenes, pasted cut-outs and other photographs)."""
_TAUGHT_CELLS: Final = 6.0
"""How far from it they are counted."""
_COLOUR_SIDE_PX: Final = 192
"""Colours are counted on a view of at most this side."""
_BINS: Final = 32
_BIN_BLUR: Final = 1.5
_ROUNDS: Final = 2
_MAX_LOG_ODDS: Final = 3.0
"""The most that a colour can say."""
_RARE: Final = 1e-5
"""Share of pixels below which a colour is of no side."""
_MIN_TAUGHT_SHARE: Final = 0.05
"""Of the pixels that teach, that each side has at least; with less, colours decide nothing."""
_STEEPER: Final = 2.5
"""The guided filter's ramp is wider than the picture's own."""
_CONTRAST: Final = 60.0
"""Distance of two colours (RGB, 0..255) at which a pixel between them is believed half."""


def by_colour(image: RGB, probability: Alpha) -> Alpha:
    """`probability` (HxW) of a network that looked at `image` (HxWx3), corrected near its border by the colours on either side; about 6 ms at 384 px.

    Meant for the view that the network saw: how far it may be wrong is taken from that view's longer side.
    """
    longer = max(probability.shape)
    scale = min(1.0, _COLOUR_SIDE_PX / longer)
    small_wh = (max(1, round(probability.shape[1] * scale)), max(1, round(probability.shape[0] * scale)))
    small = np.asarray(cv2.resize(probability, small_wh, interpolation=cv2.INTER_AREA), np.float32)
    away_cells = _distance_to_border(small >= 0.5) * CELLS / max(small_wh)
    colours = np.asarray(cv2.resize(image, small_wh, interpolation=cv2.INTER_AREA), np.uint8)
    told = _told_by_colour(colours, small, away_cells <= _TAUGHT_CELLS)
    doubted = cv2.resize((away_cells <= _DOUBT_CELLS).astype(np.uint8), probability.shape[::-1], interpolation=cv2.INTER_NEAREST).astype(bool)
    wide = np.asarray(cv2.resize(told, probability.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)
    believed = np.where(doubted, wide, (probability >= 0.5).astype(np.float32))
    decided = np.where(doubted, _guided(image, believed, radius_px=max(2, round(longer / 40)), eps=1e-4), believed)
    return tidied(decided)


def _told_by_colour(image: RGB, prior: Alpha, taught: Mask) -> Alpha:
    """Bayes' rule with smoothed histograms of the colours inside and outside, counted where `taught`; each round counts with the last one's answer."""
    levels = image // (256 // _BINS)
    colour = (levels[..., 0].astype(np.int32) * _BINS + levels[..., 1]) * _BINS + levels[..., 2]
    bounded = np.clip(prior, 1e-3, 1 - 1e-3)
    prior_log_odds = np.log(bounded / (1 - bounded))
    posterior, seen = prior, colour[taught]
    everywhere = _smooth_counts(seen, None)
    for _ in range(_ROUNDS):
        weights = posterior[taught]
        share = float(weights.mean()) if weights.size else 0.0
        if not _MIN_TAUGHT_SHARE < share < 1 - _MIN_TAUGHT_SHARE:
            return prior
        inside = _smooth_counts(seen, weights)
        odds = (inside / inside.sum() + _RARE) / (np.maximum(everywhere - inside, 0) / (everywhere.sum() - inside.sum()) + _RARE)
        log_odds = np.clip(np.log(odds), -_MAX_LOG_ODDS, _MAX_LOG_ODDS)
        posterior = np.asarray(1 / (1 + np.exp(-prior_log_odds - log_odds[colour])), np.float32)
    return posterior


def _smooth_counts(colours: npt.NDArray[np.int32], weights: _Float | None) -> _Float:
    """How often each of the `_BINS` cubed colours occurs, by weight, with some of each given to its neighbours."""
    counts: _Float = np.bincount(colours, weights, _BINS**3).astype(np.float32)
    for _ in range(3):  # along the last axis each time, which then becomes the first
        along = np.asarray(cv2.GaussianBlur(counts.reshape(-1, _BINS), (7, 1), _BIN_BLUR, borderType=cv2.BORDER_REFLECT), np.float32)
        counts = np.ascontiguousarray(along.reshape(_BINS, _BINS, _BINS).transpose(2, 0, 1)).reshape(-1)
    return counts


def _distance_to_border(mask: Mask) -> _Float:
    """Px to the nearest pixel of the other side; without another side, far."""
    inner, outer = (np.asarray(cv2.distanceTransform(side.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_3), np.float32) for side in (mask, ~mask))
    return np.minimum(np.where(mask, inner, outer), np.float32(sum(mask.shape)))  # without another side OpenCV says 3e38


def refine(image: RGB, probability: Alpha, *, radius_px: int | None = None, eps: float = 1e-4) -> Alpha:
    """Soft alpha (HxW, 0..1) from `probability` (HxW), led by the edges of `image` (HxWx3).

    `radius_px` is how far the border may move: by default 1/64 of the longer side, about what a 160th-resolution mask is unsure of.
    """
    radius = radius_px or max(2, round(max(image.shape[:2]) / CELLS))
    core, reach = (probability >= 0.5).astype(np.uint8), 2 * radius + 1
    kernel = np.ones((reach, reach), np.uint8)
    inner, outer = cv2.erode(core, kernel, borderValue=1).astype(bool), cv2.dilate(core, kernel).astype(bool)
    alpha = _guided(image, probability, radius_px=radius, eps=eps)
    return np.where(inner, np.float32(1), np.where(outer, alpha, np.float32(0))).astype(np.float32)


def _guided(image: RGB, probability: Alpha, *, radius_px: int, eps: float) -> Alpha:
    guided = guided_filter(image.astype(np.float32) / np.float32(255), probability.astype(np.float32), radius_px=radius_px, eps=eps)
    return np.asarray(np.clip((guided - np.float32(0.5)) * np.float32(_STEEPER) + np.float32(0.5), 0, 1), np.float32)


def guided_filter(guide: _Float, source: _Float, *, radius_px: int, eps: float) -> _Float:
    """He et al.'s filter with a colour guide, `guide` HxWx3 in 0..1, `source` HxW; what is fitted in windows is fitted on a view in which the radius is
    about 4 px (Fast Guided Filter, He and Sun, 2015). About 5 ms at 512 px.
    """
    height, width = source.shape
    step = max(1, round(radius_px / 4))
    small_wh = (max(1, width // step), max(1, height // step))
    small_guide, small_source = guide, source
    if step > 1:
        small_guide, small_source = (np.asarray(cv2.resize(one, small_wh, interpolation=cv2.INTER_AREA), np.float32) for one in (guide, source))
    slope, offset = _fitted(small_guide, small_source, round(radius_px / step), eps)
    if step > 1:
        slope, offset = (np.asarray(cv2.resize(one, (width, height), interpolation=cv2.INTER_LINEAR), np.float32) for one in (slope, offset))
    return np.asarray(np.einsum("hwc,hwc->hw", slope, guide) + offset, np.float32)


def _fitted(guide: _Float, source: _Float, radius_px: int, eps: float) -> tuple[_Float, _Float]:
    """Slope (HxWx3) and offset (HxW) of `source` as a linear function of `guide`'s colours, means over all windows that hold a pixel."""
    window = (2 * radius_px + 1, 2 * radius_px + 1)

    def mean(values: _Float) -> _Float:
        return np.asarray(cv2.boxFilter(values, -1, window, borderType=cv2.BORDER_REFLECT), np.float32)

    mean_guide, mean_source = mean(guide), mean(source)
    covariance = mean(guide * source[..., None]) - mean_guide * mean_source[..., None]
    (r, g, b), (mr, mg, mb), (cr, cg, cb) = (cv2.split(one) for one in (guide, mean_guide, covariance))
    rr, rg, rb = mean(r * r) - mr * mr + eps, mean(r * g) - mr * mg, mean(r * b) - mr * mb
    gg, gb, bb = mean(g * g) - mg * mg + eps, mean(g * b) - mg * mb, mean(b * b) - mb * mb + eps
    # the inverse of the symmetric 3x3 covariance by its cofactors, times the covariance with the source
    i_rr, i_rg, i_rb = gg * bb - gb * gb, rb * gb - rg * bb, rg * gb - rb * gg
    i_gg, i_gb, i_bb = rr * bb - rb * rb, rb * rg - rr * gb, rr * gg - rg * rg
    determinant = rr * i_rr + rg * i_rg + rb * i_rb
    slope = cv2.merge([i_rr * cr + i_rg * cg + i_rb * cb, i_rg * cr + i_gg * cg + i_gb * cb, i_rb * cr + i_gb * cg + i_bb * cb]) / determinant[..., None]
    offset = mean_source - np.einsum("hwc,hwc->hw", slope, mean_guide)
    return mean(slope), mean(offset)


def without_specks(mask: Mask, *, min_part_share: float = MIN_PART_SHARE, max_hole_share: float = MAX_HOLE_SHARE) -> Mask:
    """`mask` (HxW) without parts that are tiny beside its largest, and with its tiny holes filled."""
    parts = masks.without_parts(mask, lambda areas: areas < min_part_share * areas.max())
    return ~masks.without_parts(~parts, lambda areas: areas < max_hole_share * np.count_nonzero(parts))


def tidied(probability: Alpha) -> Alpha:
    """`probability` (HxW) with its specks just under one half and its tiny holes at one half: the borders of what stays keep their slope."""
    core = without_specks(probability >= 0.5)
    return np.where(core, np.maximum(probability, 0.5), np.minimum(probability, 0.49)).astype(np.float32)


def unmixed(image: RGB, alpha: Alpha, *, radius_px: int = 3) -> Alpha:
    """`alpha` (HxW) whose border pixels say how far their colour is on the way from the background to the subject: means of what is within `radius_px`.

    Only where the two differ: what little contrast tells is left to `alpha`. It takes the guided filter's blur out of the border, and with it most of the halo.
    """
    core = (alpha >= 0.5).astype(np.uint8)
    border = cv2.morphologyEx(core, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_REPLICATE).astype(bool)
    pixels = _planes(image)
    near, far = (one[:, border] for one in _near_and_far(pixels, pixels, alpha, radius_px))
    way = near - far
    length = (way * way).sum(axis=0)
    share = np.clip(((pixels[:, border] - far) * way).sum(axis=0) / (length + np.float32(1e-3)), 0, 1)
    trust = length / (length + np.float32(_CONTRAST**2))
    result = alpha.copy()
    result[border] += (share - result[border]) * trust
    return result


def foreground_colours(image: RGB, alpha: Alpha, *, radius_px: int = 4, max_side_px: int = 1024) -> RGB:
    """The subject's own colours (HxWx3) where `alpha` (HxW) is partial, so that no old background shines through at the edge.

    They are estimated on a view of at most `max_side_px` (they vary slowly); whole pixels keep their own colour.
    """
    longest = max(alpha.shape)
    small_image, small_alpha = image, alpha
    if longest > max_side_px:
        size_wh = (max(1, alpha.shape[1] * max_side_px // longest), max(1, alpha.shape[0] * max_side_px // longest))
        small_image = np.asarray(cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA), np.uint8)
        small_alpha = np.asarray(cv2.resize(alpha, size_wh, interpolation=cv2.INTER_AREA), np.float32)
    pixels = _planes(small_image)
    near, far = _blur_fusion(pixels, pixels, pixels, small_alpha, radius_px)
    near, _ = _blur_fusion(pixels, near, far, small_alpha, max(2, radius_px // 6))
    estimated = np.asarray(cv2.merge([cv2.convertScaleAbs(plane) for plane in near]), np.uint8)
    if longest > max_side_px:
        estimated = np.asarray(cv2.resize(estimated, (alpha.shape[1], alpha.shape[0]), interpolation=cv2.INTER_LINEAR), np.uint8)
    whole = (alpha >= 0.999).view(np.uint8)
    return np.asarray(cv2.copyTo(image, whole, estimated), np.uint8)


def _planes(image: RGB) -> _Float:
    """HxWx3 as 3xHxW, which NumPy reckons with several times as fast."""
    return np.stack(cv2.split(image)).astype(np.float32)


def _blur_fusion(image: _Float, foreground: _Float, background: _Float, alpha: Alpha, radius_px: int) -> tuple[_Float, _Float]:
    near, far = _near_and_far(foreground, background, alpha, radius_px)
    fused = near + alpha * (image - far - alpha * (near - far))
    return np.clip(fused, 0, 255), far


def _near_and_far(foreground: _Float, background: _Float, alpha: Alpha, radius_px: int) -> tuple[_Float, _Float]:
    """Mean colours (3xHxW) of the subject and of the background around each pixel, by `alpha` (HxW)."""
    window = (2 * radius_px + 1, 2 * radius_px + 1)

    def mean(plane: _Float) -> _Float:
        return np.asarray(cv2.blur(plane, window, borderType=cv2.BORDER_REFLECT), np.float32)

    share = mean(alpha)
    inside, outside = np.float32(1) / (share + np.float32(1e-5)), np.float32(1) / (1 - share + np.float32(1e-5))
    near = np.stack([mean(plane * alpha) * inside for plane in foreground]).astype(np.float32)
    return near, np.stack([mean(plane * (1 - alpha)) * outside for plane in background]).astype(np.float32)
