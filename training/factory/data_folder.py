"""The caller's own pictures (`--data`): one sub-folder a group, with photographs and what is known in them, cut-outs with alpha, or sketches on paper.

`<group>/images/*` with `<group>/objects/<stem>.png` (an index map: i + 1 is object i) and `<stem>.json` (the objects' classes), or with
`<group>/masks/<stem>.png` (from 128 on: the one subject); `<group>/cutouts/*.png` (RGBA); `sketches/images/*`; and `<group>/SOURCE.json`, which says `what` the
group is and its `licence`, for the model cards, and may give a `weight` (1: drawn by its size) and the `kind` of its cut-outs (`drawn` or `photo`; else each
cut-out's number of colours tells).
"""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import cv2
import numpy as np
from PIL import Image

from sticker_studio import images
from sticker_studio.types import CLASSES, SubjectClass
from training.factory.compose import Scenery
from training.factory.cutouts import Cutout, few_colours, off_paper, read_rgba, tidy
from training.yolo import IndexMap

log = logging.getLogger(__name__)

SOURCE_NAME: Final = "SOURCE.json"
SKETCHES: Final = "sketches"
"""The group of drawings on white paper."""
PHOTO_PX: Final = 480
"""Longer side of the caller's photographs as they are kept."""
PHOTO_OBJECTS: Final = 8
MIN_CUT_SHARE: Final = 0.02
"""Of a photograph's area, that an object covers at least to be cut out of it."""


@dataclass(frozen=True)
class Source:
    """What a folder of the caller's pictures is, its licence, how often it is drawn beside the others, and what its cut-outs are (None: their colours tell):
    `<group>/SOURCE.json` with these fields.
    """

    what: str
    licence: str
    weight: float = 1.0
    kind: Literal["drawn", "photo"] | None = None


def sources(data: Path) -> dict[str, Source]:
    """Each group (sub-folder) of `data`, by the name that its cut-outs and photographs carry."""
    return {source_name(folder): _source_of(folder) for folder in groups(data)}


def groups(data: Path) -> list[Path]:
    """The sub-folders, sorted."""
    return sorted(path for path in data.iterdir() if path.is_dir())


def source_name(folder: Path) -> str:
    """What the pictures of a group carry as their source."""
    return f"data: {folder.name}"


def _source_of(folder: Path) -> Source:
    try:
        return Source(**json.loads((folder / SOURCE_NAME).read_bytes()))
    except (OSError, ValueError, TypeError) as error:
        log.warning("%s: its models' cards will not name its licence: expected %s with `what` and `licence`: %s", folder, SOURCE_NAME, error)
        return Source(f"pictures given by --data ({folder.name})", "not named by who gave them")


def photos(data: Path) -> Iterator[tuple[str, Scenery]]:
    """A name that stays, and every picture of `<group>/images` with what is known in it: `objects/<stem>.png`, an index map, with the objects' classes in
    `objects/<stem>.json`, or `masks/<stem>.png` (from 128 on: the subject). Sides at most `PHOTO_PX`, the largest `PHOTO_OBJECTS` objects.
    """
    for folder in groups(data):
        for path in sorted((folder / "images").glob("*")):
            found = _known_objects(folder, path.stem)
            if found is None:
                continue
            objects, classes = found
            small = images.shrink(np.asarray(Image.open(path).convert("RGB")), max_side_px=PHOTO_PX)
            indices = np.asarray(cv2.resize(objects, small.shape[1::-1], interpolation=cv2.INTER_NEAREST), np.uint8)
            yield f"{folder.name}/{path.stem}", Scenery.of(small, *_largest(indices, classes), source_name(folder))


def _known_objects(folder: Path, stem: str) -> tuple[IndexMap, list[SubjectClass]] | None:
    objects, mask = folder / "objects" / f"{stem}.png", folder / "masks" / f"{stem}.png"
    if objects.is_file():
        return np.asarray(Image.open(objects).convert("L"), np.uint8), json.loads(objects.with_suffix(".json").read_bytes())
    if mask.is_file():
        return (np.asarray(Image.open(mask).convert("L")) >= 128).astype(np.uint8), ["object"]
    return None


def _largest(objects: IndexMap, classes: Sequence[SubjectClass]) -> tuple[IndexMap, list[int]]:
    """The index map of the largest `PHOTO_OBJECTS` objects, numbered anew, and their class indices."""
    areas = np.bincount(objects.reshape(-1), minlength=len(classes) + 1)
    kept = [number for number in sorted(range(1, len(classes) + 1), key=lambda number: -int(areas[number])) if areas[number]][:PHOTO_OBJECTS]
    table = np.zeros(256, np.uint8)
    table[kept] = np.arange(1, len(kept) + 1)
    return table[objects], [CLASSES.index(classes[number - 1]) for number in kept]


def alpha_cutouts(data: Path, known: Mapping[str, Source]) -> Iterator[Cutout]:
    """Pictures with alpha of `<group>/cutouts`; `known` is what `sources` says of the groups."""
    for folder in groups(data):
        kind = known[source_name(folder)].kind
        for path in sorted((folder / "cutouts").rglob("*.png")):
            image = read_rgba(path)
            cut = None if image is None else tidy(image)
            if cut is not None and max(cut.shape[:2]) >= 70:
                yield Cutout(cut, "object", kind or ("drawn" if few_colours(cut) else "photo"), source_name(folder))


def cut_from(scene: Scenery) -> Iterator[Cutout]:
    """The larger objects of a photograph, cut out; not those that the picture's border cuts on two sides."""
    image, objects = scene.image, scene.objects
    for number, label in enumerate(scene.classes, 1):
        mask = (objects == number).astype(np.uint8)
        left, top, width, height = cv2.boundingRect(mask)
        cuts = (left == 0) + (top == 0) + (left + width == mask.shape[1]) + (top + height == mask.shape[0])
        if cuts > 1 or mask.mean() < MIN_CUT_SHARE:
            continue
        cut = tidy(np.dstack([image, cv2.GaussianBlur(mask * 255, (3, 3), 0)]))
        if cut is not None and max(cut.shape[:2]) >= 60:
            yield Cutout(cut, CLASSES[label], "photo", scene.source, bust=top + height == mask.shape[0])


def sketches(data: Path) -> Iterator[Cutout]:
    """Drawings on white paper below `data`/sketches/images: what cannot be reached over near-white from the border is the subject."""
    for path in sorted((data / SKETCHES / "images").glob("*")):
        image = Image.open(path).convert("RGBA")
        paper = Image.new("RGBA", image.size, "white")
        paper.alpha_composite(image)
        rgb = np.asarray(paper.convert("RGB"))
        cut = tidy(np.dstack([rgb, off_paper(rgb).astype(np.uint8) * 255]))
        if cut is not None:
            yield Cutout(cut, "animal", "drawn", source_name(data / SKETCHES))
