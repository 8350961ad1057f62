"""A corpus of bad and odd requests: broken pictures, bombs, polyglots, options out of range, broken HTTP. Made anew each time, nothing is drawn by chance."""

import base64
import io
import json
import math
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, product

import numpy as np
from PIL import Image

BOUNDARY = "----sticker-studio-test"
MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"
REFUSED = (400,)
TOO_LARGE = (413,)
SERVED = (200, 422)
"""A picture like others: a sticker, or nothing found in it."""
TOLERATED = (200, 400, 422)
"""What a decoder may take or refuse."""
HUGE = 60_000
MANY_BYTES = 4_000_000
"""Enough for minutes of work, or gigabytes, where parts are not counted."""


@dataclass(frozen=True, kw_only=True)
class BadInput:
    """One request, and the statuses that are right for it.

    `body` is sent with the `content_type` and `headers`; or `wire`, if not empty, is written to the socket as it stands ({path} in it replaced),
    and then `endless`, if not empty, again and again until the service answers or closes.
    """

    name: str
    expected: tuple[int, ...]
    body: bytes = b""
    content_type: str = MULTIPART
    headers: Mapping[str, str] = field(default_factory=dict)
    wire: bytes = b""
    endless: bytes = b""
    paths: tuple[str, ...] = ("/sticker", "/cutout")


# --- requests


def part(name: bytes, content: bytes, *, filename: bytes | None = None, mime: bytes = b"application/octet-stream") -> bytes:
    """One part of a form, without any escaping."""
    file = b'; filename="' + filename + b'"\r\nContent-Type: ' + mime if filename is not None else b""
    return b"--" + BOUNDARY.encode() + b'\r\nContent-Disposition: form-data; name="' + name + b'"' + file + b"\r\n\r\n" + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    """A whole form."""
    return b"".join(parts) + b"--" + BOUNDARY.encode() + b"--\r\n"


def picture(data: bytes, *, filename: bytes = b"picture", mime: bytes = b"application/octet-stream") -> bytes:
    """The part that holds the picture."""
    return part(b"image", data, filename=filename, mime=mime)


def file_input(name: str, data: bytes, expected: tuple[int, ...]) -> BadInput:
    """A picture's file, sent as it should be."""
    return BadInput(name=name, expected=expected, body=form(picture(data)))


def option_input(name: str, option: str, value: str | bytes, expected: tuple[int, ...], *, path: str = "/sticker") -> BadInput:
    """A good picture with one option."""
    raw = value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
    return BadInput(name=name, expected=expected, body=form(picture(good_png()), part(option.encode(), raw)), paths=(path,))


# --- good pictures to break


def subject_pixels(width: int = 96, height: int = 64) -> np.ndarray:  # type: ignore[type-arg]
    """A red ellipse on grey with a little texture, so that no file is empty in the middle."""
    y, x = np.mgrid[:height, :width]
    pixels = np.stack([80 + (x * 7 + y * 3) % 20, 80 + (x * 3 + y * 5) % 20, 80 + (x + y) % 20], axis=-1).astype(np.uint8)
    pixels[((x - width * 0.45) / (width * 0.28)) ** 2 + ((y - height * 0.5) / (height * 0.35)) ** 2 < 1] = (230, 40, 30)
    return pixels


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    """A picture as a file of that kind."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def good(kind: str, **options: object) -> bytes:
    """The subject as a good file."""
    return saved(Image.fromarray(subject_pixels()), kind, **options)


def good_png() -> bytes:
    """The subject as PNG."""
    return good("PNG")


def heic() -> bytes:
    """A 64x48 HEIC: a red ellipse on grey. No encoder is among our packages, so the file stands here."""
    return base64.b64decode(_HEIC)


_HEIC = (
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAX1tZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAAACJpbG9jAAAAAERAAAEAAQAAAAABoQABAAAAAAAA"
    "AVEAAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAABAABodmMxAAAAAA5waXRtAAAAAAABAAAA/WlwcnAAAADdaXBjbwAAAHZodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEAB"
    "DAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQAqQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbq5Ka5uAhoMCAAAAMDIAAAAwAhYgABAAZEAcFzwIkAAAATY29scm5jbHgAAQANAAaAAAAAFGlz"
    "cGUAAAAAAAAAQAAAAEAAAAAoY2xhcAAAAEAAAAABAAAAMAAAAAEAAAAAAAAAAv////AAAAACAAAAEHBpeGkAAAAAAwgICAAAABhpcG1hAAAAAAAAAAEAAQWBAgMFhAAAAVltZGF0AAAB"
    "TSgBrwngyFZaEFfP/5+p21Zu0ywczPE/+OdzRVb0saOP+G63FTl4S/kIa/OXBwjr42f1Y8qV3GuSaMgCyu5npGtywJ9eTETlO8PhUgfM1uxl6q16fRa+DMaHM75XtVbzDKh3N2E7VcIY"
    "7cvU8jFp10jIVS8fAqLw0sgzuS/c4GRjjqbKI0lNe0/7R9f9j3YcNmJ0BHuu5rYGM64Lf4kDkgSceq3Ctth8wEc80EPzNtoI7cLI1mNrNL9nEEug2Ja616e1TGzLRH6P+C6sU1kkoLqV"
    "DOTG6lrFwB9nw62Xy6sk2nBzyjUmLbYYlyv0ZVRG4HFRQI98ah2XxxIHMZxnO2Uc623SBPxA6xRE+6JPtiVfVXIgvD3c20BdBnEq4UYwdQg+pAEZcMD6uk17mHMXD7SnrPtRjelacMIH"
    "KOJUoLpa9L87lkj2aXvPoJu1wA=="
)


def png_chunk(kind: bytes, content: bytes) -> bytes:
    """One chunk with its checksum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, *, colour: int = 2, depth: int = 8, before: bytes = b"", rows: bytes | None = None, interlace: int = 0) -> bytes:
    """A PNG with a header of its own; by default with some black bytes for pixels."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    data = zlib.compress(bytes(100) if rows is None else rows)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + before + png_chunk(b"IDAT", data) + png_chunk(b"IEND", b"")


def gif(width: int, height: int, *, before: bytes = b"", frames: int = 1, delay_cs: int = 10) -> bytes:
    """A GIF whose frames are one pixel in the corner of its screen."""
    frame = struct.pack("<BBBBHBB", 0x21, 0xF9, 4, 0, delay_cs, 0, 0) + b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\x10\x20\x30\xff\xff\xff" + before + frame * frames + b";"


def tiff(entries: list[tuple[int, int, int, int]], tail: bytes = b"") -> bytes:
    """A little-endian TIFF of one directory of (tag, type, count, value); `tail` follows it, at `tiff_tail(len(entries))`."""
    directory = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\x00" + struct.pack("<IH", 8, len(entries)) + directory + bytes(4) + tail


def tiff_tail(entries: int) -> int:
    """Where the tail of a TIFF of so many entries begins."""
    return 8 + 2 + 12 * entries + 4


def grey_tiff(width: int, height: int, *, tail: bytes = b"", compression: int = 1, tile: tuple[int, int] | None = None) -> bytes:
    """A grey TIFF, in a strip or in one tile."""
    count = 10
    where = tiff_tail(count)
    area = [(322, 4, 1, tile[0]), (323, 4, 1, tile[1]), (324, 4, 1, where), (325, 4, 1, len(tail))] if tile else [
        (273, 4, 1, where), (278, 4, 1, height), (279, 4, 1, len(tail)), (284, 3, 1, 1),
    ]  # fmt: skip
    head = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, compression), (262, 3, 1, 1), (277, 3, 1, 1)]
    return tiff(sorted([*head, *area]), tail)


def bmp(width: int, height: int, *, bits: int = 24, compression: int = 0, pixels: bytes = b"", header_bytes: int = 40, offset: int = 54) -> bytes:
    """A BMP with a header of its own."""
    info = struct.pack("<IiiHHIIiiII", header_bytes, width, height, 1, bits, compression, len(pixels), 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + len(pixels), 0, 0, offset) + info + pixels


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    """A WebP of the given chunks."""
    content = b"".join(kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2) for kind, data in chunks)
    return b"RIFF" + struct.pack("<I", 4 + len(content)) + b"WEBP" + content


def webp_canvas(width: int, height: int, *, animated: bool) -> bytes:
    """A WebP whose canvas is far larger than the picture in it."""
    inner = good("WEBP")[12:]
    canvas = (b"VP8X", bytes([2 if animated else 0, 0, 0, 0]) + _three_bytes(width - 1) + _three_bytes(height - 1))
    kind, content = inner[:4], inner[8 : 8 + struct.unpack("<I", inner[4:8])[0]]
    if not animated:
        return riff(canvas, (kind, content))
    at = _three_bytes(0) + _three_bytes(0) + _three_bytes(95) + _three_bytes(63) + _three_bytes(100) + b"\x00"
    return riff(canvas, (b"ANIM", bytes(6)), (b"ANMF", at + kind + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)))


def _three_bytes(number: int) -> bytes:
    return struct.pack("<I", number)[:3]


def jpeg_with(*segments: tuple[int, bytes]) -> bytes:
    """A good JPEG with segments (marker, content) put before all of its own."""
    inserted = b"".join(bytes([0xFF, marker]) + struct.pack(">H", 2 + len(content)) + content for marker, content in segments)
    whole = good("JPEG")
    return whole[:2] + inserted + whole[2:]


def jpeg_of_size(width: int, height: int) -> bytes:
    """A good JPEG that says it is larger."""
    data = bytearray(good("JPEG"))
    data[(at := data.index(b"\xff\xc0")) + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def with_extents(data: bytes, width: int, height: int) -> bytes:
    """An AVIF or HEIC that says it is of another size (its `ispe` boxes)."""
    parts = data.split(b"ispe\0\0\0\0")
    return b"".join([parts[0], *(b"ispe\0\0\0\0" + struct.pack(">II", width, height) + part[8:] for part in parts[1:])])


def exif(*entries: tuple[int, int, int, int], order: str = "<") -> bytes:
    """EXIF data of (tag, type, count, value); values of type 3 stand left in their four bytes."""
    head = (b"II*\x00" if order == "<" else b"MM\x00*") + struct.pack(f"{order}IH", 8, len(entries))
    pack = {3: f"{order}HHIHxx"}
    return b"Exif\x00\x00" + head + b"".join(struct.pack(pack.get(entry[1], f"{order}HHII"), *entry) for entry in entries) + bytes(4)


# --- the corpus


def corpus() -> list[BadInput]:
    """All of it, names unique."""
    kinds = (
        _truncated, _damaged, _empty_and_foreign, _bombs, _slow_headers, _polyglots, _metadata, _odd_sizes, _odd_modes, _mislabelled, _options, _forms, _wires,
    )  # fmt: skip
    return list(chain.from_iterable(kind() for kind in kinds))


def good_files() -> dict[str, bytes]:
    """The subject as a good file of each kind."""
    frames = [Image.fromarray(np.roll(subject_pixels(), step, axis=1)) for step in (0, 5)]
    return {
        "jpeg": good("JPEG"),
        "progressive-jpeg": good("JPEG", progressive=True),
        "png": good_png(),
        "webp": good("WEBP"),
        "lossless-webp": good("WEBP", lossless=True),
        "gif": good("GIF"),
        "animated-gif": saved(frames[0], "GIF", save_all=True, append_images=frames[1:]),
        "bmp": good("BMP"),
        "tiff": good("TIFF"),
        "deflated-tiff": good("TIFF", compression="tiff_adobe_deflate"),
        "avif": good("AVIF"),
        "heic": heic(),
    }


def _truncated() -> Iterator[BadInput]:
    files = good_files()
    places = {"in-the-signature": 0.0, "in-the-header": 18.0, "in-the-tables": 0.3, "in-the-middle": 0.5, "at-nine-tenths": 0.9}
    for (kind, data), (place, share) in product(files.items(), places.items()):
        cut = 3 if share == 0 else int(share) if share > 1 else int(len(data) * share)
        whole_first_frame = kind in ("animated-gif", "tiff", "deflated-tiff") and share >= 0.3  # a TIFF's directory may stand at its end or its start
        yield file_input(f"{kind}-cut-{place}", data[:cut], TOLERATED if whole_first_frame else REFUSED)
    for kind, data in files.items():
        yield file_input(f"{kind}-without-its-last-byte", data[:-1], TOLERATED)


def _damaged() -> Iterator[BadInput]:
    whole = good_png()
    at = whole.index(b"IDAT")
    yield file_input("png-with-a-wrong-checksum-of-its-pixels", whole[: at + 20] + bytes([whole[at + 20] ^ 0xFF]) + whole[at + 21 :], REFUSED)
    yield file_input("png-with-a-wrong-checksum-of-its-header", whole[:29] + b"\0\0\0\0" + whole[33:], REFUSED)
    yield file_input("png-without-a-header", whole[:8] + whole[33:], REFUSED)
    yield file_input("png-of-depth-3", png(96, 64, depth=3), REFUSED)
    yield file_input("png-of-colour-type-7", png(96, 64, colour=7), REFUSED)
    yield file_input("png-of-no-width", png(0, 64), REFUSED)
    yield file_input("png-whose-pixels-are-no-deflate", whole[: at + 4] + bytes(40) + whole[at + 44 :], REFUSED)
    palette = png_chunk(b"PLTE", bytes(range(6)))
    indices = b"".join(b"\0" + bytes([200]) * 96 for _ in range(64))
    yield file_input("png-with-an-index-out-of-its-palette", png(96, 64, colour=3, before=palette, rows=indices), TOLERATED)
    yield file_input("png-without-its-palette", png(96, 64, colour=3, rows=indices), TOLERATED)
    yield file_input("png-with-more-transparency-than-palette", png(96, 64, colour=3, before=palette + png_chunk(b"tRNS", bytes(256)), rows=indices), TOLERATED)
    yield file_input("png-with-one-byte-of-transparency", png(96, 64, before=png_chunk(b"tRNS", b"\1"), rows=bytes(64 * 289)), TOLERATED)
    yield file_input("png-with-a-chunk-longer-than-the-file", whole[:33] + struct.pack(">I", 2**31 - 1) + b"tEXt", REFUSED)
    yield file_input("jpeg-of-nothing-but-markers", b"\xff\xd8\xff\xd9", REFUSED)
    yield file_input("jpeg-without-tables", good("JPEG").replace(b"\xff\xdb", b"\xff\xef").replace(b"\xff\xc4", b"\xff\xef"), REFUSED)
    yield file_input("jpeg-of-no-height", jpeg_of_size(96, 0), REFUSED)
    yield file_input(
        "jpeg-of-five-components", good("JPEG").replace(b"\xff\xc0\x00\x11\x08\x00\x40\x00\x60\x03", b"\xff\xc0\x00\x11\x08\x00\x40\x00\x60\x05"), REFUSED
    )
    yield file_input("jpeg-of-noise-after-its-header", good("JPEG")[:640] + _noise(4000), TOLERATED)
    yield file_input("gif-of-no-width", gif(0, 0), TOLERATED)
    yield file_input("gif-with-a-frame-off-its-screen", gif(96, 64).replace(struct.pack("<HHHH", 0, 0, 1, 1), struct.pack("<HHHH", 500, 500, 1, 1)), TOLERATED)
    yield file_input("gif-with-a-code-size-of-200", gif(96, 64).replace(b"\x02\x02\x44\x01\x00", b"\xc8\x02\x44\x01\x00"), TOLERATED)
    yield file_input("gif-without-a-frame", gif(96, 64, frames=0), REFUSED)
    yield file_input("bmp-of-negative-height", bmp(96, -64, pixels=bytes(96 * 3 * 64)), SERVED)
    yield file_input("bmp-of-the-least-height", bmp(96, -(2**31), pixels=bytes(100)), (400, 413))
    yield file_input("bmp-of-negative-width", bmp(-96, 64, pixels=bytes(96 * 3 * 64)), (400, 413))
    yield file_input("bmp-of-5-bits", bmp(96, 64, bits=5, pixels=bytes(9000)), REFUSED)
    yield file_input("bmp-with-an-unknown-header", bmp(96, 64, header_bytes=77), REFUSED)
    yield file_input("bmp-whose-pixels-lie-after-its-end", bmp(96, 64, offset=2**31 - 1, pixels=bytes(9000)), REFUSED)
    yield file_input("bmp-of-endless-runs", bmp(96, 64, bits=8, compression=1, offset=1078, pixels=bytes(1024) + b"\x00\x02\x00\x00" * 5000), TOLERATED)
    yield file_input("tiff-whose-directory-lies-after-its-end", b"II*\x00" + struct.pack("<I", 2**31), REFUSED)
    yield file_input("tiff-whose-directory-is-its-header", b"II*\x00" + struct.pack("<I", 0), REFUSED)
    yield file_input("tiff-of-an-unknown-compression", grey_tiff(96, 64, tail=bytes(6144), compression=61234), REFUSED)
    yield file_input("tiff-of-strips-out-of-the-file", grey_tiff(96, 64, tail=b"")[:-1], REFUSED)
    yield file_input("webp-of-an-unknown-chunk", riff((b"VPXX", bytes(100))), REFUSED)
    yield file_input("webp-that-says-it-is-longer", good("WEBP")[:4] + struct.pack("<I", 2**31) + good("WEBP")[8:], TOLERATED)
    yield file_input("avif-with-a-box-of-no-size", good("AVIF")[:24] + bytes(8) + good("AVIF")[32:], TOLERATED)
    yield file_input("heic-of-nothing-but-a-brand", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", REFUSED)


def _empty_and_foreign() -> Iterator[BadInput]:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as files:
        files.writestr(zipfile.ZipInfo("a.txt"), "hello")
    bodies = {
        "zero-bytes": b"",
        "one-byte": b"\xff",
        "a-newline": b"\n",
        "64-kb-of-zeros": bytes(65_536),
        "64-kb-of-ones": b"\xff" * 65_536,
        "64-kb-of-noise": _noise(65_536),
        "text": b"this is no picture\n" * 50,
        "html": b"<!doctype html><script>alert(1)</script>",
        "json": b'{"image": "x"}',
        "svg": b'<svg xmlns="http://www.w3.org/2000/svg" width="96" height="64"><rect width="50" height="50"/></svg>',
        "svg-with-a-script": b'<svg xmlns="http://www.w3.org/2000/svg"><script>fetch("http://127.0.0.1/")</script></svg>',
        "xml-with-an-entity-of-a-file": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><svg>&b;</svg>',
        "xml-of-a-billion-laughs": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;&b;&b;">]><svg>&c;</svg>',
        "zip": archive.getvalue(),
        "exe": b"MZ\x90\x00" + bytes(60) + b"PE\x00\x00" + bytes(500),
        "elf": b"\x7fELF\x02\x01\x01" + bytes(500),
        "pdf": b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\n%%EOF",
        "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 96 64\nshowpage\n",
        "mp4": b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + bytes(500),
        "gzip": b"\x1f\x8b\x08" + bytes(60),
        "ico": good("ICO"),
        "ppm": good("PPM"),
        "tga": good("TGA"),
        "psd": b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 64, 96, 8, 3) + bytes(100),
        "jpeg2000": good("JPEG2000"),
    }
    yield from (file_input(f"a-file-of-{name}", body, REFUSED) for name, body in bodies.items())


def _bombs() -> Iterator[BadInput]:
    yield file_input("png-bomb-of-60000-px", png(HUGE, HUGE, rows=bytes(10_000_000)), TOO_LARGE)
    yield file_input("png-bomb-of-the-largest-sides", png(2**31 - 1, 2**31 - 1), TOO_LARGE)
    yield file_input("png-bomb-of-20000-px-well-compressed", saved(Image.new("1", (20_000, 20_000)), "PNG"), TOO_LARGE)
    yield file_input("gif-bomb-of-60000-px", gif(HUGE, HUGE), TOO_LARGE)
    yield file_input("gif-bomb-of-a-huge-frame", gif(96, 64).replace(struct.pack("<HHHH", 0, 0, 1, 1), struct.pack("<HHHH", 0, 0, HUGE, HUGE)), TOO_LARGE)
    yield file_input("tiff-bomb-of-60000-px", grey_tiff(HUGE, HUGE, tail=zlib.compress(bytes(1_000_000)), compression=8), TOO_LARGE)
    yield file_input("tiff-bomb-of-a-huge-tile", grey_tiff(96, 64, tail=zlib.compress(bytes(1_000_000)), compression=8, tile=(30_000, 30_000)), TOO_LARGE)
    yield file_input("webp-bomb-of-60000-px", webp_canvas(HUGE, HUGE, animated=False), (400, 413))
    yield file_input("animated-webp-bomb-of-60000-px", webp_canvas(HUGE, HUGE, animated=True), (400, 413))
    yield file_input("animated-webp-bomb-of-16000-px", webp_canvas(16_000, 16_000, animated=True), TOO_LARGE)
    yield file_input("bmp-bomb-of-60000-px", bmp(HUGE, HUGE), TOO_LARGE)
    yield file_input("bmp-bomb-of-runs", bmp(20_000, 20_000, bits=8, compression=1, offset=1078, pixels=bytes(1024) + b"\xff\x00" * 2000), TOO_LARGE)
    yield file_input("jpeg-bomb-of-60000-px", jpeg_of_size(HUGE, HUGE), TOO_LARGE)
    yield file_input("avif-bomb-of-60000-px", with_extents(good("AVIF"), HUGE, HUGE), (400, 413))
    yield file_input("heic-bomb-of-60000-px", with_extents(heic(), HUGE, HUGE), (400, 413))
    yield file_input("png-text-bomb", png(96, 64, before=png_chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(50_000_000), 9)), rows=bytes(64 * 289)), TOLERATED)
    yield file_input(
        "png-profile-bomb", png(96, 64, before=png_chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(50_000_000), 9)), rows=bytes(64 * 289)), TOLERATED
    )
    yield file_input("gif-of-10000-frames", gif(96, 64, frames=10_000, delay_cs=1), (200, 400, 413, 422))
    yield file_input("gif-of-frames-of-no-time", gif(96, 64, frames=50, delay_cs=0), (200, 400, 413, 422))
    yield file_input("gif-of-frames-of-ten-minutes", gif(96, 64, frames=3, delay_cs=60_000), (200, 400, 413, 422))


def _slow_headers() -> Iterator[BadInput]:
    many = MANY_BYTES
    first = ("/sticker",)
    comment = b"!\xfe\xff" + bytes(255) + b"\0"
    exif_of_tags = exif(*[(1000 + number, 7, 60_000, 0) for number in range(5000)])
    progressive = good("JPEG", progressive=True)
    last_scan = progressive[progressive.rindex(b"\xff\xda") : -2]
    whole = good("JPEG")
    slow = {
        "png-of-empty-chunks": png(96, 64, before=png_chunk(b"abCd", b"") * (many // 12)),
        "jpeg-of-empty-comments": whole[:2] + b"\xff\xfe\0\2" * (many // 4) + whole[2:],
        "jpeg-of-tiny-exif-parts": whole[:2] + b"\xff\xe1\0\x09Exif\0\0A" * (many // 11) + whole[2:],
        "gif-of-comments": gif(96, 64, before=comment * (many // len(comment))),
        "tiff-of-tags-that-share-their-bytes": tiff([(1000 + number, 7, 3_900_000, 8) for number in range(60_000)], bytes(many - 720_000)),
    }
    for name, data in slow.items():
        yield BadInput(name=name, expected=TOO_LARGE, body=form(picture(data)), paths=first)
    yield file_input("jpeg-of-1000-scans", progressive[:-2] + last_scan * 1000 + b"\xff\xd9", TOO_LARGE)
    yield file_input("jpeg-of-exif-tags-that-share-their-bytes", jpeg_with((0xE1, exif_of_tags)), SERVED)
    yield file_input("avif-of-exif-tags-that-share-their-bytes", good("AVIF", exif=exif_of_tags[6:]), TOO_LARGE)


def _polyglots() -> Iterator[BadInput]:
    archive = io.BytesIO(good_png())
    archive.seek(0, io.SEEK_END)
    with zipfile.ZipFile(archive, "a") as files:
        files.writestr(zipfile.ZipInfo("evil.sh"), "echo hello")
    script = b"/*<script>alert(1)</script><?php system('id'); ?>*/"
    yield file_input("gif-and-html", gif(96, 64, before=b"!\xfe" + bytes([len(script)]) + script + b"\0"), SERVED)
    yield file_input("gif-and-javascript", b"GIF89a/*\x40\0\0\0\0" + gif(96, 64)[13:] + b"*/=1;alert(1)//", (200, 400, 413, 422))
    yield file_input("png-and-zip", archive.getvalue(), SERVED)
    yield file_input("jpeg-and-pdf", jpeg_with((0xFE, b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\n%%EOF")), SERVED)
    yield file_input("pdf-before-jpeg", b"%PDF-1.7\n" + good("JPEG"), REFUSED)
    yield file_input("jpeg-and-mp4", good("JPEG") + b"\0\0\0\x18ftypmp42" + _noise(5000), SERVED)
    yield file_input("png-after-png", good_png() + good_png(), SERVED)
    yield file_input("jpeg-with-html-in-its-exif", jpeg_with((0xE1, exif() + script)), SERVED)
    yield file_input("png-with-a-megabyte-behind-it", good_png() + _noise(1_000_000), SERVED)


def _metadata() -> Iterator[BadInput]:
    orientation = 0x0112
    for value in (0, 9, 65_535):
        yield file_input(f"jpeg-of-orientation-{value}", jpeg_with((0xE1, exif((orientation, 3, 1, value)))), SERVED)
    yield file_input("jpeg-of-an-orientation-of-text", jpeg_with((0xE1, exif((orientation, 2, 4, 0x36363636)))), SERVED)
    yield file_input("jpeg-of-an-orientation-of-many", jpeg_with((0xE1, exif((orientation, 3, 2**31, 6)))), SERVED)
    yield file_input("jpeg-of-an-orientation-elsewhere", jpeg_with((0xE1, exif((orientation, 4, 2, 2**31)))), SERVED)
    yield file_input("jpeg-of-exif-that-ends-early", jpeg_with((0xE1, exif((orientation, 3, 1, 6))[:12])), SERVED)
    yield file_input("jpeg-of-exif-of-a-wrong-order", jpeg_with((0xE1, b"Exif\0\0XX*\0" + bytes(30))), SERVED)
    yield file_input("jpeg-of-exif-that-points-at-itself", jpeg_with((0xE1, exif((34665, 4, 1, 8), (34853, 4, 1, 8)))), SERVED)
    yield file_input("jpeg-of-4-mb-of-exif", jpeg_with(*[(0xE1, b"Exif\0\0" + bytes(65_000))] * 62), SERVED)
    yield file_input("jpeg-of-a-64-kb-comment", jpeg_with((0xFE, b"x" * 65_500)), SERVED)
    yield file_input("png-of-4-mb-of-exif", png(96, 64, before=png_chunk(b"eXIf", b"Exif\0\0" * 700_000), rows=bytes(64 * 289)), TOLERATED)
    for name, profile in (("noise", _noise(600)), ("no-bytes", b""), ("a-length-that-lies", struct.pack(">I", 2**31) + bytes(200))):
        yield file_input(f"jpeg-with-a-colour-profile-of-{name}", jpeg_with((0xE2, b"ICC_PROFILE\0\1\1" + profile)), SERVED)
    yield file_input("jpeg-with-profile-parts-out-of-order", jpeg_with((0xE2, b"ICC_PROFILE\0\x05\x02abc"), (0xE2, b"ICC_PROFILE\0\x00\xffdef")), SERVED)
    yield file_input("cmyk-jpeg-with-a-broken-profile", saved(Image.new("CMYK", (96, 64), (0, 200, 200, 0)), "JPEG", icc_profile=_noise(600)), SERVED)


def _odd_sizes() -> Iterator[BadInput]:
    for width, height in ((1, 1), (2, 2), (15, 15), (1, 20_000), (20_000, 1), (1, 65_000)):
        yield file_input(f"png-of-{width}x{height}", saved(Image.new("RGB", (width, height), "red"), "PNG"), REFUSED)
    yield file_input("jpeg-of-1x65500", saved(Image.new("RGB", (1, 65_500), "red"), "JPEG"), REFUSED)
    for width, height in ((16, 16), (16, 20_000), (20_000, 16)):
        yield file_input(f"png-of-{width}x{height}", saved(Image.new("RGB", (width, height), (90, 90, 90)), "PNG"), SERVED)
        yield BadInput(
            name=f"png-of-{width}x{height}-as-a-whole",
            expected=(200,),
            body=form(picture(saved(Image.new("RGB", (width, height), "red"), "PNG")), part(b"fallback", b"whole")),
        )
    yield file_input("transparent-png-of-16x20000", saved(_half_clear(16, 20_000), "PNG"), SERVED)
    yield file_input("transparent-png-of-20000x16", saved(_half_clear(20_000, 16), "PNG"), SERVED)
    yield file_input("png-of-16x40000", saved(Image.new("RGB", (16, 40_000), "red"), "PNG"), TOO_LARGE)
    yield file_input("png-of-one-clear-colour", saved(Image.new("RGBA", (96, 64), (0, 0, 0, 0)), "PNG"), SERVED)


def _half_clear(width: int, height: int) -> Image.Image:
    """Red where it is not clear: the middle half of the longer side."""
    clear = Image.new("RGBA", (width, height), (0, 0, 0, 0))
    clear.paste((230, 40, 30, 255), (width // 4, 0, 3 * width // 4, height) if width > height else (0, height // 4, width, 3 * height // 4))
    return clear


def _odd_modes() -> Iterator[BadInput]:
    pixels = subject_pixels()
    grey = pixels[..., 0]
    floats = grey.astype(np.float32) / 255
    nothing = np.full_like(floats, math.nan)
    pictures = {
        "png-of-1-bit": saved(Image.fromarray(grey > 128), "PNG"),
        "png-of-a-palette": saved(Image.fromarray(pixels).quantize(16), "PNG"),
        "png-of-a-palette-with-a-clear-colour": saved(Image.fromarray(pixels).quantize(16), "PNG", transparency=0),
        "png-of-16-bit-grey": saved(Image.fromarray(grey.astype(np.uint16) * 257), "PNG"),
        "png-of-grey-and-alpha": saved(Image.fromarray(pixels).convert("LA"), "PNG"),
        "cmyk-jpeg": saved(Image.fromarray(pixels).convert("CMYK"), "JPEG"),
        "grey-jpeg": saved(Image.fromarray(grey), "JPEG"),
        "cmyk-tiff": saved(Image.fromarray(pixels).convert("CMYK"), "TIFF"),
        "lab-tiff": saved(Image.new("LAB", (96, 64), (120, 30, 30)), "TIFF"),
        "float-tiff": saved(Image.fromarray(floats), "TIFF"),
        "float-tiff-of-nan": saved(Image.fromarray(nothing), "TIFF"),
        "float-tiff-of-infinity": saved(Image.fromarray(np.where(floats > 0.5, np.float32(math.inf), -floats)), "TIFF"),
        "integer-tiff-of-negatives": saved(Image.fromarray(-grey.astype(np.int32)), "TIFF"),
        "heic": heic(),
        "interlaced-png": png(8, 8, interlace=1, rows=bytes(300)),
    }
    for name, data in pictures.items():
        yield file_input(f"{name}-served", data, REFUSED if name == "interlaced-png" else SERVED)


def _mislabelled() -> Iterator[BadInput]:
    labels = {
        "png-called-jpeg": (good_png(), b"a.jpg", b"image/jpeg"),
        "jpeg-called-png": (good("JPEG"), b"a.png", b"image/png"),
        "webp-called-text": (good("WEBP"), b"a.txt", b"text/plain"),
        "png-called-html": (good_png(), b"a.html", b"text/html"),
        "png-with-a-path-for-a-name": (good_png(), b"../../../../etc/passwd", b"image/png"),
        "png-with-nul-in-its-name": (good_png(), b"a.png\0.exe", b"image/png"),
        "png-with-no-name": (good_png(), b"", b"image/png"),
        "png-with-a-name-of-1000-letters": (good_png(), b"a" * 1000 + b".png", b"image/png"),
        "png-with-a-mime-of-nonsense": (good_png(), b"a.png", b"\xff\xfe/;;;="),
    }
    for name, (data, filename, mime) in labels.items():
        yield BadInput(name=name, expected=TOLERATED, body=form(picture(data, filename=filename, mime=mime)))
    yield BadInput(name="text-called-png", expected=REFUSED, body=form(picture(b"text", filename=b"a.png", mime=b"image/png")))


def _options() -> Iterator[BadInput]:
    wrong = [
        ("platform", "telegraph"), ("platform", ""), ("platform", "whatsapp\0"), ("platform", "WHATSAPP "),
        ("subject", "none"), ("subject", "nan,nan"), ("subject", "0.5,inf"), ("subject", "2,2"), ("subject", "0.9,0.9,0.1,0.1"), ("subject", "0,0,0"),
        ("fallback", "retry"), ("outline_px", "-1"), ("outline_px", "999"), ("outline_px", "NaN"), ("outline_px", "1e400"), ("outline_px", "9" * 5000),
        ("outline_px", "wide"), ("outline_px", ""), ("outline_colour", "red"), ("outline_colour", "#ggg"), ("outline_colour", "#ffffff;--"),
        ("outline_colour", "#ffffff\n"), ("caption", "x" * 121), ("caption", "x" * 100_000), ("no_such_option", "1"), ("__class__", "1"), ("", "1"),
    ]  # fmt: skip
    for number, (option, value) in enumerate(wrong):
        yield option_input(f"option-{number}-{option or 'nameless'}-{value[:12]!a}", option, value, REFUSED)
    captions = {
        "nul": "a\0b", "control-characters": "\x01\x02\x1b[31m", "newlines": "\n" * 100, "blanks": " " * 100, "emoji": "\U0001f984\U0001f468\u200d\U0001f469",
        "right-to-left-override": "\u202eevil", "half-a-surrogate": "\ud800", "combining-marks": "z" + "\u0301" * 100, "zero-width": "\u200b" * 120,
        "unassigned": "\U000e0fff", "no-character": "\uffff", "markup": "<b>&amp;]]></b>", "format": "%s{0}${x}", "one-long-word": "W" * 120,
    }  # fmt: skip
    for name, caption in captions.items():
        yield option_input(f"caption-of-{name}", "caption", caption, TOLERATED)
        yield BadInput(
            name=f"svg-title-of-{name}",
            expected=TOLERATED,
            body=form(picture(good_png()), part(b"platform", b"svg"), part(b"caption", caption.encode("utf-8", "surrogatepass"))),
            paths=("/sticker",),
        )
    yield option_input("caption-that-is-no-utf-8", "caption", b"\xff\xfe\x80", TOLERATED)
    yield from (option_input(f"cutout-{option}-{value}", option, value, REFUSED, path="/cutout") for option, value in (("crop", "perhaps"), ("format", "gif")))


def _forms() -> Iterator[BadInput]:
    image = picture(good_png())
    json_image = json.dumps({"image": "no base64!"}).encode()
    requests: list[tuple[str, bytes, str, tuple[int, ...]]] = [
        ("no-file", form(part(b"caption", b"x")), MULTIPART, REFUSED),
        ("an-empty-form", form(), MULTIPART, REFUSED),
        ("no-body", b"", MULTIPART, REFUSED),
        ("two-files", form(image, image), MULTIPART, REFUSED),
        ("a-file-in-another-field", form(part(b"picture", good_png(), filename=b"a.png")), MULTIPART, REFUSED),
        ("a-second-file-in-another-field", form(image, part(b"mask2", good_png(), filename=b"a.png")), MULTIPART, REFUSED),
        ("a-file-as-text", form(part(b"image", good_png())), MULTIPART, REFUSED),
        ("an-address-as-text", form(part(b"image", b"http://127.0.0.1:9/x.png")), MULTIPART, REFUSED),
        ("an-option-twice", form(image, part(b"subject", b"all"), part(b"subject", b"all")), MULTIPART, REFUSED),
        ("an-option-as-a-file", form(image, part(b"subject", b"all", filename=b"a.txt")), MULTIPART, REFUSED),
        ("a-thousand-options", form(image, *[part(f"x{number}".encode(), b"1") for number in range(1000)]), MULTIPART, REFUSED),
        ("a-boundary-that-never-comes", form(image), "multipart/form-data; boundary=another", REFUSED),
        ("no-boundary", form(image), "multipart/form-data", REFUSED),
        ("an-empty-boundary", form(image), "multipart/form-data; boundary=", REFUSED),
        ("a-boundary-of-1000-letters", form(image), "multipart/form-data; boundary=" + "b" * 1000, REFUSED),
        ("a-form-that-never-closes", form(image)[:-30], MULTIPART, TOLERATED),
        ("a-part-without-headers", f"--{BOUNDARY}\r\n\r\nx\r\n--{BOUNDARY}--\r\n".encode(), MULTIPART, REFUSED),
        ("a-part-with-a-header-of-100-kb", form(part(b"a" * 100_000, b"x"), image), MULTIPART, REFUSED),
        ("a-charset-that-does-not-exist", form(image), MULTIPART + "; charset=klingon", TOLERATED),
        ("json-of-no-base64", json_image, "application/json", (400, 415)),
        ("json-that-is-broken", b'{"image": ', "application/json", (400, 415)),
        ("json-of-a-list", b"[1, 2]", "application/json", (400, 415)),
        ("json-of-deep-lists", b"[" * 100_000, "application/json", (400, 415)),
        ("json-of-a-number-for-a-picture", b'{"image": 1e999}', "application/json", (400, 415)),
        ("json-of-bytes-that-are-no-text", b'{"image": "\xff\xfe"}', "application/json", (400, 415)),
        ("json-of-half-a-surrogate", b'{"image": "\\ud800", "\\ud800": "\\ud800"}', "application/json", (400, 415)),
        ("json-of-a-number-of-5000-digits", b'{"image": ' + b"9" * 5000 + b"}", "application/json", (400, 415)),
        ("json-with-nan", b'{"image": NaN}', "application/json", (400, 415)),
        ("a-pickle", b"\x80\x04K\x01.", "application/vnd.bentoml+pickle", (415,)),
        ("a-picture-by-itself", good_png(), "image/png", (415,)),
        ("a-web-form", b"image=x", "application/x-www-form-urlencoded", (415,)),
        ("no-content-type", good_png(), "", (415,)),
        ("a-content-type-of-nonsense", form(image), "\x7f;;;/", (400, 415)),
    ]
    for name, body, content_type, expected in requests:
        yield BadInput(name=f"a-request-with-{name}", expected=expected, body=body, content_type=content_type)


def _wires() -> Iterator[BadInput]:
    head = b"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: " + MULTIPART.encode() + b"\r\n"
    body = form(picture(good_png()))
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n"
    opening = form(picture(b""))[: -len(BOUNDARY) - 8]
    yield BadInput(
        name="an-endless-body-in-chunks",
        expected=TOO_LARGE,
        wire=chunked + b"%x\r\n" % len(opening) + opening + b"\r\n",
        endless=b"10000\r\n" + bytes(65_536) + b"\r\n",
        paths=("/sticker",),
    )
    lies = {
        "a-length-that-is-no-number": (head + b"Content-Length: many\r\n\r\n" + body, REFUSED),
        "a-negative-length": (head + b"Content-Length: -5\r\n\r\n" + body, REFUSED),
        "two-lengths": (head + b"Content-Length: 5\r\nContent-Length: 50\r\n\r\n" + body, REFUSED),
        "a-length-of-terabytes": (head + b"Content-Length: 99999999999999\r\nConnection: close\r\n\r\n" + body, TOO_LARGE),
        "a-length-that-is-too-short": (head + b"Content-Length: 40\r\nConnection: close\r\n\r\n" + body, REFUSED),
        "chunks-of-no-number": (chunked + b"zz\r\nabc\r\n0\r\n\r\n", REFUSED),
        "a-header-of-200-kb": (head + b"X-A: " + b"a" * 200_000 + b"\r\n\r\n", (400, 431)),
        "no-http": (b"hello\r\n\r\n", REFUSED),
    }
    for name, (wire, expected) in lies.items():
        yield BadInput(name=f"a-request-with-{name}", expected=expected, wire=wire, paths=("/sticker",))


def _noise(size: int) -> bytes:
    """Bytes that no compressor likes and that are the same each time."""
    return np.random.default_rng(7).integers(0, 256, size, np.uint8).tobytes()
