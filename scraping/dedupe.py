"""Which pictures are new: exact copies by id, near copies and mirrored ones by the Hamming distance of perceptual hashes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from sticker_studio.types import RGB

Kind = Literal["exact", "near", "mirrored"]


class Hashed(Protocol):
    """What is compared: a pin record, or a picture on its way to become one."""

    @property
    def id(self) -> str:
        """sha-256 of the bytes."""

    @property
    def phash(self) -> str:
        """64-bit perceptual hash, hex."""


@dataclass(frozen=True)
class Duplicate:
    """`id` is the same picture as the earlier `of`."""

    id: str
    of: str
    kind: Kind


@dataclass(frozen=True)
class Plan:
    """What to keep, in the order found, and what to drop."""

    new: tuple[str, ...]
    duplicates: tuple[Duplicate, ...]


def perceptual_hash(pixels: RGB) -> str:
    """64 bits, hex: signs against their median of the 8x8 lowest DCT coefficients of the 32x32 grey picture (pHash)."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32)
    low = cv2.dct(small)[:8, :8]
    return _pack(low > np.median(low))


def mirrored_hash(pixels: RGB) -> str:
    """The perceptual hash of the picture flipped left to right."""
    return perceptual_hash(np.ascontiguousarray(pixels[:, ::-1]))


def _pack(bits: npt.NDArray[np.bool_]) -> str:
    return np.packbits(bits.ravel()).tobytes().hex()


class Seen:
    """Pictures seen so far, asked one at a time."""

    def __init__(self, pins: Iterable[Hashed], *, near_bits: int) -> None:
        self._near_bits = near_bits
        self._ids: list[str] = []
        self._known: set[str] = set()
        self._hashes = np.zeros(1024, np.uint64)
        for pin in pins:
            self.add(pin)

    def add(self, pin: Hashed) -> None:
        """Hold later pictures against `pin` too."""
        if len(self._ids) == len(self._hashes):
            self._hashes = np.concatenate([self._hashes, np.zeros_like(self._hashes)])
        self._hashes[len(self._ids)] = int(pin.phash, 16)
        self._ids.append(pin.id)
        self._known.add(pin.id)

    def match(self, pin: Hashed, mirrored: str | None = None) -> Duplicate | None:
        """The first picture seen that `pin` copies, or None. `mirrored`: hash of the flipped picture, to find mirrored copies as well."""
        if pin.id in self._known:
            return Duplicate(pin.id, pin.id, "exact")
        near = self._nearest(pin.phash)
        if near is not None:
            return Duplicate(pin.id, near, "near")
        flipped = self._nearest(mirrored) if mirrored else None
        return Duplicate(pin.id, flipped, "mirrored") if flipped is not None else None

    def _nearest(self, phash: str) -> str | None:
        if not self._ids:
            return None
        distances = np.bitwise_count(self._hashes[: len(self._ids)] ^ np.uint64(int(phash, 16)))
        best = int(np.argmin(distances))
        return self._ids[best] if distances[best] <= self._near_bits else None


def plan(known: Iterable[Hashed], found: Sequence[Hashed], *, near_bits: int) -> Plan:
    """Decide which of `found`, in order, are new against `known` and against each other."""
    seen = Seen(known, near_bits=near_bits)
    new: list[str] = []
    duplicates: list[Duplicate] = []
    for pin in found:
        copy = seen.match(pin)
        if copy:
            duplicates.append(copy)
        else:
            seen.add(pin)
            new.append(pin.id)
    return Plan(tuple(new), tuple(duplicates))
