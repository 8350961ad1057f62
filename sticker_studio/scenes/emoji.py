"""Colour-emoji glyphs as cartoon subjects, where the system has Noto Color Emoji."""

import logging
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from sticker_studio.types import SubjectClass

FONT: Final = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")
SIDE_PX: Final = 109
"""The only size in which the font's bitmaps come."""

GLYPHS: Final[dict[SubjectClass, str]] = {
    "animal": "🐶🐱🐭🐹🐰🦊🐻🐼🐨🐯🦁🐮🐷🐸🐵🐔🐧🐦🐤🦆🦅🦉🐺🐗🐴🦄🐝🐛🦋🐌🐞🐢🐍🐙🦑🦐🦀🐡🐠🐟🐬🐳🐊🐅🐆🦓🦍🐘🦛🦏🐪🦒🐃🐎🐖🐑🐐🦌🐕🐩🐈🐓🦃🦚🦜🦢🐇🐁🐿🦔🐉🐲",
    "person": "👶👦👧👨👩👴👵👮💂👷🤴👸🧙🧚🧛🧜🧝💃🕺🏃🧍🧎🏄🚴🤸🧗🥷🦸🦹🎅🤶👼🙋💁🙅🤷",
    "object": "🍎🍊🍋🍌🍉🍇🍓🍒🍍🥝🍅🍆🥑🌽🥕🍞🧀🍔🍟🍕🌭🍣🍩🎂🍭☕🍺🚗🚕🚌🚑🚒🚜🚲🛵🚀🚁⛵🚂🎈🎁🎸🎺🥁⚽🏀🎾🎮📷📺💡🔑🎒👑👒👟🧸🪀🌵🌻🌷🍄⏰☂🤖👻👾🎃",
}


def available() -> bool:
    """Whether the font is here; without it, families of glyphs fall back on drawn animals and objects, and a warning says so."""
    found = FONT.is_file()
    if not found:
        _say_missing()
    return found


@lru_cache(maxsize=1)
def _say_missing() -> None:
    logging.getLogger(__name__).warning("no emoji font at %s: drawn animals and objects stand in; install fonts-noto-color-emoji for glyphs", FONT)


@lru_cache(maxsize=1)
def _font() -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(FONT), SIDE_PX)


@lru_cache(maxsize=512)
def glyph(character: str) -> npt.NDArray[np.uint8]:
    """HxWx4 straight-alpha picture of `character`, cut to what it covers."""
    image = Image.new("RGBA", (SIDE_PX * 2, SIDE_PX * 2), (0, 0, 0, 0))
    ImageDraw.Draw(image).text((SIDE_PX // 3, SIDE_PX // 3), character, font=_font(), embedded_color=True)
    box = image.getbbox()
    return np.asarray(image.crop(box) if box else image)
