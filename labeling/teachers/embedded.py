"""The teacher for where no COCO weights can be had: the student itself, looked through several times, its sightings fused object by object.

The segmentor of the picture's declared style (both where none is declared) looks several times (`sticker_studio/fusion.py`); the outlines are snapped to the
picture's edges. Twice as slow as a student and, on the factory's held-out pictures, a little better; where it is not, docs/quality.md says so.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from labeling import cleaning
from labeling.cleaning import Cut, Found
from sticker_studio import fusion, images, refine, registry, subjects
from sticker_studio.errors import ContractViolation, Unavailable
from sticker_studio.inference import Segmentor
from sticker_studio.saliency import grabcut
from sticker_studio.types import RGB, SEGMENTORS, Detection, Style

if TYPE_CHECKING:
    from sticker_studio.annotations import Instances
    from sticker_studio.settings import Settings

_log = logging.getLogger(__name__)

NAME: Final = "embedded"
METHOD: Final = "fused4c"
"""Part of the version: raised when the fusion below changes."""
SHOWN_PX: Final = 448
"""Longest side of the picture that is looked at."""
CALIBRATION: Final = ((0.0, 0.0), (0.09, 0.08), (0.13, 0.26), (0.18, 0.4), (0.25, 0.53), (0.35, 0.57), (0.45, 0.76), (0.55, 0.82), (0.65, 0.85), (1.0, 0.88))
"""Mean score of the looks to the mean IoU with the truth that such objects had on the factory's held-out pictures."""
EDGES_PX: Final = 1024
"""Longest side at which edges are settled, as in the service."""
BLIND_SCORE: Final = 0.45
"""Of GrabCut's proposal where no look found anything; below every sensible `review_score`."""
BLIND_PX: Final = 128


class EmbeddedTeacher:
    """Fuses looks of the segmentor of a picture's style (of all `segmentors` where there is none of it, or none is known)."""

    name = NAME

    def __init__(self, segmentors: Sequence[Segmentor], *, cut: Cut) -> None:
        if not segmentors:
            raise Unavailable("the embedded teacher: expected at least one segmentor, got none; make them with `make factory`")
        self._segmentors, self._cut = segmentors, cut
        self.version = "+".join([METHOD, *(f"{one.card.style}:{one.card.version}" for one in segmentors)])

    def label(self, image: RGB, *, pin_id: str, style: Style | None = None) -> Instances:
        """Objects of an upright HxWx3 picture, in its px, best first."""
        size_wh = (image.shape[1], image.shape[0])
        shown = images.shrink(image, max_side_px=SHOWN_PX)
        segmentors = [one for one in self._segmentors if one.card.style == style] or self._segmentors
        looks = [look for segmentor in segmentors for look in fusion.look_around(shown, segmentor, fusion.TEACHER_SHARES)]
        found = decide(fusion.fuse(looks, min_score=fusion.TEACHER_SCORE), shown, images.shrink(image, max_side_px=EDGES_PX))
        return cleaning.to_instances(found, pin_id=pin_id, size_wh=size_wh, teacher=self.name, version=self.version, cut=self._cut)


def decide(objects: Sequence[Detection], image: RGB, detailed: RGB) -> list[Found]:
    """Labels of `image` (HxWx3, what the looks saw): what the service's rule believes, each pixel to the object surest of it; where there is none, GrabCut's
    proposal. Their edges are those of `detailed`, the same picture as large as or larger, and masks have its size."""
    chosen = subjects.choose(objects, "all")
    joined = subjects.join(chosen, image.shape[:2])
    if joined is None:
        return _blind(image)
    sums, scores = zip(*CALIBRATION, strict=True)
    size_wh = (detailed.shape[1], detailed.shape[0])
    settled = np.asarray(cv2.resize(refine.by_colour(image, joined), size_wh, interpolation=cv2.INTER_LINEAR), np.float32)
    cut = refine.refine(detailed, settled) >= 0.5
    surest = np.argmax([cv2.resize(one.probability, size_wh, interpolation=cv2.INTER_LINEAR) for one in chosen], axis=0)
    return [
        Found(mask=cut & (surest == number), subject_class=fusion.known_class(one.subject_class), score=float(np.interp(one.score, sums, scores)))
        for number, one in enumerate(chosen)
    ]


def _blind(image: RGB) -> list[Found]:
    """GrabCut's proposal, for a person to correct; it knows nothing of subjects and marks clutter as readily."""
    small = grabcut(images.shrink(image, max_side_px=BLIND_PX)).astype(np.float32)
    probability = np.asarray(cv2.resize(small, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_LINEAR), np.float32)
    mask = refine.refine(image, probability) >= 0.5
    return [Found(mask=np.asarray(mask), subject_class="object", score=BLIND_SCORE)] if mask.any() else []


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
