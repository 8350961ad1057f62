"""The messengers' rules for a still sticker: what each is made by, and, apart from that, what a finished file is checked by.

Sources: WhatsApp's sample apps (StickerPackValidator.java, Limits.swift), core.telegram.org/stickers, Signal's sticker creator, Discord's `sticker` resource.
A KB is decimal here: the smaller reading fits both.
"""

import io
from dataclasses import dataclass
from typing import Final, Literal, get_args
from xml.etree import ElementTree

from PIL import Image

from sticker_studio import images

Platform = Literal["whatsapp", "telegram", "signal", "discord", "webp", "png", "svg"]
PLATFORMS: Final[tuple[Platform, ...]] = get_args(Platform)
Encoding = Literal["webp", "png", "svg"]
SVG: Final = "http://www.w3.org/2000/svg"


@dataclass(frozen=True, kw_only=True)
class Format:
    """A still sticker of one platform. Sizes in px, of the finished sticker."""

    encoding: Encoding
    side_px: int = 512
    """Of the square; where it need not be one, of its longer side."""
    square: bool = True
    margin_px: int = 16
    """Transparent, around the outline."""
    outline_px: int = 8
    """Where the caller asks for none in particular."""
    max_bytes: int | None = None


FORMATS: Final[dict[Platform, Format]] = {
    "whatsapp": Format(encoding="webp", max_bytes=100_000),
    "telegram": Format(encoding="webp", square=False, margin_px=0, max_bytes=512_000),
    "signal": Format(encoding="webp", max_bytes=300_000),
    "discord": Format(encoding="png", side_px=320, margin_px=0, outline_px=0, max_bytes=512_000),
    "webp": Format(encoding="webp"),
    "png": Format(encoding="png"),
    "svg": Format(encoding="svg"),
}


def problems(data: bytes, platform: Platform) -> list[str]:
    """What `platform` would refuse in a finished still sticker, in words; nothing when it complies. Reads only the bytes."""
    rules = FORMATS[platform]
    found = _svg_problems(data, rules) if rules.encoding == "svg" else _picture_problems(data, rules)
    if rules.max_bytes is not None and len(data) > rules.max_bytes:
        found.append(f"expected at most {rules.max_bytes} bytes, got {len(data)}")
    return found


def _picture_problems(data: bytes, rules: Format) -> list[str]:
    try:
        picture = Image.open(io.BytesIO(data))
        picture.load()
    except images.UNDECODABLE as error:
        return [f"expected a whole {rules.encoding.upper()} file, got: {error}"]
    found: list[str] = []
    if (picture.format or "").lower() != rules.encoding:
        found.append(f"expected {rules.encoding.upper()}, got {picture.format}")
    if getattr(picture, "n_frames", 1) != 1:
        found.append(f"expected one frame, got {getattr(picture, 'n_frames', 1)}")
    width, height = picture.size
    right = max(width, height) == rules.side_px and (width == height or not rules.square)
    if not right:
        wanted = f"{rules.side_px}x{rules.side_px} px" if rules.square else f"{rules.side_px} px on the longer side"
        found.append(f"expected {wanted}, got {width}x{height}")
    if not picture.has_transparency_data:
        found.append(f"expected transparency, got a picture of mode {picture.mode}")
    return found


def _svg_problems(data: bytes, rules: Format) -> list[str]:
    try:
        root = ElementTree.fromstring(data)  # noqa: S314  # a file of our own making, without entities: they would be refused as unknown
    except ElementTree.ParseError as error:
        return [f"expected a whole SVG file, got: {error}"]
    found: list[str] = []
    if root.tag != f"{{{SVG}}}svg" or root.get("viewBox") != f"0 0 {rules.side_px} {rules.side_px}":
        found.append(f"expected an svg with the view box 0 0 {rules.side_px} {rules.side_px}, got {root.tag} with {root.get('viewBox')}")
    if root.find(f".//{{{SVG}}}image") is None:
        found.append("expected the cut-out as an image, got none")
    return found
