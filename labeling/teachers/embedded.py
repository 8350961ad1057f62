"""The teacher for where no COCO weights can be had: the students themselves, looked at several ways, voted with classical evidence.

The segmentor of the picture's declared style (both where none is declared) sees the picture, its mirror image and zoomed crops; the averaged
probability is voted with GrabCut and a border-colour prior, and the edges are snapped to the picture's.
Slower than a student and better on real pictures: docs/quality.md.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from labeling import cleaning
from labeling.cleaning import Cut, Found
from labeling.teachers import classical
from sticker_studio import masks, registry
from sticker_studio.errors import ContractViolation, Unavailable
from sticker_studio.inference import Segmentor
from sticker_studio.types import CLASSES, RGB, SEGMENTORS, Alpha, Mask, Style, SubjectClass

if TYPE_CHECKING:
    from sticker_studio.annotations import Instances
    from sticker_studio.settings import Settings

_log = logging.getLogger(__name__)

NAME: Final = "embedded"
METHOD: Final = "vote5"
"""Part of the version: raised when the vote below changes."""


@dataclass(frozen=True, kw_only=True)
class Vote:
    """Constants of the vote, tuned on training pictures (benchmarks/teacher.py)."""

    shown_px: int = 448
    """Longest side of the picture that crops are cut from and edges snapped to."""
    grid_px: int = 256
    """Longest side of the evidence, and of each view."""
    classical_px: int = 128
    detection_score: float = 0.08
    crops: tuple[float, ...] = (1.0, 0.75)
    sure_belief: float = 0.35
    """Belief that counts fully even where a picture has none higher."""
    blind_belief: float = 0.1
    """Below it everywhere the networks have seen nothing."""
    blind_score: float = 0.45
    calibration: tuple[tuple[float, float], ...] = ((0.0, 0.0), (0.3, 0.4), (0.65, 0.5), (0.9, 0.85), (1.0, 0.95))
    """Agreement to score: below an agreement of 0.65 the labels of training photographs were too poor to train on (mean IoU 0.13; above it 0.48)."""
    grabcut_weight: float = 0.25
    """Of GrabCut's vote to the networks' 1, when both agree fully."""
    prior_weight: float = 0.1
    heard_iou: float = 0.7
    """IoU of GrabCut with the networks below which classical evidence is not heard."""
    threshold: float = 0.5
    snap_ratio: float = 0.004
    part_ratio: float = 0.1
    """Smaller parts than this share of the largest are left out."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """HxW in 0..1 each: the networks', GrabCut's and the prior's belief in a subject; and the networks' by class (3xHxW)."""

    network: Alpha
    grabcut: Alpha
    prior: Alpha
    by_class: Alpha


class EmbeddedTeacher:
    """Votes over the views of the segmentor of a picture's style (of all `segmentors` where there is none of it, or none is known) and classical evidence."""

    name = NAME

    def __init__(self, segmentors: Sequence[Segmentor], *, cut: Cut, vote: Vote | None = None) -> None:
        if not segmentors:
            raise Unavailable("the embedded teacher: expected at least one segmentor, got none; make them with `make factory`")
        self._segmentors, self._cut, self._vote = segmentors, cut, vote or Vote()
        self.version = "+".join([METHOD, *(f"{one.card.style}:{one.card.version}" for one in segmentors)])

    def label(self, image: RGB, *, pin_id: str, style: Style | None = None) -> Instances:
        """Objects of an upright HxWx3 picture, in its px, best first."""
        size_wh = (image.shape[1], image.shape[0])
        shown = cleaning.shrink(image, max_side_px=self._vote.shown_px)
        segmentors = [one for one in self._segmentors if one.card.style == style] or self._segmentors
        found = decide(gather(shown, segmentors, self._vote), shown, self._vote)
        return cleaning.to_instances(found, pin_id=pin_id, size_wh=size_wh, teacher=self.name, version=self.version, cut=self._cut)


def gather(image: RGB, segmentors: Sequence[Segmentor], vote: Vote) -> Evidence:
    """All evidence on an HxWx3 picture, on a grid of at most `vote.grid_px`."""
    small = cleaning.shrink(image, max_side_px=vote.classical_px)
    grid = cleaning.shrink(image, max_side_px=vote.grid_px)
    by_class = np.asarray(np.mean([_look(image, segmentor, vote, size_wh=(grid.shape[1], grid.shape[0])) for segmentor in segmentors], axis=0), np.float32)
    return Evidence(
        network=by_class.max(axis=0),
        grabcut=_resize(classical.grabcut(small).astype(np.float32), grid),
        prior=_resize(classical.border_prior(small), grid),
        by_class=by_class,
    )


def _look(image: RGB, segmentor: Segmentor, vote: Vote, *, size_wh: tuple[int, int]) -> Alpha:
    """One segmentor's belief by class on a grid of `size_wh`, 3xHxW: the mean of the mean and the maximum over the windows.

    A window knows nothing of what is outside of it, where the whole picture's belief stands; the maximum keeps a small subject that only a zoomed
    window shows, the mean drops what a window cut off and took for something else.
    """
    width, height = size_wh
    scale = image.shape[1] / width, image.shape[0] / height
    layers: list[Alpha] = []
    for x, y, w, h in _windows(width, height, vote.crops):
        window = image[round(y * scale[1]) : round((y + h) * scale[1]), round(x * scale[0]) : round((x + w) * scale[0])]
        layer = layers[0].copy() if layers else np.zeros((len(CLASSES), height, width), np.float32)
        layer[:, y : y + h, x : x + w] = [cv2.resize(one, (w, h), interpolation=cv2.INTER_AREA) for one in _both_ways(window, segmentor, vote)]
        layers.append(layer)
    return np.asarray((np.mean(layers, axis=0) + np.max(layers, axis=0)) / 2, np.float32)


def _both_ways(image: RGB, segmentor: Segmentor, vote: Vote) -> Alpha:
    """Belief by class, averaged over the picture and its mirror image: 3xHxW of the picture shrunk to `vote.grid_px`."""
    view = cleaning.shrink(image, max_side_px=vote.grid_px)
    mirrored = _belief(np.ascontiguousarray(view[:, ::-1]), segmentor, vote.detection_score)
    return np.ascontiguousarray((_belief(view, segmentor, vote.detection_score) + mirrored[:, :, ::-1]) / 2, np.float32)


def _windows(width: int, height: int, crops: Sequence[float]) -> list[tuple[int, int, int, int]]:
    """x, y, w, h in px: the whole picture for a share of 1 (first), else the centred crop of that share of each side."""
    sizes = [(share, max(8, round(width * share)), max(8, round(height * share))) for share in crops]
    return [((width - w) // 2, (height - h) // 2, w, h) for share, w, h in sizes if w <= width and h <= height]


def _belief(image: RGB, segmentor: Segmentor, score_threshold: float) -> Alpha:
    """The surest detection at each pixel, by class: 3xHxW, a mask's probability weighted by the root of its score."""
    belief = np.zeros((len(CLASSES), *image.shape[:2]), np.float32)
    for detection in segmentor.segment(image, score_threshold=score_threshold, max_detections=6):
        index = CLASSES.index(_known(detection.subject_class, segmentor))
        belief[index] = np.maximum(belief[index], detection.probability * np.float32(np.sqrt(detection.score)))
    return belief


def _known(name: str, segmentor: Segmentor) -> SubjectClass:
    for label in CLASSES:
        if label == name:
            return label
    raise ContractViolation(f"{segmentor.card.name} {segmentor.card.version}: expected classes of {CLASSES}, got {name!r}; train it again")


def _resize(values: Alpha, image: RGB) -> Alpha:
    """`values` (HxW) at the size of `image`."""
    return np.asarray(cv2.resize(values, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_LINEAR), np.float32)


def decide(evidence: Evidence, image: RGB, vote: Vote) -> list[Found]:
    """The vote at the size of `image` (HxWx3), cut into its parts; a part's score is how far its voters agree."""
    tallied, seen = tally(evidence, vote)
    total = _resize(tallied, image)
    radius = max(1, round(vote.snap_ratio * max(image.shape[:2])))
    mask = classical.snap(total, image, radius_px=radius) >= vote.threshold
    count, parts, stats, _ = cv2.connectedComponentsWithStats(np.asarray(mask, np.uint8), connectivity=8)
    floor = max(vote.part_ratio * stats[1:, cv2.CC_STAT_AREA].max(initial=0), 16)
    chosen = [np.asarray(parts == index) for index in range(1, count) if stats[index, cv2.CC_STAT_AREA] >= floor]
    by_class = np.stack([_resize(one, image) for one in evidence.by_class])
    return [Found(mask=part, subject_class=_class_of(part, by_class), score=_agreement(part, total, seen=seen, vote=vote)) for part in chosen]


def tally(evidence: Evidence, vote: Vote) -> tuple[Alpha, bool]:
    """The voters' weighted mean, HxW in 0..1, and whether the networks saw anything.

    Classical evidence knows nothing of subjects: in a cluttered picture it marks the clutter (unconditional, it cost 0.05 to 0.1 of mean IoU). So it
    counts as far as GrabCut's IoU with the networks exceeds `heard_iou`; where those see nothing it speaks alone, for the review queue.
    """
    if float(evidence.network.max(initial=0)) < vote.blind_belief:
        share = vote.grabcut_weight / (vote.grabcut_weight + vote.prior_weight)
        return np.asarray(share * evidence.grabcut + (1 - share) * evidence.prior, np.float32), False
    belief = _normalised(evidence.network, vote)
    overlap = masks.iou(np.asarray(evidence.grabcut >= 0.5), np.asarray(belief >= 0.5))
    agreed = max(0.0, overlap - vote.heard_iou) / (1 - vote.heard_iou)
    extra = vote.grabcut_weight * evidence.grabcut + vote.prior_weight * evidence.prior
    total = (belief + agreed * extra) / (1 + agreed * (vote.grabcut_weight + vote.prior_weight))
    return np.asarray(total, np.float32), True


def _normalised(network: Alpha, vote: Vote) -> Alpha:
    """The networks' belief stretched so that the surest place of the picture counts fully, unless none is sure at all."""
    return np.asarray(np.clip(network / max(float(network.max(initial=0)), vote.sure_belief), 0, 1), np.float32)


def _class_of(part: Mask, by_class: Alpha) -> SubjectClass:
    sums = by_class[:, part].sum(axis=1)
    return CLASSES[int(sums.argmax())] if sums.max(initial=0) > 0 else "object"


def _agreement(part: Mask, total: Alpha, *, seen: bool, vote: Vote) -> float:
    """Mean of the vote inside the part, calibrated; what no network saw stays below every sensible `review_score`."""
    agreement, scores = zip(*vote.calibration, strict=True)
    score = float(np.interp(float(total[part].mean()), agreement, scores))
    return score if seen else min(score, vote.blind_score)


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
