"""A line of text to placed glyphs: fonts for each character, writing direction, and HarfBuzz for ligatures, joined forms and marks."""

import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Final

import regex  # type: ignore[import-untyped]
import uharfbuzz as hb  # type: ignore[import-untyped]
from bidi import algorithm  # type: ignore[import-untyped]

from serving import fonts
from serving.fonts import FontFile, FontName
from sticker_studio.errors import InputError

_GRAPHEME: Final = regex.compile(r"\X")
_EMOJI: Final = regex.compile(r"\p{Emoji_Presentation}|\p{Regional_Indicator}|\p{Emoji_Modifier}|\uFE0F|\u20E3")
_PICTOGRAPH: Final = regex.compile(r"\p{Extended_Pictographic}")
_UNDRAWN: Final = regex.compile(r"\p{Default_Ignorable_Code_Point}")
_EAST_ASIAN: Final = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Bopomofo}\u3000-\u30FF\uFF00-\uFFEF]")
_RIGHT_TO_LEFT: Final = regex.compile(r"[\p{bidi_class=R}\p{bidi_class=AL}\p{bidi_class=AN}]")
_LANGUAGES: Final = ((regex.compile(r"[\p{Hiragana}\p{Katakana}]"), "ja"), (regex.compile(r"\p{Hangul}"), "ko"), (regex.compile(r"\p{Han}"), "zh-hans"))
_TEXT_STYLE: Final = "\ufe0e"
_EMOJI_GAP_EM: Final = 0.08
"""Emoji fill their whole width; in a row they would touch."""


@dataclass(frozen=True)
class Glyph:
    """A glyph of a font at `x`, `y` (up) of its line, in em."""

    font: FontFile
    number: int
    x: float
    y: float


@dataclass(frozen=True)
class Line:
    """Glyphs from left to right, the pen's way along them, and the box of their ink around the baseline; all in em, y up."""

    text: str
    glyphs: tuple[Glyph, ...]
    advance: float
    left: float
    right: float
    bottom: float
    top: float


def graphemes(text: str) -> list[str]:
    """What a reader calls characters: letters with their marks, whole emoji sequences."""
    return list(_GRAPHEME.findall(text))


def is_right_to_left(text: str) -> bool:
    """Whether the first strong character is of a script that runs to the left."""
    return next((kind != "L" for kind in map(unicodedata.bidirectional, text) if kind in ("L", "R", "AL")), False)


def check_drawable(text: str, name: FontName) -> None:
    """Raises `InputError` that names the characters which no font here draws."""
    missing = sorted({grapheme for grapheme, font in zip(graphemes(text), fonts_of(text, name), strict=True) if font is None})
    if missing:
        raise InputError(f"caption: expected characters that the fonts here draw, got {' '.join(missing)!r}; leave them out")


@lru_cache(maxsize=1024)
def shaped(text: str, name: FontName, *, right_to_left: bool = False) -> Line:
    """One line, shaped; `right_to_left` is the direction of its paragraph. Characters without a font are left out (`check_drawable`)."""
    language = next((code for pattern, code in _LANGUAGES if pattern.search(text)), "und")
    pen = 0.0
    glyphs: list[Glyph] = []
    for run, font, level in _runs(text, name, right_to_left=right_to_left):
        placed, advance = _shaped_run(run, font, language, right_to_left=level % 2 == 1)
        glyphs.extend(Glyph(font, number, pen + x, y) for number, x, y in placed)
        pen += advance
    boxes = [_ink_box(glyph) for glyph in glyphs]
    inked = [box for box in boxes if box[0] < box[2]] or [(0.0, 0.0, pen, 0.0)]
    left, bottom, right, top = (pick(box[side] for box in inked) for side, pick in enumerate((min, min, max, max)))
    return Line(text, tuple(glyphs), pen, left, right, bottom, top)


# --- which font


def fonts_of(text: str, name: FontName) -> list[FontFile | None]:
    """The font of each grapheme; None where none has it.

    A word is set in one font where one has all of it, for joined letters of two fonts do not join. Spaces go with the word before them.
    """
    found: list[FontFile | None] = []
    for kind, group in groupby(graphemes(text), _kind):
        part = list(group)
        if kind == "space":
            found.extend([found[-1] if found and found[-1] not in (None, fonts.EMOJI) else fonts.DISPLAY[name]] * len(part))
        elif kind == "emoji":
            found.extend(fonts.EMOJI if _drawn_by(fonts.EMOJI, grapheme) else _first(grapheme, name) for grapheme in part)
        else:
            whole = next((font for font in fonts.candidates(name) if font != fonts.EMOJI and all(_drawn_by(font, each) for each in part)), None)
            found.extend([whole] * len(part) if whole else [_first(grapheme, name) for grapheme in part])
    return found


def _kind(grapheme: str) -> str:
    if grapheme.isspace():
        return "space"
    if _TEXT_STYLE not in grapheme and (_EMOJI.search(grapheme) or (_PICTOGRAPH.match(grapheme) and grapheme not in "©®™")):
        return "emoji"
    return "east-asian" if _EAST_ASIAN.match(grapheme) else "letters"


def _drawn_by(font: FontFile, grapheme: str) -> bool:
    return all(fonts.covers(font, character) for character in grapheme if not _UNDRAWN.match(character))


def _first(grapheme: str, name: FontName) -> FontFile | None:
    return next((font for font in fonts.candidates(name) if font != fonts.EMOJI and _drawn_by(font, grapheme)), None)


# --- in which order


def _runs(text: str, name: FontName, *, right_to_left: bool) -> list[tuple[str, FontFile, int]]:
    """Stretches of one font and one direction, from left to right, with their bidi levels (odd: to the left)."""
    levels, start, units = _levels(text, right_to_left=right_to_left), 0, []
    for grapheme, font in zip(graphemes(text), fonts_of(text, name), strict=True):
        if font is not None:
            units.append((grapheme, font, levels[start]))
        start += len(grapheme)
    grouped = [("".join(unit[0] for unit in group), *key) for key, group in groupby(units, lambda unit: (unit[1], unit[2]))]
    return _visual(grouped)


def _visual(runs: list[tuple[str, FontFile, int]]) -> list[tuple[str, FontFile, int]]:
    """Rule L2 of Unicode's bidi algorithm: from the highest level down to 1, turn round what is at that level or above."""
    for level in range(max((run[2] for run in runs), default=0), 0, -1):
        runs = [run for high, stretch in _stretches(runs, level) for run in (reversed(stretch) if high else stretch)]
    return runs


def _stretches(runs: list[tuple[str, FontFile, int]], level: int) -> list[tuple[bool, list[tuple[str, FontFile, int]]]]:
    return [(high, list(group)) for high, group in groupby(runs, lambda run: run[2] >= level)]


def _levels(text: str, *, right_to_left: bool) -> list[int]:
    """The bidi embedding level of each character (Unicode Standard Annex 9, by python-bidi's steps before its reordering)."""
    base = int(right_to_left)
    if not right_to_left and not _RIGHT_TO_LEFT.search(text):
        return [0] * len(text)
    storage = algorithm.get_empty_storage()
    storage["base_level"], storage["base_dir"] = base, "LR"[base]
    algorithm.get_embedding_levels(text, storage)
    for index, character in enumerate(storage["chars"]):
        character["index"] = index
    algorithm.explicit_embed_and_overrides(storage)
    for resolve in (algorithm.resolve_weak_types, algorithm.resolve_neutral_types, algorithm.resolve_implicit_levels):
        resolve(storage, False)
    levels = [base] * len(text)
    for character in storage["chars"]:
        levels[character["index"]] = character["level"]
    return levels


# --- which glyphs


def _shaped_run(text: str, file: FontFile, language: str, *, right_to_left: bool) -> tuple[list[tuple[int, float, float]], float]:
    """Glyph numbers with their places, and the advance of them all; in em."""
    font, buffer = fonts.opened(file), hb.Buffer()
    buffer.add_str(text)
    buffer.direction = "rtl" if right_to_left else "ltr"
    buffer.language = language
    buffer.guess_segment_properties()
    hb.shape(font, buffer)
    em, pen, placed, gap = font.face.upem, 0.0, [], _EMOJI_GAP_EM if file == fonts.EMOJI else 0.0
    for info, position in zip(buffer.glyph_infos, buffer.glyph_positions, strict=True):
        placed.append((info.codepoint, pen + gap / 2 + position.x_offset / em, position.y_offset / em))
        pen += position.x_advance / em + gap
    return placed, pen


def _ink_box(glyph: Glyph) -> tuple[float, float, float, float]:
    left, bottom, right, top = _glyph_box(glyph.font, glyph.number)
    return glyph.x + left, glyph.y + bottom, glyph.x + right, glyph.y + top


@lru_cache(maxsize=4096)
def _glyph_box(file: FontFile, number: int) -> tuple[float, float, float, float]:
    font = fonts.opened(file)
    extents, em = font.get_glyph_extents(number), font.face.upem
    if extents is None:
        return 0.0, 0.0, 0.0, 0.0
    return extents.x_bearing / em, (extents.y_bearing + extents.height) / em, (extents.x_bearing + extents.width) / em, extents.y_bearing / em
