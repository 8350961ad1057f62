"""Pictures that stand beside stickers (a profile's, a pack's banner, a video's thumbnail): the sticker on a ground of that size, never stretched."""

import cmath
import colorsys
import math
from dataclasses import replace
from typing import Final

import cv2
import numpy as np

from serving import composer, export
from serving.captions import Colour
from serving.composer import Look
from serving.export import Exported
from serving.formats import LAYOUTS, Layout
from sticker_studio.types import RGBA

_MARGIN_SHARE: Final = 0.07
"""Of the shorter side."""
_SATURATIONS: Final = (0.25, 0.6)
"""Of a ground of the subject's own colour, at the top and at the bottom."""


def look_of(look: Look, layout: Layout, *, margin_px: int | None) -> Look:
    """How the sticker itself looks within a layout: as tall as that is, its outline grown with it, its ground left to `placed`."""
    side = min(LAYOUTS[layout])
    outline_px = round(look.outline_px * side / look.side_px)
    margin = round(side * _MARGIN_SHARE) if margin_px is None else margin_px
    return replace(look, side_px=side, square=True, margin_px=margin, outline_px=outline_px, background_rgb=(), background_picture=None)


def placed(sticker: RGBA, layout: Layout, look: Look) -> RGBA:
    """A square sticker in the middle of the layout's picture: on the look's background, or on a gradient of the sticker's own colours where it has none."""
    size_wh = LAYOUTS[layout]
    colours = look.background_rgb or own_colours(sticker)
    ground = composer.gradient(colours[0], colours[-1], size_wh) if look.background_picture is None else composer.covering(look.background_picture, size_wh)
    width, height = size_wh
    canvas = np.dstack([ground, np.full((height, width), 255, np.uint8)])
    top, left = (height - sticker.shape[0]) // 2, (width - sticker.shape[1]) // 2
    window = canvas[top : top + sticker.shape[0], left : left + sticker.shape[1]]
    window[...] = composer.alpha_over(sticker, window)
    return canvas


def own_colours(sticker: RGBA) -> tuple[Colour, Colour]:
    """Two light tones of the sticker's strongest hue, for a ground on which it stands out; light grey for what has no colour."""
    hsv = cv2.cvtColor(np.ascontiguousarray(sticker[..., :3]), cv2.COLOR_RGB2HSV)[sticker[..., 3] > 128].astype(np.float64)
    strength = (hsv[:, 1] * hsv[:, 2] / 255**2) ** 2
    pull = complex((strength * np.exp(1j * np.pi / 90 * hsv[:, 0])).sum() / max(1e-6, strength.sum()))  # OpenCV's hues are half degrees
    hue = cmath.phase(pull) / (2 * math.pi) % 1
    return _tone(hue, _SATURATIONS[0] * abs(pull) ** 0.5), _tone(hue, _SATURATIONS[1] * abs(pull) ** 0.5)


def _tone(hue: float, saturation: float) -> Colour:
    red, green, blue = (round(255 * value) for value in colorsys.hsv_to_rgb(hue, saturation, 0.96))
    return red, green, blue


def encode(picture: RGBA, *, png: bool) -> Exported:
    """To a PNG or WebP file."""
    return export.to_png(picture) if png else export.to_webp_within(picture, max_bytes=None)
