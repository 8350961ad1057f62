"""YOLO-seg text: one line an object, `class x1 y1 x2 y2 ...` in 0..1; the parts of one object are joined into one polygon.

The joint goes there and back along the shortest bridge between two parts (the method of Ultralytics' `merge_multi_segment`),
so that a two-part mask stays one object.
"""

from collections.abc import Sequence

import numpy as np

from sticker_studio.annotations import Instance, Instances
from sticker_studio.errors import ContractViolation
from sticker_studio.masks import Polygon
from sticker_studio.types import CLASSES


def join(polygons: Sequence[Polygon]) -> Polygon:
    """Join Nx2 polygons into one closed ring over zero-width bridges."""
    ring = np.asarray(polygons[0], np.float32)
    for part in polygons[1:]:
        part = np.asarray(part, np.float32)
        distance = ((ring[:, None, :] - part[None, :, :]) ** 2).sum(axis=2)
        i, j = np.unravel_index(int(distance.argmin()), distance.shape)
        rolled = np.roll(part, -int(j), axis=0)
        ring = np.concatenate([ring[: i + 1], rolled, rolled[:1], ring[i:]])
    return ring


def to_text(instances: Instances) -> str:
    """The label file of one picture; empty text for a picture without objects."""
    size = np.array(instances.size_wh, np.float32)
    lines = []
    for instance in instances.objects:
        ring = join([np.asarray(p, np.float32) for p in instance.polygons]) / size
        coordinates = " ".join(f"{value:.6f}" for value in np.clip(ring, 0, 1).ravel())
        lines.append(f"{CLASSES.index(instance.subject_class)} {coordinates}")
    return "".join(line + "\n" for line in lines)


def from_text(text: str, *, pin_id: str, size_wh: tuple[int, int]) -> Instances:
    """Parse a label file. Raises `ContractViolation` naming the line that breaks the format."""
    objects = [_parse_line(line, number, pin_id, size_wh) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    return Instances(pin_id=pin_id, width=size_wh[0], height=size_wh[1], objects=objects)


def _parse_line(line: str, number: int, pin_id: str, size_wh: tuple[int, int]) -> Instance:
    fields = line.split()
    try:
        subject_class = CLASSES[int(fields[0])]
        values = np.array([float(field) for field in fields[1:]]).reshape(-1, 2)
        points = [(float(x * size_wh[0]), float(y * size_wh[1])) for x, y in values]
        return Instance(polygons=[points], subject_class=subject_class, score=1.0)
    except (ValueError, IndexError) as error:
        raise ContractViolation(f"label of {pin_id}, line {number}: expected 'class x1 y1 x2 y2 x3 y3 ...', got {line[:60]!r}") from error
