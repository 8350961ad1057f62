"""Scores of pictures to scores of slices, with bootstrap intervals: pure."""

from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

ALL: Final = "all"
Metric = Literal["mask IoU", "balanced accuracy"]


class PictureScore(BaseModel):
    """How a model did on one picture."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    slices: tuple[str, ...] = Field(description="what kind of picture it is, e.g. class:person, size:small; every picture is in 'all' besides")
    value: float = Field(ge=0, le=1, description="mask IoU, or 1 for the right style and 0 for the wrong one")
    boundary_f: float | None = Field(default=None, ge=0, le=1)
    found: bool = Field(default=True, description="false when there was a subject and nothing was found")


class SliceScore(BaseModel):
    """How a model did on the pictures of one slice."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pictures: int = Field(ge=1)
    mean: float
    median: float
    low: float = Field(description="lower end of the mean's 95 % bootstrap interval")
    high: float
    boundary_f: float | None = None
    nothing_found: float = Field(default=0.0, description="share of pictures with a subject where nothing was found")


Slices = dict[str, SliceScore]
_Values = npt.NDArray[np.float64]


def summarise(pictures: Sequence[PictureScore], *, samples: int, seed: int, balanced_by: str = "") -> Slices:
    """Scores of 'all' and of each slice that is not all of them.

    With `balanced_by` (a slice prefix), 'all' is the mean over those slices' means (balanced accuracy). The interval is the percentile bootstrap over
    pictures (Efron 1979), seeded: the same scores give the same interval.
    """
    if not pictures:
        return {}
    names = sorted({name for picture in pictures for name in picture.slices})
    result = {ALL: _slice(pictures, _groups(pictures, balanced_by), samples=samples, seed=seed)}
    for name in names:
        members = [picture for picture in pictures if name in picture.slices]
        if len(members) == len(pictures):
            continue  # it is 'all' under another name
        result[name] = _slice(members, [_values(members)], samples=samples, seed=seed)
    return result


def _groups(pictures: Sequence[PictureScore], prefix: str) -> list[_Values]:
    if not prefix:
        return [_values(pictures)]
    names = sorted({name for picture in pictures for name in picture.slices if name.startswith(prefix)})
    return [_values([picture for picture in pictures if name in picture.slices]) for name in names]


def _values(pictures: Sequence[PictureScore]) -> _Values:
    return np.array([picture.value for picture in pictures], np.float64)


def _slice(pictures: Sequence[PictureScore], groups: Sequence[_Values], *, samples: int, seed: int) -> SliceScore:
    low, high = interval(groups, samples=samples, seed=seed)
    edges = [picture.boundary_f for picture in pictures if picture.boundary_f is not None]
    return SliceScore(
        pictures=len(pictures),
        mean=round(float(np.mean([group.mean() for group in groups])), 4),
        median=round(float(np.median(_values(pictures))), 4),
        low=low,
        high=high,
        boundary_f=round(float(np.mean(edges)), 4) if edges else None,
        nothing_found=round(float(np.mean([not picture.found for picture in pictures])), 4),
    )


def interval(groups: Sequence[_Values], *, samples: int, seed: int) -> tuple[float, float]:
    """95 % bootstrap interval of the mean of the groups' means, resampled within each group."""
    generator = np.random.default_rng(seed)
    means = [group[generator.integers(0, len(group), (samples, len(group)))].mean(axis=1) for group in groups]
    low, high = np.percentile(np.mean(means, axis=0), [2.5, 97.5])
    return round(float(low), 4), round(float(high), 4)
