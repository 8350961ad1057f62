"""Finished stickers to files of a platform's size."""

import base64
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar
from xml.etree import ElementTree

import cv2
import numpy as np
from PIL import Image

from serving.formats import SVG, Format
from sticker_studio import images, masks
from sticker_studio.errors import ContractViolation
from sticker_studio.types import RGBA

_Setting = TypeVar("_Setting")
_WEBP_CURVE: Final = {0: 0.05, 1: 0.065, 5: 0.09, 10: 0.115, 20: 0.165, 30: 0.215, 40: 0.27, 50: 0.32, 60: 0.37, 70: 0.435, 80: 0.6, 85: 0.76, 90: 1.0}
"""Bytes by quality as shares of those at 90, on average over photographs and textured generated pictures: those that meet a limit at all."""
_AIM: Final = 0.97
"""Share of the limit that a search aims at: what was learnt from other settings is not exact."""
_NEAR_ENOUGH: Final = 0.85
"""A file of this share of the limit is not improved any more."""
_ENOUGH_ENCODES: Final = 5


@dataclass(frozen=True)
class Exported:
    """An encoded picture. `quality` is WebP's 0..100; 100 for lossless files. `encodes` is how many tries it took to meet the limit."""

    data: bytes
    mime: str
    quality: int
    encodes: int = 1


@dataclass(frozen=True)
class Fitted(Generic[_Setting]):
    """What a search came to: the setting, its file, and how many files were encoded."""

    setting: _Setting
    data: bytes
    encodes: int


def best_within(
    settings: Sequence[_Setting], encode: Callable[[_Setting], bytes], *, max_bytes: int | None, expected: Callable[[_Setting], float]
) -> Fitted[_Setting]:
    """The first of `settings` (best first) whose file has at most `max_bytes`, or one near it, in few encodes.

    `expected` tells how a setting's bytes compare with another's, falling along `settings`; each file encoded corrects it. Raises `ContractViolation`
    where even the last setting's file is too large.
    """
    sizes: dict[int, int] = {}
    fitting: dict[int, bytes] = {}
    guess = 0
    while True:
        data = encode(settings[guess])
        sizes[guess] = len(data)
        if max_bytes is None or len(data) <= max_bytes:
            fitting[guess] = data
        low, high = max((k for k in sizes if k not in fitting), default=-1), min(fitting, default=len(settings))
        if high - low <= 1 and not fitting:
            raise ContractViolation(f"expected a file of at most {max_bytes} bytes, got {len(data)} with the smallest setting, {settings[guess]}")
        near = high in fitting and max_bytes is not None and sizes[high] >= _NEAR_ENOUGH * max_bytes
        if high in fitting and (near or high - low <= 1 or len(sizes) >= _ENOUGH_ENCODES):
            return Fitted(settings[high], fitting[high], len(sizes))
        guess = _predicted({k: (math.log(expected(settings[k])), math.log(size)) for k, size in sizes.items()}, low, high, settings, expected, max_bytes or 1)


def _predicted(
    known: dict[int, tuple[float, float]], low: int, high: int, settings: Sequence[_Setting], expected: Callable[[_Setting], float], max_bytes: int
) -> int:
    """The first setting between `low` and `high` that should fit, by a straight line (in logarithms) through what is known nearest."""
    nearest = sorted(known, key=lambda k: min(abs(k - low), abs(k - high)))[:2]
    x, y = known[max(nearest)] if high == len(settings) else known[nearest[0]]
    slope = 1.0
    if len(nearest) == 2:
        (x0, y0), (x1, y1) = known[nearest[0]], known[nearest[1]]
        slope = min(4.0, max(0.1, (y1 - y0) / (x1 - x0))) if abs(x1 - x0) > 1e-9 else 1.0
    aim = math.log(max_bytes * _AIM ** (1 + sum(k <= low for k in known)))
    for k in range(low + 1, high):
        if y + slope * (math.log(expected(settings[k])) - x) <= aim:
            return k
    return high - 1


def to_format(sticker: RGBA, rules: Format, *, title: str) -> Exported:
    """A finished sticker to a file that keeps the platform's rules; `title` is what a screen reader says of an SVG."""
    if rules.encoding == "svg":
        return to_svg(sticker, title=title)
    if rules.encoding == "png":
        return to_png(sticker)
    return to_webp_within(sticker, max_bytes=rules.max_bytes)


def to_svg(sticker: RGBA, *, title: str) -> Exported:
    """HxWx4 to SVG: the picture itself, and its die-cut line as a path of its own, for cutting plotters."""
    height, width = sticker.shape[:2]
    root = ElementTree.Element("svg", {"xmlns": SVG, "viewBox": f"0 0 {width} {height}", "width": str(width), "height": str(height), "role": "img"})
    ElementTree.SubElement(root, "title").text = title
    address = f"data:image/png;base64,{base64.b64encode(images.encode_png(sticker)).decode()}"
    ElementTree.SubElement(root, "image", {"id": "sticker", "width": str(width), "height": str(height), "href": address})
    outlines = masks.to_polygons(sticker[..., 3] >= 128, epsilon_ratio=0.0005)
    line = " ".join("M" + " L".join(f"{x:g},{y:g}" for x, y in polygon + 0.5) + " Z" for polygon in outlines)
    ElementTree.SubElement(root, "path", {"id": "die-cut", "d": line, "fill": "none", "stroke": "none"})
    return Exported(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True), "image/svg+xml", 100)


def to_png(sticker: RGBA) -> Exported:
    """HxWx4 to PNG."""
    return Exported(images.encode_png(sticker), "image/png", 100)


def to_webp_lossless(sticker: RGBA) -> Exported:
    """HxWx4 to lossless WebP."""
    return Exported(images.encode_webp(sticker, lossless=True, quality=20, method=0), "image/webp", 100)


def to_webp_within(sticker: RGBA, *, max_bytes: int | None) -> Exported:
    """HxWx4 to the best WebP of at most `max_bytes` (None: of any size): lower quality first, then, for what is nearly noise, less and less detail.

    Raises `ContractViolation` where nothing fits.
    """
    fitted = best_within(_WEBP_SETTINGS, lambda setting: _webp(sticker, setting), max_bytes=max_bytes, expected=lambda setting: setting.share)
    return Exported(fitted.data, "image/webp", fitted.setting.quality, fitted.encodes)


def webp_share(quality: int) -> float:
    """How many bytes a lossy WebP of `quality` has, as a share of those at 90."""
    return math.exp(float(np.interp(quality, list(_WEBP_CURVE), [math.log(share) for share in _WEBP_CURVE.values()])))


@dataclass(frozen=True)
class _WebP:
    """How to encode: `share` is what the file should come to, beside one of quality 90."""

    quality: int
    alpha_quality: int
    blur_px: float
    share: float


_WEBP_SETTINGS: Final = (
    *(_WebP(quality, 100 if quality > 40 else 50 if quality > 8 else 0, 0.0, webp_share(quality)) for quality in range(90, -1, -1)),
    *(_WebP(0, 0, blur_px, webp_share(0) / (1 + blur_px)) for blur_px in (1.0, 2.0, 4.0, 8.0, 16.0)),
)


def _webp(pixels: RGBA, setting: _WebP) -> bytes:
    buffer = io.BytesIO()
    smooth = np.asarray(cv2.GaussianBlur(pixels, (0, 0), setting.blur_px), np.uint8) if setting.blur_px else pixels
    Image.fromarray(smooth).save(buffer, "WEBP", quality=setting.quality, alpha_quality=setting.alpha_quality, method=2, exact=False)
    return buffer.getvalue()


def scaled(sticker: RGBA, size_wh: tuple[int, int]) -> RGBA:
    """HxWx4 at `size_wh`; colours count by their alpha (Pillow premultiplies), so that no dark fringe appears."""
    return np.asarray(Image.fromarray(sticker).resize(size_wh, Image.Resampling.BICUBIC))
