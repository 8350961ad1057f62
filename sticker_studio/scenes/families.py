"""Families: recipes of subjects, drawing manner and backgrounds. Each belongs to one split, so that no split sees another's."""

from dataclasses import dataclass, replace
from typing import Final, Literal, get_args

from sticker_studio.scenes.layer import Shading
from sticker_studio.scenes.people import ARMS, HATS, Look
from sticker_studio.types import Style

Split = Literal["factory", "board", "golden", "audit"]
SPLITS: Final[tuple[Split, ...]] = get_args(Split)


@dataclass(frozen=True, kw_only=True)
class Family:
    """One recipe. `subjects` are "person", "glyph:animal", "glyph:object", "glyph:person" or a kind of `animals.KINDS` / `things.KINDS`."""

    name: str
    style: Style
    split: Split
    subjects: tuple[str, ...]
    backgrounds: tuple[str, ...]
    look: Look
    line: tuple[float, float] = (0.03, 0.09)
    """Outline width in subject units, from and to; drawn only."""
    line_chance: float = 0.9
    tint: tuple[float, float] = (0.0, 1.0)
    shadings: tuple[Shading, ...] = ("cel", "cel", "soft", "flat")
    weight: float = 1.0


_FACTORY_LOOK: Final = Look(
    back_hair=("none", "short", "bob", "long", "spiky", "ponytail", "twintails"),
    fringes=("straight", "swept", "spiky", "curtain", "parted"),
    tops=("shirt", "blazer", "hoodie", "tunic", "puff", "coat", "tank"),
    bottoms=("skirt", "trousers", "shorts", "dress"),
    arms=("down", "hips", "wave", "folded", "behind", "reach"),
    hats=("band", "bow", "cap", "witch", "ears", "headphones", "flower"),
)
_BOARD_LOOK: Final = replace(
    _FACTORY_LOOK,
    back_hair=("braids", "buns", "wavy"),
    fringes=("curls", "curtain"),
    tops=("sailor", "kimono", "puff"),
    bottoms=("gown", "skirt"),
    hats=("beret", "straw", "bow"),
    arms=ARMS,
)
_GOLDEN_LOOK: Final = replace(
    _FACTORY_LOOK,
    back_hair=("drills", "puffy", "hime"),
    fringes=("hime", "swept"),
    tops=("armour", "shirt", "coat"),
    bottoms=("wrap", "dress"),
    hats=("crown", "hood", "ears"),
    arms=ARMS,
)
_AUDIT_LOOK: Final = replace(
    _FACTORY_LOOK,
    back_hair=("sidetail", "wavy", "short"),
    fringes=("slick", "curls"),
    tops=("sailor", "tank", "armour"),
    bottoms=("shorts", "wrap"),
    hats=("horns", "beret", "flower"),
    arms=ARMS,
)
_PAINTED: Final = (
    "gradient",
    "wallpaper",
    "painted",
    "meadow",
    "forest",
    "street",
    "room",
    "classroom",
    "bokeh",
    "park",
    "hall",
    "road",
    "buildings-photo",
    "room-photo",
    "foliage",
    "clutter",
)
_REAL: Final = replace(
    _FACTORY_LOOK, real=True, heads=(6.4, 7.6), hats=("cap", "hood", "band"), hat_chance=0.2, tops=("shirt", "hoodie", "tunic", "coat", "tank", "blazer")
)
_PHOTOS: Final = (
    "texture",
    "floor-and-wall",
    "field-photo",
    "foliage",
    "clutter",
    "buildings-photo",
    "room-photo",
    "tabletop",
    "brick",
    "fence",
    "open-sky",
    "bokeh",
)


def _anime(name: str, split: Split, subjects: tuple[str, ...], backgrounds: tuple[str, ...], look: Look, **rest: object) -> Family:
    return replace(Family(name=name, style="anime", split=split, subjects=subjects, backgrounds=backgrounds, look=look), **rest)  # type: ignore[arg-type]


def _normal(name: str, split: Split, subjects: tuple[str, ...], backgrounds: tuple[str, ...], look: Look = _REAL, **rest: object) -> Family:
    made = Family(name=name, style="normal", split=split, subjects=subjects, backgrounds=backgrounds, look=look, line_chance=0.0, shadings=("photo",))
    return replace(made, **rest)  # type: ignore[arg-type]


FAMILIES: Final[dict[str, Family]] = {
    family.name: family
    for family in (
        _anime("sprite-people", "factory", ("person",), _PAINTED, _FACTORY_LOOK, weight=3.0),
        _anime("fine-line-people", "factory", ("person",), _PAINTED, _FACTORY_LOOK, line=(0.015, 0.04), tint=(0.6, 1.0), weight=2.0),
        _anime("chibi-people", "factory", ("person",), _PAINTED, replace(_FACTORY_LOOK, heads=(2.4, 3.4), eye=(1.0, 1.6)), line=(0.04, 0.1)),
        _anime("lineless-people", "factory", ("person",), _PAINTED, _FACTORY_LOOK, line_chance=0.0, weight=0.7),
        _anime("mascots", "factory", ("mascot", "monster", "ghost", "hamster", "robot"), _PAINTED, _FACTORY_LOOK, line=(0.04, 0.14), tint=(0.0, 0.6), weight=2.0),
        _anime("sitting-animals", "factory", ("cat", "bear", "puppy", "mouse", "owl", "monkey"), _PAINTED, _FACTORY_LOOK, weight=1.5),
        _anime("side-animals", "factory", ("dog", "cat-side", "horse", "cow", "bear-side", "pig", "deer", "bird", "bird-flying", "fish"), _PAINTED, _FACTORY_LOOK),
        _anime("crawlers", "factory", ("turtle", "butterfly", "snake"), _PAINTED, _FACTORY_LOOK, weight=0.4),
        _anime("drawn-things", "factory", ("mug", "ball", "parcel", "book", "lamp", "plant", "car", "boat", "cake", "bowl", "chair", "clock", "umbrella", "balloon", "bag", "bicycle"), _PAINTED, _FACTORY_LOOK, weight=1.2),
        _anime("glyphs", "factory", ("glyph:animal", "glyph:animal", "glyph:object", "glyph:person"), _PAINTED, _FACTORY_LOOK, weight=1.5),
        _anime("braids-by-the-sea", "board", ("person",), ("beach", "water"), _BOARD_LOOK, line=(0.03, 0.07), weight=2.0),
        _anime("library-people", "board", ("person",), ("library", "cafe"), _BOARD_LOOK, line=(0.02, 0.05), tint=(0.5, 1.0), weight=2.0),
        _anime("burrow-animals", "board", ("rabbit", "fox", "penguin"), ("beach", "cafe", "water"), _BOARD_LOOK, weight=1.5),
        _anime("toy-shop", "board", ("guitar", "rocket", "alien"), ("library", "cafe"), _BOARD_LOOK, weight=0.7),
        _anime("court-people", "golden", ("person",), ("mountains", "night"), _GOLDEN_LOOK, weight=2.0),
        _anime("pond-animals", "golden", ("frog", "elephant", "sheep", "crab"), ("mountains", "night"), _GOLDEN_LOOK),
        _anime("harvest-things", "golden", ("fruit", "bottle"), ("mountains", "night"), _GOLDEN_LOOK, weight=0.4),
        _anime("cave-people", "audit", ("person",), ("cave",), _AUDIT_LOOK, weight=2.0),
        _anime("cave-animals", "audit", ("dragon", "snail", "giraffe", "zebra", "wader"), ("cave",), _AUDIT_LOOK),
        _normal("photo-people", "factory", ("person",), _PHOTOS, _REAL, weight=2.0),
        _normal("photo-animals", "factory", ("dog", "cat-side", "horse", "cow", "bear-side", "pig", "deer", "bird", "cat", "bear", "puppy", "snake", "turtle"), _PHOTOS, weight=2.0),
        _normal("photo-vehicles", "factory", ("car", "boat", "bicycle"), _PHOTOS),
        _normal("photo-table", "factory", ("mug", "bowl", "cake", "bag", "book", "ball", "clock", "parcel", "sign"), _PHOTOS, weight=1.5),
        _normal("photo-furniture", "factory", ("chair", "lamp", "plant", "umbrella"), _PHOTOS),
        _normal("shore-people", "board", ("person",), ("water", "beach"), replace(_REAL, back_hair=("wavy", "buns", "braids"), fringes=("parted",), tops=("puff", "tank"), hats=("straw", "beret")), weight=1.5),
        _normal("shore-animals", "board", ("sheep", "fox", "penguin", "elephant"), ("water", "beach", "field-photo"), weight=1.5),
        _normal("desk-things", "board", ("laptop", "bottle", "guitar"), ("library", "clutter")),
        _normal("highland-animals", "golden", ("giraffe", "zebra", "rabbit", "wader"), ("mountains", "texture"), weight=1.5),
        _normal("highland-people", "golden", ("person",), ("mountains", "night"), replace(_REAL, back_hair=("hime", "puffy"), hats=("hood",), tops=("armour", "coat"))),
        _normal("market-things", "golden", ("fruit", "rocket"), ("mountains", "floor-and-wall")),
        _normal("hall-animals", "audit", ("monkey", "crab", "snail", "fish", "hamster"), ("cave",), weight=1.5),
        _normal("hall-people", "audit", ("person",), ("cave", "cafe"), replace(_REAL, back_hair=("sidetail", "none"), fringes=("slick",), hats=("beret",))),
        _normal("hall-things", "audit", ("robot", "balloon"), ("cave", "cafe")),
    )
}  # fmt: skip
"""All families by name."""

ALL_HATS: Final = HATS
