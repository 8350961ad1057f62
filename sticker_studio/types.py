"""Words shared by every stage: styles, classes, model names, and the array types."""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

RGB: TypeAlias = npt.NDArray[np.uint8]
"""HxWx3 uint8, upright."""
RGBA: TypeAlias = npt.NDArray[np.uint8]
"""HxWx4 uint8, straight (not premultiplied) alpha."""
Mask: TypeAlias = npt.NDArray[np.bool_]
"""HxW bool."""
Alpha: TypeAlias = npt.NDArray[np.float32]
"""HxW float32 in 0..1."""

Style = Literal["anime", "normal"]
STYLES: Final[tuple[Style, ...]] = get_args(Style)

SubjectClass = Literal["person", "animal", "object"]
CLASSES: Final[tuple[SubjectClass, ...]] = get_args(SubjectClass)


@dataclass(frozen=True, kw_only=True)
class Detection:
    """One subject that a network sees. `probability` is HxW float32 at the picture's size; `box_xyxy` in its px."""

    subject_class: str
    score: float
    box_xyxy: tuple[float, float, float, float]
    probability: Alpha


CLASSIFIER: Final = "sticker-style-classifier"
SEGMENTORS: Final[dict[Style, str]] = {style: f"sticker-segmentor-{style}" for style in STYLES}
MODEL_NAMES: Final[tuple[str, ...]] = (CLASSIFIER, *SEGMENTORS.values())
