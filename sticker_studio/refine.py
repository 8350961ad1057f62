"""Edges: from a network's coarse probability to a soft alpha that follows the picture, and colours free of the old background.

The guided filter (He, Sun and Tang, 2010) makes the probability follow the picture's edges; only a narrow band around the coarse
border may change. The foreground's colours are estimated by Forte's blur fusion (Approximate Fast Foreground Colour Estimation, 2021).
"""

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from sticker_studio.types import RGB, Alpha, Mask

_Float = npt.NDArray[np.float32]

MIN_PART_SHARE: Final = 0.02
"""Parts of a mask smaller than this share of its largest part are specks."""
MAX_HOLE_SHARE: Final = 0.005
"""Holes smaller than this share of the mask are filled."""


def refine(image: RGB, probability: Alpha, *, radius_px: int | None = None, eps: float = 1e-4) -> Alpha:
    """Soft alpha (HxW, 0..1) from `probability` (HxW), led by the edges of `image` (HxWx3).

    `radius_px` is how far the border may move: by default 1/64 of the longer side, about what a 160th-resolution mask is unsure of.
    """
    radius = radius_px or max(2, round(max(image.shape[:2]) / 64))
    core, reach = probability >= 0.5, 2 * radius + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    inner = cv2.erode(core.astype(np.uint8), kernel, borderValue=1).astype(bool)
    outer = cv2.dilate(core.astype(np.uint8), kernel).astype(bool)
    guided = guided_filter(image.astype(np.float32) / np.float32(255), probability.astype(np.float32), radius_px=radius, eps=eps)
    alpha = np.clip((guided - 0.5) * np.float32(2.5) + 0.5, 0, 1)
    return np.where(inner, np.float32(1), np.where(outer, alpha, np.float32(0))).astype(np.float32)


def guided_filter(guide: _Float, source: _Float, *, radius_px: int, eps: float) -> _Float:
    """He et al.'s filter with a colour guide: `guide` HxWx3 in 0..1, `source` HxW; about 10 ms at 512 px."""
    window = (2 * radius_px + 1, 2 * radius_px + 1)

    def mean(values: _Float) -> _Float:
        return np.asarray(cv2.boxFilter(values, -1, window, borderType=cv2.BORDER_REFLECT), np.float32)

    mean_guide, mean_source = mean(guide), mean(source)
    covariance = mean(guide * source[..., None]) - mean_guide * mean_source[..., None]
    r, g, b = guide[..., 0], guide[..., 1], guide[..., 2]
    second = mean(np.dstack([r * r, r * g, r * b])), mean(np.dstack([g * g, g * b, b * b]))
    mr, mg, mb = mean_guide[..., 0], mean_guide[..., 1], mean_guide[..., 2]
    rr, rg, rb = second[0][..., 0] - mr * mr + eps, second[0][..., 1] - mr * mg, second[0][..., 2] - mr * mb
    gg, gb, bb = second[1][..., 0] - mg * mg + eps, second[1][..., 1] - mg * mb, second[1][..., 2] - mb * mb + eps
    # the inverse of the symmetric 3x3 covariance by its cofactors, times the covariance with the source
    i_rr, i_rg, i_rb = gg * bb - gb * gb, rb * gb - rg * bb, rg * gb - rb * gg
    i_gg, i_gb, i_bb = rr * bb - rb * rb, rb * rg - rr * gb, rr * gg - rg * rg
    determinant = rr * i_rr + rg * i_rg + rb * i_rb
    cr, cg, cb = covariance[..., 0], covariance[..., 1], covariance[..., 2]
    slope = np.dstack([i_rr * cr + i_rg * cg + i_rb * cb, i_rg * cr + i_gg * cg + i_gb * cb, i_rb * cr + i_gb * cg + i_bb * cb]) / determinant[..., None]
    offset = mean_source - (slope * mean_guide).sum(axis=2)
    return np.asarray((mean(slope) * guide).sum(axis=2) + mean(offset), np.float32)


def without_specks(mask: Mask, *, min_part_share: float = MIN_PART_SHARE, max_hole_share: float = MAX_HOLE_SHARE) -> Mask:
    """`mask` (HxW) without parts that are tiny beside its largest, and with its tiny holes filled."""
    parts = _drop_small(mask, min_part_share * _largest_area(mask))
    holes = ~parts
    return ~_drop_small(holes, max_hole_share * float(parts.sum()))


def _largest_area(mask: Mask) -> float:
    stats = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)[2]
    return float(stats[1:, cv2.CC_STAT_AREA].max(initial=0))


def _drop_small(mask: Mask, min_area_px: float) -> Mask:
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    keep = stats[:, cv2.CC_STAT_AREA] >= min_area_px
    keep[0] = False
    return np.asarray(keep[labels])


def foreground_colours(image: RGB, alpha: Alpha, *, radius_px: int = 16, max_side_px: int = 1024) -> RGB:
    """The subject's own colours (HxWx3) where `alpha` (HxW) is partial, so that no old background shines through at the edge.

    They are estimated on a view of at most `max_side_px` (they vary slowly); whole pixels keep their own colour.
    """
    longest = max(alpha.shape)
    small_image, small_alpha = image, alpha
    if longest > max_side_px:
        size_wh = (max(1, alpha.shape[1] * max_side_px // longest), max(1, alpha.shape[0] * max_side_px // longest))
        small_image = np.asarray(cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA), np.uint8)
        small_alpha = np.asarray(cv2.resize(alpha, size_wh, interpolation=cv2.INTER_AREA), np.float32)
    pixels, weight = small_image.astype(np.float32), small_alpha.astype(np.float32)[..., None]
    near, far = _blur_fusion(pixels, pixels, pixels, weight, radius_px)
    near, _ = _blur_fusion(pixels, near, far, weight, max(2, radius_px // 6))
    estimated = np.rint(near).astype(np.uint8)
    if longest > max_side_px:
        estimated = np.asarray(cv2.resize(estimated, (alpha.shape[1], alpha.shape[0]), interpolation=cv2.INTER_LINEAR), np.uint8)
    return np.where(alpha[..., None] >= 0.999, image, estimated)


def _blur_fusion(image: _Float, foreground: _Float, background: _Float, alpha: _Float, radius_px: int) -> tuple[_Float, _Float]:
    window = (2 * radius_px + 1, 2 * radius_px + 1)

    def mean(values: _Float) -> _Float:
        blurred = np.asarray(cv2.blur(values, window, borderType=cv2.BORDER_REFLECT), np.float32)
        return blurred if blurred.ndim == 3 else blurred[..., None]

    share = mean(alpha)
    near = mean(foreground * alpha) / (share + np.float32(1e-5))
    far = mean(background * (1 - alpha)) / (1 - share + np.float32(1e-5))
    fused = near + alpha * (image - alpha * near - (1 - alpha) * far)
    return np.clip(fused, 0, 255), far
