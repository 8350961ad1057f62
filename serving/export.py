"""Finished stickers to files of a platform's size."""

import base64
import io
from dataclasses import dataclass
from typing import Final
from xml.etree import ElementTree

import cv2
import numpy as np
from PIL import Image

from serving.formats import SVG, Format
from sticker_studio import images, masks
from sticker_studio.errors import ContractViolation
from sticker_studio.types import RGBA

_QUALITIES: Final = (90, 80, 70, 58, 45, 32, 20, 8)
_BLURS: Final = (1.0, 2.0, 4.0, 8.0, 16.0)


@dataclass(frozen=True)
class Exported:
    """An encoded picture. `quality` is WebP's 0..100; 100 for lossless files."""

    data: bytes
    mime: str
    quality: int


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
    """HxWx4 to the best WebP of at most `max_bytes` (None: of any size): lower quality first, then, for what is nearly noise, less and less detail."""
    for quality in _QUALITIES:
        data = _webp(sticker, quality=quality, alpha_quality=100 if quality > 40 else 50)
        if max_bytes is None or len(data) <= max_bytes:
            return Exported(data, "image/webp", quality)
    for sigma in _BLURS:
        smooth = np.asarray(cv2.GaussianBlur(sticker, (0, 0), sigma), np.uint8)
        data = _webp(smooth, quality=_QUALITIES[-1], alpha_quality=0)
        if max_bytes is None or len(data) <= max_bytes:
            return Exported(data, "image/webp", _QUALITIES[-1])
    raise ContractViolation(f"expected a {sticker.shape[1]}x{sticker.shape[0]} WebP of at most {max_bytes} bytes, got {len(data)} at the lowest quality")


def _webp(pixels: RGBA, *, quality: int, alpha_quality: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "WEBP", quality=quality, alpha_quality=alpha_quality, method=2, exact=False)
    return buffer.getvalue()
