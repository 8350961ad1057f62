"""Masks and polygons: rasterise, trace, compare."""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from sticker_studio.types import Mask

Polygon = npt.NDArray[np.float32]
"""Nx2 x,y in pixels of the picture, N >= 3."""


def from_polygons(polygons: Sequence[Polygon], size_wh: tuple[int, int]) -> Mask:
    """Rasterise the union of `polygons` to an HxW mask."""
    canvas = np.zeros((size_wh[1], size_wh[0]), np.uint8)
    for polygon in polygons:
        cv2.fillPoly(canvas, [np.round(polygon).astype(np.int32).reshape(-1, 1, 2)], 1)
    return canvas.astype(bool)


def to_polygons(mask: Mask, *, epsilon_ratio: float = 0.002, min_area_px: float = 16) -> list[Polygon]:
    """Trace the outer contours, largest first, each simplified to `epsilon_ratio` of its arc (Douglas-Peucker). Holes are filled."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    polygons = []
    for contour in sorted(contours, key=cv2.contourArea, reverse=True):
        if cv2.contourArea(contour) < min_area_px:
            continue
        simplified = cv2.approxPolyDP(contour, epsilon_ratio * cv2.arcLength(contour, True), True).reshape(-1, 2)
        if len(simplified) >= 3:
            polygons.append(simplified.astype(np.float32))
    return polygons


def part_at(mask: Mask, x: float, y: float) -> Mask:
    """The connected part of HxW `mask` under the point `x`, `y` (0..1); all false where there is none."""
    height, width = mask.shape
    _, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    here = labels[min(height - 1, int(y * height)), min(width - 1, int(x * width))]
    return np.asarray((labels == here) & mask)


def iou(a: Mask, b: Mask) -> float:
    """Intersection over union of two HxW masks; 1.0 when both are empty."""
    union = np.logical_or(a, b).sum()
    return float(np.logical_and(a, b).sum() / union) if union else 1.0


def boundary_f(a: Mask, b: Mask, *, tolerance_ratio: float = 0.0075) -> float:
    """F-measure of the two boundaries within a tolerance of `tolerance_ratio` of the diagonal (DAVIS, Perazzi et al. 2016)."""
    radius = max(1, round(tolerance_ratio * float(np.hypot(*a.shape))))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    edge_a, edge_b = boundary(a), boundary(b)
    if not edge_a.any() or not edge_b.any():
        return 1.0 if edge_a.any() == edge_b.any() else 0.0
    precision = edge_a[cv2.dilate(edge_b.astype(np.uint8), kernel).astype(bool)].sum() / edge_a.sum()
    recall = edge_b[cv2.dilate(edge_a.astype(np.uint8), kernel).astype(bool)].sum() / edge_b.sum()
    return float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0


def boundary(mask: Mask) -> Mask:
    """The mask's own pixels that touch its outside."""
    inner = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=0)
    return np.asarray(mask & ~inner.astype(bool))


def largest_component(mask: Mask) -> Mask:
    """The largest 8-connected part of `mask`; an empty mask stays empty."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if count <= 1:
        return mask
    return np.asarray(labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA])))


def without_parts(mask: Mask, unwanted: Callable[[npt.NDArray[np.int64]], npt.NDArray[np.bool_]]) -> Mask:
    """`mask` (HxW) without the 4-connected parts that `unwanted` names, told the areas of all (px); a mask that keeps all is returned as it is.

    OpenCV's own statistics take six times as long as finding the parts.
    """
    count, labels = cv2.connectedComponents(mask.view(np.uint8), connectivity=4)
    if count <= 1:
        return mask
    gone = np.zeros(count, np.bool_)
    gone[1:] = unwanted(np.bincount(labels.reshape(-1), minlength=count)[1:])
    return np.asarray(mask & ~gone[labels]) if gone.any() else mask


def box_xyxy(mask: Mask) -> tuple[int, int, int, int] | None:
    """Bounding box of the mask, right and bottom exclusive; None when empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
