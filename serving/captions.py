"""Captions: the largest letters that fit, in any script and with colour emoji, wrapped, straight or on an arc, outlined, and never clipped."""

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import accumulate, pairwise
from math import ceil, cos, sin
from typing import Final, Literal

import budoux
import cv2
import numpy as np
import regex  # type: ignore[import-untyped]
import uharfbuzz as hb  # type: ignore[import-untyped]

from serving import fonts, shaping
from serving.fonts import FontName
from serving.shaping import Line
from sticker_studio.errors import InputError
from sticker_studio.types import RGBA, Alpha

Colour = tuple[int, int, int]
Bend = Literal["straight", "hill", "valley"]
"""Straight, or on an arc: the middle highest (`hill`) or lowest (`valley`)."""

_STEP_PX: Final = 2
_LARGEST: Final = 0.55
_SMALLEST: Final = 0.09
"""Size of the largest and the smallest letters as shares of the height that a caption may have."""
_LEAST_PX: Final = 9
_FEWER_LINES: Final = ((1, 0.27), (2, 0.2))
"""Fewer lines are better, as long as the letters are at least so large (share of the height): the subject keeps more room."""
_FINE: Final = 2
"""Drawn at twice the size and averaged."""
_ARC_RAD: Final = 1.15
_ARC_FULL_EM: Final = 5.0
"""Text of that length or longer goes along the whole arc; shorter text along a part of it, so that short words do not lean."""

WHITE: Final = (255, 255, 255)
INK: Final = (28, 28, 30)
BLACK: Final = (0, 0, 0)
LEGIBLE: Final = 3.0
"""Contrast ratio of letters and their outline (WCAG 2.2, 1.4.3, large text)."""
VISIBLE: Final = 3.0
"""Contrast ratio of the outline and what is under it (WCAG 2.2, 1.4.11)."""

_NOTHING: Final = regex.compile(r"[\p{Default_Ignorable_Code_Point}\s]*")
_DIRECTIONS: Final = regex.compile(r"[\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069]")
_UNSPACED: Final = (
    (regex.compile(r"[\p{Hiragana}\p{Katakana}]"), budoux.load_default_japanese_parser),
    (regex.compile(r"\p{Han}"), budoux.load_default_simplified_chinese_parser),
    (regex.compile(r"\p{Thai}"), budoux.load_default_thai_parser),
)
"""Scripts without spaces between words, and what finds the words (kana first: Japanese has Han characters too)."""
_SPACED_LETTERS: Final = regex.compile(r"[[\p{L}\p{N}]--[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]]{2}", regex.VERSION1)


@dataclass(frozen=True)
class Caption:
    """A laid-out caption without its colours: coverage (HxW) of the letters and of letters with outline, and the emoji (HxWx4)."""

    letters: Alpha
    emoji: RGBA
    outlined: Alpha
    lines: tuple[str, ...]
    font_px: int

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height in px, cut to the outline."""
        return self.letters.shape[1], self.letters.shape[0]


@lru_cache(maxsize=4)
def layout(text: str, *, max_wh: tuple[int, int], font: FontName = "rubik", bend: Bend = "straight") -> Caption | None:
    """`text` in the largest letters that fit into `max_wh` px; None for text of which nothing would be seen.

    Kept for the next frame or preview: not to be written to. Raises `InputError` for characters that no font here draws, and for text that is too
    long even in the smallest letters.
    """
    clean = cleaned(text)
    if not clean:
        return None
    shaping.check_drawable(clean, font)
    words, to_left = _words(clean), shaping.is_right_to_left(clean)
    smallest = max(_LEAST_PX, round(_SMALLEST * max_wh[1]))
    for most_lines, least in (*_FEWER_LINES, (len(clean), 0.0)):
        for size in range(int(_LARGEST * max_wh[1]), max(smallest, ceil(least * max_wh[1])) - 1, -_STEP_PX):
            wrapped = _wrap(words, font, (max_wh[0] - 2 * _stroke_px(size)) / size)
            if len(wrapped.lines) > most_lines or (wrapped.broken and size > 2 * smallest):
                continue
            block = _block(_balanced(wrapped, words, font), font, size, bend, right_to_left=to_left)
            if block.size_wh[0] <= max_wh[0] and block.size_wh[1] <= max_wh[1]:
                drawn = _drawn(block)
                return drawn if drawn.outlined.size else None  # a font may draw nothing: U+2800, a Braille pattern without dots
    raise InputError(f"caption: expected text that fits in {max_wh[0]}x{max_wh[1]} px, got {len(clean)} characters; shorten it")


def cleaned(text: str) -> str:
    """One line in composed characters, without control characters; empty where nothing would be seen."""
    composed = _DIRECTIONS.sub("", unicodedata.normalize("NFC", text))
    kept = "".join(" " if unicodedata.category(each) in ("Cc", "Zl", "Zp") else each for each in composed)
    return "" if _NOTHING.fullmatch(kept) else " ".join(kept.split())


def paint(caption: Caption, *, ink: Colour, outline: Colour) -> RGBA:
    """The caption in its colours, HxWx4."""
    emoji = caption.emoji[..., 3:].astype(np.float32) / 255
    letters = caption.letters[..., None]
    mixed = np.asarray(ink, np.float32) * letters + np.asarray(outline, np.float32) * (1 - letters)
    mixed = caption.emoji[..., :3] * emoji + mixed * (1 - emoji)
    return np.dstack([np.rint(mixed), np.rint(caption.outlined * 255)]).astype(np.uint8)


# --- colours


def contrast(one: Colour, other: Colour) -> float:
    """Contrast ratio of two sRGB colours, 1 to 21 (WCAG 2.2)."""
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: Colour) -> float:
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in (channel / 255 for channel in colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def colours(*, ink: Colour | None, outline: Colour, under: Sequence[Colour] = ()) -> tuple[Colour, Colour]:
    """Colours of letters and outline: the wanted ones where they are legible, else the nearest change that is.

    Letters and outline have a contrast of at least `LEGIBLE`, and the outline has `VISIBLE` to every colour `under` it, where one of the tried
    outlines (the wanted one, white, black) has. An `ink` is kept; without one the letters are dark, or white where those could not be read.
    """
    pairs = [(ink or max((INK, WHITE), key=lambda each: contrast(each, edge)), edge) for edge in (outline, WHITE, INK, BLACK)]
    legible = [pair for pair in pairs if contrast(*pair) >= LEGIBLE]

    def least(pair: tuple[Colour, Colour]) -> float:
        return min([VISIBLE, *(contrast(pair[1], each) for each in under)])

    return max(legible, key=least)


# --- lines


@dataclass(frozen=True)
class _Word:
    """A piece of text that may begin a line; `spaced`: a space stands before it within a line."""

    text: str
    spaced: bool


@dataclass(frozen=True)
class _Wrapped:
    lines: tuple[str, ...]
    broken: bool


def _words(text: str) -> list[_Word]:
    return [_Word(piece, number == 0) for word in text.split(" ") for number, piece in enumerate(_pieces(word))]


def _pieces(word: str) -> list[str]:
    """Where a line may break inside a word: between the words of a script without spaces, never inside another script's word or an emoji."""
    load = next((load for script, load in _UNSPACED if script.search(word)), None)
    ends = set(accumulate(map(len, shaping.graphemes(word))))
    pieces, end = [""], 0
    for piece in _parser(load).parse(word) if load else [word]:
        if end in ends and not _SPACED_LETTERS.match(word[end - 1 : end + 1]):
            pieces.append("")
        pieces[-1] += piece
        end += len(piece)
    return pieces


@cache
def _parser(load: Callable[[], budoux.Parser]) -> budoux.Parser:
    return load()


def _advance(text: str, font: FontName) -> float:
    return shaping.shaped(text, font).advance


def _wrap(words: Sequence[_Word], font: FontName, width_em: float) -> _Wrapped:
    """Greedy lines; a word wider than a line is broken between characters."""
    lines: list[str] = []
    filled, broken = 0.0, False
    for word in words:
        gap = " " if word.spaced else ""
        wide, space = _advance(word.text, font), _advance(" ", font) if gap else 0.0
        if lines and filled + space + wide <= width_em:
            lines[-1] += gap + word.text
            filled += space + wide
            continue
        parts = [word.text] if wide <= width_em else list(_broken(word.text, font, width_em))
        broken |= len(parts) > 1
        lines.extend(parts)
        filled = _advance(parts[-1], font)
    return _Wrapped(tuple(lines), broken)


def _broken(word: str, font: FontName, width_em: float) -> Iterator[str]:
    line, filled = "", 0.0
    for grapheme in shaping.graphemes(word):
        wide = _advance(grapheme, font)
        if line and filled + wide > width_em:
            yield line
            line, filled = "", 0.0
        line, filled = line + grapheme, filled + wide
    yield line


def _balanced(wrapped: _Wrapped, words: Sequence[_Word], font: FontName) -> tuple[str, ...]:
    """As many lines, the longest as short as can be: `Happy birthday / Sylvie` looks better than `Happy / birthday Sylvie`."""
    best, widest = wrapped.lines, max(_advance(line, font) for line in wrapped.lines)
    for tenths in range(round(10 * widest), round(5 * widest), -2):
        tried = _wrap(words, font, tenths / 10)
        if len(tried.lines) > len(best) or tried.broken:
            break
        best = tried.lines
    return best


# --- geometry


@dataclass(frozen=True)
class _Block:
    """Lines under each other: `baselines_px` from the top of the ink; `ink_wh` and the finished `size_wh` in px; `turn_rad` along the arc."""

    lines: tuple[Line, ...]
    baselines_px: tuple[float, ...]
    size_px: int
    ink_wh: tuple[float, float]
    bend: Bend
    turn_rad: float
    size_wh: tuple[int, int]


def _stroke_px(size_px: int) -> int:
    return max(2, round(size_px / 9))


def _block(texts: Sequence[str], font: FontName, size_px: int, bend: Bend, *, right_to_left: bool) -> _Block:
    lines = tuple(shaping.shaped(text, font, right_to_left=right_to_left) for text in texts)
    stroke, baselines = _stroke_px(size_px), [lines[0].top * size_px]
    for above, below in pairwise(lines):
        clear_of_each_other = (below.top - above.bottom) * size_px + stroke
        baselines.append(baselines[-1] + max(1.08 * size_px + stroke, clear_of_each_other))
    width = max(line.right - line.left for line in lines) * size_px
    height = baselines[-1] - lines[-1].bottom * size_px
    turn = 0.0 if bend == "straight" else _ARC_RAD * min(1.0, width / (_ARC_FULL_EM * size_px))
    bent = _bent_wh(width, height, turn) if turn else (width, height)
    return _Block(lines, tuple(baselines), size_px, (width, height), bend, turn, (int(bent[0]) + 2 * stroke + 2, int(bent[1]) + 2 * stroke + 2))


def _bent_wh(width: float, height: float, turn_rad: float) -> tuple[float, float]:
    """Size of a strip bent around a circle whose arc in the middle of the strip is as long as the strip."""
    inner, outer = width / turn_rad - height / 2, width / turn_rad + height / 2
    return 2 * outer * sin(turn_rad / 2), outer - inner * cos(turn_rad / 2)


# --- drawing


def _drawn(block: _Block) -> Caption:
    """Letters and emoji, then the outline around both, cut to it: nothing can be clipped."""
    letters, emoji = _strip(block)
    if block.turn_rad:
        places = _bend_map(block)
        letters, emoji = _bent(letters, places), _bent(emoji, places)
    ink = np.maximum(letters, emoji[..., 3])
    distance = cv2.distanceTransform((ink < 128).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    outlined = _averaged(np.maximum(np.clip(_FINE * _stroke_px(block.size_px) + 0.5 - distance, 0, 1), ink.astype(np.float32) / 255))
    left, top, width, height = cv2.boundingRect((outlined > 0).astype(np.uint8))
    window = slice(top, top + height), slice(left, left + width)
    coverage, colours_of_emoji = _averaged(letters.astype(np.float32) / 255), _straight(_averaged(emoji.astype(np.float32)))
    return Caption(coverage[window], colours_of_emoji[window], outlined[window], tuple(line.text for line in block.lines), block.size_px)


def _strip(block: _Block) -> tuple[np.ndarray, np.ndarray]:
    """Coverage of the letters (HxW) and the emoji (HxWx4, multiplied by their alpha), `_FINE` times as large, with room for the outline."""
    room = _stroke_px(block.size_px) + 2
    width, height = (_FINE * (int(side) + 2 * room) for side in block.ink_wh)
    extents = hb.RasterExtents(0, 0, width, height, 0)
    draw, paint_colours = hb.RasterDraw(), hb.RasterPaint()
    draw.extents = paint_colours.extents = extents
    scale = _FINE * block.size_px
    for line, baseline in zip(block.lines, block.baselines_px, strict=True):
        start = _FINE * (room + (block.ink_wh[0] - (line.right - line.left) * block.size_px) / 2) - line.left * scale
        for glyph in line.glyphs:
            font, layer = fonts.opened(glyph.font), paint_colours if glyph.font == fonts.EMOJI else draw
            em = scale / font.face.upem
            layer.transform = (em, 0, 0, em, start + glyph.x * scale, height - _FINE * (room + baseline) + glyph.y * scale)
            (layer.paint_glyph if layer is paint_colours else layer.draw_glyph)(font, glyph.number)
    return _pixels(draw.render(), 1)[..., 0], _pixels(paint_colours.render(), 4)[..., [2, 1, 0, 3]]


def _pixels(image: hb.RasterImage, channels: int) -> np.ndarray:
    """HxWxC from HarfBuzz's rows, which go from the bottom up."""
    extents = image.extents
    rows = np.frombuffer(image.buffer, np.uint8).reshape(extents.height, extents.stride)[::-1, : extents.width * channels]
    return rows.reshape(extents.height, extents.width, channels)


def _bend_map(block: _Block) -> tuple[np.ndarray, np.ndarray]:
    """Where each px of the bent caption lies in its strip (x, y), `_FINE` times as large."""
    room = _stroke_px(block.size_px) + 2
    ink_width, ink_height = block.ink_wh
    radius = ink_width / block.turn_rad
    wide, high = _bent_wh(ink_width, ink_height, block.turn_rad)
    rows, columns = np.mgrid[: _FINE * (int(high) + 2 * room), : _FINE * (int(wide) + 2 * room)].astype(np.float32) / _FINE
    right, down = columns + 0.25 - room - wide / 2, rows + 0.25 - room
    if block.bend == "valley":
        down = high - down
    centre = radius + ink_height / 2
    outward = np.hypot(right, centre - down) - radius  # from the middle of the strip, away from the circle's centre
    along = np.arctan2(right, centre - down) * radius
    from_top = ink_height / 2 - outward if block.bend == "hill" else ink_height / 2 + outward
    return (_FINE * (along + ink_width / 2 + room) - 0.5).astype(np.float32), (_FINE * (from_top + room) - 0.5).astype(np.float32)


def _bent(strip: np.ndarray, places: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    return np.asarray(cv2.remap(np.ascontiguousarray(strip), *places, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0))


def _averaged(fine: np.ndarray) -> np.ndarray:
    return np.asarray(cv2.resize(fine, (fine.shape[1] // _FINE, fine.shape[0] // _FINE), interpolation=cv2.INTER_AREA))


def _straight(premultiplied: np.ndarray) -> RGBA:
    alpha = premultiplied[..., 3:]
    return np.dstack([np.rint(np.clip(premultiplied[..., :3] * 255 / np.maximum(alpha, 1), 0, 255)), np.rint(alpha)]).astype(np.uint8)
