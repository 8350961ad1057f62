"""From raw masks to labels: islands and holes removed, traced, at the picture's size."""

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np

from sticker_studio import masks
from sticker_studio.annotations import Instance, Instances
from sticker_studio.types import Mask, SubjectClass


@dataclass(frozen=True, kw_only=True)
class Found:
    """One object as a teacher's network sees it; `mask` is HxW of the picture that the network was shown."""

    mask: Mask
    subject_class: SubjectClass
    score: float


@dataclass(frozen=True, kw_only=True)
class Cut:
    """When a raw object becomes a label, and how closely its outline is kept."""

    min_score: float
    min_area_ratio: float = 0.0
    island_ratio: float = 0.05
    hole_ratio: float = 0.02
    epsilon_ratio: float = 0.002


def clean(mask: Mask, *, island_ratio: float, hole_ratio: float) -> Mask:
    """Drop parts below `island_ratio` of the largest part's area, fill holes below `hole_ratio` of it."""
    kept = _without_small_parts(mask, island_ratio, reference=None)
    area = float(_largest_part_area(kept))
    holes = _without_small_parts(~_padded(kept), hole_ratio, reference=area)
    return np.asarray(~holes[1:-1, 1:-1])


def _padded(mask: Mask) -> Mask:
    """One pixel of outside around the mask, so that all that is outside is one part."""
    return np.pad(mask, 1)


def _largest_part_area(mask: Mask) -> int:
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    return int(stats[1:, cv2.CC_STAT_AREA].max(initial=0))


def _without_small_parts(mask: Mask, ratio: float, *, reference: float | None) -> Mask:
    _, parts, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    areas = stats[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    largest = float(areas.max(initial=0)) if reference is None else reference
    keep = (areas > 0) & (areas >= ratio * largest)
    return np.asarray(keep[parts])


def to_instances(found: Iterable[Found], *, pin_id: str, size_wh: tuple[int, int], teacher: str, version: str, cut: Cut) -> Instances:
    """Clean and trace `found`, best score first; masks smaller than the picture of `size_wh` are scaled up as polygons."""
    ranked = sorted((one for one in found if one.score >= cut.min_score), key=lambda one: -one.score)
    traced = [_trace(one, size_wh, cut) for one in ranked]
    objects = [instance for instance in traced if instance is not None]
    return Instances(pin_id=pin_id, width=size_wh[0], height=size_wh[1], objects=objects, teacher=teacher, teacher_version=version)


def _trace(one: Found, size_wh: tuple[int, int], cut: Cut) -> Instance | None:
    mask = clean(one.mask, island_ratio=cut.island_ratio, hole_ratio=cut.hole_ratio)
    if not mask.any() or mask.mean() < cut.min_area_ratio:
        return None
    scale = np.array(size_wh, np.float32) / np.array(mask.shape[::-1], np.float32)
    polygons = masks.to_polygons(mask, epsilon_ratio=cut.epsilon_ratio)
    limit = np.array(size_wh, np.float32) - 1
    placed = [np.clip((polygon + 0.5) * scale - 0.5, 0, limit) for polygon in polygons]  # a coordinate names a pixel's centre
    points = [[(round(float(x), 1), round(float(y), 1)) for x, y in polygon] for polygon in placed]
    return Instance(polygons=points, subject_class=one.subject_class, score=float(np.clip(one.score, 0, 1))) if points else None
