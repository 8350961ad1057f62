"""Backgrounds, painted and photo-like: `painter(rng, size_wh) -> HxWx3 uint8`. Nothing in them is a subject, however strong its edges."""

from collections.abc import Callable
from typing import Final, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from sticker_studio.scenes import colour as tones
from sticker_studio.scenes import noise
from sticker_studio.scenes.colour import Colour, darker, lighter
from sticker_studio.scenes.geometry import Points, blob, ellipse, spline
from sticker_studio.types import RGB

Painter: TypeAlias = Callable[[np.random.Generator, tuple[int, int]], RGB]


def _canvas(size_wh: tuple[int, int], top: Colour, bottom: Colour | None = None) -> RGB:
    """A vertical gradient."""
    w, h = size_wh
    share = np.linspace(0, 1, h)[:, None]
    rows = (np.asarray(top) * (1 - share) + np.asarray(bottom or top) * share).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(rows[:, None, :], (h, w, 3)))


def _fill(image: RGB, outline: Points, colour: Colour) -> None:
    cv2.fillPoly(image, [np.round(np.clip(outline, -9000, 9000) * 4).astype(np.int32)], colour, cv2.LINE_AA, 2)


def _line(image: RGB, path: Points, colour: Colour, width: float) -> None:
    cv2.polylines(image, [np.round(np.clip(path, -9000, 9000) * 4).astype(np.int32)], False, colour, max(1, round(width)), cv2.LINE_AA, 2)


def _rect(image: RGB, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
    cv2.rectangle(image, (round(x0), round(y0)), (round(x1), round(y1)), colour, -1)


def _blend(image: RGB, other: Colour, weight: npt.NDArray[np.float32]) -> RGB:
    """`image` towards `other` by an HxW weight."""
    share = np.clip(weight, 0, 1)[..., None]
    return np.asarray(image * (1 - share) + np.asarray(other, np.float32) * share, np.uint8)


def textured(rng: np.random.Generator, image: RGB, strength: float, *, exponent: float = 1.1, zoom: float = 1.0, stretch: float = 1.0) -> RGB:
    """`image` with brightness varied by 1/f noise."""
    h, w = image.shape[:2]
    field = noise.field(rng, (w, h), exponent=exponent, zoom=zoom, stretch=stretch)
    return np.asarray(np.clip(image * (1 + strength * (field[..., None] - 0.5)), 0, 255), np.uint8)


def _sky(rng: np.random.Generator, size_wh: tuple[int, int]) -> RGB:
    """Sky, often with clouds."""
    hue = rng.choice([0.56, 0.58, 0.62, 0.06, 0.92, 0.7], p=[0.3, 0.25, 0.15, 0.12, 0.08, 0.1])
    top = tones.hsv(hue, rng.uniform(0.25, 0.85), rng.uniform(0.35, 1.0))
    image = _canvas(size_wh, top, tones.mix(top, tones.hsv(hue + rng.uniform(-0.15, 0.15), 0.2, 1.0), 0.7))
    kind = rng.random()
    if kind < 0.45:
        clouds = noise.field(rng, size_wh, exponent=1.5, zoom=rng.uniform(0.8, 1.6), stretch=rng.uniform(1, 3))
        image = _blend(image, (255, 255, 255), np.clip((clouds - rng.uniform(0.4, 0.6)) * rng.uniform(3, 9), 0, rng.uniform(0.6, 1)))
    elif kind < 0.75:
        w, h = size_wh
        for _ in range(int(rng.integers(1, 5))):
            x, y, size = rng.uniform(0, w), rng.uniform(0, h * 0.5), rng.uniform(0.06, 0.2) * w
            tone = lighter(top, rng.uniform(0.75, 1.0))
            for dark, lift in ((0.9, 0.12), (1.0, 0.0)):
                for _ in range(6):
                    _fill(
                        image,
                        ellipse(
                            x + rng.uniform(-1.3, 1.3) * size,
                            y + rng.uniform(-0.2, 0.15) * size + lift * size,
                            size * rng.uniform(0.3, 0.7),
                            size * rng.uniform(0.2, 0.4),
                        ),
                        darker(tone, dark),
                    )
    return image


def _green(rng: np.random.Generator) -> Colour:
    if rng.random() < 0.12:
        return tones.hsv(rng.uniform(0.0, 0.14), rng.uniform(0.4, 0.9), rng.uniform(0.4, 0.9))
    return tones.hsv(rng.uniform(0.2, 0.42), rng.uniform(0.3, 0.85), rng.uniform(0.3, 0.85))


def _tree(rng: np.random.Generator, image: RGB, x: float, foot: float, height: float, leaf: Colour) -> None:
    """A tree of dabs, darker below, lit above."""
    trunk = tones.jitter(rng, (92, 66, 48), 25)
    _fill(
        image,
        np.array([(x - height * 0.04, foot), (x + height * 0.04, foot), (x + height * 0.025, foot - height * 0.6), (x - height * 0.025, foot - height * 0.6)]),
        trunk,
    )
    for tone, lift, count in ((0.6, 0.0, 5), (0.82, 0.06, 6), (1.05, 0.14, 6)):
        shade = darker(leaf, tone) if tone < 1 else lighter(leaf, 0.15)
        for _ in range(count):
            size = height * rng.uniform(0.08, 0.2)
            _fill(
                image,
                blob(
                    rng, x + rng.normal(0, 0.16) * height, foot - height * (0.62 + lift) + rng.normal(0, 0.11) * height, size, size * 0.8, wobble=0.3, corners=7
                ),
                tones.jitter(rng, shade, 12),
            )


def _palm(rng: np.random.Generator, image: RGB, x: float, foot: float, height: float, leaf: Colour) -> None:
    top = foot - height
    _line(image, spline([(x, foot), (x + height * 0.05, foot - height * 0.5), (x, top)], closed=False), (120, 100, 84), height * 0.07)
    for angle in np.linspace(0, 2 * np.pi, 11):
        tip = (x + np.cos(angle) * height * 0.36, top + np.sin(angle) * height * 0.22 + height * 0.1)
        _fill(
            image,
            spline([(x, top), ((x + tip[0]) / 2, (top + tip[1]) / 2 - height * 0.1), tip, ((x + tip[0]) / 2, (top + tip[1]) / 2)], steps=4),
            tones.jitter(rng, leaf, 25),
        )


# -- simple -----------------------------------------------------------------------------------------------------------


def gradient(rng: np.random.Generator, size_wh: tuple[int, int]) -> RGB:
    """A plain or graded colour."""
    if rng.random() < 0.3:
        return _canvas(size_wh, tones.anything(rng))
    image = _canvas(size_wh, tones.anything(rng), tones.anything(rng))
    return np.ascontiguousarray(cv2.resize(cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE), size_wh)) if rng.random() < 0.4 else image


def wallpaper(rng: np.random.Generator, size_wh: tuple[int, int]) -> RGB:
    """A repeated pattern: stripes, checks, dots, stars, rays."""
    w, h = size_wh
    a, b = tones.anything(rng), tones.anything(rng)
    image = _canvas(size_wh, a)
    period = rng.uniform(0.04, 0.2) * w
    kind = rng.integers(5)
    y, x = np.mgrid[0:h, 0:w].astype(np.float32) / period
    turn = rng.uniform(0, np.pi)
    x, y = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    if kind == 0:
        inside = x % 1 < rng.uniform(0.2, 0.6)
    elif kind == 1:
        inside = (np.floor(x) + np.floor(y)) % 2 == 0
    elif kind == 2:
        inside = (x % 1 - 0.5) ** 2 + (y % 1 - 0.5) ** 2 < rng.uniform(0.03, 0.14)
    elif kind == 3:
        angle = np.arctan2(y - rng.uniform(0, h) / period, x - rng.uniform(0, w) / period)
        inside = (angle * rng.integers(3, 12) / np.pi) % 1 < 0.5
    else:
        inside = np.abs((x % 1) - 0.5) + np.abs((y % 1) - 0.5) < 0.3
    image[inside] = b
    return image


def painted(rng: np.random.Generator, size_wh: tuple[int, int]) -> RGB:
    """Loose brush strokes over 1/f colour fields."""
    w, h = size_wh
    a, b, c = tones.anything(rng), tones.anything(rng), tones.anything(rng)
    image = _blend(_blend(_canvas(size_wh, a, b), c, noise.field(rng, size_wh, exponent=1.8)), tones.dull(rng), 0.6 * noise.field(rng, size_wh, exponent=1.5))
    slant = rng.uniform(-1, 1)
    for _ in range(int(rng.integers(20, 90))):
        x, y = int(rng.integers(w)), int(rng.integers(h))
        reach = rng.uniform(0.03, 0.14) * w
        tint = tones.jitter(rng, tuple(int(v) for v in image[y, x]), 30)  # type: ignore[arg-type]
        _line(image, np.array([(x, y), (x + reach, y + reach * slant)]), tint, rng.uniform(0.01, 0.04) * w)
    return image


def bokeh(rng: np.random.Generator, size_wh: tuple[int, int]) -> RGB:
    """Out-of-focus lights over a soft gradient."""
    w, h = size_wh
    image = _canvas(size_wh, tones.dull(rng), tones.anything(rng))
    for _ in range(int(rng.integers(8, 40))):
        x, y, size = int(rng.integers(w)), int(rng.integers(h)), rng.uniform(0.01, 0.09) * w
        layer = image.copy()
        cv2.circle(layer, (x, y), max(2, int(size)), tones.pastel(rng), -1, cv2.LINE_AA)
        share = rng.uniform(0.2, 0.7)
        image = np.asarray(cv2.addWeighted(layer, share, image, 1 - share, 0))
    return np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.6, 3)))


# -- outdoors ---------------------------------------------------------------------------------------------------------


def meadow(rng: np.random.Generator, size_wh: tuple[int, int]) -> RGB:
    """Sky, hills, trees and grass."""
    w, h = size_wh
    image = _sky(rng, size_wh)
    horizon = rng.uniform(0.35, 0.7) * h
    for k in range(int(rng.integers(0, 3))):
        ridge = [(x, horizon - rng.uniform(0.0, 0.2) * h) for x in np.linspace(-20, w + 20, 6)]
        _fill(image, np.vstack([spline(ridge, closed=False), [(w + 20, h), (-20, h)]]), tones.mix(_green(rng), (160, 190, 220), 0.5 - 0.2 * k))
    leaf = _green(rng)
    for _ in range(int(rng.integers(2, 9))):
        _tree(rng, image, rng.uniform(0, w), horizon + rng.uniform(0.0, 0.06) * h, rng.uniform(0.12, 0.55) * h, tones.jitter(rng, leaf, 25))
    ground = textured(rng, _canvas((w, h - int(horizon)), _green(rng), _green(rng)), rng.uniform(0.2, 0.9), exponent=0.8, stretch=2.0)
    image[int(horizon) :] = ground
    for _ in range(int(rng.integers(0, 60))):
        x, y = rng.uniform(0, w), rng.uniform(horizon, h)
        size = 1 + 6 * (y - horizon) / h
        if rng.random() < 0.5:
            _line(image, np.array([(x, y), (x + rng.uniform(-2, 2), y - 3 * size)]), tones.jitter(rng, leaf, 40), 1)
        else:
            cv2.circle(image, (int(x), int(y)), int(size * 0.5) + 1, tones.pastel(rng), -1, cv2.LINE_AA)
    if rng.random() < 0.35:
        x = rng.uniform(0, w)
        _fill(
            image,
            np.array([(x, horizon), (x + 8, horizon), (rng.uniform(0, w) + 0.3 * w, h), (rng.uniform(-0.3, 0.4) * w, h)]),
            tones.jitter(rng, (200, 176, 136), 20),
        )
    return image


def forest(rng: np.random.Generator, size_wh: tuple[int, int]) -> RGB:
    """Trunks and leaves in depth."""
    w, h = size_wh
    leaf = _green(rng)
    image = textured(rng, _canvas(size_wh, lighter(leaf, rng.uniform(0, 0.7)), darker(leaf, 0.5)), 0.7, exponent=1.2)
    for k in range(int(rng.integers(4, 12))):
        near = k / 12
        x, wide = rng.uniform(0, w), (0.01 + 0.05 * near * rng.uniform(0.5, 1.5)) * w
        bark = tones.mix((70, 52, 40), lighter(leaf, 0.5), 0.6 * (1 - near))
        _fill(
            image,
            np.array([(x - wide, h * (0.7 + 0.3 * near)), (x + wide, h * (0.7 + 0.3 * near)), (x + wide * 0.6, 0), (x - wide * 0.6, 0)]),
            tones.jitter(rng, bark, 12),
        )
    for _ in range(int(rng.integers(20, 60))):
        size = rng.uniform(0.02, 0.1) * w
        y = h * rng.choice([rng.uniform(0, 0.45), rng.uniform(0.8, 1.0)])
        _fill(image, blob(rng, rng.uniform(0, w), y, size, size * 0.7, wobble=0.4, corners=7), tones.jitter(rng, darker(leaf, rng.uniform(0.5, 1.0)), 20))
    return image


def street(rng: np.random.Generator, size_wh: tuple[int, int]) -> RGB:
    """Buildings with rows of windows along a road."""
    w, h = size_wh
    image = _sky(rng, size_wh)
    ground = rng.uniform(0.6, 0.85) * h
    x = -rng.uniform(0, 0.2) * w
    while x < w:
        wide, top = rng.uniform(0.12, 0.5) * w, rng.uniform(-0.1, 0.45) * h
        _building(rng, image, x, top, x + wide, ground)
        x += wide + rng.choice([0, 0, 0.03 * w])
    _rect(image, 0, ground, w, h, tones.jitter(rng, (138, 136, 142), 40))
    if rng.random() < 0.6:
        _paving(rng, image, ground)
    if rng.random() < 0.6:
        for _ in range(int(rng.integers(1, 5))):
            tree = _palm if rng.random() < 0.4 else _tree
            tree(rng, image, rng.uniform(0, w), ground + rng.uniform(0, 0.06) * h, rng.uniform(0.3, 0.7) * h, _green(rng))
    for _ in range(int(rng.integers(0, 3))):
        x = rng.uniform(0, w)
        _line(image, np.array([(x, ground + 0.1 * h), (x, ground - rng.uniform(0.3, 0.8) * h)]), tones.dull(rng), rng.uniform(0.005, 0.03) * w)
    return image


def _building(rng: np.random.Generator, image: RGB, x0: float, y0: float, x1: float, y1: float) -> None:
    wall = tones.mix(tones.anything(rng), (214, 208, 200), rng.uniform(0.2, 0.9))
    _rect(image, x0, y0, x1, y1, wall)
    columns, rows = int(rng.integers(2, 7)), int(rng.integers(3, 9))
    glass = tones.mix(tones.hsv(0.58, rng.uniform(0.1, 0.6), rng.uniform(0.2, 0.95)), wall, 0.2)
    fill_w, fill_h = rng.uniform(0.4, 0.9), rng.uniform(0.35, 0.75)
    frame = lighter(wall, 0.6) if rng.random() < 0.5 else darker(wall, 0.5)
    cell_w, cell_h = (x1 - x0) / columns, (y1 - y0) / rows
    for row in range(rows):
        if rng.random() < 0.15:
            _rect(image, x0, y0 + row * cell_h, x1, y0 + (row + 0.15) * cell_h, darker(wall, 0.7))
        for column in range(columns):
            x, y = x0 + column * cell_w, y0 + row * cell_h
            box = (x + cell_w * (1 - fill_w) / 2, y + cell_h * (1 - fill_h) / 2, x + cell_w * (1 + fill_w) / 2, y + cell_h * (1 + fill_h) / 2)
            _rect(image, *box, tones.jitter(rng, glass, 18))
            cv2.rectangle(image, (round(box[0]), round(box[1])), (round(box[2]), round(box[3])), frame, 1)


def _paving(rng: np.random.Generator, image: RGB, top: float, colour: Colour | None = None) -> None:
    """Lines of a perspective floor below `top`."""
    h, w = image.shape[:2]
    base = colour or tones.mix(tones.anything(rng), (190, 160, 140), 0.6)
    _rect(image, 0, top, w, h, base)
    ink = darker(base, rng.uniform(0.6, 0.9)) if rng.random() < 0.6 else lighter(base, 0.3)
    vanish = rng.uniform(-0.3, 1.3) * w
    count = int(rng.integers(6, 22))
    for k in range(-count, 2 * count):
        _line(image, np.array([(vanish + (k - count / 2) * w / count * 0.25, top), (vanish + (k - count / 2) * w / count * 2.0, h)]), ink, 1)
    for k in range(1, count):
        y = top + (h - top) * (k / count) ** 1.8
        _line(image, np.array([(0, y), (w, y)]), ink, 1)


# -- indoors ----------------------------------------------------------------------------------------------------------


def room(rng: np.random.Generator, size_wh: tuple[int, int]) -> RGB:
    """A room: wall, floor, window, shelf, frames, curtains, a sofa."""
    w, h = size_wh
    wall = tones.mix(tones.anything(rng), (232, 220, 200), rng.uniform(0.2, 0.8))
    image = _canvas(size_wh, lighter(wall, 0.15), darker(wall, 0.92))
    floor = rng.uniform(0.6, 0.88) * h
    if rng.random() < 0.35:
        image[:, np.arange(w) // max(2, int(0.03 * w)) % 2 == 0] = darker(wall, 0.93)
    _paving(rng, image, floor, tones.jitter(rng, ((150, 104, 66), (196, 160, 120), (120, 120, 130), (188, 150, 150))[rng.integers(4)], 20))
    _rect(image, 0, floor - 0.02 * h, w, floor, lighter(wall, 0.5))
    for _ in range(int(rng.integers(2, 6))):
        painter = (_window, _window, _shelf, _frame, _cupboard, _curtains)[rng.integers(6)]
        painter(rng, image, rng.uniform(-0.05, 0.8) * w, rng.uniform(0.02, 0.3) * h, floor)
    return image


def _window(rng: np.random.Generator, image: RGB, x: float, y: float, floor: float) -> None:
    h, w = image.shape[:2]
    wide, tall = rng.uniform(0.14, 0.4) * w, rng.uniform(0.25, 0.5) * h
    sky = _sky(rng, (max(4, int(wide)), max(4, int(tall))))
    x0, y0 = int(x), int(y)
    x1, y1 = min(w, x0 + sky.shape[1]), min(h, y0 + sky.shape[0])
    left = max(x0, 0)
    if x1 > left:
        image[y0:y1, left:x1] = sky[: y1 - y0, left - x0 : x1 - x0]
    frame = tones.pastel(rng) if rng.random() < 0.6 else (96, 68, 48)
    cv2.rectangle(image, (x0, y0), (x0 + int(wide), y0 + int(tall)), frame, max(2, int(0.012 * w)))
    for k in range(1, int(rng.integers(2, 4))):
        _line(image, np.array([(x0 + wide * k / 2.5, y0), (x0 + wide * k / 2.5, y0 + tall)]), frame, max(1, 0.008 * w))
    _line(image, np.array([(x0, y0 + tall / 2), (x0 + wide, y0 + tall / 2)]), frame, max(1, 0.008 * w))


def _shelf(rng: np.random.Generator, image: RGB, x: float, y: float, floor: float) -> None:
    h, w = image.shape[:2]
    wide, tall = rng.uniform(0.15, 0.4) * w, (floor - y) * rng.uniform(0.5, 1.0)
    wood = tones.jitter(rng, (130, 88, 56), 30)
    _rect(image, x, y, x + wide, y + tall, darker(wood, 0.5))
    rows = int(rng.integers(2, 6))
    for row in range(rows):
        bottom, at = y + tall * (row + 1) / rows, x + 2
        while at < x + wide - 3:
            thick, high = rng.uniform(0.008, 0.025) * w, tall / rows * rng.uniform(0.5, 0.88)
            _rect(image, at, bottom - high, min(at + thick, x + wide), bottom, tones.anything(rng))
            at += thick + 1
        _rect(image, x, bottom - 0.008 * h, x + wide, bottom + 0.008 * h, wood)


def _frame(rng: np.random.Generator, image: RGB, x: float, y: float, floor: float) -> None:
    h, w = image.shape[:2]
    wide, tall = rng.uniform(0.06, 0.22) * w, rng.uniform(0.08, 0.25) * h
    _rect(image, x, y, x + wide, y + tall, tones.neutral(rng))
    edge = 0.012 * w
    _rect(image, x + edge, y + edge, x + wide - edge, y + tall - edge, tones.anything(rng))
    _fill(image, blob(rng, x + wide / 2, y + tall / 2, wide * 0.22, tall * 0.22), tones.anything(rng))


def _cupboard(rng: np.random.Generator, image: RGB, x: float, y: float, floor: float) -> None:
    h, w = image.shape[:2]
    wide, top = rng.uniform(0.2, 0.5) * w, floor - rng.uniform(0.15, 0.45) * h
    wood = tones.mix(tones.anything(rng), (150, 110, 80), 0.5)
    _rect(image, x, top, x + wide, floor + 0.03 * h, wood)
    _rect(image, x - 2, top - 0.015 * h, x + wide + 2, top, lighter(wood, 0.3))
    for k in range(3):
        cv2.rectangle(image, (round(x + wide * k / 3 + 2), round(top + 3)), (round(x + wide * (k + 1) / 3 - 2), round(floor)), darker(wood, 0.6), 1)


def _curtains(rng: np.random.Generator, image: RGB, x: float, y: float, floor: float) -> None:
    w = image.shape[1]
    cloth, wide = tones.anything(rng), rng.uniform(0.06, 0.18) * w
    for k in range(6):
        _rect(image, x + wide * k / 6, 0, x + wide * (k + 1) / 6, floor * rng.uniform(0.85, 0.9), darker(cloth, 0.7 + 0.3 * (k % 2)))


def classroom(rng: np.random.Generator, size_wh: tuple[int, int]) -> RGB:
    """Rows of desks or seats, a board, tall windows."""
    w, h = size_wh
    image = room(rng, size_wh)
    if rng.random() < 0.7:
        _rect(image, 0.1 * w, 0.12 * h, rng.uniform(0.4, 0.9) * w, 0.42 * h, (40, 84, 70) if rng.random() < 0.6 else (44, 46, 52))
    seat = tones.mix(tones.anything(rng), (214, 184, 120), 0.6)
    rows = int(rng.integers(2, 6))
    for row in range(rows):
        y = h * (0.5 + 0.5 * (row + 0.5) / rows)
        size = w * (0.05 + 0.06 * row / rows)
        x = rng.uniform(-size, 0)
        while x < w:
            _rect(image, x, y, x + size * 0.86, y + size * 0.7, tones.jitter(rng, seat, 10))
            cv2.rectangle(image, (round(x), round(y)), (round(x + size * 0.86), round(y + size * 0.7)), darker(seat, 0.5), 1)
            x += size
    return image


# -- photo-like -------------------------------------------------------------------------------------------------------


def texture(rng: np.random.Generator, size_wh: tuple[int, int]) -> RGB:
    """A surface of 1/f colour noise: stone, cloth, earth, water."""
    a, c = tones.dull(rng), tones.anything(rng)
    b = tones.dull(rng) if rng.random() < 0.4 else tones.jitter(rng, a, 50)
    stretch = rng.choice([1.0, 1.0, 3.0, 8.0])
    image = _blend(_canvas(size_wh, a), b, noise.field(rng, size_wh, exponent=rng.choice([0.8, 1.1, 1.5]), stretch=stretch))
    return _blend(image, c, rng.uniform(0.0, 0.6) * noise.field(rng, size_wh, exponent=1.8))


def floor_and_wall(rng: np.random.Generator, size_wh: tuple[int, int]) -> RGB:
    """A textured wall over a perspective floor."""
    h = size_wh[1]
    image = texture(rng, size_wh)
    top = rng.uniform(0.3, 0.75) * h
    _paving(rng, image, top, tones.dull(rng))
    return textured(rng, image, rng.uniform(0.1, 0.5))


def field_photo(rng: np.random.Generator, size_wh: tuple[int, int]) -> RGB:
    """Grass, sand or snow below a blurred line of trees or a sky."""
    w, h = size_wh
    image = _sky(rng, size_wh)
    horizon = int(rng.uniform(0.1, 0.7) * h)
    ground = tones.mix(_green(rng), tones.dull(rng), rng.uniform(0.1, 0.9))
    if rng.random() < 0.6:
        band = int(rng.uniform(0.1, 0.4) * h)
        line = horizon - band * noise.field(rng, (w, 4), exponent=1.2)[0]
        below = np.arange(h)[:, None] > line[None, :]
        image[below] = textured(rng, _canvas(size_wh, darker(_green(rng), 0.6)), 1.2, exponent=0.9)[below]
    image[horizon:] = textured(
        rng, _canvas((w, h - horizon), lighter(ground, 0.2), ground), rng.uniform(0.1, 1.2), exponent=0.8, stretch=rng.choice([1.0, 2.0, 4.0])
    )
    return image


def foliage(rng: np.random.Generator, size_wh: tuple[int, int]) -> RGB:
    """Leaves close by and blurred ones behind."""
    w, h = size_wh
    leaf = _green(rng)
    image = np.asarray(cv2.GaussianBlur(textured(rng, texture(rng, size_wh), 1.0), (0, 0), 3), np.uint8)
    image = _blend(image, leaf, np.full((h, w), 0.6, np.float32))
    for _ in range(int(rng.integers(20, 80))):
        x, y, size = rng.uniform(0, w), rng.uniform(0, h), rng.uniform(0.02, 0.12) * w
        _fill(image, ellipse(x, y, size, size * 0.3, turn=rng.uniform(0, 3.1), steps=10), tones.jitter(rng, darker(leaf, rng.uniform(0.4, 1.1)), 20))
    return textured(rng, np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.5, 4)), np.uint8), rng.uniform(0.1, 0.6))


def clutter(rng: np.random.Generator, size_wh: tuple[int, int]) -> RGB:
    """Boxes, rods and blobs of every tone, as on a shelf or desk."""
    w, h = size_wh
    image = texture(rng, size_wh)
    for _ in range(int(rng.integers(12, 50))):
        x, y, size = rng.uniform(0, w), rng.uniform(0, h), rng.uniform(0.02, 0.2) * w
        tone = tones.mix(tones.anything(rng), tones.dull(rng), 0.6)
        kind = rng.integers(3)
        if kind == 0:
            _rect(image, x, y, x + size * rng.uniform(0.2, 1.5), y + size, tone)
        elif kind == 1:
            _line(image, np.array([(x, y), (x + rng.uniform(-2, 2) * size, y + rng.uniform(-2, 2) * size)]), tone, rng.uniform(0.005, 0.02) * w)
        else:
            _fill(image, blob(rng, x, y, size * 0.5, size * 0.4), tone)
    return textured(rng, image, rng.uniform(0.1, 0.7))


def buildings_photo(rng: np.random.Generator, size_wh: tuple[int, int]) -> RGB:
    """A street with the texture of a photograph."""
    return textured(rng, textured(rng, street(rng, size_wh), rng.uniform(0.1, 0.6), exponent=0.8), rng.uniform(0.1, 0.6), exponent=1.8)


def room_photo(rng: np.random.Generator, size_wh: tuple[int, int]) -> RGB:
    """A room with the texture of a photograph."""
    return textured(rng, textured(rng, room(rng, size_wh), rng.uniform(0.05, 0.4), exponent=0.8), rng.uniform(0.2, 0.8), exponent=1.8)


def water(rng: np.random.Generator, size_wh: tuple[int, int]) -> RGB:
    """Sea or lake below a sky, with a far shore."""
    w, h = size_wh
    image = _sky(rng, size_wh)
    horizon = int(rng.uniform(0.2, 0.6) * h)
    if rng.random() < 0.7:
        shore = horizon - 0.15 * h * noise.field(rng, (w, 4), exponent=1.5)[0]
        image[(np.arange(h)[:, None] > shore[None, :])] = tones.mix(_green(rng), (120, 140, 170), 0.6)
    deep = tones.hsv(rng.uniform(0.48, 0.64), rng.uniform(0.2, 0.8), rng.uniform(0.3, 0.9))
    sea = _canvas((w, h - horizon), lighter(deep, 0.4), deep)
    waves = noise.field(rng, (w, h - horizon), exponent=0.8, stretch=7.0)
    image[horizon:] = _blend(sea, (255, 255, 255), np.clip((waves - 0.55) * rng.uniform(0.6, 2.5), 0, 0.7))
    return image


def mountains(rng: np.random.Generator, size_wh: tuple[int, int]) -> RGB:
    """Ranges in haze, snow on the nearest."""
    w, h = size_wh
    image = _sky(rng, size_wh)
    rock, haze = tones.hsv(rng.uniform(0.55, 0.75), rng.uniform(0.1, 0.5), rng.uniform(0.25, 0.6)), tones.pastel(rng)
    for k in range(4):
        xs = np.linspace(-10, w + 10, int(rng.integers(6, 16)))
        ys = h * (0.3 + 0.17 * k) + rng.uniform(-0.16, 0.1, len(xs)) * h
        tone = tones.mix(haze, rock, (k + 1) / 4)
        _fill(image, np.vstack([np.stack([xs, ys], 1), [(w + 10, h), (-10, h)]]), tone)
        for x, y in zip(xs[1:-1], ys[1:-1], strict=True):
            if rng.random() < 0.5:
                _fill(image, np.array([(x, y), (x + 0.04 * w, y + 0.09 * h), (x, y + 0.06 * h), (x - 0.03 * w, y + 0.08 * h)]), lighter(tone, 0.6))
    return image


def night(rng: np.random.Generator, size_wh: tuple[int, int]) -> RGB:
    """A town at night with lit windows and stars."""
    w, h = size_wh
    image = _canvas(size_wh, (12, 14, 40), tones.hsv(rng.uniform(0.6, 0.9), 0.6, 0.45))
    for _ in range(60):
        cv2.circle(image, (int(rng.integers(w)), int(rng.integers(int(h * 0.6)))), int(rng.integers(0, 2)), (240, 240, 220), -1, cv2.LINE_AA)
    x = -10.0
    while x < w:
        wide, top = rng.uniform(0.06, 0.22) * w, rng.uniform(0.25, 0.75) * h
        _rect(image, x, top, x + wide, h, tones.jitter(rng, (30, 30, 58), 14))
        for wy in np.arange(top + 4, h, 0.05 * h):
            for wx in np.arange(x + 3, x + wide - 4, 0.035 * w):
                if rng.random() < 0.5:
                    _rect(image, wx, wy, wx + 0.016 * w, wy + 0.022 * h, tones.jitter(rng, (250, 214, 120), 30))
        x += wide
    return image


def library(rng: np.random.Generator, size_wh: tuple[int, int]) -> RGB:
    """Walls of books."""
    w, h = size_wh
    image = _canvas(size_wh, (96, 66, 46), (62, 42, 32))
    x = 0.0
    while x < w:
        _shelf(rng, image, x, -0.02 * h, h * rng.uniform(1.0, 1.8))
        x += rng.uniform(0.16, 0.36) * w
    return image


def cafe(rng: np.random.Generator, size_wh: tuple[int, int]) -> RGB:
    """A counter with hanging lamps and bottles."""
    w, h = size_wh
    image = room(rng, size_wh)
    for _ in range(int(rng.integers(2, 6))):
        x, y = rng.uniform(0, w), rng.uniform(0.1, 0.35) * h
        _line(image, np.array([(x, 0), (x, y)]), (50, 44, 44), 1)
        _fill(image, np.array([(x - 0.04 * w, y + 0.06 * h), (x + 0.04 * w, y + 0.06 * h), (x + 0.01 * w, y), (x - 0.01 * w, y)]), tones.vivid(rng))
    for k in range(int(rng.integers(5, 14))):
        x = w * (k + rng.uniform(0, 0.6)) / 12
        _fill(
            image,
            spline([(x, 0.4 * h), (x + 0.015 * w, 0.44 * h), (x + 0.015 * w, 0.56 * h), (x - 0.015 * w, 0.56 * h), (x - 0.015 * w, 0.44 * h)], steps=3),
            tones.anything(rng),
        )
    counter = tones.jitter(rng, (124, 82, 56), 30)
    _rect(image, 0, 0.56 * h, w, 0.6 * h, lighter(counter, 0.3))
    _rect(image, 0, 0.6 * h, w, 0.85 * h, counter)
    return image


def cave(rng: np.random.Generator, size_wh: tuple[int, int]) -> RGB:
    """A dark rock hall with a glow."""
    w, h = size_wh
    rock = tones.hsv(rng.choice([0.05, 0.08, 0.6, 0.75]), rng.uniform(0.4, 0.9), rng.uniform(0.25, 0.6))
    image = textured(rng, textured(rng, _canvas(size_wh, darker(rock, 0.5), rock), 1.4, exponent=1.2), 1.2, exponent=1.8, stretch=2.0)
    y, x = np.mgrid[0:h, 0:w].astype(np.float32)
    glow = np.exp(-(((x - rng.uniform(0, w)) / (0.25 * w)) ** 2) - ((y - rng.uniform(0.2, 0.8) * h) / (0.3 * h)) ** 2)
    return _blend(image, lighter(rock, 0.6), glow * noise.field(rng, size_wh, exponent=1.1) * 1.4)


def beach(rng: np.random.Generator, size_wh: tuple[int, int]) -> RGB:
    """Sea, sand and palms."""
    w, h = size_wh
    image = water(rng, size_wh)
    edge = h * rng.uniform(0.6, 0.8)
    coast = [(x, edge + rng.uniform(-0.04, 0.04) * h) for x in np.linspace(-10, w + 10, 7)]
    _fill(image, np.vstack([spline(coast, closed=False), [(w + 10, h + 10), (-10, h + 10)]]), (255, 255, 250))
    _fill(image, np.vstack([spline([(x, y + 4) for x, y in coast], closed=False), [(w + 10, h + 10), (-10, h + 10)]]), tones.jitter(rng, (236, 210, 160), 15))
    for _ in range(int(rng.integers(0, 4))):
        _palm(rng, image, rng.uniform(0, w), edge + rng.uniform(0.0, 0.15) * h, rng.uniform(0.3, 0.7) * h, _green(rng))
    return image


def tabletop(rng: np.random.Generator, size_wh: tuple[int, int]) -> RGB:
    """A table, counter or cloth before a blurred room."""
    w, h = size_wh
    image = np.asarray(cv2.GaussianBlur((room if rng.random() < 0.6 else clutter)(rng, size_wh), (0, 0), rng.uniform(2, 7)), np.uint8)
    edge = int(rng.uniform(0.05, 0.7) * h)
    wood = tones.mix(tones.dull(rng), (150, 110, 80), rng.uniform(0, 0.8))
    top = _canvas((w, h - edge), darker(wood, 0.85), lighter(wood, 0.2))
    if rng.random() < 0.25:
        period = int(rng.uniform(0.03, 0.1) * w) + 2
        top[:, np.arange(w) // period % 2 == 0] = tones.anything(rng)
    image[edge:] = textured(rng, top, rng.uniform(0.1, 0.9), exponent=1.1, stretch=rng.choice([1.0, 4.0, 8.0]))
    return image


def brick(rng: np.random.Generator, size_wh: tuple[int, int]) -> RGB:
    """A wall of bricks, tiles or planks, perhaps with a pavement."""
    w, h = size_wh
    wall = tones.mix(tones.dull(rng), (160, 96, 76), rng.uniform(0, 0.8))
    image = _canvas(size_wh, darker(wall, rng.uniform(0.5, 0.85)))
    tall, wide = rng.uniform(0.03, 0.12) * h, rng.uniform(0.06, 0.4) * w
    for row in range(int(h / tall) + 1):
        for x in np.arange(-wide * (0.5 * (row % 2) + 0.2), w, wide):
            _rect(image, float(x) + 1, row * tall + 1, float(x) + wide - 2, (row + 1) * tall - 1, tones.jitter(rng, wall, 14))
    if rng.random() < 0.4:
        _paving(rng, image, rng.uniform(0.7, 0.9) * h, tones.dull(rng))
    return textured(rng, image, rng.uniform(0.1, 0.7), exponent=0.9)


def fence(rng: np.random.Generator, size_wh: tuple[int, int]) -> RGB:
    """Bars, a net or a rail before something blurred."""
    w, h = size_wh
    image = np.asarray(cv2.GaussianBlur((field_photo if rng.random() < 0.6 else street)(rng, size_wh), (0, 0), rng.uniform(1, 4)), np.uint8)
    metal, period, wide = tones.dull(rng), rng.uniform(0.03, 0.14) * w, rng.uniform(0.003, 0.02) * w
    low = rng.uniform(0.6, 0.95) * h
    for x in np.arange(-h if rng.random() < 0.4 else 0, w, period):
        lean = rng.choice([0.0, 0.0, h * 0.5]) if wide < 2 else 0.0
        _line(image, np.array([(x, low), (x + lean, rng.uniform(0.25, 0.3) * h)]), metal, wide)
    _line(image, np.array([(0, 0.35 * h), (w, 0.35 * h)]), metal, wide * 1.5)
    return textured(rng, image, rng.uniform(0.1, 0.5), exponent=0.8)


def open_sky(rng: np.random.Generator, size_wh: tuple[int, int]) -> RGB:
    """Sky alone, or above a low line of hills."""
    w, h = size_wh
    image = _sky(rng, size_wh)
    if rng.random() < 0.5:
        hills = h * (1 - rng.uniform(0.03, 0.3) * noise.field(rng, (w, 4), exponent=1.5)[0])
        image[np.arange(h)[:, None] > hills[None, :]] = darker(_green(rng), 0.6)
    return image


def road(rng: np.random.Generator, size_wh: tuple[int, int]) -> RGB:
    """A road with lines and a rail between trees and fields."""
    w, h = size_wh
    image = meadow(rng, size_wh)
    top = rng.uniform(0.5, 0.7) * h
    vanish, tar = rng.uniform(0.0, 1.0) * w, tones.jitter(rng, (140, 150, 168), 30)
    left, right = rng.uniform(-1.2, 0.2) * w, rng.uniform(0.8, 2.2) * w
    _fill(image, np.array([(vanish - 3, top), (vanish + 3, top), (right, h), (left, h)]), tar)
    for share, ink in ((0.08, (240, 214, 90)), (0.5, (244, 244, 240)), (0.92, (240, 214, 90))):
        foot = left + (right - left) * share
        _fill(image, np.array([(vanish, top), (vanish + 1, top), (foot + 0.015 * w, h), (foot - 0.015 * w, h)]), ink)
    rail, steel = rng.choice([left, right]), tones.jitter(rng, ((230, 190, 60), (190, 194, 200))[rng.integers(2)], 15)
    for lift in (0.06, 0.12):
        _fill(image, np.array([(vanish, top - 2), (vanish, top), (rail, h * (1.02 - lift)), (rail, h * (0.96 - lift))]), steel)
    for k in range(1, 7):
        share = (k / 6) ** 2
        x, y = vanish + (rail - vanish) * share, top + (h - top) * share
        _line(image, np.array([(x, y), (x, y - 0.18 * h * share)]), darker(steel, 0.6), 1 + 0.012 * w * share)
    return image


def hall(rng: np.random.Generator, size_wh: tuple[int, int]) -> RGB:
    """Columns, arches or panels in perspective over a shining floor."""
    w, h = size_wh
    stone = tones.mix(tones.anything(rng), (222, 218, 226), rng.uniform(0.3, 0.9))
    image = street(rng, size_wh) if rng.random() < 0.4 else _canvas(size_wh, lighter(stone, 0.3), darker(stone, 0.8))
    _paving(rng, image, rng.uniform(0.62, 0.85) * h)
    for k in range(int(rng.integers(2, 6))):
        near = (k + 1) / 5
        x, wide = rng.uniform(0, w), (0.02 + 0.05 * near) * w
        _rect(image, x - wide, 0, x + wide, h * (0.7 + 0.25 * near), stone)
        _rect(image, x + wide * 0.3, 0, x + wide, h * (0.7 + 0.25 * near), darker(stone, 0.8))
    for k in range(int(rng.integers(0, 5))):
        y = rng.uniform(0, 0.15) * h
        _fill(
            image,
            np.array([(0.2 * k * w, y), (0.2 * k * w + 0.12 * w, y), (0.2 * k * w + 0.1 * w, y + 0.04 * h), (0.2 * k * w + 0.02 * w, y + 0.04 * h)]),
            (255, 255, 250),
        )
    return image


def park(rng: np.random.Generator, size_wh: tuple[int, int]) -> RGB:
    """A path between two rows of trees towards a house."""
    w, h = size_wh
    image = _sky(rng, size_wh)
    top, centre = rng.uniform(0.4, 0.6) * h, rng.uniform(0.3, 0.7) * w
    _building(rng, image, centre - rng.uniform(0.1, 0.3) * w, top - rng.uniform(0.15, 0.35) * h, centre + rng.uniform(0.1, 0.3) * w, top)
    lawn = _green(rng)
    image[int(top) :] = textured(rng, _canvas((w, h - int(top)), lawn, darker(lawn, 0.8)), 0.6, exponent=0.8, stretch=2.0)
    path = textured(rng, _canvas(size_wh, tones.jitter(rng, (206, 170, 130), 30)), 0.6, exponent=0.8, stretch=3.0)
    cover = np.zeros((h, w), np.uint8)
    cv2.fillPoly(cover, [np.array([(centre - 4, top), (centre + 4, top), (centre + 0.55 * w, h), (centre - 0.55 * w, h)], np.int32)], 1)
    image[cover > 0] = path[cover > 0]
    leaf = _green(rng)
    for k in range(1, 6):
        for side in (-1, 1):
            share = (k / 5) ** 1.6
            _tree(rng, image, centre + side * (0.06 + 0.6 * share) * w, top + 0.6 * (h - top) * share, (0.15 + 0.65 * share) * h, tones.jitter(rng, leaf, 20))
    return image


KINDS: Final[dict[str, Painter]] = {
    "gradient": gradient, "wallpaper": wallpaper, "painted": painted, "bokeh": bokeh, "meadow": meadow, "forest": forest, "street": street, "room": room,
    "classroom": classroom, "texture": texture, "floor-and-wall": floor_and_wall, "field-photo": field_photo, "foliage": foliage, "clutter": clutter,
    "buildings-photo": buildings_photo, "room-photo": room_photo, "water": water, "mountains": mountains, "night": night, "library": library, "cafe": cafe,
    "cave": cave, "beach": beach, "tabletop": tabletop, "brick": brick, "fence": fence, "open-sky": open_sky, "road": road, "hall": hall,
    "park": park,
}  # fmt: skip
"""Every kind of background and its painter."""
