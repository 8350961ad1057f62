"""Families: recipes of subjects, drawing manner and backgrounds. Each belongs to one split, so that no split sees another's."""

from dataclasses import dataclass, replace
from typing import Any, Final, Literal, get_args

from sticker_studio.scenes.layer import Shading
from sticker_studio.scenes.people import Look
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
    skins: tuple[str, ...] = ()
    """Backgrounds whose picture may be printed on subjects, so that neither texture nor smoothness tells a subject; empty for never."""
    skin_chance: float = 0.0
    weight: float = 1.0


_FACTORY_LOOK: Final = Look(
    back_hair=("none", "short", "bob", "long", "long", "spiky", "ponytail", "twintails"),
    fringes=("straight", "swept", "spiky", "curtain", "parted"),
    tops=("shirt", "blazer", "hoodie", "tunic", "puff", "coat", "tank"),
    bottoms=("skirt", "trousers", "shorts", "dress"),
    hats=("band", "bow", "cap", "witch", "ears", "headphones", "flower"),
    extras=("cape", "sash", "tail", "pack"),
)
_BOARD_LOOK: Final = replace(
    _FACTORY_LOOK,
    back_hair=("braids", "buns", "wavy"),
    fringes=("curls", "curtain"),
    tops=("sailor", "kimono", "puff"),
    bottoms=("gown", "skirt"),
    hats=("beret", "straw", "bow"),
    extras=("wings", "sash"),
)
_GOLDEN_LOOK: Final = replace(
    _FACTORY_LOOK,
    back_hair=("drills", "puffy", "hime"),
    fringes=("hime", "swept"),
    tops=("armour", "shirt", "coat"),
    bottoms=("wrap", "dress"),
    hats=("crown", "hood", "ears"),
    extras=("cape", "wings"),
)
_AUDIT_LOOK: Final = replace(
    _FACTORY_LOOK,
    back_hair=("sidetail", "wavy", "short"),
    fringes=("slick", "curls"),
    tops=("sailor", "tank", "armour"),
    bottoms=("shorts", "wrap"),
    hats=("horns", "beret", "flower"),
    extras=("tail", "pack"),
)
_REAL: Final = replace(
    _FACTORY_LOOK,
    real=True,
    heads=(6.4, 7.6),
    back_hair=("none", "none", "short", "bob", "long", "ponytail"),
    fringes=("straight", "swept", "parted", "slick"),
    tops=("shirt", "hoodie", "tunic", "coat", "tank", "blazer"),
    bottoms=("trousers", "trousers", "shorts", "skirt", "dress"),
    hats=("cap", "hood", "band"),
    hat_chance=0.2,
    extras=("pack",),
    extra_chance=0.1,
)

_PAINTED: Final = (
    *("gradient", "wallpaper", "painted", "meadow", "meadow", "forest", "street", "street", "room", "room", "classroom", "bokeh"),
    *("park", "hall", "road", "buildings-photo", "room-photo", "foliage", "clutter"),
)
_PHOTOS: Final = (
    *("texture", "floor-and-wall", "field-photo", "field-photo", "foliage", "clutter", "buildings-photo", "room-photo"),
    *("tabletop", "brick", "fence", "open-sky", "bokeh"),
)
_SKINS: Final = ("texture", "texture", "clutter", "foliage", "wallpaper", "brick", "buildings-photo", "painted", "field-photo")
_SIDE_ANIMALS: Final = ("dog", "cat-side", "horse", "cow", "bear-side", "pig", "deer", "bird", "bird-flying", "fish")
_SITTING_ANIMALS: Final = ("cat", "bear", "puppy", "mouse", "owl", "monkey")
_TABLE_THINGS: Final = ("mug", "ball", "parcel", "book", "cake", "bowl", "clock", "bag", "pizza", "sandwich", "teapot", "shoe", "donut")
_LARGE_THINGS: Final = ("lamp", "plant", "chair", "umbrella", "balloon", "bench", "suitcase", "hydrant", "traffic-light", "sign")
_VEHICLES: Final = ("car", "car", "boat", "bicycle", "train", "plane", "skateboard")


def _anime(name: str, split: Split, subjects: tuple[str, ...], backgrounds: tuple[str, ...], look: Look, **rest: object) -> Family:
    return replace(Family(name=name, style="anime", split=split, subjects=subjects, backgrounds=backgrounds, look=look), **rest)  # type: ignore[arg-type]


def _normal(name: str, split: Split, subjects: tuple[str, ...], backgrounds: tuple[str, ...], look: Look = _REAL, **rest: object) -> Family:
    made = Family(name=name, style="normal", split=split, subjects=subjects, backgrounds=backgrounds, look=look, line_chance=0.0, shadings=("photo",))
    return replace(made, **rest)  # type: ignore[arg-type]


def _factory() -> tuple[Family, ...]:
    """Everything that factory training may see."""
    look, painted, photos = _FACTORY_LOOK, _PAINTED, _PHOTOS
    printed: dict[str, Any] = {"skins": _SKINS, "skin_chance": 0.35}
    things = (*_TABLE_THINGS, *_LARGE_THINGS, *_VEHICLES)
    return (
        _anime("sprite-people", "factory", ("person",), painted, look, weight=3.0),
        _anime("fine-line-people", "factory", ("person",), painted, look, line=(0.015, 0.04), tint=(0.6, 1.0), weight=3.0),
        _anime("chibi-people", "factory", ("person",), painted, replace(look, heads=(2.4, 3.4), eye=(1.0, 1.6)), line=(0.04, 0.1)),
        _anime("lineless-people", "factory", ("person",), painted, look, line_chance=0.0, weight=0.7),
        _anime("mascots", "factory", ("mascot", "monster", "ghost", "hamster", "robot"), painted, look, line=(0.03, 0.12), tint=(0.0, 0.6), weight=2.5),
        _anime("sitting-animals", "factory", _SITTING_ANIMALS, painted, look, weight=1.5),
        _anime("side-animals", "factory", _SIDE_ANIMALS, painted, look),
        _anime("crawlers", "factory", ("turtle", "butterfly", "snake"), painted, look, weight=0.4),
        _anime("drawn-things", "factory", things, painted, look, weight=1.2),
        _anime("drawn-oddments", "factory", ("oddment",), painted, look, **printed, weight=0.5),
        _anime("glyphs", "factory", ("glyph:animal", "glyph:animal", "glyph:object", "glyph:person"), painted, look, weight=1.5),
        _normal("photo-people", "factory", ("person",), photos, **printed, weight=2.5),
        _normal("photo-animals", "factory", (*_SIDE_ANIMALS, *_SITTING_ANIMALS, "snake", "turtle"), photos, **printed, weight=2.5),
        _normal("photo-vehicles", "factory", _VEHICLES, photos, **printed, weight=1.5),
        _normal("photo-table", "factory", _TABLE_THINGS, (*photos, "tabletop", "tabletop", "tabletop"), **printed, weight=1.5),
        _normal("photo-furniture", "factory", _LARGE_THINGS, photos, **printed, weight=1.2),
        _normal("photo-oddments", "factory", ("oddment",), photos, **printed, weight=1.5),
        _normal(
            "photo-mixed",
            "factory",
            ("person", "person", "dog", "cat-side", "horse", "ball", "bicycle", "skateboard", "chair", "bag", "umbrella"),
            photos,
            weight=1.2,
        ),
    )


def _board() -> tuple[Family, ...]:
    """What a day on the demo board brings."""
    real = replace(_REAL, back_hair=("wavy", "buns", "braids"), fringes=("parted",), tops=("puff", "tank"), hats=("straw", "beret"))
    return (
        _anime("braids-by-the-sea", "board", ("person",), ("beach", "water"), _BOARD_LOOK, line=(0.025, 0.06), weight=2.0),
        _anime("library-people", "board", ("person",), ("library", "cafe"), _BOARD_LOOK, line=(0.02, 0.05), tint=(0.5, 1.0), weight=2.0),
        _anime("burrow-animals", "board", ("rabbit", "fox", "penguin"), ("beach", "cafe", "water"), _BOARD_LOOK, weight=1.5),
        _anime("toy-shop", "board", ("guitar", "rocket", "alien"), ("library", "cafe"), _BOARD_LOOK, weight=0.7),
        _normal("shore-people", "board", ("person",), ("water", "beach"), real, weight=1.5),
        _normal("shore-animals", "board", ("sheep", "fox", "penguin", "elephant"), ("water", "beach"), weight=1.5),
        _normal("desk-things", "board", ("laptop", "bottle", "guitar"), ("library", "cafe")),
    )


def _golden() -> tuple[Family, ...]:
    """What the gate judges by."""
    real = replace(_REAL, back_hair=("hime", "puffy"), hats=("hood",), tops=("armour", "coat"))
    return (
        _anime("court-people", "golden", ("person",), ("mountains", "night"), _GOLDEN_LOOK, weight=2.0),
        _anime("pond-animals", "golden", ("frog", "elephant", "sheep", "crab"), ("mountains", "night"), _GOLDEN_LOOK),
        _anime("harvest-things", "golden", ("fruit", "bottle"), ("mountains", "night"), _GOLDEN_LOOK, weight=0.4),
        _normal("highland-animals", "golden", ("giraffe", "zebra", "rabbit", "wader"), ("mountains",), weight=1.5),
        _normal("highland-people", "golden", ("person",), ("mountains", "night"), real),
        _normal("market-things", "golden", ("fruit", "tent"), ("mountains", "night")),
    )


def _audit() -> tuple[Family, ...]:
    """What nothing but the audit reads."""
    real = replace(_REAL, back_hair=("sidetail", "none"), fringes=("slick",), hats=("beret",))
    return (
        _anime("cave-people", "audit", ("person",), ("cave",), _AUDIT_LOOK, weight=2.0),
        _anime("cave-animals", "audit", ("dragon", "snail", "giraffe", "zebra", "wader"), ("cave",), _AUDIT_LOOK),
        _normal("hall-animals", "audit", ("crab", "snail", "dragon", "hamster"), ("cave",), weight=1.5),
        _normal("hall-people", "audit", ("person",), ("cave",), real),
        _normal("hall-things", "audit", ("robot", "rocket"), ("cave",)),
    )


FAMILIES: Final[dict[str, Family]] = {family.name: family for family in (*_factory(), *_board(), *_golden(), *_audit())}
"""All families by name."""
