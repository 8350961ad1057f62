"""The teacher for where no COCO weights can be had: the student itself, looked through several times, its sightings fused object by object.

The segmentor of the picture's declared style (both where none is declared) sees the picture whole, closer and from further away, each time also mirrored
(test-time augmentation). Sightings of one object are grouped by the overlap of their masks; an object's score is the mean over all looks that could
see it, its outline the mean of its sightings, snapped to the picture's edges. Close to weighted boxes fusion (Solovyev, Wang and Gabruseva, 2021), with
masks instead of boxes. Slower than a student and better: docs/quality.md.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from labeling import cleaning
from labeling.cleaning import Cut, Found
from labeling.teachers.grabcut import grabcut
from sticker_studio import masks, refine, registry, subjects
from sticker_studio.errors import ContractViolation, Unavailable
from sticker_studio.inference import Detection, Segmentor
from sticker_studio.types import CLASSES, RGB, SEGMENTORS, Alpha, Mask, Style, SubjectClass

if TYPE_CHECKING:
    from sticker_studio.annotations import Instances
    from sticker_studio.settings import Settings

_log = logging.getLogger(__name__)

NAME: Final = "embedded"
METHOD: Final = "fused6"
"""Part of the version: raised when the fusion below changes."""
PAD: Final = (114, 114, 114)
"""What lies around a picture that is seen from further away; the students' letterbox has the same."""


@dataclass(frozen=True, kw_only=True)
class Fusion:
    """Constants, chosen on the factory's held-out pictures."""

    shown_px: int = 448
    """Longest side of the picture that is looked at."""
    shares: tuple[float, ...] = (1.0, 0.85, 1.33)
    """Of each side of the picture, that a look covers, around its centre."""
    sighting_score: float = 0.03
    sightings: int = 12
    """At most, in one look."""
    same_iou: float = 0.5
    """IoU of two sightings of one object, where both looks see."""
    seen_share: float = 0.8
    """Of an object, that a look must cover for its silence to count against the object."""
    doubled_share: float = 0.75
    """An object with more than this share of itself within a surer one is a part of it."""
    min_score: float = 0.06
    """Objects below are not believed at all."""
    calibration: tuple[tuple[float, float], ...] = ((0.0, 0.0), (0.06, 0.4), (0.2, 0.55), (0.45, 0.75), (0.8, 0.9), (1.0, 0.95))
    """Mean score of the looks to the mean IoU with the truth that such objects had."""
    blind_score: float = 0.45
    """Of GrabCut's proposal where no look found anything; below every sensible `review_score`."""
    blind_px: int = 128


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


class EmbeddedTeacher:
    """Fuses looks of the segmentor of a picture's style (of all `segmentors` where there is none of it, or none is known)."""

    name = NAME

    def __init__(self, segmentors: Sequence[Segmentor], *, cut: Cut, fusion: Fusion | None = None) -> None:
        if not segmentors:
            raise Unavailable("the embedded teacher: expected at least one segmentor, got none; make them with `make factory`")
        self._segmentors, self._cut, self._fusion = segmentors, cut, fusion or Fusion()
        self.version = "+".join([METHOD, *(f"{one.card.style}:{one.card.version}" for one in segmentors)])

    def label(self, image: RGB, *, pin_id: str, style: Style | None = None) -> Instances:
        """Objects of an upright HxWx3 picture, in its px, best first."""
        size_wh = (image.shape[1], image.shape[0])
        shown = cleaning.shrink(image, max_side_px=self._fusion.shown_px)
        segmentors = [one for one in self._segmentors if one.card.style == style] or self._segmentors
        looks = [look for segmentor in segmentors for look in look_around(shown, segmentor, self._fusion)]
        found = decide(fuse(looks, self._fusion), shown, self._fusion)
        return cleaning.to_instances(found, pin_id=pin_id, size_wh=size_wh, teacher=self.name, version=self.version, cut=self._cut)


def look_around(image: RGB, segmentor: Segmentor, fusion: Fusion) -> Iterator[Look]:
    """A look at each share of an HxWx3 picture, and one at its mirror image."""
    for share in fusion.shares:
        for mirrored in (False, True):
            yield _look(image, segmentor, fusion, share=share, mirrored=mirrored)


def _look(image: RGB, segmentor: Segmentor, fusion: Fusion, *, share: float, mirrored: bool) -> Look:
    height, width = image.shape[:2]
    w, h = max(8, round(width * share)), max(8, round(height * share))
    x, y = (width - w) // 2, (height - h) // 2  # negative where the look reaches beyond the picture
    around = max(0, -x, -y)
    padded = cv2.copyMakeBorder(image, around, around, around, around, cv2.BORDER_CONSTANT, value=PAD)
    window = np.s_[y + around : y + around + h, x + around : x + around + w]
    inside = np.s_[around : around + height, around : around + width]
    view, step = padded[window], -1 if mirrored else 1
    sightings: list[Sighting] = []
    for one in segmentor.segment(np.ascontiguousarray(view[:, ::step]), score_threshold=fusion.sighting_score, max_detections=fusion.sightings):
        placed = np.zeros(padded.shape[:2], np.float32)
        placed[window] = one.probability[:, ::step]
        sightings.append(Sighting(np.ascontiguousarray(placed[inside]), _known(one.subject_class, segmentor), one.score))
    reach = np.zeros(padded.shape[:2], bool)
    reach[window] = True
    return Look(reach[inside], sightings)


def _known(name: str, segmentor: Segmentor) -> SubjectClass:
    for label in CLASSES:
        if label == name:
            return label
    raise ContractViolation(f"{segmentor.card.name} {segmentor.card.version}: expected classes of {CLASSES}, got {name!r}; train it again")


def fuse(looks: Sequence[Look], fusion: Fusion) -> list[Detection]:
    """The objects that the looks saw, surest first; `score` is the mean over the looks that could see it."""
    objects = _grouped(looks, fusion)
    fused = sorted((_fused(one, looks, fusion) for one in objects), key=lambda one: -one.score)
    kept: list[tuple[Detection, Mask]] = []
    for one in fused:
        core = one.probability >= 0.5
        within = max(((core & other).sum() for _, other in kept), default=0)
        if one.score >= fusion.min_score and core.any() and within <= fusion.doubled_share * core.sum():
            kept.append((one, core))
    return [one for one, _ in kept]


def _grouped(looks: Sequence[Look], fusion: Fusion) -> list[Object]:
    """Each sighting, surest first, goes to the object that it overlaps most, or is a new one."""
    objects: list[Object] = []
    everything = [(number, sighting) for number, look in enumerate(looks) for sighting in look.sightings]
    for number, sighting in sorted(everything, key=lambda pair: -pair[1].score):
        core, reach = sighting.probability >= 0.5, looks[number].reach
        if not core.any():
            continue
        overlaps = [masks.iou(core & one.reach, one.core & reach) if number not in one.seen else 0.0 for one in objects]
        best = int(np.argmax(overlaps)) if overlaps else -1
        if best >= 0 and overlaps[best] > fusion.same_iou:
            objects[best].seen[number] = sighting
        else:
            objects.append(Object(core, reach, {number: sighting}))
    return objects


def _fused(one: Object, looks: Sequence[Look], fusion: Fusion) -> Detection:
    """The mean of an object's sightings: of their probabilities where each look reaches, by score."""
    weights = np.zeros(one.core.shape, np.float32)
    total = np.zeros(one.core.shape, np.float32)
    votes: dict[SubjectClass, float] = dict.fromkeys(CLASSES, 0.0)
    for number, sighting in one.seen.items():
        weights += sighting.score * looks[number].reach
        total += sighting.score * sighting.probability
        votes[sighting.subject_class] += sighting.score
    could_see = sum(number in one.seen or (one.core & look.reach).sum() >= fusion.seen_share * one.core.sum() for number, look in enumerate(looks))
    probability = np.divide(total, weights, out=np.zeros_like(total), where=weights > 0)
    left, top, right, bottom = masks.box_xyxy(one.core) or (0, 0, 0, 0)
    score = sum(sighting.score for sighting in one.seen.values()) / could_see
    return Detection(subject_class=max(CLASSES, key=lambda label: votes[label]), score=score, box_xyxy=(left, top, right, bottom), probability=probability)


def decide(objects: Sequence[Detection], image: RGB, fusion: Fusion) -> list[Found]:
    """Labels of `image` (HxWx3): the objects that the service's rule believes, each pixel to the surest; where there are none, GrabCut's proposal."""
    chosen = subjects.choose(objects, "all")
    if not chosen:
        return _blind(image, fusion)
    sums, scores = zip(*fusion.calibration, strict=True)
    free = np.ones(image.shape[:2], bool)
    found: list[Found] = []
    for one in chosen:
        mask = (refine.refine(image, one.probability) >= 0.5) & free
        free &= ~mask
        label = next(label for label in CLASSES if label == one.subject_class)
        found.append(Found(mask=np.asarray(mask), subject_class=label, score=float(np.interp(one.score, sums, scores))))
    return found


def _blind(image: RGB, fusion: Fusion) -> list[Found]:
    """GrabCut's proposal, for a person to correct; it knows nothing of subjects and marks clutter as readily."""
    small = grabcut(cleaning.shrink(image, max_side_px=fusion.blind_px)).astype(np.float32)
    probability = np.asarray(cv2.resize(small, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_LINEAR), np.float32)
    mask = refine.refine(image, probability) >= 0.5
    return [Found(mask=np.asarray(mask), subject_class="object", score=fusion.blind_score)] if mask.any() else []


def open_teacher(settings: Settings, *, cut: Cut) -> EmbeddedTeacher:
    """With the segmentors of both styles that serve: champions, else factory models. Raises `Unavailable` when there is none of either style."""
    models: list[registry.ResolvedModel] = []
    problems: list[str] = []
    for name in SEGMENTORS.values():
        try:
            models.append(registry.resolve(name, settings))
        except ContractViolation as error:
            _log.warning("the embedded teacher goes without %s: %s", name, error)
            problems.append(str(error))
    if not models:
        raise Unavailable(f"the embedded teacher: expected a segmentor of either style, got none ({'; '.join(problems)}); make them with `make factory`")
    return EmbeddedTeacher([Segmentor(model.folder) for model in models], cut=cut)
