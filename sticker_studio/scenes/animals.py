"""Animals and mascots as drawn shapes. Subject units: about 4 high, feet at y=4, centred on x=0."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from sticker_studio.scenes import colour as tones
from sticker_studio.scenes import people
from sticker_studio.scenes.colour import Colour, darker, lighter
from sticker_studio.scenes.geometry import arc, blob, ellipse, limb, points, spline, star, tube, tuft
from sticker_studio.scenes.layer import Layer


@dataclass(frozen=True, kw_only=True)
class Build:
    """Body plan of a four-legged animal seen from the side, lengths in units."""

    trunk: tuple[float, float]
    """Length and height."""
    legs: tuple[float, float]
    """Length and width."""
    neck: tuple[float, float]
    """Length and rise (0 flat, 1 upright)."""
    head: float
    snout: float
    ears: str
    tail: str
    extra: str = ""


QUADRUPEDS: Final[dict[str, Build]] = {
    "dog": Build(trunk=(2.6, 1.15), legs=(1.3, 0.4), neck=(0.8, 0.7), head=0.62, snout=0.7, ears="floppy", tail="up"),
    "cat-side": Build(trunk=(2.4, 0.95), legs=(1.1, 0.34), neck=(0.5, 0.7), head=0.6, snout=0.2, ears="pointed", tail="long"),
    "horse": Build(trunk=(2.7, 1.2), legs=(1.9, 0.36), neck=(1.5, 0.85), head=0.5, snout=0.95, ears="small", tail="hair", extra="mane"),
    "cow": Build(trunk=(3.0, 1.5), legs=(1.2, 0.42), neck=(0.7, 0.4), head=0.6, snout=0.7, ears="side", tail="thin", extra="horns"),
    "bear-side": Build(trunk=(2.7, 1.6), legs=(1.1, 0.6), neck=(0.6, 0.3), head=0.72, snout=0.45, ears="round", tail="none"),
    "elephant": Build(trunk=(3.0, 2.1), legs=(1.4, 0.75), neck=(0.6, 0.5), head=0.95, snout=0.3, ears="huge", tail="thin", extra="trunk"),
    "sheep": Build(trunk=(2.3, 1.5), legs=(0.8, 0.3), neck=(0.5, 0.5), head=0.5, snout=0.45, ears="side", tail="none", extra="wool"),
    "fox": Build(trunk=(2.4, 0.85), legs=(1.1, 0.3), neck=(0.6, 0.6), head=0.55, snout=0.75, ears="pointed", tail="bushy"),
    "giraffe": Build(trunk=(2.0, 1.2), legs=(2.2, 0.36), neck=(2.6, 0.97), head=0.45, snout=0.6, ears="small", tail="thin", extra="spots"),
    "deer": Build(trunk=(2.2, 0.95), legs=(1.8, 0.28), neck=(1.1, 0.85), head=0.45, snout=0.6, ears="side", tail="none", extra="antlers"),
    "pig": Build(trunk=(2.5, 1.5), legs=(0.7, 0.4), neck=(0.4, 0.2), head=0.65, snout=0.4, ears="pointed", tail="curl"),
    "zebra": Build(trunk=(2.5, 1.15), legs=(1.5, 0.36), neck=(1.2, 0.8), head=0.5, snout=0.8, ears="small", tail="thin", extra="stripes"),
}  # fmt: skip


def quadruped(layer: Layer, name: str, *, drawn: bool) -> None:
    """A four-legged animal from the side."""
    rng, build = layer.rng, QUADRUPEDS[name]
    coat = tones.fur(rng, fancy=0.3 if drawn else 0.0)
    pale = lighter(coat, rng.uniform(0.3, 0.7))
    length, height = (value * rng.uniform(0.88, 1.12) for value in build.trunk)
    leg, thick = build.legs[0] * rng.uniform(0.85, 1.15), build.legs[1]
    belly = 4 - leg
    back = belly - height
    half = length / 2
    walk = rng.uniform(0.0, 0.5)
    _tail(layer, build.tail, (-half * 0.95, back + height * 0.3), coat, pale)
    for x, swing in ((-half * 0.62, -walk), (half * 0.7, walk)):
        _leg(layer, x, belly, leg, thick, swing, darker(coat, 0.78))
    pattern = {"spots": "patches", "stripes": "bars"}.get(build.extra) or ("patches" if rng.random() < 0.3 else None)
    above = [(-half, back + height * 0.35), (-half * 0.55, back), (half * 0.1, back + height * 0.07), (half * 0.75, back)]
    body = spline([*above, (half * 1.04, back + height * 0.45), (half * 0.7, belly), (0, belly + 0.08), (-half * 0.75, belly)])
    neck = (half * 0.85 + build.neck[0] * (1 - build.neck[1] * 0.6), back + 0.25 - build.neck[0] * build.neck[1])
    if build.extra == "wool":
        for angle in np.linspace(0, 2 * np.pi, 12):
            layer.shape(ellipse(half * 0.95 * np.cos(angle), back + height / 2 + height * 0.45 * np.sin(angle), 0.5, 0.45), coat)
    layer.shape(
        limb([(half * 0.55, back + height * 0.5), ((half * 0.75 + neck[0]) / 2, (back + neck[1]) / 2 + 0.15), neck], height * 0.72, build.head * 0.95), coat
    )
    layer.shape(body, coat, pattern=pattern, second=pale if build.extra != "stripes" else (40, 36, 40))
    _joint(layer, half * 0.68, back + height * 0.5, height * 0.26, height * 0.3, coat)
    if build.extra == "mane":
        for k in range(6):
            share = k / 5
            x, y = half * 0.6 * (1 - share) + (neck[0] - 0.3) * share, back + 0.1 + (neck[1] - back - 0.35) * share
            layer.shape(tuft((x, y), (x - 0.45, y + 0.6), 0.4, 0.1), darker(coat, 0.5))
    for x, swing in ((-half * 0.75, walk), (half * 0.6, -walk * 0.6)):
        _leg(layer, x, belly, leg, thick, swing, coat)
        _joint(layer, x, belly - 0.3 - thick * 0.35, thick * 0.95, thick * 0.8, coat)
    _side_head(layer, build, neck, coat, pale, drawn=drawn)


def _joint(layer: Layer, x: float, y: float, rx: float, ry: float, coat: Colour) -> None:
    """Hides the outline where a limb joins the trunk; shaded styles have none to hide."""
    if layer.pen.line > 0:
        layer.shape(ellipse(x, y, rx, ry), coat, line=0, shade=0)


def _leg(layer: Layer, x: float, belly: float, length: float, thick: float, swing: float, coat: Colour) -> None:
    foot = (x + swing, belly + length)
    layer.shape(limb([(x, belly - 0.45), (x + swing * 0.3 - 0.06, belly + length * 0.45), foot], thick * 1.5, thick * 0.8), coat)
    layer.shape(ellipse(foot[0] + 0.08, foot[1], thick * 0.6, thick * 0.36), darker(coat, 0.6))


def _tail(layer: Layer, kind: str, root: tuple[float, float], coat: Colour, pale: Colour) -> None:
    rng = layer.rng
    x, y = root
    if kind == "up":
        layer.shape(limb([root, (x - 0.6, y - 0.3), (x - 0.75, y - rng.uniform(0.6, 1.3))], 0.3, 0.12), coat)
    elif kind == "long":
        layer.shape(limb([root, (x - 0.8, y - 0.1), (x - 1.1, y - 0.8), (x - rng.uniform(0.6, 1.4), y - 1.4)], 0.26, 0.18), coat)
    elif kind == "bushy":
        layer.shape(spline([root, (x - 0.7, y - 0.45), (x - 1.7, y - 0.2), (x - 2.1, y + 0.35), (x - 1.4, y + 0.6), (x - 0.5, y + 0.4)]), coat)
        layer.shape(spline([(x - 1.6, y - 0.2), (x - 2.1, y + 0.35), (x - 1.5, y + 0.5)]), lighter(pale, 0.6), line=0, shade=0)
    elif kind == "hair":
        layer.shape(tuft(root, (x - rng.uniform(0.4, 0.9), y + 1.7), 0.5, -0.15), darker(coat, 0.5))
    elif kind == "curl":
        layer.stroke(arc(x - 0.2, y, 0.22, 0.22, 0, 5), coat, 0.12)
    elif kind == "thin":
        layer.shape(limb([root, (x - 0.35, y + 0.4), (x - 0.35, y + 1.1)], 0.16, 0.1), coat)
        layer.shape(ellipse(x - 0.35, y + 1.15, 0.14, 0.22), darker(coat, 0.5))


def _side_head(layer: Layer, build: Build, at: tuple[float, float], coat: Colour, pale: Colour, *, drawn: bool) -> None:
    rng = layer.rng
    x, y = at
    size = build.head
    if build.extra == "antlers":
        for side in (-0.25, 0.25):
            horn = (120, 92, 64)
            layer.shape(limb([(x + side, y - size * 0.8), (x + side * 3, y - size * 2), (x + side * 2, y - size * 3)], 0.13, 0.06), horn)
            layer.shape(limb([(x + side * 2.4, y - size * 1.7), (x + side * 5, y - size * 2.3)], 0.1, 0.04), horn)
    if build.extra == "horns":
        layer.shape(tuft((x + 0.1, y - size * 0.7), (x + 0.5, y - size * 1.7), 0.24, 0.2), (226, 216, 196))
    _ear(layer, build.ears, (x - size * 0.35, y - size * 0.55), size, darker(coat, 0.85), far=True)
    tip = (x + size * 0.75 + build.snout, y + size * 0.35)
    if build.extra == "trunk":
        layer.shape(
            limb(
                [(x + size * 0.5, y), (x + size * 1.2, y + 0.9), (x + size * rng.uniform(0.9, 1.3), y + 2.2), (x + size * rng.uniform(1.2, 2.0), y + 2.5)],
                0.7,
                0.25,
            ),
            coat,
        )
    elif build.snout > 0.1:
        layer.shape(tube([(x + size * 0.2, y + size * 0.15), tip], size * 1.3, size * 0.75), coat if rng.random() < 0.5 else pale)
        layer.shape(ellipse(tip[0] + 0.08, tip[1] - 0.05, 0.13, 0.11), (40, 32, 34), shade=0)
    layer.shape(ellipse(x, y, size, size * 0.92), coat)
    if build.snout > 0.3:
        layer.stroke(points((tip[0] - 0.05, tip[1] + size * 0.22), (x + size * 0.4, y + size * 0.62)), darker(coat, 0.4), 0.05)
    _ear(layer, build.ears, (x - size * 0.1, y - size * 0.6), size, coat, far=False)
    big = size * (rng.uniform(0.2, 0.38) if drawn else 0.1)
    if drawn:
        layer.shape(ellipse(x + size * 0.4, y - size * 0.12, big, big * 1.2), (250, 250, 250), shade=0, line=0.7)
    layer.shape(ellipse(x + size * 0.46, y - size * 0.1, big * 0.6 if drawn else big, big * 0.75 if drawn else big), (34, 26, 28), shade=0, line=0)


def _ear(layer: Layer, kind: str, at: tuple[float, float], size: float, coat: Colour, *, far: bool) -> None:
    x, y = at
    if kind == "floppy":
        layer.shape(spline([(x - 0.1, y), (x + 0.3, y), (x + 0.2, y + size * 1.2), (x - 0.35, y + size * 1.3), (x - 0.45, y + 0.4)]), darker(coat, 0.75))
    elif kind == "pointed":
        layer.shape(points((x - size * 0.35, y + 0.1), (x, y - size * 0.95), (x + size * 0.4, y + 0.1)), coat)
    elif kind == "round":
        layer.shape(ellipse(x, y - size * 0.2, size * 0.34, size * 0.34), coat)
    elif kind == "huge" and not far:
        layer.shape(spline([(x, y - 0.2), (x - 0.9, y - 0.5), (x - 1.6, y + 0.5), (x - 1.0, y + 1.7), (x - 0.1, y + 1.0)]), coat)
    elif kind == "side":
        layer.shape(tuft((x, y + 0.1), (x - size * 1.1, y - 0.05), 0.36, 0.1), coat)
    elif kind == "small":
        layer.shape(tuft((x, y + 0.1), (x - 0.05, y - size * 0.8), 0.3, 0.05), coat)


# -- front view: sitting animals and mascots --------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Front:
    """A sitting or standing animal seen from the front; `merged` bodies have no separate head (mascots)."""

    ears: str
    muzzle: str
    merged: bool = False
    belly: bool = True
    tail: str = ""
    legs: str = "paws"


FRONTS: Final[dict[str, Front]] = {
    "cat": Front(ears="pointed", muzzle="cat", tail="long"),
    "bear": Front(ears="round", muzzle="snout"),
    "rabbit": Front(ears="long", muzzle="cat"),
    "puppy": Front(ears="floppy", muzzle="snout", tail="long"),
    "mouse": Front(ears="disc", muzzle="cat", tail="long"),
    "frog": Front(ears="eyes", muzzle="wide", merged=True),
    "penguin": Front(ears="none", muzzle="beak", merged=True, legs="feet"),
    "owl": Front(ears="tufts", muzzle="beak", merged=True, legs="feet"),
    "mascot": Front(ears="round", muzzle="teeth", merged=True, legs="stubs"),
    "monster": Front(ears="horns", muzzle="teeth", merged=True, legs="stubs"),
    "ghost": Front(ears="none", muzzle="wide", merged=True, belly=False, legs="none"),
    "monkey": Front(ears="sides", muzzle="snout", tail="long"),
    "alien": Front(ears="antennae", muzzle="wide", merged=True, legs="stubs", belly=False),
    "hamster": Front(ears="round", muzzle="teeth", merged=True, legs="paws"),
}  # fmt: skip


def front(layer: Layer, name: str, *, drawn: bool) -> None:
    """A sitting animal or a mascot from the front."""
    rng, plan = layer.rng, FRONTS[name]
    merged = plan.merged
    coat = tones.vivid(rng) if merged and drawn and rng.random() < 0.7 else tones.fur(rng, fancy=0.35 if drawn else 0)
    pale = lighter(coat, rng.uniform(0.4, 0.85))
    wide = rng.uniform(0.95, 1.5)
    head = rng.uniform(0.85, 1.25) if not merged else wide
    head_y = 1.1 if not merged else rng.uniform(1.2, 1.7)
    if plan.tail:
        side = rng.choice([-1, 1])
        layer.shape(limb([(side * 0.6, 3.6), (side * 1.7, 3.5), (side * 2.0, 2.7), (side * rng.uniform(1.6, 2.2), 2.0)], 0.34, 0.22), coat)
    _front_ears(layer, plan.ears, head, head_y, coat)
    _front_limbs(layer, plan.legs, wide, coat, pale)
    pattern = "patches" if rng.random() < 0.2 else "stripes" if rng.random() < 0.08 else None
    if merged:
        top = head_y - rng.uniform(1.0, 1.3)
        body = spline(
            [
                (0, top),
                (wide * 0.75, top + 0.3),
                (wide * rng.uniform(0.9, 1.05), 1.7),
                (wide * rng.uniform(0.9, 1.15), 3.0),
                (wide * 0.6, 3.8),
                (0, 3.92),
                (-wide * 0.6, 3.8),
                (-wide, 3.0),
                (-wide * 0.95, 1.7),
                (-wide * 0.75, top + 0.3),
            ]
        )
        if plan.legs == "none":
            hem = [(wide * (1 - k / 4), 3.9 - 0.4 * (k % 2)) for k in range(9)]
            body = np.vstack([spline([(-wide, 3.0), (-wide * 0.95, 1.4), (0, top), (wide * 0.95, 1.4), (wide, 3.0)], closed=False), np.asarray(hem)])
        layer.shape(body, coat, pattern=pattern, second=pale)
    else:
        layer.shape(
            spline([(0, 1.5), (wide * 0.7, 2.0), (wide, 3.1), (wide * 0.7, 3.85), (0, 3.95), (-wide * 0.7, 3.85), (-wide, 3.1), (-wide * 0.7, 2.0)]),
            coat,
            pattern=pattern,
            second=pale,
        )
    if plan.belly and rng.random() < 0.75:
        layer.shape(ellipse(0, 3.05, wide * 0.62, 0.75), pale, line=0.4 * (rng.random() < 0.4), shade=0.3)
    _front_arms(layer, wide, coat, merged=merged)
    if not merged:
        cheek = rng.uniform(0.95, 1.2)
        layer.shape(
            spline(
                [
                    (0, head_y - head * 0.95),
                    (head * 0.75, head_y - head * 0.6),
                    (head * cheek, head_y + 0.2),
                    (head * 0.6, head_y + head * 0.75),
                    (0, head_y + head * 0.88),
                    (-head * 0.6, head_y + head * 0.75),
                    (-head * cheek, head_y + 0.2),
                    (-head * 0.75, head_y - head * 0.6),
                ]
            ),
            coat,
            pattern="patches" if rng.random() < 0.12 else None,
            second=pale,
        )
    _front_face(layer, plan, head, head_y, coat, pale, drawn=drawn)
    if drawn and rng.random() < 0.2:
        side = rng.choice([-1, 1])
        people.hold(layer, side * wide * rng.uniform(0.6, 1.3), rng.uniform(2.4, 3.3), 0.4)
    if drawn and rng.random() < 0.4:
        _wear(layer, head, head_y - head * (0.95 if not merged else 0.8), wide)


def _front_ears(layer: Layer, kind: str, head: float, y: float, coat: Colour) -> None:
    rng = layer.rng
    inner = tones.mix(coat, (250, 180, 180), 0.7)
    length = rng.uniform(1.2, 2.0)
    for side in (-1, 1):
        x, top = side * head * 0.62, y - head * 0.62
        if kind == "pointed":
            layer.shape(points((side * head * 0.15, top - 0.15), (side * head * 0.95, top - head * 0.85), (side * head * 0.98, top + 0.35)), coat)
            layer.shape(
                points((side * head * 0.38, top - 0.15), (side * head * 0.85, top - head * 0.58), (side * head * 0.86, top + 0.1)), inner, shade=0, line=0
            )
        elif kind in ("round", "disc"):
            size = head * (0.34 if kind == "round" else 0.62)
            layer.shape(ellipse(x * (1.0 if kind == "round" else 1.35), top - 0.08, size, size), coat)
            layer.shape(ellipse(x * (1.0 if kind == "round" else 1.35), top - 0.05, size * 0.58, size * 0.58), inner, shade=0, line=0)
        elif kind == "long":
            lean = rng.uniform(-0.25, 0.5)
            layer.shape(
                limb([(side * head * 0.4, top + 0.3), (side * head * 0.5, top - length * 0.5), (side * (head * 0.5 + lean), top - length)], 0.5, 0.36), coat
            )
            layer.shape(
                limb([(side * head * 0.42, top), (side * head * 0.5, top - length * 0.5), (side * (head * 0.5 + lean * 0.9), top - length * 0.92)], 0.24, 0.16),
                inner,
                shade=0,
                line=0,
            )
        elif kind == "floppy":
            layer.shape(
                spline([(side * head * 0.6, top), (side * head * 1.2, top + 0.3), (side * head * 1.35, y + head * 0.7), (side * head * 0.95, y + head * 0.6)]),
                darker(coat, 0.75),
            )
        elif kind == "sides":
            layer.shape(ellipse(side * head * 1.08, y, 0.38, 0.42), coat)
            layer.shape(ellipse(side * head * 1.08, y, 0.22, 0.26), inner, shade=0, line=0)
        elif kind == "eyes":
            layer.shape(ellipse(x, y - head * 0.75, 0.5, 0.5), coat)
        elif kind in ("horns", "tufts"):
            layer.shape(tuft((x, y - 0.7), (x * 1.7, y - 1.9), 0.5, -side * 0.15), coat if kind == "tufts" else (236, 226, 200))
        elif kind == "antennae":
            layer.shape(limb([(x * 0.6, y - 0.8), (x, y - 1.6), (x * 1.4, y - 1.9)], 0.13, 0.1), coat)
            layer.shape(ellipse(x * 1.4, y - 1.95, 0.2, 0.2), tones.vivid(rng))


def _front_limbs(layer: Layer, kind: str, wide: float, coat: Colour, pale: Colour) -> None:
    for side in (-1, 1):
        if kind == "paws":
            layer.shape(ellipse(side * wide * 0.75, 3.75, 0.5, 0.32), coat)
        elif kind == "feet":
            layer.shape(spline([(side * 0.2, 3.75), (side * 0.95, 3.8), (side * 0.9, 4.08), (side * 0.15, 4.05)]), (240, 160, 50))
        elif kind == "stubs":
            layer.shape(limb([(side * wide * 0.5, 3.4), (side * wide * 0.55, 4.05)], 0.42, 0.36), pale)


def _front_arms(layer: Layer, wide: float, coat: Colour, *, merged: bool) -> None:
    rng = layer.rng
    up = rng.random() < 0.3
    for side in (-1, 1):
        start = (side * wide * (0.92 if merged else 0.6), 2.3)
        end = (
            (side * (wide + rng.uniform(0.3, 0.9)), rng.uniform(1.0, 1.8))
            if up and side == 1
            else (side * wide * rng.uniform(0.55, 1.25), rng.uniform(2.9, 3.5))
        )
        layer.shape(limb([start, ((start[0] + end[0]) / 2 + side * 0.15, (start[1] + end[1]) / 2), end], 0.42, 0.38), coat)
        _joint(layer, start[0] - side * 0.12, start[1], 0.24, 0.22, coat)


def _front_face(layer: Layer, plan: Front, head: float, y: float, coat: Colour, pale: Colour, *, drawn: bool) -> None:
    rng = layer.rng
    spread = head * (rng.uniform(0.36, 0.6 if plan.merged else 0.46) if plan.ears != "eyes" else 0.62)
    eye_y = y - (0.05 if plan.ears != "eyes" else head * 0.75)
    size = head * (rng.uniform(0.15, 0.42) if drawn else 0.12)
    outer = rng.random() < 0.7 and drawn
    look = rng.uniform(-0.3, 0.3, 2)
    iris = tones.vivid(rng) if rng.random() < 0.4 else (28, 24, 30)
    for side in (-1, 1):
        at = side * spread
        if outer:
            layer.shape(ellipse(at, eye_y, size, size * rng.uniform(1.0, 1.1)), (252, 252, 250), shade=0, line=0.8)
        inner = size * (0.5 if outer else 0.72)
        layer.shape(ellipse(at + look[0] * size, eye_y + look[1] * size, inner, inner * 1.15), iris, shade=0, line=0)
        layer.shape(
            ellipse(at + look[0] * size - inner * 0.3, eye_y + look[1] * size - inner * 0.4, inner * 0.32, inner * 0.32), (255, 255, 255), shade=0, line=0
        )
    low = y + head * 0.38
    if plan.muzzle == "snout":
        layer.shape(ellipse(0, low, head * 0.42, head * 0.32), pale, line=0.6, shade=0.4)
        layer.shape(ellipse(0, low - head * 0.12, head * 0.15, head * 0.1), (44, 34, 36), shade=0)
        layer.stroke(arc(0, low, head * 0.18, head * 0.15, 0.1 * np.pi, 0.9 * np.pi), (44, 34, 36), 0.05)
    elif plan.muzzle == "cat":
        layer.shape(points((-0.12, low - 0.12), (0.12, low - 0.12), (0, low)), (220, 130, 140), shade=0)
        for side in (-1, 1):
            layer.stroke(arc(side * 0.13, low + 0.02, 0.13, 0.12, 0, np.pi), darker(coat, 0.35), 0.05)
            for k in (-1, 0, 1):
                layer.stroke(points((side * head * 0.5, low + 0.06 * k), (side * head * rng.uniform(0.95, 1.2), low + 0.2 * k)), darker(coat, 0.4), 0.03)
    elif plan.muzzle == "beak":
        layer.shape(spline([(-0.26, low - 0.2), (0.26, low - 0.2), (0, low + 0.25)]), (244, 168, 48))
    elif plan.muzzle == "teeth":
        layer.shape(ellipse(0, low - 0.02, head * 0.28, head * 0.18), pale, line=0.7, shade=0.3)
        layer.shape(ellipse(0, low - head * 0.14, head * 0.13, head * 0.09), (50, 38, 40), shade=0)
        layer.shape(points((-0.1, low + 0.1), (0.1, low + 0.1), (0.09, low + 0.32), (-0.09, low + 0.32)), (255, 255, 255), shade=0)
    else:
        layer.stroke(arc(0, low - 0.1, head * rng.uniform(0.2, 0.5), head * 0.25, 0.1 * np.pi, 0.9 * np.pi), darker(coat, 0.35), 0.07)


def _wear(layer: Layer, head: float, top: float, wide: float) -> None:
    """A hat, scarf or bow."""
    rng = layer.rng
    cloth, second = tones.anything(rng), tones.anything(rng)
    kind = rng.integers(6)
    if kind == 0:
        tall = rng.uniform(0.7, 1.6)
        layer.shape(spline([(-head * 0.5, top + 0.2), (-head * 0.55, top - tall), (head * 0.55, top - tall), (head * 0.5, top + 0.2)]), cloth)
        layer.shape(ellipse(0, top + 0.2, head * 0.95, 0.2), cloth)
    elif kind == 1:
        layer.shape(
            points((-head * 0.45, top + 0.25), (rng.uniform(-0.3, 0.3), top - 1.4), (head * 0.45, top + 0.25)),
            cloth,
            pattern=str(rng.choice(["stripes", "dots"])),
            second=second,
        )
        layer.shape(ellipse(0, top - 1.3, 0.18, 0.18), second)
    elif kind == 2:
        layer.shape(spline([(-head * 0.8, top + 0.4), (-head * 0.5, top - 0.3), (head * 0.5, top - 0.3), (head * 0.8, top + 0.4)]), cloth)
        layer.shape(spline([(0, top + 0.25), (head * 1.3, top + 0.3), (head * 1.2, top + 0.5), (0, top + 0.48)]), darker(cloth, 0.8))
    elif kind == 3:
        layer.shape(tube([(-wide * 0.85, 2.05), (0, 2.25), (wide * 0.85, 2.05)], 0.36), cloth, pattern="bars", second=second)
        layer.shape(tube([(wide * 0.4, 2.2), (wide * 0.5, 3.1)], 0.36, cap=False), cloth, pattern="stripes", second=second)
    elif kind == 4:
        for side in (-1, 1):
            layer.shape(spline([(0, 2.1), (side * 0.55, 1.8), (side * 0.55, 2.4)]), cloth)
        layer.shape(ellipse(0, 2.1, 0.14, 0.16), second)
    else:
        layer.shape(spline([(-wide * 1.0, 2.8), (wide * 1.0, 2.8), (wide * 1.5, 3.5), (0, 3.7), (-wide * 1.5, 3.5)]), cloth)


# -- birds, fish, crawlers --------------------------------------------------------------------------------------------


def bird(layer: Layer, name: str, *, drawn: bool) -> None:
    """A bird from the side, standing or flying."""
    rng = layer.rng
    coat, wing = tones.fur(rng, fancy=0.6), tones.fur(rng, fancy=0.5)
    flying = name == "bird-flying"
    long = rng.uniform(0, 1.4) if name == "wader" else 0.0
    y = 2.6 - long * 0.4
    if not flying:
        for x in (-0.1, 0.3):
            layer.shape(tube([(x, y + 0.6), (x + 0.05, 3.95), (x + 0.35, 4.0)], 0.1), (226, 150, 60))
    layer.shape(spline([(-0.8, y - 0.1), (-2.1, y + rng.uniform(-0.4, 0.3)), (-2.2, y + 0.4), (-0.7, y + 0.5)]), wing)
    if flying:
        layer.shape(spline([(0.4, y - 0.2), (0.2, y - 1.9), (-0.9, y - 2.2), (-0.7, y - 0.2)]), darker(wing, 0.8))
    layer.shape(spline([(-1.2, y), (-0.3, y - 0.65), (0.7, y - 0.5), (1.1, y + 0.1), (0.5, y + 0.85), (-0.6, y + 0.7)]), coat)
    head = (1.0 + long * 0.2, y - 0.75 - long)
    layer.shape(limb([(0.7, y), (0.95, y - 0.4 - long * 0.5), head], 0.8, 0.5), coat)
    layer.shape(tuft((head[0] + 0.3, head[1] + 0.05), (head[0] + rng.uniform(0.8, 1.3), head[1] + 0.15), 0.36), (240, 170, 60))
    layer.shape(ellipse(*head, 0.55, 0.52), coat)
    eye = 0.2 if drawn else 0.09
    layer.shape(ellipse(head[0] + 0.2, head[1] - 0.08, eye, eye), (250, 250, 250) if drawn else (20, 18, 20), shade=0)
    layer.shape(ellipse(head[0] + 0.23, head[1] - 0.08, eye * 0.5, eye * 0.6), (20, 18, 20), shade=0, line=0)
    if flying:
        layer.shape(spline([(0.2, y - 0.1), (0.5, y - 1.6), (1.0, y - 2.4), (-0.4, y - 1.6), (-0.8, y + 0.1)]), wing)
    else:
        layer.shape(spline([(0.5, y - 0.1), (0.2, y + 0.55), (-1.3, y + 0.5), (-0.4, y - 0.3)]), wing)


def fish(layer: Layer, name: str, *, drawn: bool) -> None:
    """A fish, whale or shark from the side."""
    rng = layer.rng
    coat, fin = (tones.vivid(rng), tones.vivid(rng)) if drawn or rng.random() < 0.5 else (tones.dull(rng), tones.dull(rng))
    height = rng.uniform(0.6, 1.3)
    layer.shape(points((-1.4, 2.4), (-2.5, 2.4 - rng.uniform(0.6, 1.1)), (-2.1, 2.4), (-2.5, 2.4 + rng.uniform(0.6, 1.1))), fin)
    layer.shape(spline([(-0.8, 2.4 - height * 0.6), (-0.3, 2.3 - height * 1.7), (0.7, 2.4 - height * 0.7)]), fin)
    pattern = str(rng.choice(["bars", "stripes", "patches", "dots"])) if rng.random() < 0.6 else None
    layer.shape(
        spline([(-1.6, 2.4), (-0.6, 2.4 - height * 0.8), (0.8, 2.4 - height), (2.0, 2.35), (0.8, 2.4 + height), (-0.6, 2.4 + height * 0.8)]),
        coat,
        pattern=pattern,
        second=lighter(fin, 0.3),
    )
    layer.shape(spline([(0.3, 2.5), (-0.4, 3.2), (-0.2, 2.5)]), fin)
    size = 0.26 if drawn else 0.14
    layer.shape(ellipse(1.25, 2.2, size, size), (250, 250, 250), shade=0)
    layer.shape(ellipse(1.3, 2.2, size * 0.55, size * 0.55), (20, 20, 26), shade=0, line=0)


def crawler(layer: Layer, name: str, *, drawn: bool) -> None:
    """A turtle, snail, snake, dragon, butterfly or crab."""
    rng = layer.rng
    coat, second = tones.fur(rng, fancy=0.7), tones.vivid(rng)
    if name == "turtle":
        for x in (-1.2, 1.0):
            layer.shape(limb([(x, 3.1), (x + 0.1, 3.9)], 0.6, 0.5), coat)
        layer.shape(limb([(1.2, 3.0), (2.0, 2.5)], 0.6, 0.6), coat)
        layer.shape(ellipse(2.15, 2.35, 0.55, 0.5), coat)
        layer.shape(
            spline([(-1.8, 3.4), (-1.4, 2.2), (0, 1.5), (1.4, 2.2), (1.8, 3.4), (0, 3.6)]),
            second,
            pattern="checks" if rng.random() < 0.5 else None,
            second=darker(second, 0.7),
        )
        head = (2.3, 2.3)
    elif name == "snail":
        layer.shape(limb([(-1.9, 3.8), (0, 3.8), (1.5, 3.6), (1.9, 2.4)], 0.4, 0.6), coat)
        layer.shape(ellipse(-0.1, 2.6, 1.25, 1.2), second)
        layer.stroke(spline([(0.6, 3.0), (-0.6, 3.3), (-0.9, 2.2), (0.2, 1.9), (0.5, 2.6), (-0.2, 2.7)], closed=False), darker(second, 0.5), 0.1)
        head = (2.0, 2.3)
    elif name == "snake":
        layer.shape(limb([(-2.2, 3.8), (-1.2, 3.2), (-0.2, 3.8), (0.8, 3.1), (0.6, 2.2), (1.3, 1.4)], 0.2, 0.6), coat, pattern="bars", second=second)
        layer.shape(ellipse(1.5, 1.3, 0.6, 0.42), coat)
        head = (1.6, 1.2)
    elif name == "butterfly":
        for side in (-1, 1):
            layer.shape(blob(rng, side * 1.1, 1.7, 1.0, 1.0), second, pattern="dots", second=coat)
            layer.shape(blob(rng, side * 0.8, 3.0, 0.7, 0.8), lighter(second, 0.3))
        layer.shape(limb([(0, 1.2), (0, 3.4)], 0.3, 0.2), (50, 40, 44))
        head = (0.0, 1.1)
    elif name == "crab":
        for side in (-1, 1):
            for k in range(3):
                layer.shape(limb([(side * 1.0, 3.0), (side * (1.9 + 0.1 * k), 2.9 + 0.2 * k), (side * (2.0 + 0.1 * k), 3.9 - 0.2 * k)], 0.24, 0.1), coat)
            layer.shape(limb([(side * 1.0, 2.6), (side * 1.9, 2.2), (side * 1.7, 1.5)], 0.36, 0.3), coat)
            layer.shape(spline([(side * 1.7, 1.6), (side * 2.4, 1.0), (side * 1.8, 0.6), (side * 1.9, 1.1), (side * 1.2, 0.8)]), coat)
        layer.shape(ellipse(0, 3.0, 1.4, 0.85), coat)
        head = (-0.4, 2.6)
        layer.shape(ellipse(0.5, 2.6, 0.24, 0.26), (250, 250, 250), shade=0)
        layer.shape(ellipse(0.5, 2.6, 0.12, 0.14), (20, 20, 24), shade=0, line=0)
    else:
        layer.shape(limb([(-2.3, 2.6), (-1.7, 3.6), (-0.6, 3.5)], 0.15, 0.8), coat)
        layer.shape(spline([(0, 2.2), (-0.6, 0.7), (-1.9, 0.3), (-1.4, 1.3), (-1.7, 2.0), (-0.8, 2.0)]), second)
        for x in (-0.6, 0.5):
            layer.shape(limb([(x, 3.2), (x + 0.15, 3.95)], 0.6, 0.4), coat)
        layer.shape(ellipse(0, 3.0, 1.15, 0.95), coat)
        layer.shape(ellipse(0.35, 3.15, 0.7, 0.7), lighter(second, 0.5), line=0.4)
        layer.shape(limb([(0.5, 2.6), (0.9, 1.8), (1.1, 1.4)], 0.9, 0.7), coat)
        layer.shape(spline([(0.5, 1.5), (0.8, 0.8), (1.6, 0.9), (2.2, 1.4), (1.7, 1.8), (0.9, 1.9)]), coat)
        for x in (0.6, 1.0):
            layer.shape(tuft((x, 0.95), (x - 0.4, 0.2), 0.25), (236, 226, 196))
        layer.shape(star(-1.0, 2.9, 0.3, 0.14, 3, turn=2.0), second, shade=0)
        head = (1.3, 1.15)
    size = 0.22 if drawn else 0.1
    layer.shape(ellipse(*head, size, size * 1.1), (250, 250, 250) if drawn else (24, 20, 20), shade=0)
    layer.shape(ellipse(head[0] + 0.04, head[1], size * 0.5, size * 0.6), (20, 20, 24), shade=0, line=0)


Painter = Callable[..., None]
KINDS: Final[dict[str, Painter]] = {
    **dict.fromkeys(QUADRUPEDS, quadruped),
    **dict.fromkeys(FRONTS, front),
    **dict.fromkeys(("bird", "bird-flying", "wader"), bird),
    **dict.fromkeys(("fish",), fish),
    **dict.fromkeys(("turtle", "snail", "snake", "butterfly", "crab", "dragon"), crawler),
}
"""Every kind of animal and its painter: `painter(layer, kind, drawn=...)`."""
