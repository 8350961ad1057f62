"""Curves in subject units, as Nx2 float arrays of x,y (y points down)."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Points: TypeAlias = npt.NDArray[np.float64]
"""Nx2 x,y."""
PointList: TypeAlias = Sequence[tuple[float, float]]


def points(*xy: tuple[float, float]) -> Points:
    """The corners as an array."""
    return np.asarray(xy, np.float64)


def spline(corners: PointList | Points, *, closed: bool = True, steps: int = 7) -> Points:
    """A Catmull-Rom curve through `corners`, `steps` points a piece."""
    p = np.asarray(corners, np.float64)
    if closed:
        at = np.arange(len(p))
        before, a, b, after = p[at - 1], p, p[(at + 1) % len(p)], p[(at + 2) % len(p)]
    else:
        padded = np.vstack([2 * p[0] - p[1], p, 2 * p[-1] - p[-2]])
        before, a, b, after = padded[:-3], padded[1:-2], padded[2:-1], padded[3:]
    t = np.linspace(0, 1, steps, endpoint=False)[None, :, None]
    before, a, b, after = (side[:, None, :] for side in (before, a, b, after))
    curve = 0.5 * (2 * a + (b - before) * t + (2 * before - 5 * a + 4 * b - after) * t**2 + (3 * a - before - 3 * b + after) * t**3)
    flat = curve.reshape(-1, 2)
    return flat if closed else np.vstack([flat, p[-1]])


def ellipse(x: float, y: float, rx: float, ry: float, *, turn: float = 0.0, steps: int = 28) -> Points:
    """An ellipse about x,y, turned by `turn` radians."""
    angle = np.linspace(0, 2 * np.pi, steps, endpoint=False)
    flat = np.stack([rx * np.cos(angle), ry * np.sin(angle)], axis=1)
    return np.asarray(rotate(flat, turn) + np.array([x, y]))


def rotate(shape: Points, turn: float, about: tuple[float, float] = (0.0, 0.0)) -> Points:
    """`shape` turned clockwise (y points down) by `turn` radians."""
    c, s = np.cos(turn), np.sin(turn)
    return np.asarray((shape - about) @ np.array([[c, s], [-s, c]]) + about)


def arc(x: float, y: float, rx: float, ry: float, start: float, end: float, *, steps: int = 12) -> Points:
    """An open arc from angle `start` to `end` in radians."""
    angle = np.linspace(start, end, steps)
    return np.stack([x + rx * np.cos(angle), y + ry * np.sin(angle)], axis=1)


def box(x0: float, y0: float, x1: float, y1: float) -> Points:
    """A rectangle."""
    return points((x0, y0), (x1, y0), (x1, y1), (x0, y1))


def rounded(x0: float, y0: float, x1: float, y1: float, radius: float) -> Points:
    """A rectangle with round corners."""
    r = min(radius, abs(x1 - x0) / 2, abs(y1 - y0) / 2)
    quarter = np.pi / 2
    corners = [(x1 - r, y0 + r, -quarter), (x1 - r, y1 - r, 0.0), (x0 + r, y1 - r, quarter), (x0 + r, y0 + r, 2 * quarter)]
    return np.vstack([arc(cx, cy, r, r, begin, begin + quarter, steps=5) for cx, cy, begin in corners])


def tube(path: PointList | Points, width: float, end_width: float | None = None, *, cap: bool = True) -> Points:
    """A tapered tube along `path`, `width` at its start and `end_width` at its end, with a round end."""
    p = np.asarray(path, np.float64)
    along = np.gradient(p, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    normal = np.stack([-along[:, 1], along[:, 0]], axis=1)
    half = np.linspace(width, width if end_width is None else end_width, len(p))[:, None] / 2
    left, right = p + normal * half, p - normal * half
    if not cap:
        return np.vstack([left, right[::-1]])
    return np.vstack([left, p[-1] + along[-1] * half[-1] * 0.7, right[::-1], p[0] - along[0] * half[0] * 0.7])


def limb(path: PointList, width: float, end_width: float | None = None) -> Points:
    """A bent tube, smooth along `path`."""
    return tube(spline(path, closed=False, steps=6), width, end_width)


def tuft(base: tuple[float, float], tip: tuple[float, float], width: float, bend: float = 0.0) -> Points:
    """A strand, wide at `base`, pointed at `tip`, bowed sideways by `bend` of its length."""
    a, b = np.asarray(base, float), np.asarray(tip, float)
    along = b - a
    across = np.array([-along[1], along[0]])
    across /= max(float(np.linalg.norm(across)), 1e-9)
    bow = across * bend * float(np.linalg.norm(along))
    corners = [
        a - across * width / 2,
        a + along * 0.45 - across * width * 0.42 + bow,
        b,
        a + along * 0.45 + across * width * 0.42 + bow,
        a + across * width / 2,
    ]
    first = spline(np.asarray(corners[:3]), closed=False, steps=5)
    return np.vstack([first, spline(np.asarray(corners[2:]), closed=False, steps=5)])


def lock(base: tuple[float, float], tip: tuple[float, float], width: float, bend: float = 0.0) -> Points:
    """A strand pointed at both ends, widest at a third, bowed sideways by `bend` of its length."""
    a, b = np.asarray(base, float), np.asarray(tip, float)
    along = b - a
    across = np.array([-along[1], along[0]]) / max(float(np.linalg.norm(along)), 1e-9)
    middle = a + along * 0.36 + across * bend * float(np.linalg.norm(along))
    left = spline(np.asarray([a, middle - across * width / 2, b]), closed=False, steps=6)
    right = spline(np.asarray([b, middle + across * width / 2, a]), closed=False, steps=6)
    return np.vstack([left, right])


def blob(rng: np.random.Generator, x: float, y: float, rx: float, ry: float, *, wobble: float = 0.15, corners: int = 9) -> Points:
    """A smooth uneven closed curve about x,y."""
    angle = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    radius = 1 + rng.uniform(-wobble, wobble, corners)
    return spline(np.stack([x + rx * radius * np.cos(angle), y + ry * radius * np.sin(angle)], axis=1), steps=5)


def star(x: float, y: float, outer: float, inner: float, tips: int, *, turn: float = 0.0) -> Points:
    """A star of `tips` points."""
    angle = np.linspace(0, 2 * np.pi, 2 * tips, endpoint=False) + turn
    radius = np.where(np.arange(2 * tips) % 2 == 0, outer, inner)
    return np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle)], axis=1)


def mirror(shape: Points) -> Points:
    """`shape` with left and right swapped."""
    return shape * (-1, 1)
