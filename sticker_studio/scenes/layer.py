"""A transparent layer that one subject is drawn on: filled, shaded, outlined shapes in subject units, then one exact mask."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal

import cv2
import numpy as np
import numpy.typing as npt

from sticker_studio.scenes import noise
from sticker_studio.scenes.colour import Colour, darker, mix
from sticker_studio.scenes.geometry import Points

SUPERSAMPLING = 2
"""Layers are drawn this many times larger and reduced by area, which smooths every edge."""

Shading = Literal["cel", "soft", "flat", "photo"]
PATTERNS = ("stripes", "bars", "dots", "checks", "plaid", "patches")


@dataclass(frozen=True, kw_only=True)
class Pen:
    """How shapes are drawn."""

    line: float
    """Outline width in subject units (a head is about 2 high); 0 draws none."""
    line_tint: float
    """0 = black lines, 1 = lines in the shape's own dark tone."""
    shading: Shading
    depth: float
    """0..1, how dark the shadow side is."""
    light: tuple[float, float]
    """The way the light comes from, a unit vector, y down."""
    shine: bool = False
    """Whether a highlight is drawn opposite the shadow."""
    texture: float = 0.0
    """Strength of surface noise, for photo-like shading."""
    grain: float = 1.1
    """Exponent of that noise: 0.6 is fine (fur, cloth), 1.6 is cloudy (stone, stains)."""
    gloss: float = 0.0
    """Strength of the highlight, for photo-like shading."""
    mute: float = 0.0
    """0..1, how much colour is taken away, for photo-like shading."""


GRAINS: Final = (0.6, 0.9, 1.1, 1.5)
MAX_LINE: Final = 0.013
"""Outlines are at most this share of the shorter side wide, so that close-ups keep their faces."""


class Layer:
    """A supersampled RGBA canvas with a placement; paint only inside shapes, so that alpha is the exact cover of the subject."""

    def __init__(self, size_wh: tuple[int, int], placement: npt.NDArray[np.float64], pen: Pen, rng: np.random.Generator) -> None:
        """`placement`: 2x3 matrix from subject units to px of the picture."""
        self.size_wh = size_wh
        self.pen = pen
        self.rng = rng
        self.pixels = np.zeros((size_wh[1] * SUPERSAMPLING, size_wh[0] * SUPERSAMPLING, 4), np.uint8)
        self.placement = placement * SUPERSAMPLING
        self.unit_px = float(np.sqrt(abs(np.linalg.det(self.placement[:, :2]))))

    def shape(
        self, outline: Points, colour: Colour, *, shade: float = 1.0, line: float = 1.0, pattern: str | None = None, second: Colour = (0, 0, 0),
        fade: Colour | None = None,
    ) -> None:  # fmt: skip
        """Fill a closed shape; `shade` and `line` scale the pen's, `pattern` is printed in `second`, `fade` is its colour at the bottom."""
        xy = self._place(outline)
        region = self._region(xy)
        if region is None:
            return
        x0, y0, x1, y1 = region
        cover = np.zeros((y1 - y0, x1 - x0), np.uint8)
        cv2.fillPoly(cover, [xy - (x0, y0)], 1)
        target = self.pixels[y0:y1, x0:x1]
        inside = cover.view(bool)
        if self.pen.shading == "photo":
            self._photo(target, cover, colour, shade, pattern, second)
        else:
            target[inside] = (*colour, 255)
            if fade is not None:
                self._fade(target, inside, colour, fade)
            if pattern is not None:
                target[inside & self._pattern(pattern, cover.shape)] = (*second, 255)
            if shade > 0 and self.pen.shading != "flat":
                self._shade(target, cover, shade)
        if line > 0 and self.pen.line > 0:
            self._outline(xy, colour, line)

    @contextmanager
    def within(self, x: float, y: float, scale: float, *, turn: float = 0.0) -> Iterator[None]:
        """Draw a part in its own units: its 0,0 lies at x,y, it is `scale` as large and turned by `turn` radians."""
        before, size = self.placement, self.unit_px
        c, s = np.cos(turn) * scale, np.sin(turn) * scale
        part = np.array([[c, -s, x], [s, c, y], [0, 0, 1]])
        self.placement, self.unit_px = before @ part, size * scale
        yield
        self.placement, self.unit_px = before, size

    def stroke(self, path: Points, colour: Colour, width: float) -> None:
        """An open line of `width` subject units."""
        if self.pen.shading == "photo":
            colour = self._muted(colour)
        cv2.polylines(self.pixels, [self._place(path)], False, (*colour, 255), max(1, round(width * self.unit_px)), cv2.LINE_8)

    def _place(self, outline: Points) -> npt.NDArray[np.int32]:
        placed = outline @ self.placement[:, :2].T + self.placement[:, 2]
        return np.clip(np.round(placed), -8000, 8000).astype(np.int32)

    def _region(self, xy: npt.NDArray[np.int32]) -> tuple[int, int, int, int] | None:
        height, width = self.pixels.shape[:2]
        x0, y0 = np.maximum(xy.min(axis=0), 0)
        x1, y1 = np.minimum(xy.max(axis=0) + 1, (width, height))
        return None if x1 <= x0 or y1 <= y0 else (int(x0), int(y0), int(x1), int(y1))

    def _line_colour(self, colour: Colour) -> Colour:
        r, g, b = (round(c * self.pen.line_tint + ink * (1 - self.pen.line_tint)) for c, ink in zip(darker(colour, 0.38), (30, 24, 30), strict=True))
        return r, g, b

    def _outline(self, xy: npt.NDArray[np.int32], colour: Colour, line: float) -> None:
        limit = MAX_LINE * min(self.pixels.shape[:2])
        thickness = max(1, round(min(self.pen.line * self.unit_px, limit) * line))
        cv2.polylines(self.pixels, [xy], True, (*self._line_colour(colour), 255), thickness, cv2.LINE_8)

    def _shade(self, target: npt.NDArray[np.uint8], cover: npt.NDArray[np.uint8], shade: float) -> None:
        """The shadow is the shape less the shape moved towards the light, as cel painters cut it."""
        short = min(cover.shape)
        reach = float(np.clip(0.2 * shade * short, 1, 0.45 * self.unit_px + 2))
        shadow = cover.view(bool) & ~_moved(cover, self.pen.light, reach).view(bool)
        factor = 1 - self.pen.depth * 0.5
        if self.pen.shading == "soft":
            weight = cv2.blur(shadow.astype(np.float32), (2 * int(reach) + 1,) * 2)[..., None] * (cover[..., None] * (1 - factor) * 1.3)
            target[..., :3] = (target[..., :3] * (1 - weight)).astype(np.uint8)
            return
        tone = np.array([factor * 0.97, factor * 0.93, min(1.0, factor * 1.08)])
        target[shadow, :3] = (target[shadow, :3] * tone).astype(np.uint8)
        if self.pen.shine and short > 8:
            away = (-self.pen.light[0], -self.pen.light[1])
            rim = cover.view(bool) & ~_moved(cover, away, max(1, reach * 0.4)).view(bool)
            target[rim, :3] = 255 - ((255 - target[rim, :3]) * 0.72).astype(np.uint8)

    def _fade(self, target: npt.NDArray[np.uint8], inside: npt.NDArray[np.bool_], top: Colour, bottom: Colour) -> None:
        share = np.linspace(0, 1, len(target))[:, None] ** 1.5
        rows = (np.asarray(top) * (1 - share) + np.asarray(bottom) * share).astype(np.uint8)
        target[..., :3] = np.where(inside[..., None], rows[:, None, :], target[..., :3])

    def _pattern(self, kind: str, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
        period = max(4.0, self.rng.uniform(0.16, 0.5) * self.unit_px)
        y, x = np.arange(shape[0])[:, None] / period, np.arange(shape[1])[None, :] / period
        if kind == "stripes":
            return np.broadcast_to((y + self.rng.choice([0.0, 0.3]) * x) % 1 < 0.5, shape)
        if kind == "bars":
            return np.broadcast_to(x % 1 < 0.4, shape)
        if kind == "dots":
            return np.asarray(((x + 0.5 * (np.floor(y) % 2)) % 1 - 0.5) ** 2 + (y % 1 - 0.5) ** 2 < 0.07)
        if kind == "checks":
            return np.asarray((np.floor(x) + np.floor(y)) % 2 == 0)
        if kind == "plaid":
            return np.asarray((x % 1 < 0.18) | (y % 1 < 0.18))
        return np.asarray(noise.field(self.rng, (shape[1], shape[0]), exponent=1.8, zoom=max(1.0, shape[1] / 160)) > 0.58)

    def _photo(self, target: npt.NDArray[np.uint8], cover: npt.NDArray[np.uint8], colour: Colour, shade: float, pattern: str | None, second: Colour) -> None:
        """Rounded shading (the slope of the blurred cover against the light) times surface noise, then a highlight; by table, for speed."""
        height, width = cover.shape
        tone = 0.92 + self.pen.depth * shade * 0.85 * np.clip(_slope(cover, self.pen.light), -0.9, 0.55)
        if self.pen.texture > 0.02:
            tone *= 1 + self.pen.texture * (noise.field(self.rng, (width, height), exponent=self.pen.grain, zoom=float(self.rng.uniform(0.6, 1.6))) - 0.5)
        step = np.clip(tone * 100, 0, 255).astype(np.uint8)
        painted = np.take(self._tones(colour, shade), step, axis=0)
        if pattern is not None:
            printed = self._pattern(pattern, cover.shape)
            painted[printed] = np.take(self._tones(second, shade), step[printed], axis=0)
        inside = cover.view(bool)
        np.copyto(target[..., :3], painted, where=inside[..., None])
        target[..., 3][inside] = 255

    def _tones(self, colour: Colour, shade: float) -> npt.NDArray[np.uint8]:
        """256x3: `colour` in light k/100, with the highlight where light is strongest."""
        level = np.arange(256)[:, None] / 100
        shine = self.pen.gloss * np.clip(level - (0.92 + 0.26 * self.pen.depth), 0, 1) * (shade > 0.5) / (0.1 + self.pen.depth)
        return np.asarray(np.clip(np.asarray(self._muted(colour)) * level + 255 * shine, 0, 255), np.uint8)

    def _muted(self, colour: Colour) -> Colour:
        grey = round(0.3 * colour[0] + 0.6 * colour[1] + 0.1 * colour[2])
        return mix(colour, (grey, grey, grey), self.pen.mute)

    def finish(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """The layer at picture size: HxWx3 float32 premultiplied colour 0..255 and HxW float32 alpha 0..1."""
        small = cv2.resize(self.pixels, self.size_wh, interpolation=cv2.INTER_AREA).astype(np.float32)
        return small[..., :3], small[..., 3] * np.float32(1 / 255)


COARSE_PX: Final = 56
"""Slopes are worked out with the shorter side reduced to about this."""


def _slope(cover: npt.NDArray[np.uint8], light: tuple[float, float]) -> npt.NDArray[np.float32]:
    """HxW, about -1 (faces away from the light) to 1: the slope of the blurred cover along `light`."""
    height, width = cover.shape
    reduce = max(1, min(height, width) // COARSE_PX)
    small = cv2.resize(cover, (max(1, width // reduce), max(1, height // reduce)), interpolation=cv2.INTER_AREA).astype(np.float32) if reduce > 1 else cover
    radius = max(1, int(min(small.shape) * 0.32))
    margin = 2 * radius
    padded = cv2.copyMakeBorder(np.asarray(small, np.float32), margin, margin, margin, margin, cv2.BORDER_CONSTANT, value=0)
    soft = np.asarray(cv2.blur(padded, (2 * radius + 1,) * 2), np.float32)
    slope = _moved(soft, light, -radius * 0.7) - _moved(soft, light, radius * 0.7)
    inner = slope[margin:-margin, margin:-margin]
    return np.asarray(cv2.resize(inner, (width, height)) if reduce > 1 else inner, np.float32)


def _moved(field: npt.NDArray[Any], way: tuple[float, float], distance: float) -> npt.NDArray[Any]:
    """`field` moved by `distance` px along `way`; what comes in is 0."""
    dx, dy = round(way[0] * distance), round(way[1] * distance)
    height, width = field.shape[:2]
    moved = np.zeros_like(field)
    if abs(dx) >= width or abs(dy) >= height:
        return moved
    moved[max(dy, 0) : height + min(dy, 0), max(dx, 0) : width + min(dx, 0)] = field[max(-dy, 0) : height + min(-dy, 0), max(-dx, 0) : width + min(-dx, 0)]
    return moved
