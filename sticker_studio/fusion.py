"""Several looks at one picture, and their fusion object by object: slower than one look and better, because what one look imagines is doubted.

The segmentor sees the picture whole, closer and from further away, each time also mirrored (test-time augmentation). Sightings of one object are grouped by the
overlap of their masks; an object's score is the mean over all looks that could see it, its outline the mean of its sightings. Close to weighted boxes fusion
(Solovyev, Wang and Gabruseva, 2021), with masks instead of boxes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import cv2
import numpy as np

from sticker_studio import masks
from sticker_studio.errors import ContractViolation
from sticker_studio.types import CLASSES, RGB, Alpha, Detection, Mask, SubjectClass

PAD: Final = (114, 114, 114)
"""What lies around a picture that is seen from further away; the letterbox has the same."""


STUDENT_SHARES: Final = (1.0,)
"""Of each side of the picture, that a look covers, around its centre: a student looks twice, at the whole picture and at its mirror image."""
TEACHER_SHARES: Final = (1.0, 1.33)
"""The embedded teacher looks four times: the only one of five choices that is above the student on all five held-out sets of the factory, once edges are
settled by colour (docs/experiments.md, row 27)."""
TEACHER_SCORE: Final = 0.15
"""Objects of which its looks are less sure on average are not believed at all: best on all five held-out sets, and their mean IoU with the truth was 0.2."""
_SIGHTING_SCORE: Final = 0.03
_MAX_SIGHTINGS: Final = 12
"""In one look."""
_SAME_IOU: Final = 0.5
"""IoU of two sightings of one object, where both looks see."""
_SEEN_SHARE: Final = 0.8
"""Of an object, that a look must cover for its silence to count against the object."""
_DOUBLED_SHARE: Final = 0.75
"""An object with more than this share of itself within a surer one is a part of it."""


class Network(Protocol):
    """Finds subjects in one look at a picture."""

    def look(self, image: RGB, *, score_threshold: float, max_detections: int) -> list[Detection]:
        """Subjects of an HxWx3 picture, surest first."""
        ...


@dataclass(frozen=True)
class Sighting:
    """One object in one look: `probability` is HxW of the whole picture, 0 where the look does not reach."""

    probability: Alpha
    subject_class: SubjectClass
    score: float


@dataclass(frozen=True)
class Look:
    """What a segmentor saw of a picture, and where it looked (HxW)."""

    reach: Mask
    sightings: list[Sighting]


@dataclass
class Object:
    """Sightings of one object, at most one a look; the first, surest one says where it is."""

    core: Mask
    reach: Mask
    seen: dict[int, Sighting] = field(default_factory=dict)


def look_around(image: RGB, network: Network, shares: Sequence[float]) -> Iterator[Look]:
    """A look at each share of an HxWx3 picture, and one at its mirror image."""
    for share in shares:
        for mirrored in (False, True):
            yield _look(image, network, share=share, mirrored=mirrored)


def _look(image: RGB, network: Network, *, share: float, mirrored: bool) -> Look:
    height, width = image.shape[:2]
    w, h = max(8, round(width * share)), max(8, round(height * share))
    x, y = (width - w) // 2, (height - h) // 2  # negative where the look reaches beyond the picture
    around = max(0, -x, -y)
    padded = cv2.copyMakeBorder(image, around, around, around, around, cv2.BORDER_CONSTANT, value=PAD)
    window = np.s_[y + around : y + around + h, x + around : x + around + w]
    inside = np.s_[around : around + height, around : around + width]
    view, step = padded[window], -1 if mirrored else 1
    sightings: list[Sighting] = []
    for one in network.look(np.ascontiguousarray(view[:, ::step]), score_threshold=_SIGHTING_SCORE, max_detections=_MAX_SIGHTINGS):
        placed = np.zeros(padded.shape[:2], np.float32)
        placed[window] = one.probability[:, ::step]
        sightings.append(Sighting(np.ascontiguousarray(placed[inside]), known_class(one.subject_class), one.score))
    reach = np.zeros(padded.shape[:2], bool)
    reach[window] = True
    return Look(reach[inside], sightings)


def known_class(name: str) -> SubjectClass:
    """One of `CLASSES`. Raises `ContractViolation`."""
    for label in CLASSES:
        if label == name:
            return label
    raise ContractViolation(f"expected a segmentor with the classes {', '.join(CLASSES)}, got a {name!r}; train it again")


def fuse(looks: Sequence[Look], *, min_score: float) -> list[Detection]:
    """The objects that the looks saw, surest first; `score`, from `min_score` on, is the mean over the looks that could see it."""
    objects = _grouped(looks)
    fused = sorted((_fused(one, looks) for one in objects), key=lambda one: -one.score)
    kept: list[tuple[Detection, Mask]] = []
    for one in fused:
        core = one.probability >= 0.5
        within = max(((core & other).sum() for _, other in kept), default=0)
        if one.score >= min_score and core.any() and within <= _DOUBLED_SHARE * core.sum():
            kept.append((one, core))
    return [one for one, _ in kept]


def _grouped(looks: Sequence[Look]) -> list[Object]:
    """Each sighting, surest first, goes to the object that it overlaps most, or is a new one."""
    objects: list[Object] = []
    everything = [(number, sighting) for number, look in enumerate(looks) for sighting in look.sightings]
    for number, sighting in sorted(everything, key=lambda pair: -pair[1].score):
        core, reach = sighting.probability >= 0.5, looks[number].reach
        if not core.any():
            continue
        overlaps = [masks.iou(core & one.reach, one.core & reach) if number not in one.seen else 0.0 for one in objects]
        best = int(np.argmax(overlaps)) if overlaps else -1
        if best >= 0 and overlaps[best] > _SAME_IOU:
            objects[best].seen[number] = sighting
        else:
            objects.append(Object(core, reach, {number: sighting}))
    return objects


def _fused(one: Object, looks: Sequence[Look]) -> Detection:
    """The mean of an object's sightings: of their probabilities where each look reaches, by score."""
    weights = np.zeros(one.core.shape, np.float32)
    total = np.zeros(one.core.shape, np.float32)
    votes: dict[SubjectClass, float] = dict.fromkeys(CLASSES, 0.0)
    for number, sighting in one.seen.items():
        weights += sighting.score * looks[number].reach
        total += sighting.score * sighting.probability
        votes[sighting.subject_class] += sighting.score
    could_see = sum(number in one.seen or (one.core & look.reach).sum() >= _SEEN_SHARE * one.core.sum() for number, look in enumerate(looks))
    probability = np.divide(total, weights, out=np.zeros_like(total), where=weights > 0)
    left, top, right, bottom = masks.box_xyxy(one.core) or (0, 0, 0, 0)
    score = sum(sighting.score for sighting in one.seen.values()) / could_see
    return Detection(subject_class=max(CLASSES, key=lambda label: votes[label]), score=score, box_xyxy=(left, top, right, bottom), probability=probability)
