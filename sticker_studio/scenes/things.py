"""Objects as drawn shapes. Subject units: about 4 high, standing on y=4, centred on x=0."""

from collections.abc import Callable
from typing import Final

import numpy as np

from sticker_studio.scenes import colour as tones
from sticker_studio.scenes import more_things
from sticker_studio.scenes.colour import darker, lighter
from sticker_studio.scenes.geometry import arc, blob, box, ellipse, limb, points, rounded, spline, star, tube, tuft
from sticker_studio.scenes.layer import PATTERNS, Layer


def _pattern(layer: Layer, chance: float = 0.3) -> str | None:
    return str(layer.rng.choice(PATTERNS)) if layer.rng.random() < chance else None


def mug(layer: Layer) -> None:
    """A mug or cup with a handle."""
    rng, body = layer.rng, tones.anything(layer.rng)
    layer.stroke(arc(1.3, 2.6, 0.75, 0.75, -1.6, 1.6), darker(body, 0.45), 0.36)
    layer.stroke(arc(1.3, 2.6, 0.75, 0.75, -1.6, 1.6), body, 0.27)
    narrow = rng.uniform(0.7, 1.0)
    layer.shape(
        spline([(-1.3, 1.3), (1.3, 1.3), (1.3 * narrow, 3.7), (0, 3.95), (-1.3 * narrow, 3.7)], steps=4),
        body,
        pattern=_pattern(layer),
        second=tones.anything(rng),
    )
    layer.shape(ellipse(0, 1.3, 1.3, 0.34), lighter(body, 0.3), shade=0)
    layer.shape(ellipse(0, 1.36, 1.1, 0.24), (96, 60, 40), shade=0, line=0.5)


def ball(layer: Layer) -> None:
    """A ball, plain or printed."""
    rng, body, second = layer.rng, tones.vivid(layer.rng), tones.anything(layer.rng)
    layer.shape(ellipse(0, 2.3, 1.7, 1.7, steps=40), body, pattern=_pattern(layer, 0.5), second=second)
    if rng.random() < 0.5:
        layer.shape(star(0, 2.3, 0.8, 0.35, 5, turn=rng.uniform(0, 2)), second, shade=0)
    else:
        layer.stroke(arc(0, 2.3, 0.7, 1.65, -np.pi / 2, np.pi / 2), darker(body, 0.5), 0.07)
        layer.stroke(arc(0, 2.3, 1.65, 0.6, 0, np.pi), darker(body, 0.5), 0.07)


def parcel(layer: Layer) -> None:
    """A box or present, seen at an angle."""
    rng, body, ribbon = layer.rng, tones.anything(layer.rng), tones.vivid(layer.rng)
    turn = rng.uniform(-0.6, 0.6)
    layer.shape(points((-1.7, 1.7), (turn, 2.3), (turn, 4.0), (-1.7, 3.4)), body, shade=0)
    layer.shape(points((turn, 2.3), (1.7, 1.7), (1.7, 3.4), (turn, 4.0)), darker(body, 0.75), shade=0)
    layer.shape(points((-1.7, 1.7), (-turn, 1.15), (1.7, 1.7), (turn, 2.3)), lighter(body, 0.25), shade=0)
    if rng.random() < 0.6:
        layer.shape(points((-1.0, 1.95), (-0.65, 2.1), (-0.65, 3.75), (-1.0, 3.65)), ribbon, shade=0)
        for side in (-1, 1):
            layer.shape(spline([(0, 1.6), (side * 0.8, 0.9), (side * 0.9, 1.6)]), ribbon)


def book(layer: Layer) -> None:
    """An open or closed book."""
    rng, cover = layer.rng, tones.vivid(layer.rng)
    if rng.random() < 0.5:
        for side in (-1, 1):
            layer.shape(points((0, 1.6), (side * 2.0, 1.2), (side * 2.0, 3.5), (0, 3.9)), cover)
            layer.shape(points((0, 1.6), (side * 1.85, 1.3), (side * 1.85, 3.3), (0, 3.7)), (246, 242, 230), shade=0.3)
            for k in range(5):
                layer.stroke(points((side * 0.2, 1.9 + 0.33 * k), (side * 1.6, 1.65 + 0.33 * k)), (150, 146, 140), 0.05)
    else:
        layer.shape(points((-1.3, 0.9), (1.2, 0.7), (1.4, 3.7), (-1.1, 3.9)), cover)
        layer.shape(points((-1.1, 3.9), (1.4, 3.7), (1.5, 3.9), (-0.95, 4.1)), (246, 242, 230), shade=0)
        layer.shape(box(-0.7, 1.5, 0.8, 2.0), lighter(cover, 0.6), shade=0)


def lamp(layer: Layer) -> None:
    """A table lamp."""
    rng = layer.rng
    layer.shape(limb([(0, 3.8), (0.1, 2.8), (0, 1.9)], 0.3, 0.2), tones.neutral(rng))
    layer.shape(ellipse(0, 3.85, 0.9, 0.2), tones.neutral(rng))
    top = rng.uniform(0.4, 1.0)
    layer.shape(points((-top, 0.5), (top, 0.5), (1.4, 2.1), (-1.4, 2.1)), tones.pastel(rng), pattern=_pattern(layer), second=tones.vivid(rng))


def plant(layer: Layer) -> None:
    """A plant or flower in a pot."""
    rng = layer.rng
    leaf = tones.hsv(rng.uniform(0.22, 0.42), rng.uniform(0.4, 0.8), rng.uniform(0.35, 0.8))
    flower = tones.vivid(rng) if rng.random() < 0.5 else None
    for _ in range(int(rng.integers(6, 14))):
        tip = (rng.uniform(-2.0, 2.0), rng.uniform(0.0, 2.0))
        layer.shape(tuft((rng.uniform(-0.3, 0.3), 2.9), tip, rng.uniform(0.3, 0.7), rng.uniform(-0.3, 0.3)), tones.jitter(rng, leaf, 20))
        if flower is not None and rng.random() < 0.5:
            layer.shape(star(*tip, 0.42, 0.22, 6, turn=rng.uniform(0, 1)), flower)
            layer.shape(ellipse(*tip, 0.13, 0.13), (250, 220, 90), shade=0)
    layer.shape(points((-1.0, 2.7), (1.0, 2.7), (0.7, 4.0), (-0.7, 4.0)), tones.anything(rng), pattern=_pattern(layer), second=tones.anything(rng))


def car(layer: Layer) -> None:
    """A car, bus or truck from the side."""
    rng, paint = layer.rng, tones.vivid(layer.rng) if layer.rng.random() < 0.6 else tones.neutral(layer.rng)
    kind = rng.integers(3)
    glass = (176, 208, 226)
    if kind == 0:
        roof = rng.uniform(1.5, 1.9)
        layer.shape(spline([(-1.6, 2.7), (-1.0, roof), (0.8, roof), (1.6, 2.7)], steps=5), paint)
        layer.shape(spline([(-1.25, 2.6), (-0.85, roof + 0.2), (-0.1, roof + 0.2), (-0.1, 2.6)], steps=4), glass, shade=0)
        layer.shape(spline([(0.05, 2.6), (0.05, roof + 0.2), (0.7, roof + 0.2), (1.2, 2.6)], steps=4), glass, shade=0)
        layer.shape(spline([(-2.4, 2.8), (-1.4, 2.5), (1.4, 2.5), (2.4, 2.8), (2.45, 3.5), (-2.45, 3.5)], steps=5), paint)
    elif kind == 1:
        layer.shape(rounded(-2.6, 1.1, 2.6, 3.6, 0.3), paint)
        layer.shape(box(-2.6, 2.7, 2.6, 2.95), lighter(paint, 0.6), shade=0, line=0.4)
        for k in range(5):
            layer.shape(rounded(-2.3 + 0.95 * k, 1.45, -1.55 + 0.95 * k, 2.4, 0.1), glass, shade=0)
    else:
        layer.shape(box(-2.5, 1.2, 0.7, 3.5), tones.anything(rng), pattern=_pattern(layer, 0.3), second=tones.anything(rng))
        layer.shape(spline([(0.8, 1.8), (1.9, 1.8), (2.4, 2.7), (2.4, 3.5), (0.8, 3.5)], steps=3), paint)
        layer.shape(points((1.2, 2.0), (1.8, 2.0), (2.15, 2.6), (1.2, 2.6)), glass, shade=0)
    for x in (-1.5, 1.5):
        layer.shape(ellipse(x, 3.55, 0.56, 0.56), (44, 42, 46))
        layer.shape(ellipse(x, 3.55, 0.26, 0.26), (186, 188, 194), shade=0)
    layer.shape(ellipse(2.3, 2.95, 0.16, 0.14), (255, 240, 180), shade=0)


def boat(layer: Layer) -> None:
    """A boat with a sail or cabin."""
    rng = layer.rng
    if rng.random() < 0.6:
        layer.shape(tube([(0, 0.2), (0, 3.0)], 0.13), (120, 84, 56))
        layer.shape(spline([(0.12, 0.3), (1.7, 2.7), (0.12, 2.8)], steps=3), tones.pastel(rng), pattern=_pattern(layer), second=tones.vivid(rng))
        layer.shape(points((-0.12, 0.7), (-1.2, 2.7), (-0.12, 2.7)), tones.pastel(rng))
    else:
        layer.shape(rounded(-1.0, 1.5, 0.9, 3.0, 0.1), tones.pastel(rng))
        for k in range(3):
            layer.shape(rounded(-0.8 + 0.55 * k, 1.8, -0.42 + 0.55 * k, 2.3, 0.05), (140, 180, 206), shade=0)
    layer.shape(spline([(-2.4, 2.9), (0, 3.05), (2.5, 2.8), (1.8, 3.9), (-1.8, 3.95)], steps=4), tones.vivid(rng))


def cake(layer: Layer) -> None:
    """A cake of one or more tiers."""
    rng = layer.rng
    for k in range(int(rng.integers(1, 4))):
        wide, low = 1.8 - 0.5 * k, 3.9 - 1.05 * k
        sponge, cream = tones.pastel(rng), tones.pastel(rng)
        layer.shape(rounded(-wide, low - 1.0, wide, low, 0.2), sponge)
        drip = [(wide * (1 - k2 / 5), low - 0.7 + (0.28 if k2 % 2 else 0.0)) for k2 in range(11)]
        layer.shape(np.vstack([points((-wide, low - 1.1), (wide, low - 1.1)), spline(drip, closed=False, steps=4)]), cream)
        for x in np.linspace(-wide * 0.8, wide * 0.8, 5):
            layer.shape(ellipse(float(x), low - 1.15, 0.2, 0.2), tones.vivid(rng))


def bowl(layer: Layer) -> None:
    """A bowl or plate of food."""
    rng, rim = layer.rng, tones.anything(layer.rng)
    food = tones.hsv(rng.uniform(0.0, 0.16), rng.uniform(0.4, 0.9), rng.uniform(0.4, 0.95))
    if rng.random() < 0.5:
        layer.shape(ellipse(0, 2.5, 2.3, rng.uniform(1.1, 2.2)), rim)
        layer.shape(ellipse(0, 2.5, 1.7, 0.9), lighter(rim, 0.5), shade=0.3, line=0.4)
    else:
        layer.shape(spline([(-2.1, 2.0), (2.1, 2.0), (1.5, 3.6), (0, 3.95), (-1.5, 3.6)], steps=4), rim, pattern=_pattern(layer), second=tones.anything(rng))
        layer.shape(ellipse(0, 2.0, 2.1, 0.7), darker(rim, 0.7), shade=0)
    for _ in range(int(rng.integers(8, 22))):
        x, y = rng.uniform(-1.3, 1.3), 2.2 + rng.uniform(-0.55, 0.45)
        layer.shape(
            blob(rng, x, y, rng.uniform(0.15, 0.5), rng.uniform(0.12, 0.4)), tones.jitter(rng, food, 50) if rng.random() < 0.7 else tones.vivid(rng), line=0.6
        )


def chair(layer: Layer) -> None:
    """A chair or sofa."""
    rng, cloth, wood = layer.rng, tones.anything(layer.rng), tones.neutral(layer.rng)
    if rng.random() < 0.5:
        wide = rng.uniform(1.7, 2.7)
        pattern, second = _pattern(layer), tones.anything(rng)
        layer.shape(rounded(-wide, 1.2, wide, 3.2, 0.5), cloth, pattern=pattern, second=second)
        layer.shape(rounded(-wide * 0.8, 2.5, wide * 0.8, 3.5, 0.3), lighter(cloth, 0.15))
        for side in (-1, 1):
            layer.shape(tube([(side * wide * 0.8, 3.5), (side * wide * 0.8, 4.0)], 0.2), wood)
            layer.shape(rounded(side * wide - 0.4, 2.0, side * wide + 0.4, 3.7, 0.35), cloth)
    else:
        for x in (-0.9, 0.6):
            layer.shape(tube([(x + 0.3, 2.6), (x + 0.35, 3.7)], 0.16), darker(wood, 0.8))
        layer.shape(points((-1.2, 0.4), (0.4, 0.3), (0.5, 2.5), (-1.1, 2.5)), wood, pattern="bars" if rng.random() < 0.4 else None, second=darker(wood, 0.6))
        layer.shape(points((-1.2, 2.4), (0.7, 2.4), (1.3, 2.85), (-0.8, 2.85)), cloth)
        for x in (-0.75, 1.2):
            layer.shape(tube([(x, 2.8), (x, 4.0)], 0.18), wood)


def clock(layer: Layer) -> None:
    """A clock."""
    rng = layer.rng
    layer.shape(ellipse(0, 2.2, 1.75, 1.75, steps=40), tones.anything(rng))
    layer.shape(ellipse(0, 2.2, 1.45, 1.45, steps=40), (248, 246, 238), shade=0.4)
    for k in range(12):
        c, s = np.cos(k * np.pi / 6), np.sin(k * np.pi / 6)
        layer.stroke(points((1.2 * c, 2.2 + 1.2 * s), (1.38 * c, 2.2 + 1.38 * s)), (40, 38, 42), 0.09)
    for length in (0.7, 1.1):
        a = rng.uniform(0, 2 * np.pi)
        layer.stroke(points((0, 2.2), (length * np.cos(a), 2.2 + length * np.sin(a))), (40, 38, 42), 0.12)


def sign(layer: Layer) -> None:
    """A road sign on a post."""
    rng, face = layer.rng, tones.vivid(layer.rng)
    layer.shape(tube([(0, 2.0), (0, 4.6)], 0.18), (150, 152, 156))
    corners = int(rng.choice([3, 4, 8, 24]))
    turn = np.pi / 8 if corners == 8 else -np.pi / 2
    layer.shape(ellipse(0, 1.6, 1.6, 1.6, turn=turn, steps=corners), (246, 246, 244), shade=0.3)
    layer.shape(ellipse(0, 1.6, 1.42, 1.42, turn=turn, steps=corners), face, shade=0.3, line=0.4)
    for k in range(int(rng.integers(2, 5))):
        layer.shape(box(-0.8 + 0.45 * k, 1.3, -0.5 + 0.45 * k, 1.9), (250, 250, 248), shade=0, line=0)


def bottle(layer: Layer) -> None:
    """A bottle or vase."""
    rng, glass = layer.rng, tones.vivid(layer.rng)
    neck, wide = rng.uniform(0.2, 0.4), rng.uniform(0.6, 1.1)
    layer.shape(spline([(-neck, 0.5), (neck, 0.5), (neck, 1.4), (wide, 2.1), (wide, 3.8), (0, 3.95), (-wide, 3.8), (-wide, 2.1), (-neck, 1.4)], steps=4), glass)
    layer.shape(box(-wide * 0.98, 2.4, wide * 0.98, 3.3), lighter(glass, 0.75), shade=0.3, pattern=_pattern(layer), second=tones.vivid(rng))
    layer.shape(rounded(-neck * 1.2, 0.2, neck * 1.2, 0.6, 0.1), tones.neutral(rng))


def laptop(layer: Layer) -> None:
    """A laptop, screen or television."""
    rng, case = layer.rng, tones.neutral(layer.rng)
    layer.shape(rounded(-2.0, 0.9, 2.0, 3.2, 0.15), case)
    layer.shape(box(-1.8, 1.1, 1.8, 3.0), tones.anything(rng), shade=0, pattern=_pattern(layer, 0.6), second=tones.anything(rng))
    if rng.random() < 0.6:
        layer.shape(points((-2.0, 3.2), (2.0, 3.2), (2.5, 3.95), (-2.5, 3.95)), lighter(case, 0.2), shade=0)
        layer.shape(points((-1.7, 3.3), (1.7, 3.3), (2.0, 3.65), (-2.0, 3.65)), darker(case, 0.5), shade=0, line=0, pattern="checks", second=case)
    else:
        layer.shape(points((-0.3, 3.2), (0.3, 3.2), (0.8, 3.95), (-0.8, 3.95)), case)


def umbrella(layer: Layer) -> None:
    """An open umbrella."""
    rng, cloth = layer.rng, tones.vivid(layer.rng)
    layer.stroke(points((0, 1.0), (0, 3.6)), (90, 70, 60), 0.13)
    layer.stroke(arc(0.25, 3.6, 0.25, 0.3, 0, np.pi), (90, 70, 60), 0.13)
    hem = [(2.0 - 0.5 * k, 2.1 - (0.25 if k % 2 else 0.0)) for k in range(9)]
    layer.shape(
        np.vstack([arc(0, 2.1, 2.0, 1.7, np.pi, 2 * np.pi), spline(hem, closed=False, steps=4)]), cloth, pattern=_pattern(layer), second=tones.anything(rng)
    )
    for x in (-0.9, 0.0, 0.9):
        layer.stroke(spline([(0, 0.4), (x * 0.8, 1.0), (x, 1.95)], closed=False), darker(cloth, 0.6), 0.05)


def guitar(layer: Layer) -> None:
    """A guitar."""
    rng, wood = layer.rng, tones.hsv(layer.rng.uniform(0.0, 0.12), 0.7, layer.rng.uniform(0.4, 0.9))
    layer.shape(tube([(0, -0.2), (0, 2.4)], 0.3), (84, 56, 40))
    layer.shape(rounded(-0.28, -0.8, 0.28, -0.1, 0.1), (60, 42, 32))
    layer.shape(spline([(-0.7, 1.7), (0.7, 1.7), (0.62, 2.4), (1.15, 3.3), (0, 4.05), (-1.15, 3.3), (-0.62, 2.4)]), wood)
    layer.shape(ellipse(0, 2.6, 0.36, 0.36), (40, 28, 24), shade=0)
    for x in (-0.07, 0.07):
        layer.stroke(points((x, -0.4), (x, 3.3)), (220, 214, 200), 0.03)
    layer.shape(box(-0.4, 3.2, 0.4, 3.34), tones.jitter(rng, (50, 36, 30)), shade=0)


def balloon(layer: Layer) -> None:
    """One or more balloons."""
    rng = layer.rng
    for _ in range(int(rng.integers(1, 5))):
        x, y = rng.uniform(-1.2, 1.2), rng.uniform(0.8, 2.0)
        layer.stroke(spline([(x, y + 1), (x * 0.4 + 0.1, 3.0), (0, 4.0)], closed=False), (110, 106, 104), 0.04)
        layer.shape(ellipse(x, y, 0.8, 1.0), tones.vivid(rng))
    layer.shape(points((-0.12, 3.9), (0.12, 3.9), (0, 4.1)), tones.vivid(rng), shade=0)


def fruit(layer: Layer) -> None:
    """Fruit or vegetables."""
    rng = layer.rng
    for k in range(int(rng.integers(1, 4))):
        x, y = rng.uniform(-1, 1) * k, 2.7 - rng.uniform(0, 1.0) * k * 0.4
        skin = tones.hsv(rng.choice([0.0, 0.04, 0.09, 0.14, 0.25, 0.9]), rng.uniform(0.6, 0.95), rng.uniform(0.6, 1.0))
        layer.stroke(points((x, y - 1.0), (x + 0.15, y - 1.5)), (96, 66, 40), 0.13)
        layer.shape(tuft((x + 0.1, y - 1.15), (x + 0.9, y - 1.5), 0.36), (90, 160, 60))
        layer.shape(blob(rng, x, y, rng.uniform(0.9, 1.25), rng.uniform(0.9, 1.25), wobble=0.08), skin)


def robot(layer: Layer) -> None:
    """A robot or toy."""
    rng, shell, second = layer.rng, tones.anything(layer.rng), tones.vivid(layer.rng)
    for side in (-1, 1):
        layer.shape(limb([(side * 0.5, 3.0), (side * 0.6, 3.85)], 0.45), darker(shell, 0.8))
        layer.shape(limb([(side * 1.1, 2.1), (side * 1.7, 2.6), (side * rng.uniform(1.4, 2.0), rng.uniform(1.6, 3.2))], 0.34), darker(shell, 0.8))
    layer.shape(rounded(-1.1, 1.8, 1.1, 3.3, 0.25), shell)
    layer.shape(rounded(-0.6, 2.1, 0.6, 2.8, 0.1), second, shade=0.3)
    layer.stroke(points((0, 0.4), (0, -0.1)), (110, 110, 116), 0.1)
    layer.shape(ellipse(0, -0.1, 0.16, 0.16), second)
    layer.shape(rounded(-0.9, 0.4, 0.9, 1.7, 0.35), lighter(shell, 0.2))
    for side in (-1, 1):
        layer.shape(ellipse(side * 0.4, 1.0, 0.24, 0.24), (250, 250, 220), shade=0)
        layer.shape(ellipse(side * 0.4, 1.0, 0.1, 0.1), (30, 30, 36), shade=0, line=0)


def bag(layer: Layer) -> None:
    """A bag or backpack."""
    rng, cloth = layer.rng, tones.anything(layer.rng)
    layer.stroke(arc(0, 1.5, 0.8, 1.0, np.pi, 2 * np.pi), darker(cloth, 0.5), 0.2)
    layer.shape(spline([(-1.2, 1.4), (1.2, 1.4), (1.6, 3.7), (0, 3.95), (-1.6, 3.7)], steps=4), cloth, pattern=_pattern(layer), second=tones.anything(rng))
    layer.shape(rounded(-0.9, 2.4, 0.9, 3.5, 0.2), darker(cloth, 0.8))
    layer.shape(ellipse(0, 2.4, 0.14, 0.14), (236, 200, 90), shade=0)


def bicycle(layer: Layer) -> None:
    """A bicycle: thin parts with holes."""
    paint = tones.vivid(layer.rng)
    for x in (-1.5, 1.5):
        ring = arc(x, 3.0, 1.0, 1.0, 0, 2 * np.pi, steps=30)
        layer.stroke(ring, (44, 42, 46), 0.2)
        for a in np.linspace(0, np.pi, 6)[:-1]:
            layer.stroke(points((x - np.cos(a), 3 - np.sin(a)), (x + np.cos(a), 3 + np.sin(a))), (150, 150, 156), 0.03)
    for a, b in (
        ((-1.5, 3.0), (-0.6, 1.7)),
        ((-0.6, 1.7), (1.1, 1.6)),
        ((1.1, 1.6), (0.0, 3.0)),
        ((0.0, 3.0), (-1.5, 3.0)),
        ((-0.6, 1.7), (0.0, 3.0)),
        ((1.0, 1.2), (1.5, 3.0)),
    ):
        layer.stroke(points(a, b), paint, 0.17)
    layer.stroke(points((0.7, 1.1), (1.3, 1.1)), (50, 46, 50), 0.16)
    layer.stroke(points((-0.9, 1.5), (-0.35, 1.5)), (50, 46, 50), 0.24)


def rocket(layer: Layer) -> None:
    """A rocket or plane."""
    rng, shell, second = layer.rng, tones.pastel(layer.rng), tones.vivid(layer.rng)
    layer.shape(spline([(-0.4, 3.3), (0, 4.3), (0.4, 3.3)]), (250, 180, 60))
    for side in (-1, 1):
        layer.shape(spline([(side * 0.6, 2.2), (side * 1.5, 3.4), (side * 1.4, 3.9), (side * 0.5, 3.3)], steps=4), second)
    layer.shape(spline([(0, 0.0), (0.75, 1.3), (0.7, 3.0), (0.4, 3.5), (-0.4, 3.5), (-0.7, 3.0), (-0.75, 1.3)]), shell)
    layer.shape(ellipse(0, 1.6, 0.38, 0.38), tones.jitter(rng, (130, 190, 230)), shade=0.5)


KINDS: Final[dict[str, Callable[[Layer], None]]] = {
    **more_things.KINDS,
    "mug": mug, "ball": ball, "parcel": parcel, "book": book, "lamp": lamp, "plant": plant, "car": car, "boat": boat, "cake": cake, "bowl": bowl,
    "chair": chair, "clock": clock, "sign": sign, "bottle": bottle, "laptop": laptop, "umbrella": umbrella, "guitar": guitar, "balloon": balloon,
    "fruit": fruit, "robot": robot, "bag": bag, "bicycle": bicycle, "rocket": rocket,
}  # fmt: skip
"""Every kind of object and its painter."""
