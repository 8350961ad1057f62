"""Decode any picture within limits, upright and in sRGB; encode PNG, JPEG and WebP.

What bounds the work that a hostile file can cause: its size is read from the header before a pixel is decoded; headers may be read neither
for ever nor over and over (`_Metered`); EXIF is read for its orientation alone; a progressive JPEG has a limit of scans.
"""

import io
import struct
import traceback
from collections.abc import Callable
from typing import Final

import cv2
import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from sticker_studio.errors import InputTooLarge, UndecodableImage
from sticker_studio.types import RGB, RGBA

MAX_BYTES: Final = 32 * 1024 * 1024
MAX_PIXELS: Final = 64_000_000
FORMATS: Final = "JPEG, PNG, WebP, AVIF, HEIC, GIF, BMP or TIFF"
UNDECODABLE: Final = (
    UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, TypeError, AttributeError, RuntimeError, MemoryError,
    AssertionError, OverflowError, ZeroDivisionError, struct.error, ImportError,
)  # fmt: skip
"""What decoders raise on damaged files; ImportError comes from Ultralytics, which wraps `Image.open` where it is loaded and asks for a HEIF plugin."""

_MAX_READS: Final = 50_000
_MAX_BMP_READS: Final = 1_000_000
"""Pillow reads a run-length encoded BMP pair by pair."""
_MAX_SCANS: Final = 100
_TILE_SIDES: Final = (322, 323)
_ORIENTATION_TAG: Final = 0x0112
_SRGB: Final = ImageCms.createProfile("sRGB")
_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def open_upright(data: bytes, *, max_bytes: int = MAX_BYTES, max_pixels: int = MAX_PIXELS, wanted_side_px: int | None = None) -> Image.Image:
    """Decode the first frame or page of `data`, turned upright by its EXIF orientation, in sRGB, as mode RGB or RGBA.

    `wanted_side_px`: a JPEG may come back at 1/2, 1/4 or 1/8 of its size, which decodes faster, as long as its longer side keeps that many px.
    Raises `UndecodableImage` for what is no whole picture, `InputTooLarge` above the limits (read from the header, before decoding).
    """
    if not data:
        raise UndecodableImage("expected a picture, got 0 bytes; send the file's content")
    if len(data) > max_bytes:
        raise InputTooLarge(f"expected a picture of at most {max_bytes} bytes, got {len(data)}; send a smaller file")
    try:
        image = opened(data)
        _check_size(image, max_pixels)
        if wanted_side_px is not None:
            _draft(image, wanted_side_px)
        image.load()
        return _upright(_to_rgb_or_rgba(image), exif_orientation(image.info.get("exif") or b""))
    except (InputTooLarge, UndecodableImage) as error:
        _let_go(error)
        raise
    except Image.DecompressionBombError as error:
        _let_go(error)
        raise InputTooLarge(f"expected at most {max_pixels} pixels: {error}; send a smaller picture") from error
    except UNDECODABLE as error:
        _let_go(error)
        raise UndecodableImage(f"expected a whole {FORMATS} picture, got: {plain(error)}; check the file opens elsewhere") from error


def size_of(data: bytes) -> tuple[int, int]:
    """Width and height that the header of a decodable picture tells, before it is turned upright."""
    return opened(data).size


def _let_go(error: BaseException | None) -> None:
    """Free what the decoder's frames hold: an error lives on until the next garbage collection, with up to four times the file's bytes."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def plain(error: BaseException) -> str:
    """A decoder's words; where it has none for people, that the file is damaged."""
    told = " ".join(str(error).split())[:200]
    usable = isinstance(error, (OSError, ValueError, SyntaxError)) and told and "object at 0x" not in told
    return told if usable else "a damaged file"


# --- opening: a signature chooses the reader


class _Metered(io.BytesIO):
    """A file in memory that can be read only so often and so much.

    Pillow's header readers loop over chunks, markers, comments and tags in Python. Millions of empty ones take minutes, and the 65,535 tags of
    one TIFF directory can all point at the same megabytes, each of which is copied.
    """

    def __init__(self, data: bytes, max_reads: int, spare_bytes: int) -> None:
        super().__init__(data)
        self._reads_left, self._bytes_left = max_reads, 4 * len(data) + spare_bytes

    def read(self, size: int | None = -1, /) -> bytes:
        """As a file's. Raises `InputTooLarge` when the allowance is used up."""
        chunk = super().read(size)
        self._reads_left -= 1
        self._bytes_left -= len(chunk)
        if self._reads_left < 0 or self._bytes_left < 0:
            raise InputTooLarge("expected a picture with a plain header, got one of too many parts; save the picture anew and send that")
        return chunk


class _Jpeg(JpegImageFile):
    """A JPEG whose EXIF stays unread: Pillow looks for the dpi there and copies every tag of it, which makes 350 MB of 64 KB of overlapping tags."""

    def getexif(self) -> Image.Exif:
        """Nothing."""
        return Image.Exif()


def _heif(file: io.BytesIO) -> ImageFile:
    from pi_heif.as_plugin import HeifImageFile  # type: ignore[import-untyped]  # 40 ms, and few pictures need it

    image: ImageFile = HeifImageFile(file)
    return image


_SIGNATURES: Final[tuple[tuple[bytes, Callable[[io.BytesIO], ImageFile]], ...]] = (
    (b"\xff\xd8\xff", _Jpeg),
    (b"\x89PNG\r\n\x1a\n", PngImageFile),
    (b"GIF8", GifImageFile),
    (b"BM", BmpImageFile),
    (b"II*\x00", TiffImageFile),
    (b"MM\x00*", TiffImageFile),
    (b"II+\x00", TiffImageFile),
    (b"MM\x00+", TiffImageFile),
)
"""Pillow's readers, called directly: `Image.open` would try all of its formats, of which one (EPS) runs a program."""
_HEIC_BRANDS: Final = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")


def opened(data: bytes, *, max_reads: int = _MAX_READS, spare_bytes: int = 2**20) -> ImageFile:
    """A file of a known format, its header read and no pixel decoded; it can be read `max_reads` times, and four times its size plus `spare_bytes`.

    Raises `UndecodableImage`, `InputTooLarge`, and what Pillow raises (`UNDECODABLE`).
    """
    reader = _reader(data)
    if reader is None:
        raise UndecodableImage(f"expected a {FORMATS} picture, got: unknown format; check the file opens elsewhere")
    if reader is _Jpeg and data.count(b"\xff\xda") > _MAX_SCANS:
        raise InputTooLarge(f"expected a JPEG of at most {_MAX_SCANS} scans, got more; save the picture anew and send that")
    if reader is AvifImageFile and _has_tag_bomb(data):
        raise InputTooLarge("expected a picture with plain EXIF data, got tags that overlap; save the picture without EXIF and send that")
    return reader(_Metered(data, _MAX_BMP_READS if reader is BmpImageFile else max_reads, spare_bytes))


def _reader(data: bytes) -> Callable[[io.BytesIO], ImageFile] | None:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return WebPImageFile
    if data[4:8] == b"ftyp":
        brand, brands = data[8:12], data[8 : min(256, int.from_bytes(data[:4]))]
        if brand in (b"avif", b"avis") or (brand in (b"mif1", b"msf1") and b"avif" in brands):
            return AvifImageFile
        return _heif if brand in _HEIC_BRANDS else None
    return next((reader for signature, reader in _SIGNATURES if data.startswith(signature)), None)


def _check_size(image: ImageFile, max_pixels: int) -> None:
    """Raises `InputTooLarge` for a picture, or a TIFF's tile, of more than `max_pixels`."""
    sizes = [image.size]
    if isinstance(image, TiffImageFile) and all(tag in image.tag_v2 for tag in _TILE_SIDES):
        sizes.append((int(image.tag_v2[_TILE_SIDES[0]]), int(image.tag_v2[_TILE_SIDES[1]])))
    for width, height in sizes:
        if width * height > max_pixels:
            raise InputTooLarge(f"expected at most {max_pixels} pixels, got {width}x{height}; send a smaller picture")


def _draft(image: ImageFile, wanted_side_px: int) -> None:
    """Let a JPEG decode at the smallest scale whose longer side has `wanted_side_px`; other formats know no scaled decoding."""
    scale = next((scale for scale in (8, 4, 2) if max(image.size) // scale >= wanted_side_px), 1)
    if scale > 1 and isinstance(image, JpegImageFile):
        image.draft(None, (max(1, image.width // scale), max(1, image.height // scale)))


# --- EXIF: the orientation alone


def exif_orientation(exif: bytes) -> int:
    """Orientation 1..8 in the first directory of EXIF data; 1 where there is none or a broken one. Nothing else of it is read."""
    tiff = exif.removeprefix(b"Exif\x00\x00")
    try:
        order, offset, count = _directory(tiff, 0)
        for entry in range(offset, offset + 12 * count, 12):
            tag, kind = struct.unpack_from(f"{order}HH", tiff, entry)
            if tag == _ORIENTATION_TAG:
                (value,) = struct.unpack_from(order + {3: "H", 4: "I"}[kind], tiff, entry + 8)
                return value if 1 <= value <= 8 else 1
    except (struct.error, KeyError):
        pass
    return 1


def _directory(tiff: bytes, start: int) -> tuple[str, int, int]:
    """Byte order, offset of the first tag and number of tags of the TIFF data at `start`. Raises `struct.error`, `KeyError` where there are none."""
    order = {b"II*\x00": "<", b"MM\x00*": ">"}[tiff[start : start + 4]]
    (offset,) = struct.unpack_from(f"{order}I", tiff, start + 4)
    (count,) = struct.unpack_from(f"{order}H", tiff, start + offset)
    return order, start + offset + 2, count


def _has_tag_bomb(data: bytes) -> bool:
    """Whether EXIF data somewhere in a file tells of more values than the file has bytes, or begins again and again: Pillow's AVIF reader copies all."""
    return b"Exif\x00\x00" * 4 in data or any(_tag_values(data, start) > len(data) for start in _finds(data, b"II*\x00", b"MM\x00*"))


def _finds(data: bytes, *needles: bytes) -> list[int]:
    found: list[int] = []
    for needle in needles:
        start = data.find(needle)
        while start >= 0 and len(found) < 1000:
            found.append(start)
            start = data.find(needle, start + 4)
    return found


def _tag_values(data: bytes, start: int) -> int:
    """Values that the tags of the TIFF data at `start` say they have, as far as they can be read."""
    total = 0
    try:
        order, offset, count = _directory(data, start)
        for entry in range(offset, min(offset + 12 * count, len(data) - 12), 12):
            kind, number = struct.unpack_from(f"{order}HI", data, entry + 2)
            total += number if 1 <= kind <= 13 else 0
    except (struct.error, KeyError):
        pass
    return total


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    return image.transpose(_TURNS[orientation]) if orientation in _TURNS else image


# --- modes and colours


def _to_rgb_or_rgba(image: Image.Image) -> Image.Image:
    icc = image.info.get("icc_profile")
    if image.mode.startswith("I;16"):
        image = _from_16_bit(image)
    elif image.mode in ("I", "F"):
        image = _from_numbers(image)
    target = "RGBA" if image.has_transparency_data else "RGB"
    if image.mode not in ("L", "RGB", "CMYK", "LAB") or target == "RGBA":
        image = _converted(image, target)
    return _converted(_to_srgb(image, icc), target)


def _converted(image: Image.Image, mode: str) -> Image.Image:
    return image if image.mode == mode else image.convert(mode)  # Pillow copies even where nothing changes


def _to_srgb(image: Image.Image, icc: bytes | None) -> Image.Image:
    """The picture in sRGB by its colour profile; as it is where the profile is broken or of another kind of picture, as browsers do."""
    if image.mode == "LAB":
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    elif not icc:
        return image
    else:
        try:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
            if "sRGB" in ImageCms.getProfileDescription(profile):
                return image
        except (ImageCms.PyCMSError, OSError, ValueError):
            return image
    try:
        turned = ImageCms.profileToProfile(image, profile, _SRGB, outputMode="RGBA" if image.mode == "RGBA" else "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image
    return image if turned is None else turned


def _from_16_bit(image: Image.Image) -> Image.Image:
    """Grey of 16 bit to 8 bit, the one transparent value of a PNG kept."""
    wide = np.asarray(image)
    grey = Image.fromarray((wide >> 8).astype(np.uint8))
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        grey.putalpha(Image.fromarray(np.where(wide == clear, 0, 255).astype(np.uint8)))
    return grey


def _from_numbers(image: Image.Image) -> Image.Image:
    """Grey of 32 bit or of floats to 8 bit. White is the least of 1 (floats), 255, 65535 and the brightest pixel that none exceeds."""
    values = np.nan_to_num(np.asarray(image, np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    brightest = float(values.max(initial=0))
    white = next((top for top in ((1.0, 255.0, 65535.0) if image.mode == "F" else (255.0, 65535.0)) if brightest <= top), brightest)
    return Image.fromarray(np.clip(values * np.float32(255 / white), 0, 255).astype(np.uint8))


def over_white(image: Image.Image) -> RGB:
    """A picture of `open_upright` as HxWx3, laid over white."""
    if image.mode == "RGBA" and image.getchannel("A").getextrema() != (255, 255):
        image = Image.alpha_composite(Image.new("RGBA", image.size, (255, 255, 255, 255)), image)
    return np.asarray(_converted(image, "RGB"))


def decode_rgb(data: bytes, *, max_bytes: int = MAX_BYTES, max_pixels: int = MAX_PIXELS) -> RGB:
    """Decode to upright HxWx3 uint8; transparency is laid over white. Errors as `open_upright`."""
    return over_white(open_upright(data, max_bytes=max_bytes, max_pixels=max_pixels))


def shrink(image: RGB, *, max_side_px: int) -> RGB:
    """Scale a picture down so that no side exceeds `max_side_px`; smaller ones are returned as they are."""
    height, width = image.shape[:2]
    scale = max_side_px / max(height, width)
    if scale >= 1:
        return image
    return np.asarray(cv2.resize(image, (max(1, round(width * scale)), max(1, round(height * scale))), interpolation=cv2.INTER_AREA), np.uint8)


def encode_png(pixels: RGB | RGBA) -> bytes:
    """HxW, HxWx3 or HxWx4 uint8 to PNG bytes."""
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
