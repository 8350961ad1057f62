"""1/f noise from a few seeded tiles, which are made once a process; cutting, turning and stretching them is cheap."""

from functools import lru_cache
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

Field: TypeAlias = npt.NDArray[np.float32]
"""HxW, about 0..1."""

SIDE = 512
COUNT = 6


@lru_cache(maxsize=64)
def _tile(index: int, exponent: float) -> Field:
    rng = np.random.default_rng([7, index, round(exponent * 100)])
    frequency = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None, :])
    frequency[0, 0] = 1.0
    phase = rng.uniform(0, 2 * np.pi, frequency.shape)
    spectrum = frequency**-exponent * np.exp(1j * phase)
    spectrum[0, 0] = 0
    plain = np.fft.irfft2(spectrum, s=(SIDE, SIDE))
    low, high = np.percentile(plain, (1, 99))
    return np.asarray(np.clip((plain - low) / (high - low), 0, 1), np.float32)


def field(rng: np.random.Generator, size_wh: tuple[int, int], *, exponent: float = 1.2, zoom: float = 1.0, stretch: float = 1.0) -> Field:
    """HxW noise in 0..1; spectrum falls as 1/f^exponent; `zoom` > 1 enlarges, `stretch` > 1 draws it out sideways."""
    tile = _tile(int(rng.integers(COUNT)), exponent)
    w = int(np.clip(size_wh[0] / zoom / stretch, 8, SIDE))
    h = int(np.clip(size_wh[1] / zoom, 8, SIDE))
    x, y = int(rng.integers(SIDE - w + 1)), int(rng.integers(SIDE - h + 1))
    cut = tile[y : y + h, x : x + w]
    if rng.random() < 0.5:
        cut = cut[:, ::-1]
    return np.asarray(cv2.resize(cut, size_wh, interpolation=cv2.INTER_LINEAR), np.float32)


@lru_cache(maxsize=2)
def _grain() -> npt.NDArray[np.float32]:
    return np.random.default_rng(11).standard_normal(2 * SIDE * SIDE * 3, dtype=np.float32)


def grain(rng: np.random.Generator, size_wh: tuple[int, int], *, coloured: bool = True) -> npt.NDArray[np.float32]:
    """HxWx3 white Gaussian noise of deviation 1, cut from one long strip (a picture larger than the strip repeats it)."""
    w, h = size_wh
    channels = 3 if coloured else 1
    strip, wanted = _grain(), w * h * channels
    start = int(rng.integers(max(1, len(strip) - wanted)))
    cut = strip[start : start + wanted] if wanted <= len(strip) else np.resize(strip, wanted)
    return np.broadcast_to(cut.reshape(h, w, channels), (h, w, 3))
