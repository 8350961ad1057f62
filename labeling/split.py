"""Which side of the data set a pin is on, by its id alone, so that it never changes sides."""

from typing import Literal

Side = Literal["train", "val"]


def side(pin_id: str, *, validation_share: float) -> Side:
    """The side of a pin with a sha-256 `pin_id` (hex)."""
    return "val" if int(pin_id[:8], 16) / 2**32 < validation_share else "train"
