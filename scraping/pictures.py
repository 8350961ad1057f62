"""From fetched bytes to a picture fit for the store: decoded once under limits, without its GPS position, hashed."""

import hashlib
import io
import struct
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image

from scraping import dedupe
from sticker_studio import images
from sticker_studio.errors import UndecodableImage

FORMATS: Final = {
    "JPEG": ("image/jpeg", "jpg"), "MPO": ("image/jpeg", "jpg"), "PNG": ("image/png", "png"), "WEBP": ("image/webp", "webp"),
    "GIF": ("image/gif", "gif"), "BMP": ("image/bmp", "bmp"), "TIFF": ("image/tiff", "tif"), "AVIF": ("image/avif", "avif"),
}  # fmt: skip
"""Pillow's format name to media type and extension: what the bytes are, whatever the server called them."""
_GPS_TAG: Final = 0x8825
_ORIENTATION_TAG: Final = 0x0112
_EXIF: Final = b"Exif\0\0"
_XMP: Final = b"http://ns.adobe.com/xap/1.0/\0"


@dataclass(frozen=True)
class Picture:
    """Bytes to store and what is known of them. `width`, `height`: px, upright. `mirrored`: hash of the flipped picture."""

    id: str
    phash: str
    mirrored: str
    width: int
    height: int
    mime: str
    extension: str
    data: bytes


def read(data: bytes, *, max_bytes: int, max_pixels: int) -> Picture:
    """Decode `data` once and describe it. Raises `UndecodableImage` or `InputTooLarge`."""
    pixels = images.decode_rgb(data, max_bytes=max_bytes, max_pixels=max_pixels)
    kind = _format(data)
    stored = without_position(data)
    mime, extension = FORMATS[kind]
    return Picture(
        id=hashlib.sha256(stored).hexdigest(),
        phash=dedupe.perceptual_hash(pixels),
        mirrored=dedupe.mirrored_hash(np.ascontiguousarray(pixels)),
        width=pixels.shape[1],
        height=pixels.shape[0],
        mime=mime,
        extension=extension,
        data=stored,
    )


def _format(data: bytes) -> str:
    kind = Image.open(io.BytesIO(data)).format or ""
    if kind not in FORMATS:
        raise UndecodableImage(f"expected one of {', '.join(FORMATS)}, got {kind or 'an unknown format'}; convert the picture")
    return kind


def without_position(data: bytes) -> bytes:
    """`data` of a JPEG without GPS position in its EXIF and XMP parts; pixels and the other EXIF tags stay as they are.

    An EXIF part that cannot be written anew keeps its orientation alone. Bytes that hold no position, and other formats, come back unchanged.
    """
    if data[:2] != b"\xff\xd8":
        return data
    output, at = bytearray(data[:2]), 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] not in (0xDA, 0xFF):
        marker, size = data[at + 1], struct.unpack(">H", data[at + 2 : at + 4])[0]
        segment = data[at : at + 2 + size]
        output += _segment_without_position(segment) if marker == 0xE1 else segment
        at += 2 + size
    return bytes(output) + data[at:]


def _segment_without_position(segment: bytes) -> bytes:
    payload = segment[4:]
    if payload.startswith(_XMP):
        return b"" if b"GPS" in payload else segment
    if not payload.startswith(_EXIF):
        return segment
    exif = Image.Exif()
    try:
        exif.load(payload)
        if _GPS_TAG not in exif:
            return segment
        written = _rewritten(exif)
    except (ValueError, TypeError, KeyError, IndexError, SyntaxError, OSError, struct.error, RuntimeError):
        return b""  # an unreadable EXIF part: Pillow could not have read an orientation from it either
    return b"\xff\xe1" + struct.pack(">H", len(written) + 2) + written


def _rewritten(exif: Image.Exif) -> bytes:
    exif.get_ifd(0x8769)  # read the camera's sub-directory, so that it is written again
    del exif[_GPS_TAG]
    written = exif.tobytes()
    if len(written) <= 0xFFFF - 2 and _GPS_TAG not in _loaded(written):
        return written
    bare = Image.Exif()
    if _ORIENTATION_TAG in exif:
        bare[_ORIENTATION_TAG] = exif[_ORIENTATION_TAG]
    return bare.tobytes()


def _loaded(payload: bytes) -> Image.Exif:
    exif = Image.Exif()
    exif.load(payload)
    return exif
