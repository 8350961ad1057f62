"""Words shared by every stage: styles, classes, model names, and the array types."""

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

CLASSIFIER: Final = "sticker-style-classifier"
SEGMENTORS: Final[dict[Style, str]] = {style: f"sticker-segmentor-{style}" for style in STYLES}
MODEL_NAMES: Final[tuple[str, ...]] = (CLASSIFIER, *SEGMENTORS.values())
