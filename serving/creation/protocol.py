"""What a generator is."""

from dataclasses import dataclass
from typing import Final, Literal, Protocol

StylePreset = Literal["anime", "cartoon", "photo", "pixel", "clay"]
MAX_SEED: Final = 4_294_967_294


@dataclass(frozen=True)
class Generated:
    """A whole picture (an encoded file that decodes within the limits of `calls`) and where it comes from."""

    data: bytes
    provider: str
    model: str
    seed: int


class Generator(Protocol):
    """Makes one picture of one description. It stores nothing; its `repr` shows no key."""

    @property
    def name(self) -> str:
        """The provider, in one lower-case word."""

    @property
    def model(self) -> str:
        """The provider's own name of the model."""

    def generate(self, prompt: str, *, style: StylePreset, seed: int, timeout_s: float) -> Generated:
        """A picture of `prompt` (already checked by `safety`) in `style`; `seed` is 1 to `MAX_SEED`.

        Retries what may pass, all within `timeout_s` seconds. Raises a kind of `CreationFailed`, whose message shows no key.
        """
