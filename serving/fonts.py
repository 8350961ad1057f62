"""The fonts of captions: display fonts by name, what stands in for the scripts and symbols they lack, and the emoji."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Final, Literal

import uharfbuzz as hb  # type: ignore[import-untyped]

FontName = Literal[
    "rubik", "fredoka", "bangers", "luckiest-guy", "anton", "bungee", "permanent-marker", "caveat", "pacifico", "abril-fatface", "press-start-2p"
]


@dataclass(frozen=True)
class FontFile:
    """A font inside an installed package; `weight` is set on the weight axis of a variable font."""

    package: str
    file: str
    weight: int | None = None

    @property
    def path(self) -> Path:
        """Where the file lies."""
        return Path(str(files(self.package))) / self.file


def _noto(package: str, family: str) -> FontFile:
    return FontFile(f"justmytype_{package}", f"fonts/ofl/{family.lower()}/{family}[wdth,wght].ttf", 800)


DISPLAY: Final[Mapping[FontName, FontFile]] = {
    "rubik": FontFile("serving", "fonts/Rubik-ExtraBold.ttf"),
    "fredoka": FontFile("serving", "fonts/Fredoka-Bold.ttf"),
    "bangers": FontFile("serving", "fonts/Bangers.ttf"),
    "luckiest-guy": FontFile("serving", "fonts/LuckiestGuy.ttf"),
    "anton": FontFile("serving", "fonts/Anton.ttf"),
    "bungee": FontFile("serving", "fonts/Bungee.ttf"),
    "permanent-marker": FontFile("serving", "fonts/PermanentMarker.ttf"),
    "caveat": FontFile("serving", "fonts/Caveat-Bold.ttf"),
    "pacifico": FontFile("serving", "fonts/Pacifico.ttf"),
    "abril-fatface": FontFile("serving", "fonts/AbrilFatface.ttf"),
    "press-start-2p": FontFile("serving", "fonts/PressStart2P.ttf"),
}
"""NOTICE tells their origins and licences."""

EMOJI: Final = FontFile("serving", "fonts/Twemoji.ttf")
_LETTERS: Final = (DISPLAY["rubik"], _noto("western_core", "NotoSans"))
_SCRIPTS: Final = (
    _noto("intl_rtl", "NotoSansArabic"),
    _noto("intl_rtl", "NotoSansHebrew"),
    _noto("intl_south_asia", "NotoSansDevanagari"),
    _noto("intl_south_asia", "NotoSansBengali"),
    _noto("intl_south_asia", "NotoSansTamil"),
    _noto("intl_south_asia", "NotoSansTelugu"),
    _noto("intl_sea", "NotoSansThai"),
    _noto("intl_sea", "NotoSansLao"),
    _noto("intl_sea", "NotoSansKhmer"),
    _noto("intl_sea", "NotoSansMyanmar"),
    _noto("intl_africa", "NotoSansEthiopic"),
    FontFile("noto_cjk_sans_jp_bold", "NotoSansCJKjp-Bold.otf"),
    FontFile("justmytype_western_core", "fonts/ofl/notosanssymbols2/NotoSansSymbols2-Regular.ttf"),
)


def candidates(name: FontName) -> tuple[FontFile, ...]:
    """Fonts in the order in which they are asked for a character: the chosen one, letters, emoji, further scripts, symbols."""
    return tuple(dict.fromkeys((DISPLAY[name], *_LETTERS, EMOJI, *_SCRIPTS)))


@cache
def opened(file: FontFile) -> hb.Font:
    """The font, its units being those of its design; mapped into memory once for each process."""
    font = hb.Font(hb.Face(hb.Blob.from_file_path(str(file.path))))
    if file.weight is not None:
        font.set_variations({"wght": file.weight})
    return font


@lru_cache(maxsize=4096)
def covers(file: FontFile, character: str) -> bool:
    """Whether the font has a glyph for one code point."""
    return bool(opened(file).get_nominal_glyph(ord(character)))
