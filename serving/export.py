"""Finished stickers to files of a platform's size."""

import io
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from PIL import Image

from sticker_studio import images
from sticker_studio.errors import ContractViolation
from sticker_studio.types import RGBA

WHATSAPP_MAX_BYTES: Final = 100_000
"""WhatsApp says 100 KB; the smaller reading of it fits both."""

_QUALITIES: Final = (90, 80, 70, 58, 45, 32, 20, 8)
_BLURS: Final = (1.0, 2.0, 4.0, 8.0, 16.0)


@dataclass(frozen=True)
class Exported:
    """An encoded picture. `quality` is WebP's 0..100; 100 for lossless files."""

    data: bytes
    mime: str
    quality: int


def to_png(sticker: RGBA) -> Exported:
    """HxWx4 to PNG."""
    return Exported(images.encode_png(sticker), "image/png", 100)


def to_webp_lossless(sticker: RGBA) -> Exported:
    """HxWx4 to lossless WebP."""
    return Exported(images.encode_webp(sticker, lossless=True, quality=20, method=0), "image/webp", 100)


def to_webp_within(sticker: RGBA, *, max_bytes: int = WHATSAPP_MAX_BYTES) -> Exported:
    """HxWx4 to the best WebP of at most `max_bytes`: lower quality first, then, for what is nearly noise, less and less detail."""
    for quality in _QUALITIES:
        data = _webp(sticker, quality=quality, alpha_quality=100 if quality > 40 else 50)
        if len(data) <= max_bytes:
            return Exported(data, "image/webp", quality)
    for sigma in _BLURS:
        smooth = np.asarray(cv2.GaussianBlur(sticker, (0, 0), sigma), np.uint8)
        data = _webp(smooth, quality=_QUALITIES[-1], alpha_quality=0)
        if len(data) <= max_bytes:
            return Exported(data, "image/webp", _QUALITIES[-1])
    raise ContractViolation(f"expected a {sticker.shape[1]}x{sticker.shape[0]} WebP of at most {max_bytes} bytes, got {len(data)} at the lowest quality")


def _webp(pixels: RGBA, *, quality: int, alpha_quality: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "WEBP", quality=quality, alpha_quality=alpha_quality, method=2, exact=False)
    return buffer.getvalue()
