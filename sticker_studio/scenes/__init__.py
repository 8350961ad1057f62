"""The picture generator: drawn and photo-like scenes with exact masks, seeded, in families that the splits do not share.

`draw(seed=7, style="anime", split="board")` gives the same `Scene` whenever its arguments are the same.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from sticker_studio.annotations import Instances, instance_from_mask
from sticker_studio.errors import InputError
from sticker_studio.scenes import compose
from sticker_studio.scenes.families import FAMILIES, SPLITS, Split
from sticker_studio.types import RGB, STYLES, Mask, Style, SubjectClass

__all__ = ["SPLITS", "Scene", "SceneObject", "Split", "draw", "draw_many", "families"]

EMPTY_SHARE: Final = 0.04
"""How many of the factory's pictures show no subject."""
TRIES: Final = 12


@dataclass(frozen=True, kw_only=True)
class SceneObject:
    """One subject: the HxW mask of what is in sight of it, and its class."""

    mask: Mask
    subject_class: SubjectClass


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One generated picture (HxWx3) and everything that is known about it; objects come back to front."""

    image: RGB
    objects: list[SceneObject]
    style: Style
    family: str
    seed: int

    @property
    def union(self) -> Mask:
        """HxW mask of all subjects."""
        result = np.zeros(self.image.shape[:2], bool)
        for item in self.objects:
            result |= item.mask
        return result

    def instances(self, pin_id: str) -> Instances:
        """The objects as annotations of pin `pin_id`, traced to polygons; the generator is named as teacher, score 1."""
        traced = (instance_from_mask(item.mask, subject_class=item.subject_class, score=1.0) for item in self.objects)
        height, width = self.image.shape[:2]
        return Instances(pin_id=pin_id, width=width, height=height, objects=[one for one in traced if one is not None], teacher="scenes", teacher_version="1")


def families(style: Style, split: Split) -> tuple[str, ...]:
    """Names of the families of one style and split; no name is in two splits. `InputError` for an unknown style or split."""
    if style not in STYLES or split not in SPLITS:
        raise InputError(f"expected a style of {STYLES} and a split of {SPLITS}, got {style!r} and {split!r}; name one of each")
    return tuple(name for name, family in FAMILIES.items() if family.style == style and family.split == split)


def draw(*, seed: int, style: Style, split: Split = "factory", family: str | None = None, size_wh: tuple[int, int] = (320, 256)) -> Scene:
    """One picture; the same arguments give the same pixels.

    `InputError` for a family that is not of this style and split, or a side under 32 px.
    """
    names = families(style, split)
    if family is not None and family not in names:
        raise InputError(f"expected a family of {style}/{split}: {', '.join(names)}; got {family!r}")
    if min(size_wh) < 32:
        raise InputError(f"expected sides of at least 32 px, got {size_wh[0]}x{size_wh[1]}; ask for a larger picture")
    rng = np.random.default_rng([seed, zlib.crc32(f"{style}/{split}/{family or ''}".encode())])
    weights = np.array([FAMILIES[name].weight for name in names])
    chosen = family or str(rng.choice(names, p=weights / weights.sum()))
    empty = bool(rng.random() < EMPTY_SHARE) and split == "factory"
    return _draw(rng, chosen, size_wh, seed=seed, empty=empty)


def _draw(rng: np.random.Generator, name: str, size_wh: tuple[int, int], *, seed: int, empty: bool) -> Scene:
    """Draw until the subjects cover enough to be found."""
    for _ in range(TRIES):
        image, found = compose.picture(rng, FAMILIES[name], size_wh, empty=empty)
        objects = [SceneObject(mask=mask, subject_class=kind) for mask, kind in found]
        scene = Scene(image=image, objects=objects, style=FAMILIES[name].style, family=name, seed=seed)
        if empty or scene.union.mean() >= compose.MIN_COVER:
            return scene
    raise InputError(f"family {name} put no subject in sight in {TRIES} tries at {size_wh[0]}x{size_wh[1]} px, seed {seed}; use another seed or a larger size")


def draw_many(
    count: int, *, seed: int, style: Style, split: Split = "factory", family: str | None = None, size_wh: tuple[int, int] = (320, 256)
) -> Iterator[Scene]:
    """`count` pictures; picture k is `draw(seed=seed + k, ...)`. Errors as `draw`."""
    for k in range(count):
        yield draw(seed=seed + k, style=style, split=split, family=family, size_wh=size_wh)
