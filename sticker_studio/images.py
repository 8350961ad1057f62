"""Decode any picture within limits, upright; encode PNG and WebP."""

import io
from typing import Final

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from sticker_studio.errors import InputTooLarge, UndecodableImage
from sticker_studio.types import RGB, RGBA

MAX_BYTES: Final = 32 * 1024 * 1024
MAX_PIXELS: Final = 64_000_000
UNDECODABLE: Final = (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError, IndexError, TypeError, MemoryError, OverflowError, ImportError)
"""What Pillow's decoders raise on damaged files; ImportError comes from Ultralytics, which wraps `Image.open` where it is loaded and asks for a HEIF plugin."""


def open_upright(data: bytes, *, max_bytes: int = MAX_BYTES, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Decode the first frame of `data`, turned upright by its EXIF orientation, as mode RGB or RGBA.

    Raises `UndecodableImage` for what is no whole picture, `InputTooLarge` above the limits (read from the header, before decoding).
    """
    if not data:
        raise UndecodableImage("expected a picture, got 0 bytes; send the file's content")
    if len(data) > max_bytes:
        raise InputTooLarge(f"expected a picture of at most {max_bytes} bytes, got {len(data)}; send a smaller file")
    try:
        image = Image.open(io.BytesIO(data))
        if image.width * image.height > max_pixels:
            raise InputTooLarge(f"expected at most {max_pixels} pixels, got {image.width}x{image.height}; send a smaller picture")
        image.load()
        upright = ImageOps.exif_transpose(image)
    except InputTooLarge:
        raise
    except Image.DecompressionBombError as error:
        raise InputTooLarge(f"expected at most {max_pixels} pixels: {error}; send a smaller picture") from error
    except UNDECODABLE as error:
        found = "unknown format" if isinstance(error, UnidentifiedImageError) else error  # its own message is the address of our buffer
        raise UndecodableImage(f"expected a whole JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF picture, got: {found}; check the file opens elsewhere") from error
    return _to_rgb_or_rgba(upright)


def _to_rgb_or_rgba(image: Image.Image) -> Image.Image:
    if image.mode in ("I;16", "I;16B", "I;16L", "I", "F"):
        wide = np.asarray(image, np.float64)
        top = 65535.0 if wide.max(initial=0) > 255 else 255.0
        image = Image.fromarray(np.clip(wide * (255.0 / top), 0, 255).astype(np.uint8))
    has_alpha = image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info
    return image.convert("RGBA" if has_alpha else "RGB")


def decode_rgb(data: bytes, *, max_bytes: int = MAX_BYTES, max_pixels: int = MAX_PIXELS) -> RGB:
    """Decode to upright HxWx3 uint8; transparency is laid over white. Errors as `open_upright`."""
    image = open_upright(data, max_bytes=max_bytes, max_pixels=max_pixels)
    if image.mode == "RGBA":
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, image).convert("RGB")
    return np.asarray(image)


def shrink(image: RGB, *, max_side_px: int) -> RGB:
    """Scale a picture down so that no side exceeds `max_side_px`; smaller ones are returned as they are."""
    height, width = image.shape[:2]
    scale = max_side_px / max(height, width)
    if scale >= 1:
        return image
    return np.asarray(cv2.resize(image, (max(1, round(width * scale)), max(1, round(height * scale))), interpolation=cv2.INTER_AREA), np.uint8)


def encode_png(pixels: RGB | RGBA) -> bytes:
    """HxWx3 or HxWx4 uint8 to PNG bytes."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=4)
    return buffer.getvalue()


def encode_jpeg(pixels: RGB, *, quality: int = 92) -> bytes:
    """HxWx3 uint8 to JPEG bytes."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def encode_webp(pixels: RGB | RGBA, *, quality: int = 90, method: int = 4, lossless: bool = False) -> bytes:
    """HxWx3 or HxWx4 uint8 to WebP bytes (Pillow's encoder, which WhatsApp accepts)."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "WEBP", quality=quality, method=method, lossless=lossless, exact=False)
    return buffer.getvalue()
