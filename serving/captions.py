"""Captions: the largest letters that fit, wrapped, outlined, and never clipped."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFont

from sticker_studio.errors import InputError
from sticker_studio.types import RGBA

BUNDLED: Final = Path(__file__).parent / "fonts" / "DejaVuSans-Bold.ttf"
OTHER_FONTS: Final = (
    Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Bold.ttc"),
    Path("/usr/share/fonts/truetype/noto/NotoSansDevanagari-Bold.ttf"),
    Path("/usr/share/fonts/truetype/noto/NotoSansThai-Bold.ttf"),
    Path("/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc"),
    Path("/usr/share/fonts/truetype/freefont/FreeSansBold.ttf"),
)
"""Tried in this order, where installed, for scripts that the bundled font lacks."""

LARGEST_PX: Final = 60
SMALLEST_PX: Final = 14
_STEP_PX: Final = 2
INK: Final = (28, 28, 30, 255)
_NOWHERE: Final = "\U000f8ffe"  # a private character that no font draws


@dataclass(frozen=True)
class Caption:
    """A laid-out caption: `picture` is HxWx4, cut to its ink and stroke."""

    picture: RGBA
    lines: tuple[str, ...]
    font_px: int


def layout(text: str, *, max_wh: tuple[int, int], stroke_colour: tuple[int, int, int] = (255, 255, 255)) -> Caption | None:
    """`text` in the largest letters that fit into `max_wh` px; None for empty text.

    Raises `InputError` for characters that no font here draws, and for text that is too long even in the smallest letters.
    """
    clean = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    if not clean:
        return None
    font_path = _font_for(clean)
    for size in range(LARGEST_PX, SMALLEST_PX - 1, -_STEP_PX):
        font, stroke = _font(font_path, size), max(2, round(size / 9))
        lines = _wrap(clean, font, max_wh[0] - 2 * stroke)
        too_tall = _step_px(size, stroke) * (len(lines) - 1) + size // 2 > max_wh[1]
        if too_tall or (_breaks_words(lines, clean) and size > 2 * SMALLEST_PX):
            continue
        picture = _draw(_balanced(lines, font), font, stroke, stroke_colour)
        if picture.shape[1] <= max_wh[0] and picture.shape[0] <= max_wh[1]:
            return Caption(picture, _balanced(lines, font), size)
    raise InputError(f"caption: expected text that fits in {max_wh[0]}x{max_wh[1]} px, got {len(clean)} characters; shorten it")


def _step_px(size_px: int, stroke_px: int) -> int:
    return round(size_px * 1.08) + stroke_px


@lru_cache(maxsize=64)
def _font(path: Path, size_px: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(path), size_px)


def _font_for(text: str) -> Path:
    missing: dict[Path, str] = {}
    for path in (BUNDLED, *(path for path in OTHER_FONTS if path.is_file())):
        missing[path] = "".join(sorted(set(_undrawable(text, path))))
        if not missing[path]:
            return path
    raise InputError(f"caption: expected characters that an installed font draws, got {missing[BUNDLED]!r}; leave them out")


def _undrawable(text: str, path: Path) -> Iterator[str]:
    font = _font(path, 24)
    nothing = bytes(font.getmask(_NOWHERE))
    return (character for character in text if not character.isspace() and bytes(font.getmask(character)) == nothing)


def _wrap(text: str, font: ImageFont.FreeTypeFont, width_px: int) -> tuple[str, ...]:
    """Greedy lines; a word wider than a line is broken between characters."""
    lines: list[str] = []
    for word in text.split(" "):
        joined = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(joined) <= width_px:
            lines[-1] = joined
        else:
            lines.extend(_pieces(word, font, width_px))
    return tuple(lines)


def _pieces(word: str, font: ImageFont.FreeTypeFont, width_px: int) -> Iterator[str]:
    while font.getlength(word) > width_px and len(word) > 1:
        end = next(count for count in range(1, len(word)) if count + 1 == len(word) or font.getlength(word[: count + 1]) > width_px)
        yield word[:end]
        word = word[end:]
    yield word


def _balanced(lines: tuple[str, ...], font: ImageFont.FreeTypeFont) -> tuple[str, ...]:
    """As many lines, the longest as short as can be: `Happy birthday / Sylvie` looks better than `Happy / birthday Sylvie`."""
    text, best = " ".join(lines), lines
    widest = round(max(font.getlength(line) for line in lines))
    for width in range(widest, widest // 2, -8):
        tried = _wrap(text, font, width)
        if len(tried) > len(lines) or " ".join(tried) != text:
            break
        best = tried
    return best


def _breaks_words(lines: tuple[str, ...], text: str) -> bool:
    return " ".join(lines) != text


def _draw(lines: tuple[str, ...], font: ImageFont.FreeTypeFont, stroke_px: int, stroke_colour: tuple[int, int, int]) -> RGBA:
    """The lines centred, ink over stroke, cut to what is drawn: nothing can be clipped, whatever a font's glyphs overhang.

    Line by line, on baselines of our own: Pillow spaces the lines of stroked text further apart than those of plain text.
    """
    pad = stroke_px + round(font.size)
    step = _step_px(round(font.size), stroke_px)
    size = (round(max(font.getlength(line) for line in lines)) + 2 * pad, step * (len(lines) - 1) + 2 * pad + round(font.size))
    stroke, ink = Image.new("L", size, 0), Image.new("L", size, 0)
    for layer, width in ((stroke, stroke_px), (ink, 0)):
        for number, line in enumerate(lines):
            baseline = (size[0] / 2, pad + round(font.size) + number * step)
            ImageDraw.Draw(layer).text(baseline, line, fill=255, font=font, anchor="ms", stroke_width=width)
    picture = Image.new("RGBA", size, (*stroke_colour, 0))
    picture.paste(Image.new("RGBA", size, INK), (0, 0), ink)
    picture.putalpha(ImageChops.lighter(stroke, ink))
    return np.asarray(picture.crop(stroke.getbbox() or (0, 0, *size)))
