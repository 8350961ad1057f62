"""A cut-out to a finished sticker: fitted into the square, die-cut outline, shadow, background, caption."""

from dataclasses import dataclass
from typing import Final, Literal

import cv2
import numpy as np

from serving import captions
from serving.captions import Caption, Colour
from serving.fonts import FontName
from sticker_studio import masks
from sticker_studio.types import RGB, RGBA, Alpha, Mask

CaptionShape = Literal["straight", "arc"]
CaptionEdge = Literal["auto", "top", "bottom"]
CaptionAt = CaptionEdge | tuple[float, float]

_CAPTION_SHARE: Final = 0.3
_CAPTION_GAP_PX: Final = 6
_CLOSING_PX: Final = 10
_SMOOTH_PX: Final = 3.0
"""A die-cut line has no wiggles: the outline follows a smoothed border."""
_HOLE_PX: Final = 20
_SHADOW_BLUR: Final = 9 / 512
_SHADOW_DOWN: Final = 4 / 512
"""Shares of the sticker's side."""
_SHADOW_OPACITY: Final = 0.4
_COVERED: Final = 0.05
"""A caption with less of its area over something opaque counts as lying over nothing."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """How a sticker looks. Sizes are of the finished sticker; without `square` its shorter side has no margin left.

    `caption_rgb` None: dark or white, whatever can be read. `caption_at`: `auto` directly below the subject, `top` and `bottom` at that edge, all three
    with room made for it; (x, y) in 0..1 puts the caption's middle there, over what may be there. `background_rgb`: none, one colour, or two from top to
    bottom; `background_picture` (HxWx3) fills the sticker and goes before them.
    """

    side_px: int = 512
    margin_px: int = 16
    square: bool = True
    outline_px: int = 8
    outline_rgb: Colour = captions.WHITE
    caption: str = ""
    font: FontName = "rubik"
    caption_rgb: Colour | None = None
    caption_shape: CaptionShape = "straight"
    caption_at: CaptionAt = "auto"
    shadow: bool = False
    background_rgb: tuple[Colour, ...] = ()
    background_picture: RGB | None = None
    steady: bool = False
    """A frame of an animation: the caption's place and colours may not depend on what this frame shows."""

    @property
    def inset_px(self) -> int:
        """What stays free at each side: the margin, and room for the whole shadow."""
        return max(self.margin_px, sum(_shadow_px(self.side_px)) if self.shadow else 0)


def content_wh(look: Look, caption: Caption | None) -> tuple[int, int]:
    """The largest width and height the subject may have."""
    side = look.side_px - 2 * (look.inset_px + look.outline_px)
    return side, side - _caption_room(look, caption)


def _caption_room(look: Look, caption: Caption | None) -> int:
    return 0 if caption is None or isinstance(look.caption_at, tuple) else caption.size_wh[1] + _CAPTION_GAP_PX


def laid_out_caption(look: Look) -> Caption | None:
    """The caption that fits beside the subject. Errors as `captions.layout`."""
    width = look.side_px - 2 * look.inset_px
    return captions.layout(look.caption, max_wh=(width, int(look.side_px * _CAPTION_SHARE)), font=look.font, bend=_bend(look))


def _bend(look: Look) -> captions.Bend:
    """An arc goes around the subject: over it a hill, under it a valley."""
    if look.caption_shape == "straight":
        return "straight"
    above = look.caption_at[1] < 0.5 if isinstance(look.caption_at, tuple) else look.caption_at == "top"
    return "hill" if above else "valley"


def fit(size_wh: tuple[int, int], box_wh: tuple[int, int]) -> tuple[int, int]:
    """`size_wh` scaled, up or down, to fit `box_wh`; at least 1 px each."""
    scale = min(box_wh[0] / size_wh[0], box_wh[1] / size_wh[1])
    return max(1, min(box_wh[0], round(size_wh[0] * scale))), max(1, min(box_wh[1], round(size_wh[1] * scale)))


def compose(colours: RGB, alpha: Alpha, look: Look, caption: Caption | None) -> RGBA:
    """The finished sticker of a subject that is already at its final size (`content_wh` says how large it may be).

    The outline is drawn after the resize, so it is exactly `outline_px` wide, and lies at least `margin_px` from every side.
    """
    left, top = _subject_place(alpha.shape, look, caption)
    place = slice(top, top + alpha.shape[0]), slice(left, left + alpha.shape[1])
    canvas_rgb = np.zeros((look.side_px, look.side_px, 3), np.uint8)
    canvas_alpha = np.zeros((look.side_px, look.side_px), np.float32)
    canvas_rgb[place], canvas_alpha[place] = colours, alpha
    sticker = _over(canvas_rgb, canvas_alpha, look.outline_rgb, outline(canvas_alpha, look.outline_px))
    window = _caption_window(caption, top + alpha.shape[0] + look.outline_px, look) if caption else None
    if caption and window and look.caption_at == "auto" and not look.steady:
        sticker, window = _nested(sticker, caption, window)
    for ground in _grounds(look, sticker, caption, window):
        sticker = alpha_over(sticker, ground)
    finished = _with_caption(sticker, caption, window, look) if caption and window else sticker
    return finished if look.square else without_shorter_margins(finished)


Window = tuple[slice, slice]


def _subject_place(subject_hw: tuple[int, ...], look: Look, caption: Caption | None) -> tuple[int, int]:
    """Left and top: in the middle of what the caption leaves free; `auto` puts both together into the middle."""
    room = _caption_room(look, caption)
    top = (look.side_px - room - subject_hw[0]) // 2
    return (look.side_px - subject_hw[1]) // 2, top + room if look.caption_at == "top" else top


def _caption_window(caption: Caption, subject_bottom: int, look: Look) -> Window:
    width, height = caption.size_wh
    lowest = look.side_px - look.inset_px - height
    left, top = (look.side_px - width) // 2, min(lowest, subject_bottom + _CAPTION_GAP_PX)
    if isinstance(look.caption_at, tuple):
        rightmost = look.side_px - look.inset_px - width
        left = min(rightmost, max(look.inset_px, round(look.caption_at[0] * look.side_px - width / 2)))
        top = min(lowest, max(look.inset_px, round(look.caption_at[1] * look.side_px - height / 2)))
    elif look.caption_at != "auto":
        top = look.inset_px if look.caption_at == "top" else lowest
    return slice(top, top + height), slice(left, left + width)


def _nested(sticker: RGBA, caption: Caption, window: Window) -> tuple[RGBA, Window]:
    """The caption moved up until it nearly touches the subject, and half of the way so won given back above both."""
    subject, text = sticker[:, window[1], 3] > 0, caption.outlined > 0
    both = subject.any(axis=0) & text.any(axis=0)
    if not both.any():
        return sticker, window
    subject_end, text_start = len(subject) - np.argmax(subject[::-1], axis=0), np.argmax(text, axis=0)
    won = max(0, window[0].start - _CAPTION_GAP_PX - int((subject_end - text_start)[both].max()))
    down = won // 2
    return np.roll(sticker, down, axis=0), (slice(window[0].start - won + down, window[0].stop - won + down), window[1])


# --- what is under the subject


def _grounds(look: Look, sticker: RGBA, caption: Caption | None, window: Window | None) -> list[RGBA]:
    """Layers under the subject, the uppermost first: its shadow, the background."""
    grounds = []
    if look.shadow:
        coverage = sticker[..., 3].astype(np.float32) / np.float32(255)
        if caption and window:
            coverage[window] = np.maximum(coverage[window], caption.outlined)
        grounds.append(_shadow(coverage))
    if look.background_picture is not None:
        grounds.append(_opaque(covering(look.background_picture, (look.side_px, look.side_px))))
    elif look.background_rgb:
        grounds.append(_opaque(gradient(look.background_rgb[0], look.background_rgb[-1], (look.side_px, look.side_px))))
    return grounds


def _shadow_px(side_px: int) -> tuple[int, int]:
    """How far a shadow is blurred, and how far down it lies."""
    return round(_SHADOW_BLUR * side_px), round(_SHADOW_DOWN * side_px)


def _shadow(coverage: Alpha) -> RGBA:
    """A soft black shadow a little below; nothing of it lies further away than its blur and its way down."""
    blur, down = _shadow_px(len(coverage))
    blurred = np.asarray(cv2.GaussianBlur(coverage, (2 * blur + 1, 2 * blur + 1), blur / 2.5, borderType=cv2.BORDER_CONSTANT))
    shadow = np.zeros((*coverage.shape, 4), np.uint8)
    shadow[down:, :, 3] = np.rint(255 * _SHADOW_OPACITY * blurred[: len(blurred) - down])
    return shadow


def gradient(top: Colour, bottom: Colour, size_wh: tuple[int, int]) -> RGB:
    """HxWx3 from one colour at the top to another at the bottom."""
    share = np.linspace(0, 1, size_wh[1], dtype=np.float32)[:, None]
    rows = np.rint(np.asarray(top, np.float32) * (1 - share) + np.asarray(bottom, np.float32) * share).astype(np.uint8)
    return np.repeat(rows[:, None], size_wh[0], axis=1)


def covering(picture: RGB, size_wh: tuple[int, int]) -> RGB:
    """HxWx3: the middle of a picture, scaled to fill `size_wh`, never stretched."""
    height, width = picture.shape[:2]
    scale = max(size_wh[0] / width, size_wh[1] / height)
    part_w, part_h = min(width, max(1, round(size_wh[0] / scale))), min(height, max(1, round(size_wh[1] / scale)))
    top, left = (height - part_h) // 2, (width - part_w) // 2
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture[top : top + part_h, left : left + part_w], size_wh, interpolation=method), np.uint8)


def _opaque(picture: RGB) -> RGBA:
    return np.dstack([picture, np.full(picture.shape[:2], 255, np.uint8)])


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
    coverage[_small_holes(solid)] = 1
    return np.asarray(np.maximum(coverage, alpha), np.float32)


def _small_holes(solid: Mask) -> Mask:
    holes = ~solid
    return holes & ~masks.without_parts(holes, lambda areas: areas < _HOLE_PX**2)


def _distance_to(mask: Mask) -> Alpha:
    """Within 0.2 px of the exact distance at an outline's widths, in a third of its time."""
    return np.asarray(cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5), np.float32)


def _over(colours: RGB, alpha: Alpha, backing_rgb: Colour, coverage: Alpha) -> RGBA:
    """The subject over a backing of one colour; straight alpha."""
    total = np.maximum(coverage, alpha)
    mixed = np.full(colours.shape, backing_rgb, np.uint8)
    whole = alpha >= 1
    cv2.copyTo(colours, whole.astype(np.uint8), mixed)
    soft = np.nonzero((alpha > 0) & ~whole)  # few pixels, and the only ones to be reckoned with
    share = (alpha[soft] / total[soft])[:, None]
    mixed[soft] = np.rint(colours[soft] * share + np.asarray(backing_rgb, np.float32) * (1 - share))
    return np.asarray(cv2.merge([mixed, cv2.convertScaleAbs(total, alpha=255)]), np.uint8)


def _with_caption(sticker: RGBA, caption: Caption, window: Window, look: Look) -> RGBA:
    result = sticker.copy()
    ink, edge = captions.colours(ink=look.caption_rgb, outline=look.outline_rgb, under=() if look.steady else _colours_under(sticker[window], caption))
    result[window] = alpha_over(captions.paint(caption, ink=ink, outline=edge), sticker[window])
    return result


def _colours_under(part: RGBA, caption: Caption) -> tuple[Colour, ...]:
    """Mean colours of the darker and of the lighter half of what lies opaque under a caption; none where that is little."""
    lies_over = (caption.outlined > 0.5) & (part[..., 3] > 127)
    if lies_over.sum() <= _COVERED * (caption.outlined > 0.5).sum():
        return ()
    pixels = part[lies_over][:, :3]
    by_light = pixels[np.argsort(pixels @ np.array([0.2126, 0.7152, 0.0722]))]
    middle = len(by_light) // 2
    return (_rounded(by_light[: max(1, middle)]), _rounded(by_light[middle:]))


def _rounded(pixels: np.ndarray) -> Colour:
    red, green, blue = np.rint(pixels.mean(axis=0)).astype(int).tolist()
    return red, green, blue


def alpha_over(top: RGBA, below: RGBA) -> RGBA:
    """`top` over `below`, both HxWx4 with straight alpha."""
    result = below.copy()
    cv2.copyTo(top, (top[..., 3] == 255).astype(np.uint8), result)
    soft = np.nonzero((top[..., 3] > 0) & (top[..., 3] < 255))
    a, b = (picture[soft].astype(np.float32)[:, 3:] / 255 for picture in (top, below))
    total = a + b * (1 - a)
    mixed = (top[soft][:, :3] * a + below[soft][:, :3] * b * (1 - a)) / total
    result[soft] = np.rint(np.hstack([mixed, total * 255]))
    return result
