"""What a teacher is."""

from typing import Protocol

from sticker_studio.annotations import Instances
from sticker_studio.types import RGB, Style


class Teacher(Protocol):
    """Labels one picture at a time; the same picture gives the same labels.

    Opening one raises `Unavailable` where its package or weights are missing. It stores nothing.
    """

    @property
    def name(self) -> str:
        """As in `params.labeling.teachers`."""

    @property
    def version(self) -> str:
        """What its labels depend on: the model and the hash of its weights."""

    def label(self, image: RGB, *, pin_id: str, style: Style | None = None) -> Instances:
        """Objects of an upright HxWx3 picture, in that picture's px, best first; none is a valid answer.

        `style` is what the picture is said to be (a board's declared style); a teacher that knows no styles ignores it.
        """
