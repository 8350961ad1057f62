"""A picture from a family: background, arrangement, subjects with their masks, occluders, camera."""

from dataclasses import dataclass
from typing import Any, Final, Literal

import cv2
import numpy as np
import numpy.typing as npt

from sticker_studio.scenes import animals, backgrounds, emoji, people, photo, things
from sticker_studio.scenes import colour as tones
from sticker_studio.scenes.families import Family
from sticker_studio.scenes.geometry import box, tuft
from sticker_studio.scenes.layer import GRAINS, Layer, Pen
from sticker_studio.types import RGB, Mask, SubjectClass

Plane = npt.NDArray[np.float32]
MIN_VISIBLE_PX: Final = 24
"""An object with less in sight is not listed."""
MIN_COVER: Final = 0.004
"""Share of the picture that the subjects of a picture cover at least."""

OCCLUDER_CHANCE: Final = 0.1
"""How often something that is no subject stands in front."""

Framing = Literal["full", "half", "portrait", "small"]


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """One subject as drawn: colour (premultiplied HxWx3, 0..255), cover (HxW, 0..1), class."""

    colour: Plane
    alpha: Plane
    subject_class: SubjectClass


def picture(rng: np.random.Generator, family: Family, size_wh: tuple[int, int], *, empty: bool) -> tuple[RGB, list[tuple[Mask, SubjectClass]]]:
    """The picture and the visible mask and class of each subject, back to front."""
    real = family.style == "normal"
    image: npt.NDArray[Any] = _background(rng, family, size_wh, real=real).astype(np.float32)
    masks: list[tuple[Mask, SubjectClass]] = []
    light = _light(rng)
    for framing, x in [] if empty else _arrangement(rng, family):
        drawn = _subject(rng, family, size_wh, framing, x, light, real=real)
        if rng.random() < 0.12:
            image = _alike(rng, image, drawn)
        image = _shadow(rng, image, drawn.alpha, light) if rng.random() < (0.7 if real else 0.3) else image
        image = drawn.colour + image * (1 - drawn.alpha[..., None])
        masks = [(mask & (drawn.alpha < 0.5), kind) for mask, kind in masks] + [(drawn.alpha >= 0.5, drawn.subject_class)]
    if rng.random() < OCCLUDER_CHANCE:
        front = _occluder(rng, size_wh, real=real)
        image = front.colour + image * (1 - front.alpha[..., None])
        masks = [(mask & (front.alpha < 0.5), kind) for mask, kind in masks]
    finished = photo.camera(rng, image) if real else photo.scan(rng, image)
    return finished, [(mask, kind) for mask, kind in masks if mask.sum() >= MIN_VISIBLE_PX]


def _background(rng: np.random.Generator, family: Family, size_wh: tuple[int, int], *, real: bool) -> RGB:
    image = backgrounds.KINDS[str(rng.choice(family.backgrounds))](rng, size_wh)
    if real and rng.random() < 0.65:
        return np.asarray(cv2.GaussianBlur(image, (0, 0), float(np.exp(rng.uniform(-0.7, 1.6)))))
    if not real and rng.random() < 0.4:
        image = backgrounds.textured(rng, image, rng.uniform(0.05, 0.5), exponent=rng.choice([0.8, 1.2]))
    if not real and rng.random() < 0.25:
        return np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.6, 2.5)))
    return image


def _alike(rng: np.random.Generator, image: npt.NDArray[Any], drawn: Drawn) -> npt.NDArray[Any]:
    """The background drawn towards the subject's own colour."""
    mean = drawn.colour.sum(axis=(0, 1)) / max(float(drawn.alpha.sum()), 1.0)
    share = rng.uniform(0.25, 0.65)
    return np.asarray(image * (1 - share) + mean * share, np.float32)


def _light(rng: np.random.Generator) -> tuple[float, float]:
    turn = rng.uniform(np.pi * 0.15, np.pi * 0.85)
    return float(np.cos(turn)), float(np.sin(turn))


def _arrangement(rng: np.random.Generator, family: Family) -> list[tuple[Framing, float]]:
    """Framing and horizontal place (0..1) of each subject; sizes are long-tailed."""
    kind = rng.choice(["one", "portrait", "pair", "group", "small", "mixed"], p=[0.46, 0.16, 0.12, 0.08, 0.12, 0.06])
    if kind == "one":
        return [(str(rng.choice(["half", "half", "full"])), float(np.clip(rng.normal(0.5, 0.18), 0.1, 0.9)))]  # type: ignore[list-item]
    if kind == "portrait":
        return [("portrait", float(rng.uniform(0.3, 0.7)))]
    if kind == "pair":
        framing: Framing = "half" if rng.random() < 0.5 else "full"
        return [(framing, float(rng.uniform(0.15, 0.4))), (framing, float(rng.uniform(0.6, 0.85)))]
    if kind == "small":
        return [("small", float(rng.uniform(0.1, 0.9))) for _ in range(int(rng.integers(1, 4)))]
    if kind == "mixed":
        return [("small", float(rng.uniform(0.1, 0.9))), ("half", float(rng.uniform(0.3, 0.7)))]
    count = int(rng.integers(3, 6))
    return [("full", (k + rng.uniform(0.2, 0.8)) / count) for k in range(count)]


def _pen(rng: np.random.Generator, family: Family, light: tuple[float, float]) -> Pen:
    shading = family.shadings[rng.integers(len(family.shadings))]
    return Pen(
        line=rng.uniform(*family.line) if rng.random() < family.line_chance else 0.0,
        line_tint=rng.uniform(*family.tint),
        shading=shading,
        depth=rng.uniform(0.25, 0.75) if shading != "photo" else rng.uniform(0.4, 1.0),
        light=light,
        shine=bool(rng.random() < 0.3),
        texture=rng.random() ** 2 * 0.7,
        grain=GRAINS[rng.integers(len(GRAINS))],
        gloss=max(0.0, rng.uniform(-0.6, 0.9)),
        mute=rng.uniform(0.05, 0.7),
    )


def _subject(
    rng: np.random.Generator, family: Family, size_wh: tuple[int, int], framing: Framing, x: float, light: tuple[float, float], *, real: bool
) -> Drawn:
    name = str(rng.choice(family.subjects))
    if name.startswith("glyph:"):
        kind: SubjectClass = name.removeprefix("glyph:")  # type: ignore[assignment]
        if emoji.available():
            return _glyph(rng, kind, size_wh, framing, x)
        name = str(rng.choice(sorted(animals.KINDS) if kind == "animal" else sorted(things.KINDS)))
    subject_class: SubjectClass = "person" if name == "person" else "animal" if name in animals.KINDS else "object"
    placement = _person_placement(rng, family.look, size_wh, framing, x) if name == "person" else _placement(rng, size_wh, framing, x)
    layer = Layer(size_wh, placement, _pen(rng, family, light), rng)
    if name == "person":
        people.draw(layer, family.look)
    elif name in animals.KINDS:
        animals.KINDS[name](layer, name, drawn=not real)
    else:
        things.KINDS[name](layer)
    colour, alpha = layer.finish()
    if family.skins and rng.random() < family.skin_chance:
        colour = _printed(rng, family.skins, colour, alpha)
    return Drawn(colour=colour, alpha=alpha, subject_class=subject_class)


def _printed(rng: np.random.Generator, skins: tuple[str, ...], colour: Plane, alpha: Plane) -> Plane:
    """The subject with another picture printed on it under its own shading."""
    h, w = alpha.shape
    share = rng.uniform(0.2, 0.85)
    skin = backgrounds.KINDS[str(rng.choice(skins))](rng, (w, h)).astype(np.float32)
    shading = colour.mean(axis=2, keepdims=True) * np.float32(0.7 / 128) + alpha[..., None] * np.float32(0.35)
    return np.asarray(colour * (1 - share) + np.minimum(skin * shading, 255 * alpha[..., None]) * share, np.float32)


def _matrix(unit_px: float, turn: float, flip: bool, at_px: tuple[float, float], anchor: tuple[float, float]) -> npt.NDArray[np.float64]:
    """Placement that puts subject point `anchor` at `at_px`."""
    c, s = np.cos(turn) * unit_px, np.sin(turn) * unit_px
    linear = np.array([[c, -s], [s, c]]) @ np.diag([-1.0 if flip else 1.0, 1.0])
    return np.column_stack([linear, np.asarray(at_px) - linear @ np.asarray(anchor)])


def _person_placement(rng: np.random.Generator, look: people.Look, size_wh: tuple[int, int], framing: Framing, x: float) -> npt.NDArray[np.float64]:
    w, h = size_wh
    heads = sum(look.heads) / 2
    tall = 2 * heads + 0.6
    flip, turn = bool(rng.random() < 0.5), rng.normal(0, 0.05)
    if framing == "half":
        unit = h * rng.uniform(0.62, 0.98) / (tall * rng.uniform(0.42, 0.8))
        return _matrix(unit, turn, flip, (x * w, h * rng.uniform(0.02, 0.3)), (0, -1.3))
    if framing == "portrait":
        unit = h * rng.uniform(0.18, 0.36)
        return _matrix(unit, turn, flip, (x * w, h * rng.uniform(0.3, 0.55)), (0, 0))
    share = rng.uniform(0.6, 0.95) if framing == "full" else float(np.exp(rng.uniform(np.log(0.14), np.log(0.5))))
    foot = rng.uniform(0.93, 1.02) if framing == "full" else rng.uniform(0.6, 1.0)
    return _matrix(h * share / tall, turn, flip, (x * w, foot * h), (0, 2 * heads - 1))


def _placement(rng: np.random.Generator, size_wh: tuple[int, int], framing: Framing, x: float) -> npt.NDArray[np.float64]:
    w, h = size_wh
    span = min(h, w * 0.9)
    ranges = {"full": (0.45, 0.8), "half": (0.6, 0.95), "portrait": (0.95, 1.6), "small": (0.12, 0.4)}
    low, high = ranges[framing]
    share = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    foot = {"portrait": rng.uniform(1.0, 1.3), "small": rng.uniform(0.3, 1.0)}.get(framing, rng.uniform(0.85, 1.02))
    turn = rng.normal(0, 0.09) if rng.random() < 0.85 else rng.normal(0, 0.5)
    return _matrix(span * share / 4.3, turn, bool(rng.random() < 0.5), (x * w, foot * h), (0, 4.0))


def _glyph(rng: np.random.Generator, kind: SubjectClass, size_wh: tuple[int, int], framing: Framing, x: float) -> Drawn:
    names = emoji.GLYPHS[kind]
    tile = emoji.glyph(names[rng.integers(len(names))]).astype(np.float32)
    tile[..., :3] *= tile[..., 3:] / 255
    placement = _placement(rng, size_wh, framing, x)
    side = max(tile.shape[:2])
    scale = 4.2 / side
    to_units = np.array([[scale, 0, -scale * tile.shape[1] / 2], [0, scale, 4 - scale * tile.shape[0]], [0, 0, 1]])
    matrix = np.vstack([placement, [0, 0, 1]]) @ to_units
    pixels = cv2.warpAffine(tile, matrix[:2], size_wh, flags=cv2.INTER_LINEAR if matrix[0, 0] ** 2 > 0.2 else cv2.INTER_AREA)
    gain = np.clip(rng.normal(1, 0.08, 3), 0.75, 1.0).astype(np.float32)
    return Drawn(colour=pixels[..., :3] * gain, alpha=pixels[..., 3] * np.float32(1 / 255), subject_class=kind)


def _shadow(rng: np.random.Generator, image: npt.NDArray[Any], alpha: Plane, light: tuple[float, float]) -> npt.NDArray[Any]:
    """A soft shadow: on the ground under the subject, or cast behind it."""
    h, w = alpha.shape
    rows = np.flatnonzero(alpha.max(axis=1) > 0.5)
    columns = np.flatnonzero(alpha.max(axis=0) > 0.5)
    if not len(rows) or not len(columns):
        return image
    shade = np.zeros((h, w), np.float32)
    wide = len(columns)
    if rows[-1] < h - 2 and rng.random() < 0.8:
        cv2.ellipse(shade, (int(columns.mean()), int(rows[-1])), (max(2, wide * 6 // 10), max(2, wide // 8)), 0, 0, 360, 1.0, -1)
    else:
        move = np.array([[1, 0, light[0] * 0.06 * w], [0, 1, light[1] * 0.06 * h]], np.float64)
        shade = np.asarray(cv2.warpAffine(alpha, move, (w, h)), np.float32)
    soft = cv2.blur(shade, (2 * max(1, wide // 20) + 1,) * 2)
    return np.asarray(image * (1 - rng.uniform(0.2, 0.6) * soft[..., None]))


def _occluder(rng: np.random.Generator, size_wh: tuple[int, int], *, real: bool) -> Drawn:
    """Something in front that is no subject: leaves at an edge, a post, a rail, a ledge."""
    w, h = size_wh
    pen = Pen(line=0.0, line_tint=1.0, shading="photo" if real else "flat", depth=0.5, light=(0.0, 1.0), texture=0.6)
    layer = Layer(size_wh, np.array([[1.0, 0, 0], [0, 1.0, 0]]), pen, rng)
    kind = rng.integers(4)
    tone = tones.hsv(rng.uniform(0.2, 0.42), 0.6, rng.uniform(0.2, 0.7)) if kind == 0 else tones.dull(rng)
    if kind == 0:
        side = rng.choice([0.0, 1.0])
        for _ in range(int(rng.integers(5, 16))):
            base = (side * w, rng.uniform(0.2, 1.1) * h)
            layer.shape(
                tuft(base, (abs(side - rng.uniform(0.05, 0.3)) * w, base[1] - rng.uniform(-0.1, 0.3) * h), 0.05 * w, rng.uniform(-0.2, 0.2)),
                tones.jitter(rng, tone, 15),
            )
    elif kind == 1:
        x, wide = rng.uniform(0.05, 0.95) * w, rng.uniform(0.01, 0.05) * w
        layer.shape(box(x - wide, -5, x + wide, h + 5), tone)
    elif kind == 2:
        y = rng.uniform(0.75, 0.92) * h
        layer.shape(box(-5, y, w + 5, y + 0.03 * h), tone)
        for x in np.arange(0, w, rng.uniform(0.06, 0.14) * w):
            layer.shape(box(float(x), y, float(x) + 0.012 * w, h + 5), tone)
    else:
        y = rng.uniform(0.82, 0.95) * h
        layer.shape(box(-5, y, w + 5, h + 5), tone)
    colour, alpha = layer.finish()
    if rng.random() < 0.5:
        sigma = rng.uniform(0.5, 3.0)
        colour, alpha = (np.asarray(cv2.GaussianBlur(plane, (0, 0), sigma), np.float32) for plane in (colour, alpha))
    return Drawn(colour=colour, alpha=alpha, subject_class="object")
