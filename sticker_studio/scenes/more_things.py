"""More objects, and oddments: chance assemblies of parts that belong to no kind. Units as in `things`."""

from collections.abc import Callable
from typing import Final

import numpy as np

from sticker_studio.scenes import colour as tones
from sticker_studio.scenes.colour import darker, lighter
from sticker_studio.scenes.geometry import Points, arc, blob, box, ellipse, limb, points, rounded, spline, star, tube, tuft
from sticker_studio.scenes.layer import PATTERNS, Layer


def _pattern(layer: Layer, chance: float = 0.3) -> str | None:
    return str(layer.rng.choice(PATTERNS)) if layer.rng.random() < chance else None


def oddment(layer: Layer) -> None:
    """A chance assembly of parts about one core; what it is cannot be said, where it ends can."""
    rng = layer.rng
    main = tones.anything(rng)
    for k in range(int(rng.integers(1, 7))):
        x, y = rng.normal(0, 0.75) * (k > 0), 2.3 + rng.normal(0, 0.7) * (k > 0)
        size = rng.uniform(0.35, 1.2) if k else rng.uniform(0.9, 1.7)
        tone = tones.jitter(rng, main, 25) if rng.random() < 0.5 else tones.anything(rng)
        layer.shape(_part(rng, x, y, size), tone, pattern=_pattern(layer, 0.25), second=tones.anything(rng), shade=float(rng.choice([0.4, 1.0])))


def _part(rng: np.random.Generator, x: float, y: float, size: float) -> Points:
    kind = rng.integers(7)
    if kind == 0:
        return blob(rng, x, y, size, size * rng.uniform(0.4, 1.2), wobble=rng.uniform(0.05, 0.5), corners=int(rng.integers(5, 13)))
    if kind == 1:
        return ellipse(x, y, size, size * rng.uniform(0.3, 1.0), turn=rng.uniform(0, np.pi))
    if kind == 2:
        return points(*((float(px), float(py)) for px, py in _turned_box(rng, x, y, size)))
    if kind == 3:
        ends = np.add(rng.normal(0, size * 1.2, (3, 2)), (x, y))
        return limb([(float(a), float(b)) for a, b in ends], size * rng.uniform(0.2, 0.7), size * rng.uniform(0.1, 0.5))
    if kind == 4:
        return star(x, y, size, size * rng.uniform(0.4, 0.8), int(rng.integers(3, 10)), turn=rng.uniform(0, 2))
    if kind == 5:
        half = [(size * rng.uniform(0.15, 1.0), y - size + 2 * size * t / 5) for t in range(6)]
        right = spline(half, closed=False, steps=4)
        return np.add(np.vstack([right, (right * (-1, 1))[::-1]]), (x, 0))
    return tuft((x, y + size * 0.5), (x + rng.normal(0, size), y - size * rng.uniform(0.6, 1.6)), size * rng.uniform(0.3, 1.0), rng.uniform(-0.3, 0.3))


def _turned_box(rng: np.random.Generator, x: float, y: float, size: float) -> Points:
    corners = rounded(-size, -size * rng.uniform(0.2, 1.0), size, size * rng.uniform(0.2, 1.0), size * rng.choice([0.02, 0.3]))
    turn = rng.uniform(-0.8, 0.8)
    c, s = np.cos(turn), np.sin(turn)
    return np.asarray(np.add(corners @ np.array([[c, s], [-s, c]]), (x, y)))


def train(layer: Layer) -> None:
    """A locomotive or carriage."""
    rng, paint = layer.rng, tones.anything(layer.rng)
    length = rng.uniform(2.6, 3.6)
    layer.shape(rounded(-length, 1.3, length, 3.5, rng.choice([0.1, 0.6])), paint)
    layer.shape(points((-length, 1.4), (length, 1.4), (length * 0.94, 1.0), (-length * 0.94, 1.0)), darker(paint, 0.7))
    layer.shape(box(-length * 0.99, 2.6, length * 0.99, 2.8), lighter(paint, 0.7), shade=0, line=0.4)
    for k in range(7):
        x = -length * 0.9 + k * length * 0.26
        layer.shape(rounded(x, 1.7, x + length * 0.17, 2.45, 0.06), (92, 112, 132), shade=0)
    for x in np.linspace(-length * 0.85, length * 0.85, 6):
        layer.shape(ellipse(float(x), 3.65, 0.33, 0.33), (54, 52, 56))


def plane(layer: Layer) -> None:
    """An aeroplane from the side."""
    rng, shell, second = layer.rng, tones.pastel(layer.rng), tones.vivid(layer.rng)
    layer.shape(points((0.3, 2.3), (-0.7, 1.2), (-0.2, 1.2), (0.9, 2.3)), darker(shell, 0.8))
    layer.shape(points((-2.0, 2.2), (-2.7, 1.0), (-2.1, 1.0), (-1.2, 2.1)), second)
    layer.shape(spline([(-2.6, 2.2), (-1.0, 2.0), (1.6, 2.0), (2.8, 2.5), (1.6, 2.9), (-1.0, 2.85)], steps=5), shell)
    for k in range(9):
        layer.shape(ellipse(-1.3 + 0.33 * k, 2.3, 0.08, 0.1), (96, 130, 160), shade=0, line=0)
    layer.shape(points((0.5, 2.6), (-1.0, 3.7), (-0.4, 3.75), (1.4, 2.6)), lighter(shell, 0.2))
    layer.shape(rounded(-0.2, 2.9, 0.7, 3.25, 0.15), tones.neutral(rng))


def pizza(layer: Layer) -> None:
    """A pizza, pie or doughnut from above."""
    rng = layer.rng
    flat = rng.uniform(0.5, 1.0)
    crust, top = tones.jitter(rng, (206, 152, 84), 25), tones.hsv(rng.uniform(0.0, 0.15), rng.uniform(0.4, 0.8), rng.uniform(0.6, 1.0))
    layer.shape(blob(rng, 0, 2.3, 2.0, 2.0 * flat, wobble=0.04), crust)
    layer.shape(blob(rng, 0, 2.3, 1.7, 1.7 * flat, wobble=0.05), top, shade=0.3, line=0.4)
    for _ in range(int(rng.integers(6, 22))):
        r, a = 1.5 * np.sqrt(rng.random()), rng.uniform(0, 2 * np.pi)
        size = rng.uniform(0.1, 0.3)
        layer.shape(
            blob(rng, r * np.cos(a), 2.3 + r * np.sin(a) * flat, size, size * flat),
            tones.jitter(rng, ((170, 40, 36), (90, 130, 50), (240, 230, 190), (60, 40, 36))[rng.integers(4)], 20),
            line=0.4,
        )


def sandwich(layer: Layer) -> None:
    """A sandwich or burger."""
    rng = layer.rng
    bread = tones.jitter(rng, (214, 158, 92), 25)
    y = 3.6
    layer.shape(rounded(-1.7, y - 0.6, 1.7, y, 0.3), bread)
    for _ in range(int(rng.integers(2, 6))):
        y -= rng.uniform(0.2, 0.4)
        edge = [(1.8 * (1 - k / 5), y - 0.1 + rng.uniform(-0.1, 0.15)) for k in range(11)]
        layer.shape(
            np.vstack([points((-1.8, y - 0.45), (1.8, y - 0.45)), spline(edge, closed=False, steps=3)]),
            ((110, 170, 60), (200, 60, 46), (246, 206, 90), (112, 66, 44))[rng.integers(4)],
        )
    layer.shape(spline([(-1.7, y - 0.4), (-1.3, y - 1.3), (0, y - 1.6), (1.3, y - 1.3), (1.7, y - 0.4)], steps=5), bread)


def hydrant(layer: Layer) -> None:
    """A fire hydrant or post box."""
    rng, paint = layer.rng, tones.vivid(layer.rng)
    for side in (-1, 1):
        layer.shape(rounded(side * 0.6, 1.9, side * 1.25, 2.5, 0.1), darker(paint, 0.85))
    layer.shape(rounded(-0.75, 1.2, 0.75, 3.7, 0.15), paint)
    layer.shape(spline([(-0.8, 1.2), (-0.5, 0.5), (0.5, 0.5), (0.8, 1.2)], steps=4), paint)
    layer.shape(rounded(-1.0, 3.6, 1.0, 4.0, 0.1), darker(paint, 0.8))
    layer.shape(ellipse(0, 2.2, 0.36, 0.36), tones.neutral(rng))


def traffic_light(layer: Layer) -> None:
    """A traffic light."""
    rng, case = layer.rng, tones.jitter(layer.rng, ((44, 44, 48), (226, 180, 50), (60, 90, 70))[layer.rng.integers(3)], 10)
    if rng.random() < 0.6:
        layer.shape(tube([(0, 3.0), (0, 5.5)], 0.22), (90, 92, 96))
    layer.shape(rounded(-0.7, 0.2, 0.7, 3.4, 0.2), case)
    on = rng.integers(3)
    for k, lit in enumerate(((230, 50, 40), (246, 190, 50), (60, 200, 90))):
        layer.shape(ellipse(0, 0.8 + k, 0.42, 0.42), lit if k == on else darker(lit, 0.3), shade=0.3)


def suitcase(layer: Layer) -> None:
    """A suitcase or fridge: a tall box with fittings."""
    rng, shell = layer.rng, tones.anything(layer.rng)
    tall = rng.uniform(2.0, 3.6)
    if rng.random() < 0.6:
        handle = points((-0.5, 4 - tall), (-0.5, 4 - tall - 0.7), (0.5, 4 - tall - 0.7), (0.5, 4 - tall))
        layer.stroke(handle, (70, 70, 76), 0.16)
    layer.shape(rounded(-1.3, 4 - tall, 1.3, 3.9, 0.25), shell, pattern=_pattern(layer, 0.15), second=tones.anything(rng))
    cut = 4 - tall * rng.uniform(0.4, 0.8)
    layer.stroke(points((-1.3, cut), (1.3, cut)), darker(shell, 0.5), 0.07)
    for k in (0.25, -0.35):
        layer.shape(rounded(0.8, cut + k, 1.0, cut + k + 0.3, 0.05), (170, 172, 178), shade=0)


def bench(layer: Layer) -> None:
    """A bench or bed: slats, gaps and legs."""
    rng, wood = layer.rng, tones.jitter(layer.rng, (140, 92, 58), 30)
    for x in (-2.0, 2.0):
        layer.shape(tube([(x, 1.4), (x, 4.0)], 0.2), (70, 70, 76))
    for k in range(3):
        layer.shape(box(-2.4, 1.4 + 0.45 * k, 2.4, 1.72 + 0.45 * k), tones.jitter(rng, wood, 8))
    layer.shape(points((-2.5, 2.9), (2.5, 2.9), (2.7, 3.3), (-2.7, 3.3)), lighter(wood, 0.15))


def teapot(layer: Layer) -> None:
    """A teapot, kettle or watering can."""
    rng, glaze = layer.rng, tones.anything(layer.rng)
    layer.stroke(arc(-1.3, 2.7, 0.7, 0.7, 1.4, 4.9), darker(glaze, 0.7), 0.3)
    layer.shape(limb([(1.0, 3.0), (1.8, 2.5), (2.2, 1.6)], 0.7, 0.28), glaze)
    layer.shape(spline([(-0.6, 1.5), (0.6, 1.5), (1.5, 2.6), (1.0, 3.9), (-1.0, 3.9), (-1.5, 2.6)]), glaze, pattern=_pattern(layer), second=tones.anything(rng))
    layer.shape(ellipse(0, 1.5, 0.75, 0.22), lighter(glaze, 0.2))
    layer.shape(ellipse(0, 1.2, 0.2, 0.2), glaze)


def shoe(layer: Layer) -> None:
    """A shoe or boot."""
    rng, leather = layer.rng, tones.anything(layer.rng)
    high = rng.uniform(0.6, 2.3)
    layer.shape(spline([(-1.7, 3.6), (-1.6, 3.0 - high), (-0.4, 3.0 - high), (-0.2, 2.5), (1.3, 3.0), (1.9, 3.6)], steps=5), leather)
    layer.shape(rounded(-1.8, 3.5, 2.0, 3.95, 0.2), tones.neutral(rng))
    for k in range(3):
        layer.stroke(points((-0.25 + 0.35 * k, 2.6 + 0.12 * k), (0.1 + 0.35 * k, 2.9 + 0.1 * k)), (250, 250, 250), 0.09)


def skateboard(layer: Layer) -> None:
    """A skateboard, surfboard or ski."""
    rng, deck = layer.rng, tones.vivid(layer.rng)
    thick = rng.uniform(0.12, 0.6)
    layer.shape(ellipse(0, 3.2, 2.5, thick), deck, pattern=_pattern(layer, 0.5), second=tones.anything(rng))
    if thick < 0.35:
        for x in (-1.5, 1.5):
            layer.shape(ellipse(x, 3.55, 0.28, 0.28), tones.neutral(rng))


def tent(layer: Layer) -> None:
    """A tent or small house."""
    rng, wall = layer.rng, tones.anything(layer.rng)
    if rng.random() < 0.5:
        layer.shape(points((-2.2, 3.95), (-0.3, 1.0), (1.0, 3.95)), wall)
        layer.shape(points((-0.3, 1.0), (1.6, 1.3), (2.4, 3.6), (1.0, 3.95)), darker(wall, 0.75), shade=0)
        layer.shape(points((-0.9, 3.95), (-0.35, 1.9), (0.1, 3.95)), darker(wall, 0.4), shade=0)
    else:
        layer.shape(box(-1.6, 2.0, 1.6, 3.95), wall, pattern=_pattern(layer, 0.2), second=darker(wall, 0.8))
        layer.shape(points((-2.0, 2.1), (0, 0.5), (2.0, 2.1)), tones.vivid(rng))
        layer.shape(rounded(-0.4, 2.8, 0.4, 3.95, 0.1), tones.neutral(rng))
        for x in (-1.2, 0.7):
            layer.shape(box(x, 2.4, x + 0.5, 2.9), (170, 206, 230), shade=0)


def donut(layer: Layer) -> None:
    """A ring: doughnut, tyre or lifebuoy, with a hole."""
    rng, dough, glaze = layer.rng, tones.jitter(layer.rng, (206, 150, 90), 30), tones.vivid(layer.rng)
    angle = np.linspace(0, 2 * np.pi, 40)
    layer.shape(
        np.vstack(
            [ellipse(0, 2.3, 1.8, 1.7, steps=40), ellipse(0, 2.3, 1.8, 1.7, steps=40)[:1], np.stack([0.62 * np.cos(-angle), 2.3 + 0.58 * np.sin(-angle)], 1)]
        ),
        dough,
        line=0,
    )
    layer.stroke(arc(0, 2.25, 1.2, 1.1, 0, 2 * np.pi, steps=40), glaze, 0.8)
    for _ in range(18):
        a = rng.uniform(0, 2 * np.pi)
        x, y = rng.uniform(0.95, 1.45) * np.cos(a), 2.25 + rng.uniform(0.9, 1.35) * np.sin(a)
        layer.stroke(points((x, y), (x + rng.uniform(-0.15, 0.15), y + rng.uniform(-0.15, 0.15))), tones.pastel(rng), 0.08)


KINDS: Final[dict[str, Callable[[Layer], None]]] = {
    "oddment": oddment,
    "train": train,
    "plane": plane,
    "pizza": pizza,
    "sandwich": sandwich,
    "hydrant": hydrant,
    "traffic-light": traffic_light,
    "suitcase": suitcase,
    "bench": bench,
    "teapot": teapot,
    "shoe": shoe,
    "skateboard": skateboard,
    "tent": tent,
    "donut": donut,
}
"""More kinds of objects and their painters."""
