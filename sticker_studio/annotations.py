"""`Instances`: the one annotation type of the project. Adapters translate at the edge."""

from functools import cached_property
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from sticker_studio import masks
from sticker_studio.types import Mask, SubjectClass

Origin = Literal["teacher", "person"]
Points = Annotated[list[tuple[float, float]], Field(min_length=3)]


class Instance(BaseModel):
    """One object of a picture, possibly of several polygons (a two-part mask stays one object)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    polygons: Annotated[list[Points], Field(min_length=1)]
    """x,y in pixels of the upright picture."""
    subject_class: SubjectClass
    score: float = Field(ge=0, le=1)


class Instances(BaseModel):
    """All labelled objects of one picture, who labelled them, and the picture's size in px."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pin_id: str
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    objects: list[Instance] = []
    teacher: str = ""
    teacher_version: str = ""
    origin: Origin = "teacher"

    @model_validator(mode="after")
    def _inside(self) -> "Instances":
        for instance in self.objects:
            points = np.concatenate([np.asarray(polygon) for polygon in instance.polygons])
            if points.min() < 0 or points[:, 0].max() > self.width or points[:, 1].max() > self.height:
                raise ValueError(f"pin {self.pin_id}: polygon points must lie within 0..{self.width} x 0..{self.height} px")
        return self

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height of the picture in px."""
        return self.width, self.height

    @cached_property
    def union(self) -> Mask:
        """HxW mask of everything labelled."""
        result = np.zeros((self.height, self.width), bool)
        for index in range(len(self.objects)):
            result |= self.mask(index)
        return result

    def mask(self, index: int) -> Mask:
        """HxW mask of object `index`."""
        polygons = [np.asarray(polygon, np.float32) for polygon in self.objects[index].polygons]
        return masks.from_polygons(polygons, self.size_wh)


def instance_from_mask(mask: Mask, *, subject_class: SubjectClass, score: float, epsilon_ratio: float = 0.002) -> Instance | None:
    """Trace `mask` (HxW) to an `Instance`; None when nothing traceable is left."""
    polygons = masks.to_polygons(mask, epsilon_ratio=epsilon_ratio)
    if not polygons:
        return None
    points = [[(float(x), float(y)) for x, y in polygon] for polygon in polygons]
    return Instance(polygons=points, subject_class=subject_class, score=score)
