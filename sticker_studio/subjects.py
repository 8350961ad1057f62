"""From a network's detections to the subject that is cut out: the one rule of the service, of the factory's measuring and of its thresholds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from sticker_studio import refine
from sticker_studio.types import Alpha, Detection, Mask

Group = Literal["all", "largest"]


@dataclass(frozen=True)
class Tap:
    """The subject at a point; `x` and `y` in 0..1 of the picture."""

    x: float
    y: float


@dataclass(frozen=True)
class Box:
    """Whatever is within a box; sides in 0..1 of the picture."""

    left: float
    top: float
    right: float
    bottom: float


Subject = Group | Tap | Box

MIN_SUBJECT_SHARE: Final = 0.002
"""A subject smaller than this share of the picture is a speck."""
_ISLAND_SHARE: Final = 0.1
"""A part of one subject smaller than this share of its largest part is clutter."""
_SURE_SHARE: Final[dict[Group, float]] = {"all": 0.5, "largest": 0.7}
"""A detection with less than this share of the best score is doubted (best on the factory's held-out pictures: +0.02 for the largest, level for all)."""
_PART_SHARE: Final = 0.7
"""A detection with more than this share of itself within another is a part of it (0.7 was best or level on four of five held-out sets of the factory)."""


def choose(detections: Sequence[Detection], subject: Group) -> list[Detection]:
    """The detections to cut out: all that are not doubted beside the surest, or the largest of these with those that lie mostly within it.

    A network often finds a subject whole and again in parts; the parts know its outline better than the whole does. What it finds beside a sure
    subject with half the certainty is mostly clutter, while the same score in a picture where nothing is surer is often the subject.
    """
    best = max((detection.score for detection in detections), default=0.0)
    sure = [detection for detection in detections if detection.score >= _SURE_SHARE[subject] * best]
    if subject == "all" or len(sure) < 2:
        return sure
    cores = [detection.probability >= 0.5 for detection in sure]
    main = cores[int(np.argmax([float(core.sum()) * detection.score for core, detection in zip(cores, sure, strict=True)]))]
    return _within(sure, main)


def at(detections: Sequence[Detection], tap: Tap) -> list[Detection]:
    """The surest detection whose mask holds the point, with those that lie mostly within it; none where nothing was seen there."""
    under = [detection for detection in detections if _holds(detection.probability, tap)]
    if not under:
        return []
    return _within(detections, max(under, key=lambda detection: detection.score).probability >= 0.5)


def _holds(probability: Alpha, tap: Tap) -> bool:
    height, width = probability.shape
    return bool(probability[min(height - 1, int(tap.y * height)), min(width - 1, int(tap.x * width))] >= 0.5)


def _within(detections: Sequence[Detection], main: Mask) -> list[Detection]:
    cores = [detection.probability >= 0.5 for detection in detections]
    return [detection for detection, core in zip(detections, cores, strict=True) if (core & main).sum() > _PART_SHARE * core.sum()]


def join(detections: Sequence[Detection], shape_hw: tuple[int, ...]) -> Alpha | None:
    """The highest probability of any detection, specks gone; None when nothing worth cutting is left."""
    joined = np.zeros(shape_hw, np.float32)
    for detection in detections:
        np.maximum(joined, _without_clouds(detection.probability), out=joined)
    tidied = refine.tidied(joined)
    return tidied if (tidied >= 0.5).mean() >= MIN_SUBJECT_SHARE else None


def cut(detections: Sequence[Detection], subject: Group, shape_hw: tuple[int, ...]) -> Mask:
    """HxW mask of what is cut out, before its edges are refined; empty when nothing is worth cutting."""
    joined = join(choose(detections, subject), shape_hw)
    return np.zeros(shape_hw, bool) if joined is None else joined >= 0.5


def _without_clouds(probability: Alpha) -> Alpha:
    """One subject's probability without the islands that a network sees in the clutter beside it."""
    core = probability >= 0.5
    return np.where(core & ~refine.without_specks(core, min_part_share=_ISLAND_SHARE), np.float32(0.49), probability)
