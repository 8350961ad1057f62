"""A cut-out to a finished sticker: fitted into the square, die-cut outline, caption."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from serving import captions
from sticker_studio import masks, refine
from sticker_studio.types import RGB, RGBA, Alpha

_CAPTION_SHARE: Final = 0.3
_CAPTION_GAP_PX: Final = 4
_CLOSING_PX: Final = 10
_SMOOTH_PX: Final = 3.0
"""A die-cut line has no wiggles: the outline follows a smoothed border."""
_HOLE_PX: Final = 20


@dataclass(frozen=True, kw_only=True)
class Look:
    """How a sticker looks. Sizes are of the finished sticker; without `square` its shorter side has no margin left."""

    side_px: int = 512
    margin_px: int = 16
    square: bool = True
    outline_px: int = 8
    outline_rgb: tuple[int, int, int] = (255, 255, 255)
    caption: str = ""


def content_wh(look: Look, caption: captions.Caption | None) -> tuple[int, int]:
    """The largest width and height the subject may have."""
    side = look.side_px - 2 * (look.margin_px + look.outline_px)
    below = caption.picture.shape[0] + _CAPTION_GAP_PX if caption else 0
    return side, side - below


def laid_out_caption(look: Look) -> captions.Caption | None:
    """The caption that fits under the subject. Errors as `captions.layout`."""
    width = look.side_px - 2 * look.margin_px
    return captions.layout(look.caption, max_wh=(width, int(look.side_px * _CAPTION_SHARE)), stroke_colour=look.outline_rgb)


def fit(size_wh: tuple[int, int], box_wh: tuple[int, int]) -> tuple[int, int]:
    """`size_wh` scaled, up or down, to fit `box_wh`; at least 1 px each."""
    scale = min(box_wh[0] / size_wh[0], box_wh[1] / size_wh[1])
    return max(1, min(box_wh[0], round(size_wh[0] * scale))), max(1, min(box_wh[1], round(size_wh[1] * scale)))


def compose(colours: RGB, alpha: Alpha, look: Look, caption: captions.Caption | None) -> RGBA:
    """The finished sticker of a subject that is already at its final size (`content_wh` says how large it may be).

    The outline is drawn after the resize, so it is exactly `outline_px` wide, and lies at least `margin_px` from every side.
    """
    height, width = alpha.shape
    below = caption.picture.shape[0] + _CAPTION_GAP_PX if caption else 0
    left = (look.side_px - width) // 2
    top = (look.side_px - below - height) // 2
    canvas_rgb = np.zeros((look.side_px, look.side_px, 3), np.uint8)
    canvas_alpha = np.zeros((look.side_px, look.side_px), np.float32)
    canvas_rgb[top : top + height, left : left + width] = colours
    canvas_alpha[top : top + height, left : left + width] = alpha
    sticker = _over(canvas_rgb, canvas_alpha, look.outline_rgb, outline(canvas_alpha, look.outline_px))
    finished = _with_caption(sticker, caption, top + height + look.outline_px, look) if caption else sticker
    return finished if look.square else without_shorter_margins(finished)


def without_shorter_margins(sticker: RGBA) -> RGBA:
    """The square cut along its less filled side; the other stays as long as it is."""
    box = masks.box_xyxy(sticker[..., 3] > 0)
    if box is None:
        return sticker
    left, top, right, bottom = box
    return np.ascontiguousarray(sticker[:, left:right] if right - left < bottom - top else sticker[top:bottom])


def outline(alpha: Alpha, outline_px: int) -> Alpha:
    """Coverage (HxW) of the die-cut outline and all inside it: `alpha` grown by `outline_px`, narrow nooks and small holes filled."""
    mask = np.asarray(cv2.GaussianBlur(alpha, (0, 0), _SMOOTH_PX)) >= 0.5 if outline_px else alpha >= 0.5
    mask |= alpha >= 0.9
    if not outline_px or not mask.any():
        return alpha
    distance = _distance_to(mask)
    grown = distance <= outline_px + _CLOSING_PX
    inset = _distance_to(~grown)  # closing: grow further, then shrink back
    coverage = np.maximum(np.clip(outline_px + 0.5 - distance, 0, 1), np.clip(inset - _CLOSING_PX - 0.5, 0, 1))
    solid = coverage >= 0.5
    filled = refine.without_specks(solid, min_part_share=0, max_hole_share=_HOLE_PX**2 / max(1.0, float(solid.sum())))
    return np.maximum(np.where(filled & ~solid, np.float32(1), coverage), alpha).astype(np.float32)


def _distance_to(mask: np.ndarray[tuple[int, int], np.dtype[np.bool_]]) -> Alpha:
    return np.asarray(cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE), np.float32)


def _over(colours: RGB, alpha: Alpha, backing_rgb: tuple[int, int, int], coverage: Alpha) -> RGBA:
    """The subject over a backing of one colour; straight alpha."""
    total = np.maximum(coverage, alpha)
    share = np.divide(alpha, total, out=np.zeros_like(alpha), where=total > 0)[..., None]
    mixed = colours * share + np.asarray(backing_rgb, np.float32) * (1 - share)
    return np.dstack([np.rint(mixed), np.rint(total * 255)]).astype(np.uint8)


def _with_caption(sticker: RGBA, caption: captions.Caption, subject_bottom: int, look: Look) -> RGBA:
    height, width = caption.picture.shape[:2]
    left = (look.side_px - width) // 2
    top = min(look.side_px - look.margin_px - height, subject_bottom + _CAPTION_GAP_PX)
    result = sticker.copy()
    window = result[top : top + height, left : left + width]
    window[...] = alpha_over(caption.picture, window)
    return result


def alpha_over(top: RGBA, below: RGBA) -> RGBA:
    """`top` over `below`, both HxWx4 with straight alpha."""
    a, b = top[..., 3:].astype(np.float32) / 255, below[..., 3:].astype(np.float32) / 255
    total = a + b * (1 - a)
    mixed = (top[..., :3] * a + below[..., :3] * b * (1 - a)) / np.maximum(total, 1e-6)
    return np.dstack([np.rint(mixed), np.rint(total * 255)]).astype(np.uint8)
