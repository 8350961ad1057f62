"""Training pictures: the data set that labelling built, replayed scenes, and what augmentation makes of them."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from sticker_studio import images, scenes, yolo_format
from sticker_studio.annotations import Instances
from sticker_studio.errors import ContractViolation, NotEnoughData
from sticker_studio.types import CLASSES, RGB, STYLES, Style
from training.yolo import IndexMap, Sample

PAD: Final = 114
KEPT_PX: Final = 1.5
"""Pictures are kept in memory at this many times the network's size: room for crops."""
MAX_OBJECTS: Final = 254


@dataclass(frozen=True)
class Picture:
    """HxWx3 RGB, the HxW index map of its objects, and the class index of each."""

    id: str
    image: RGB
    objects: IndexMap
    classes: tuple[int, ...]


def description(dataset: Path) -> dict[str, Any]:
    """`dataset.json`. Raises `ContractViolation` when there is none."""
    try:
        return dict(json.loads((dataset / "dataset.json").read_text()))
    except (OSError, ValueError) as error:
        raise ContractViolation(f"{dataset}: expected a data set with dataset.json: {error}; run `python -m labeling build-dataset`") from error


def skip_reason(described: dict[str, Any], style: Style) -> str | None:
    """Why the data set has nothing for this style's segmentor; None when it has."""
    reason = described.get("skipped", {}).get(style)
    return f"{style}: {reason}" if reason else None


# --- segmentor


def read_pictures(folder: Path, part: str, *, side_px: int) -> list[Picture]:
    """`folder`/images/<part> with their labels, scaled so that the longer side is at most `KEPT_PX` x `side_px`. Raises `ContractViolation`."""
    pictures = []
    for path in sorted((folder / "images" / part).glob("*")):
        label = folder / "labels" / part / f"{path.stem}.txt"
        image = images.decode_rgb(path.read_bytes())
        try:
            text = label.read_text()
        except OSError as error:
            raise ContractViolation(f"{path}: expected its label {label}: {error}; build the data set again") from error
        found = yolo_format.from_text(text, pin_id=path.stem, size_wh=(image.shape[1], image.shape[0]))
        pictures.append(shrink(Picture(path.stem, image, index_map(found), tuple(CLASSES.index(one.subject_class) for one in found.objects)), side_px))
    return pictures


def index_map(found: Instances) -> IndexMap:
    """HxW uint8, i + 1 where object i is on top; smaller objects lie on larger ones. Raises `ContractViolation` above 254 objects."""
    if len(found.objects) > MAX_OBJECTS:
        raise ContractViolation(f"label of {found.pin_id}: expected at most {MAX_OBJECTS} objects, got {len(found.objects)}")
    result = np.zeros((found.height, found.width), np.uint8)
    masks = [found.mask(index) for index in range(len(found.objects))]
    for index in sorted(range(len(masks)), key=lambda index: -int(masks[index].sum())):
        result[masks[index]] = index + 1
    return result


def shrink(picture: Picture, side_px: int) -> Picture:
    """The picture with its longer side at most `KEPT_PX` x `side_px`."""
    height, width = picture.objects.shape
    scale = KEPT_PX * side_px / max(height, width)
    if scale >= 1:
        return picture
    size_wh = (max(1, round(width * scale)), max(1, round(height * scale)))
    image = np.asarray(cv2.resize(picture.image, size_wh, interpolation=cv2.INTER_AREA), np.uint8)
    objects = np.asarray(cv2.resize(picture.objects, size_wh, interpolation=cv2.INTER_NEAREST), np.uint8)
    return Picture(picture.id, image, objects, picture.classes)


def replayed(count: int, *, style: Style, side_px: int, seed: int) -> list[Picture]:
    """Generated scenes of the families that the factory models were trained on: a reminder, against forgetting."""
    return [_from_scene(scene, side_px) for scene in scenes.draw_many(count, seed=seed, style=style, split="factory")]


def _from_scene(scene: scenes.Scene, side_px: int) -> Picture:
    objects = np.zeros(scene.image.shape[:2], np.uint8)
    for number, item in enumerate(scene.objects, 1):
        objects[item.mask] = number
    classes = tuple(CLASSES.index(item.subject_class) for item in scene.objects)
    return shrink(Picture(f"scene-{scene.style}-{scene.seed}", scene.image, objects, classes), side_px)


def fitted(picture: Picture, side_px: int) -> Sample:
    """Letterboxed to the square as inference does it: no augmentation."""
    height, width = picture.objects.shape
    scale = side_px / max(height, width)
    return _warped(picture, side_px, np.array([[scale, 0, (side_px - width * scale) / 2], [0, scale, (side_px - height * scale) / 2]]))


def augmented(picture: Picture, side_px: int, rng: np.random.Generator) -> Sample:
    """Mirrored, scaled, shifted, turned a little and recoloured: one random view of the square."""
    height, width = picture.objects.shape
    scale = side_px / max(height, width) * float(rng.uniform(0.75, 1.3))
    turn = np.deg2rad(float(rng.uniform(-8, 8))) if rng.random() < 0.5 else 0.0
    mirror = -1.0 if rng.random() < 0.5 else 1.0
    linear = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ np.diag([mirror, 1.0])
    centre = side_px / 2 + rng.uniform(-0.1, 0.1, 2) * side_px
    shift = centre - linear @ np.array([width / 2, height / 2])
    sample = _warped(picture, side_px, np.column_stack([linear, shift]))
    return Sample(recoloured(sample.image, rng), sample.objects, sample.classes)


def _warped(picture: Picture, side_px: int, matrix: Any) -> Sample:
    size_wh = (side_px, side_px)
    image = cv2.warpAffine(picture.image, matrix, size_wh, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_CONSTANT, borderValue=(PAD, PAD, PAD))
    objects = cv2.warpAffine(picture.objects, matrix, size_wh, flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    return Sample(np.asarray(image, np.uint8), np.asarray(objects, np.uint8), picture.classes)


def recoloured(image: RGB, rng: np.random.Generator) -> RGB:
    """A little hue, saturation and brightness; now and then grey."""
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV).astype(np.float32)
    hsv[..., 0] = (hsv[..., 0] + rng.uniform(-6, 6)) % 180
    hsv[..., 1] *= 0.0 if rng.random() < 0.03 else rng.uniform(0.7, 1.3)
    hsv[..., 2] *= rng.uniform(0.7, 1.25)
    return np.asarray(cv2.cvtColor(np.clip(hsv, 0, 255).astype(np.uint8), cv2.COLOR_HSV2RGB), np.uint8)


def sample_batches(pictures: Sequence[Picture], *, batch: int, side_px: int, seed: int, first_step: int = 0) -> Iterator[list[Sample]]:
    """Endless batches, reshuffled each epoch; step k is the same however the run got there, so that a killed one goes on where it was."""
    steps = steps_an_epoch(len(pictures), batch)
    for step in _counted(first_step):
        epoch, place = divmod(step, steps)
        order = np.random.default_rng([seed, epoch]).permutation(len(pictures))
        rng = np.random.default_rng([seed, epoch, place])
        yield [augmented(pictures[index], side_px, rng) for index in order[place * batch : (place + 1) * batch]]


def steps_an_epoch(pictures: int, batch: int) -> int:
    """Batches an epoch; the last one may be smaller. Raises `NotEnoughData` without a picture."""
    if pictures == 0:
        raise NotEnoughData("expected pictures to train on, got none")
    return -(-pictures // batch)


def _counted(first: int) -> Iterator[int]:
    step = first
    while True:
        yield step
        step += 1


# --- classifier


def read_styles(folder: Path, part: str, *, side_px: int) -> list[tuple[RGB, int]]:
    """`folder`/<part>/<style>/ as pictures squeezed to the square (what the classifier sees) with the style's index."""
    found = []
    for index, style in enumerate(STYLES):
        found += [(squeezed(images.decode_rgb(path.read_bytes()), side_px), index) for path in sorted((folder / part / style).glob("*"))]
    return found


def squeezed(image: RGB, side_px: int) -> RGB:
    """HxWx3 squeezed to the square, as `sticker_studio.inference` does it."""
    return np.asarray(cv2.resize(image, (side_px, side_px), interpolation=cv2.INTER_AREA), np.uint8)


def replayed_styles(count: int, *, side_px: int, seed: int) -> list[tuple[RGB, int]]:
    """Generated scenes of the factory families, half of each style."""
    halves = [count - count // 2, count // 2]
    return [
        (squeezed(scene.image, side_px), index)
        for index, (style, half) in enumerate(zip(STYLES, halves, strict=True))
        for scene in scenes.draw_many(half, seed=seed, style=style, split="factory")
    ]


def augmented_style(image: RGB, rng: np.random.Generator) -> RGB:
    """A mirrored, cropped and recoloured SxSx3 picture of the same size."""
    side = image.shape[0]
    size = int(side * rng.uniform(0.7, 1.0))
    top, left = (int(value) for value in rng.integers(0, side - size + 1, 2))
    window = image[top : top + size, left : left + size]
    view = cv2.resize(window, (side, side), interpolation=cv2.INTER_LINEAR)
    return recoloured(np.asarray(view[:, ::-1] if rng.random() < 0.5 else view, np.uint8), rng)
