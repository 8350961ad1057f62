"""People as drawn shapes. Subject units: the head is centred on 0,0 and about 2 high; y points down."""

from dataclasses import dataclass

import numpy as np

from sticker_studio.scenes import colour as tones
from sticker_studio.scenes import things
from sticker_studio.scenes.colour import Colour, darker, lighter
from sticker_studio.scenes.geometry import Points, arc, box, ellipse, limb, lock, mirror, points, rounded, spline, tube, tuft
from sticker_studio.scenes.layer import PATTERNS, Layer

BACK_HAIR = ("none", "short", "bob", "long", "spiky", "ponytail", "twintails", "braids", "buns", "wavy", "drills", "puffy", "sidetail", "hime")
FRINGES = ("straight", "swept", "spiky", "curtain", "parted", "curls", "hime", "slick")
TOPS = ("shirt", "blazer", "sailor", "hoodie", "tunic", "puff", "armour", "kimono", "coat", "tank")
BOTTOMS = ("skirt", "trousers", "shorts", "dress", "gown", "wrap")
ARMS = ("down", "hips", "wave", "folded", "behind", "reach", "clasped")
PROPS = ("book", "mug", "umbrella", "balloon", "parcel", "ball", "bag", "plant")
"""What people and mascots may hold."""
EXTRAS = ("cape", "wings", "sash", "tail", "pack")
HATS = ("band", "bow", "cap", "witch", "ears", "beret", "straw", "hood", "crown", "headphones", "horns", "flower")


@dataclass(frozen=True, kw_only=True)
class Look:
    """What a family's people may look like."""

    back_hair: tuple[str, ...]
    fringes: tuple[str, ...]
    tops: tuple[str, ...]
    bottoms: tuple[str, ...]
    arms: tuple[str, ...] = ARMS
    hats: tuple[str, ...] = HATS
    hat_chance: float = 0.3
    heads: tuple[float, float] = (5.2, 7.0)
    """Height of the figure in heads, from and to."""
    eye: tuple[float, float] = (0.8, 1.3)
    """Size of the eyes against the usual drawn ones."""
    extras: tuple[str, ...] = EXTRAS
    extra_chance: float = 0.2
    prop_chance: float = 0.12
    real: bool = False
    """Natural faces and colours instead of drawn ones."""


@dataclass(frozen=True, kw_only=True)
class Body:
    """Measures and colours of one person."""

    bottom: float
    """y of the soles."""
    shoulder: tuple[float, float]
    """Half width and y."""
    hip: tuple[float, float]
    """Half width and y."""
    limb: float
    skin: Colour
    hair: Colour
    top: Colour
    low: Colour
    trim: Colour
    yaw: float
    """-1..1, where the face turns."""
    away: bool
    """Seen from behind."""


def draw(layer: Layer, look: Look) -> None:
    """Draw one person, from the parts that lie behind to those in front."""
    rng = layer.rng
    body = _body(rng, look)
    kind = {name: str(rng.choice(getattr(look, name))) for name in ("back_hair", "fringes", "tops", "bottoms", "arms")}
    hat = str(rng.choice(look.hats)) if rng.random() < look.hat_chance else ""
    tilt = rng.normal(0, 0.07)
    if rng.random() < look.extra_chance:
        _extra(layer, body, str(rng.choice(look.extras)))
    with layer.within(0, 0, 1, turn=tilt):
        if not body.away:
            _back_hair(layer, body, kind["back_hair"])
        if hat == "hood":
            layer.shape(ellipse(0, 0.05, 1.25, 1.3), body.top)
    _legs(layer, body, kind["bottoms"])
    behind = kind["arms"] == "behind"
    if behind:
        _arms(layer, body, kind["arms"], kind["tops"])
    layer.shape(tube([(0, 0.75), (0, body.shoulder[1] + 0.1)], 0.52, 0.6), body.skin, shade=0.8)
    _torso(layer, body, kind["tops"], kind["bottoms"])
    if not behind:
        hands = _arms(layer, body, kind["arms"], kind["tops"])
        if rng.random() < look.prop_chance:
            hold(layer, *hands[rng.integers(2)], 0.55)
    with layer.within(0, 0, 1, turn=tilt):
        _head(layer, body, look, kind)
        if hat and hat != "hood":
            _hat(layer, body, hat)


def hold(layer: Layer, x: float, y: float, scale: float) -> None:
    """Something in the hand at x,y; it counts as part of who holds it."""
    rng = layer.rng
    with layer.within(x, y - 2.6 * scale, scale * rng.uniform(0.6, 1.3), turn=rng.normal(0, 0.2)):
        things.KINDS[str(rng.choice(PROPS))](layer)


def _extra(layer: Layer, body: Body, kind: str) -> None:
    """What hangs behind: a cape, wings, a sash, a tail, a pack."""
    rng = layer.rng
    wide, y = body.shoulder
    hip = body.hip[1]
    cloth = tones.anything(rng)
    if kind == "cape":
        low, flare = y + (body.bottom - y) * rng.uniform(0.4, 0.9), wide * rng.uniform(1.3, 2.2)
        hem = [(flare * (1 - k / 4) + rng.uniform(-0.1, 0.3), low + rng.uniform(-0.2, 0.2)) for k in range(9)]
        layer.shape(np.vstack([points((-wide * 0.9, y - 0.1), (wide * 0.9, y - 0.1)), spline(hem, closed=False, steps=4)]), cloth)
    elif kind == "wings":
        for side in (-1, 1):
            for k in range(4):
                tip = (side * rng.uniform(2.4, 3.4), y - 1.2 + 1.1 * k)
                layer.shape(tuft((side * 0.3, y + 0.6), tip, 0.9, -side * 0.15), lighter(cloth, 0.6))
    elif kind == "sash":
        for side in (-1, 1):
            layer.shape(spline([(0, hip - 0.4), (side * 1.5, hip - 0.9), (side * 1.6, hip + 0.1)]), cloth)
            layer.shape(limb([(side * 0.5, hip - 0.2), (side * 1.4, hip + 0.9), (side * rng.uniform(1.2, 1.9), hip + rng.uniform(1.6, 2.8))], 0.55, 0.5), cloth)
    elif kind == "tail":
        side = rng.choice([-1, 1])
        layer.shape(limb([(0, hip), (side * 1.6, hip + 0.8), (side * 2.2, hip - 0.6), (side * rng.uniform(1.8, 2.8), hip - 1.6)], 0.4, 0.3), body.hair)
    else:
        layer.shape(rounded(-wide * 1.25, y + 0.1, wide * 1.25, hip - 0.2, 0.5), cloth)


def _body(rng: np.random.Generator, look: Look) -> Body:
    heads = rng.uniform(*look.heads)
    bottom = 2 * heads - 1
    length = bottom - 1
    small = heads < 4
    shoulder = 0.62 if small else rng.uniform(0.95, 1.4) * (1.15 if look.real else 1)
    top_y = 1.0 + (0.12 if small else 0.42)
    natural = look.real or rng.random() < 0.25
    return Body(
        bottom=bottom,
        shoulder=(shoulder, top_y),
        hip=(shoulder * rng.uniform(0.68, 1.0), 1 + length * rng.uniform(0.38, 0.46)),
        limb=(0.42 if small else rng.uniform(0.4, 0.58)),
        skin=tones.skin(rng) if not look.real else tones.jitter(rng, tones.SKINS[rng.integers(len(tones.SKINS))], 10),
        hair=tones.jitter(rng, ((30, 24, 22), (70, 48, 34), (120, 84, 52), (186, 150, 96), (150, 148, 146))[rng.integers(5)], 12)
        if look.real else tones.hair(rng),
        top=tones.neutral(rng) if natural and rng.random() < 0.5 else tones.anything(rng),
        low=tones.neutral(rng) if natural else tones.anything(rng),
        trim=tones.anything(rng),
        yaw=float(rng.uniform(-1, 1)),
        away=bool(rng.random() < (0.2 if look.real else 0.04)),
    )  # fmt: skip


# -- legs, torso, arms ------------------------------------------------------------------------------------------------


def _legs(layer: Layer, body: Body, kind: str) -> None:
    rng = layer.rng
    half, hip = body.hip
    stride = rng.uniform(0.0, 0.9) * half
    trousers = kind == "trousers"
    cloth = body.low if trousers else body.skin
    shoe = tones.anything(rng)
    socks = None if trousers or rng.random() < 0.4 else (tones.neutral(rng), rng.uniform(0.2, 0.75))
    width = body.limb * 1.35
    for side in (-1, 1):
        foot_x = side * (half * 0.45 + stride * rng.uniform(0.2, 1.0))
        foot = body.bottom - 0.2 - rng.uniform(0, 0.25) * (rng.random() < 0.4)
        knee = (side * half * 0.55 + (foot_x - side * half * 0.5) * 0.45 + rng.uniform(-0.1, 0.1), (hip + foot) / 2)
        path = [(side * half * 0.5, hip - 0.1), knee, (foot_x, foot)]
        layer.shape(limb(path, width, width * (0.85 if trousers else 0.55)), cloth)
        if socks is not None:
            start = (knee[0] + (foot_x - knee[0]) * (1 - socks[1]), knee[1] + (foot - knee[1]) * (1 - socks[1]))
            layer.shape(tube([start, (foot_x, foot)], width * 0.74, width * 0.6), socks[0])
        layer.shape(
            spline(
                [
                    (foot_x - 0.24, foot + 0.1),
                    (foot_x - 0.15, foot - 0.22),
                    (foot_x + 0.15, foot - 0.22),
                    (foot_x + side * 0.32, foot + 0.12),
                    (foot_x, foot + 0.2),
                ]
            ),
            shoe,
        )


def _torso(layer: Layer, body: Body, top: str, bottom: str) -> None:
    rng = layer.rng
    wide, y = body.shoulder
    half, hip = body.hip
    waist = half * rng.uniform(0.72, 0.95)
    waist_y = y + (hip - y) * 0.62
    pattern = str(rng.choice(PATTERNS)) if rng.random() < 0.22 else None
    side = [(0.3, y - 0.16), (wide * 0.8, y - 0.02), (wide, y + 0.22), (wide * 0.86, y + (hip - y) * 0.3), (waist, waist_y), (half * 1.02, hip + 0.1)]
    right = spline(side, closed=False, steps=5)
    trunk = np.vstack([right, mirror(right)[::-1]])
    if top == "tank":
        neck = spline([(wide * 0.55, y - 0.05), (wide * 0.7, y + (hip - y) * 0.3), (waist, waist_y), (half, hip + 0.1)], closed=False, steps=5)
        layer.shape(trunk, body.skin)
        layer.shape(np.vstack([neck, mirror(neck)[::-1]]), body.top, pattern=pattern, second=body.trim)
    else:
        layer.shape(trunk, body.top, pattern=pattern, second=body.trim)
    _folds(layer, body, waist_y)
    _lower(layer, body, bottom, waist, waist_y)
    if not body.away:
        _collar(layer, body, top)
    if top in ("coat", "hoodie", "armour") and rng.random() < 0.8:
        layer.stroke(points((0, y), (rng.uniform(-0.05, 0.05), hip)), darker(body.top, 0.55), 0.05)
    if rng.random() < 0.4:
        layer.shape(box(-waist * 1.04, waist_y - 0.1, waist * 1.04, waist_y + 0.12), body.trim, shade=0.4)
    if rng.random() < 0.3:
        for k in range(3):
            layer.shape(ellipse(0, y + (hip - y) * (0.3 + 0.2 * k), 0.06, 0.06), body.trim, shade=0)


def _folds(layer: Layer, body: Body, waist_y: float) -> None:
    """Creases of the cloth from the armpits and the waist; a bust now and then."""
    rng = layer.rng
    wide, y = body.shoulder
    dark = darker(body.top, 0.68)
    for side in (-1, 1):
        if rng.random() < 0.6:
            reach = rng.uniform(0.2, 0.6) * wide
            crease = points(
                (side * wide * 0.85, y + 0.45),
                (side * (wide * 0.8 - reach * 0.5), y + 0.75),
                (side * (wide * 0.75 - reach), y + 0.7),
                (side * wide * 0.8, y + 0.6),
            )
            layer.shape(crease, dark, shade=0, line=0)
        if rng.random() < 0.5:
            x = side * rng.uniform(0.1, 0.6) * wide
            layer.shape(tuft((x, waist_y), (x * 0.7, waist_y - rng.uniform(0.3, 0.8)), 0.14, 0.1), dark, shade=0, line=0)
    if rng.random() < 0.3:
        for side in (-1, 1):
            layer.stroke(arc(side * wide * 0.4, y + 0.55, wide * 0.36, 0.3, 0.1 * np.pi, 0.9 * np.pi), dark, 0.05)


def _lower(layer: Layer, body: Body, kind: str, waist: float, waist_y: float) -> None:
    rng = layer.rng
    half, hip = body.hip
    length = body.bottom - hip
    if kind == "trousers":
        layer.shape(
            spline([(-half, hip - 0.15), (half, hip - 0.15), (half * 1.05, hip + 0.3), (0.05, hip + 0.42), (-half * 1.05, hip + 0.3)]), body.low, line=0.7
        )
        return
    if kind == "shorts":
        for side in (-1, 1):
            layer.shape(
                points((0, hip - 0.2), (side * half * 1.05, hip - 0.2), (side * half * 1.3, hip + length * 0.3), (side * 0.12, hip + length * 0.33)), body.low
            )
        return
    reach = {"skirt": rng.uniform(0.22, 0.42), "dress": rng.uniform(0.35, 0.6), "gown": rng.uniform(0.75, 0.97), "wrap": rng.uniform(0.4, 0.8)}[kind]
    flare = half * {"skirt": rng.uniform(1.3, 2.0), "dress": rng.uniform(1.4, 2.1), "gown": rng.uniform(1.5, 2.6), "wrap": rng.uniform(1.0, 1.3)}[kind]
    hem_y, sway = hip + length * reach, rng.uniform(-0.3, 0.3)
    folds = int(rng.integers(5, 10))
    hem = [(flare * (1 - 2 * k / folds) + sway, hem_y + (0.12 if k % 2 else -0.02) * rng.uniform(0.4, 1.4)) for k in range(folds + 1)]
    cloth = body.top if kind in ("dress", "gown") and rng.random() < 0.7 else body.low
    skirt = np.vstack([points((-waist, waist_y), (waist, waist_y)), spline(hem, closed=False, steps=4)])
    pattern = str(rng.choice(PATTERNS)) if rng.random() < 0.2 else None
    layer.shape(skirt, cloth, pattern=pattern, second=body.trim, fade=darker(cloth, 0.75) if rng.random() < 0.3 else None)
    for k in range(1, folds):
        x, y = hem[k]
        if rng.random() < 0.7:
            layer.stroke(points((x, y), (waist * (1 - 2 * k / folds) * 0.9, waist_y + (y - waist_y) * rng.uniform(0.2, 0.6))), darker(cloth, 0.62), 0.045)
    if rng.random() < 0.3:
        trim = spline(hem, closed=False, steps=4)
        layer.shape(np.vstack([trim, trim[::-1] - (0, 0.2)]), body.trim, shade=0)


def _collar(layer: Layer, body: Body, kind: str) -> None:
    rng = layer.rng
    wide, y = body.shoulder
    pale = lighter(body.top, 0.8) if rng.random() < 0.6 else body.trim
    neck = points((-0.27, y - 0.2), (0.27, y - 0.2), (0.0, y + rng.uniform(0.15, 0.6)))
    if kind in ("shirt", "puff", "tunic", "tank"):
        layer.shape(neck, body.skin, shade=0, line=0.5)
    if kind in ("shirt", "blazer", "puff"):
        for side in (-1, 1):
            layer.shape(points((side * 0.28, y - 0.25), (side * 0.5, y + 0.08), (side * 0.06, y + 0.3), (0, y - 0.02)), pale, shade=0.4)
    if kind in ("blazer", "coat"):
        layer.shape(points((-0.3, y - 0.15), (0.3, y - 0.15), (0, y + 1.0)), pale, shade=0.3)
        for side in (-1, 1):
            layer.shape(points((side * 0.3, y - 0.2), (side * 0.62, y + 0.2), (side * 0.02, y + 1.1)), darker(body.top, 0.85), shade=0.3)
    if kind == "sailor":
        layer.shape(
            points(
                (-wide * 0.85, y),
                (-0.3, y - 0.22),
                (0, y + 0.55),
                (0.3, y - 0.22),
                (wide * 0.85, y),
                (wide * 0.6, y + 0.5),
                (0, y + 0.75),
                (-wide * 0.6, y + 0.5),
            ),
            body.trim,
            shade=0.4,
        )
    if kind == "kimono":
        for side in (1, -1):
            layer.shape(points((side * 0.35, y - 0.25), (side * 0.55, y - 0.1), (-side * 0.25, y + 1.2), (-side * 0.45, y + 1.0)), body.trim, shade=0.4)
    if kind == "armour":
        layer.shape(
            spline([(-wide * 0.8, y + 0.1), (0, y - 0.1), (wide * 0.8, y + 0.1), (wide * 0.6, y + 1.0), (0, y + 1.2), (-wide * 0.6, y + 1.0)]), (190, 196, 208)
        )
    if kind in ("sailor", "blazer", "shirt", "puff", "coat") and rng.random() < 0.65:
        _tie(layer, body, y + 0.22)


def _tie(layer: Layer, body: Body, y: float) -> None:
    rng = layer.rng
    cloth = tones.vivid(rng)
    if rng.random() < 0.5:
        for side in (-1, 1):
            layer.shape(spline([(0, y), (side * 0.42, y - 0.2), (side * 0.45, y + 0.18)]), cloth)
            layer.shape(points((0, y), (side * 0.12, y + 0.75), (side * 0.3, y + 0.66)), cloth, shade=0.4)
        layer.shape(ellipse(0, y, 0.1, 0.1), cloth, shade=0)
    else:
        layer.shape(points((-0.1, y - 0.1), (0.1, y - 0.1), (0.18, y + 0.8), (0, y + 1.0), (-0.18, y + 0.8)), cloth, shade=0.4)


def _arms(layer: Layer, body: Body, pose: str, top: str) -> list[tuple[float, float]]:
    """Both arms; returns where the hands are."""
    rng = layer.rng
    hands = []
    wide, y = body.shoulder
    reach = (body.hip[1] - y) * rng.uniform(0.6, 0.72)
    sleeve = {"tank": 0.0, "shirt": rng.choice([0.35, 1.0]), "puff": 0.35, "tunic": rng.choice([0.4, 1.0])}.get(top, 1.0)
    both = rng.random() < 0.5
    for side in (-1, 1):
        this = pose if both or side == 1 or pose in ("folded", "clasped", "behind") else "down"
        elbow, hand = _arm_path(rng, this, reach)
        shoulder = (side * (wide - 0.15), y + 0.2)
        path = [shoulder, (side * (wide - 0.15 + elbow[0]), y + 0.2 + elbow[1]), (side * (wide - 0.15 + hand[0]), y + 0.2 + hand[1])]
        _arm(layer, body, path, float(sleeve), puff=top == "puff", wide_cuff=top in ("kimono", "gown") or rng.random() < 0.1)
        hands.append(path[2])
    return hands


def _arm_path(rng: np.random.Generator, pose: str, reach: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """Elbow and hand from the shoulder, for the right arm (x outwards)."""
    out = rng.uniform(0.05, 0.4)
    if pose == "hips":
        return (reach * 0.75, reach * 0.65), (0.1, reach * 1.3)
    if pose == "wave":
        return (reach * 0.75, reach * rng.uniform(-0.1, 0.5)), (reach * rng.uniform(0.7, 1.1), -reach * rng.uniform(0.5, 0.9))
    if pose == "folded":
        return (reach * 0.3, reach * 0.95), (-reach * 0.95, reach * rng.uniform(0.65, 0.9))
    if pose == "clasped":
        return (reach * 0.3, reach * 0.95), (-reach * 0.55, reach * 1.45)
    if pose == "reach":
        return (reach * 0.9, reach * 0.25), (reach * 1.8, reach * rng.uniform(-0.5, 0.6))
    if pose == "behind":
        return (reach * 0.35, reach * 0.9), (-reach * 0.2, reach * 1.5)
    return (reach * out, reach * 0.98), (reach * out * rng.uniform(0.6, 1.6), reach * 1.95)


def _arm(layer: Layer, body: Body, path: list[tuple[float, float]], sleeve: float, *, puff: bool, wide_cuff: bool) -> None:
    width = body.limb
    hand = path[2]
    layer.shape(ellipse(*hand, width * 0.42, width * 0.48), body.skin, shade=0.6)
    for k in range(2):
        angle = layer.rng.uniform(0, 2 * np.pi)
        layer.shape(tube([hand, (hand[0] + 0.3 * np.cos(angle), hand[1] + 0.3 * abs(np.sin(angle)))], 0.13, 0.1), body.skin, shade=0, line=0.7 * k)
    layer.shape(limb(path, width, width * 0.7), body.skin if sleeve < 1 else body.top)
    if sleeve >= 1 and wide_cuff:
        layer.shape(tube([path[1], (path[1][0] * 0.15 + hand[0] * 0.85, path[1][1] * 0.15 + hand[1] * 0.85)], width * 0.9, width * 2.0, cap=False), body.top)
    elif sleeve >= 1:
        if layer.rng.random() < 0.6:
            elbow = path[1]
            layer.shape(
                tuft((elbow[0] - width * 0.3, elbow[1]), (elbow[0] + width * 0.25, elbow[1] - width * 0.35), 0.13, 0.2), darker(body.top, 0.68), shade=0, line=0
            )
        near = (path[1][0] * 0.15 + hand[0] * 0.85, path[1][1] * 0.15 + hand[1] * 0.85)
        layer.shape(tube([near, (hand[0] * 0.97 + near[0] * 0.03, hand[1] * 0.97 + near[1] * 0.03)], width * 0.85), body.trim, shade=0.4)
    elif sleeve > 0:
        end = (path[0][0] + (path[1][0] - path[0][0]) * 0.75, path[0][1] + (path[1][1] - path[0][1]) * 0.75)
        if puff:
            puffed = (path[0][0] * 0.86 + end[0] * 0.14, path[0][1] * 0.86 + end[1] * 0.14)
            layer.shape(ellipse(*puffed, width * 1.05, width * 1.15), body.top)
        else:
            layer.shape(tube([path[0], end], width * 1.15, width * 1.3), body.top)


# -- head -------------------------------------------------------------------------------------------------------------


def _head(layer: Layer, body: Body, look: Look, kind: dict[str, str]) -> None:
    rng = layer.rng
    chin, cheek = rng.uniform(0.88, 1.05), rng.uniform(0.56, 0.7)
    sharp = 0.14 if not look.real else 0.3
    x = body.yaw * 0.06
    face = [
        (-0.82, -0.15),
        (-0.79, 0.22),
        (-cheek, 0.62),
        (x - sharp, chin - 0.04),
        (x + sharp, chin - 0.04),
        (cheek, 0.62),
        (0.79, 0.22),
        (0.82, -0.15),
        (0.5, -0.85),
        (-0.5, -0.85),
    ]
    for side in (-1, 1):
        layer.shape(ellipse(side * 0.82, 0.18, 0.13, 0.22), body.skin)
    layer.shape(spline(face), body.skin, shade=0.45)
    if body.away:
        layer.shape(spline([(-0.93, -0.1), (-0.55, -0.95), (0.55, -0.95), (0.93, -0.1), (0.75, 0.7), (0, 0.95), (-0.75, 0.7)]), body.hair)
        _back_hair(layer, body, kind["back_hair"])
        return
    if look.real:
        _real_face(layer, body)
    else:
        _drawn_face(layer, body, rng.uniform(*look.eye))
    if kind["back_hair"] != "none" or rng.random() < 0.9:
        _fringe(layer, body, kind["fringes"])
    if not look.real and rng.random() < 0.12:
        _glasses(layer, body)


def _real_face(layer: Layer, body: Body) -> None:
    rng = layer.rng
    x = body.yaw * 0.2
    dark = darker(body.skin, 0.5)
    for side in (-1, 1):
        layer.shape(ellipse(x + side * 0.34, 0.05, 0.14, 0.06), (236, 232, 226), shade=0, line=0)
        layer.shape(ellipse(x + side * 0.34, 0.05, 0.06, 0.06), (50, 36, 30), shade=0, line=0)
        layer.stroke(points((x + side * 0.2, -0.12), (x + side * 0.5, -0.14)), darker(body.hair, 0.8), 0.07)
    layer.stroke(points((x + 0.02, 0.1), (x + 0.1 * (1 + body.yaw), 0.4), (x - 0.06, 0.42)), dark, 0.05)
    layer.shape(ellipse(x, 0.64, 0.22, rng.uniform(0.04, 0.1)), tones.mix(body.skin, (170, 60, 60), 0.5), shade=0, line=0)
    if rng.random() < 0.2:
        layer.shape(spline([(-0.6, 0.4), (0, 0.5), (0.6, 0.4), (0.4, 0.95), (0, 1.1), (-0.4, 0.95)]), darker(body.hair, 0.9))


def _drawn_face(layer: Layer, body: Body, size: float) -> None:
    rng = layer.rng
    x, y = body.yaw * 0.16, rng.uniform(0.16, 0.3)
    iris = tones.vivid(rng)
    closed, blush = rng.random() < 0.14, rng.random() < 0.3
    spread = rng.uniform(0.36, 0.43)
    ink = darker(body.hair, 0.35)
    for side in (-1, 1):
        wide = 0.22 * size * (1 - 0.18 * side * body.yaw)
        centre = x + side * spread
        if closed:
            layer.stroke(arc(centre, y + 0.08, wide, 0.16, np.pi, 2 * np.pi), ink, 0.08)
        else:
            _eye(layer, centre, y, wide, 0.3 * size, iris, ink)
        tilt = rng.uniform(-0.06, 0.06)
        layer.stroke(points((centre - wide, y - 0.44 * size + tilt), (centre + wide * 0.8, y - 0.44 * size - tilt)), ink, 0.05)
        if blush:
            layer.shape(ellipse(x + side * 0.52, y + 0.4, 0.15, 0.07), tones.mix(body.skin, (255, 110, 110), 0.4), shade=0, line=0)
    layer.stroke(points((x + body.yaw * 0.05, y + 0.3), (x + body.yaw * 0.08 + 0.02, y + 0.36)), darker(body.skin, 0.6), 0.05)
    _mouth(layer, x, y + 0.52, body.skin)


def _eye(layer: Layer, x: float, y: float, wide: float, tall: float, iris: Colour, ink: Colour) -> None:
    layer.shape(ellipse(x, y, wide, tall), (252, 252, 252), shade=0, line=0.5)
    layer.shape(ellipse(x, y - tall * 0.02, wide * 0.8, tall * 0.95), darker(iris, 0.75), shade=0, line=0.6, fade=lighter(iris, 0.45))
    layer.shape(ellipse(x, y, wide * 0.36, tall * 0.48), darker(iris, 0.3), shade=0, line=0)
    layer.shape(ellipse(x + wide * 0.25, y + tall * 0.5, wide * 0.2, tall * 0.14), lighter(iris, 0.7), shade=0, line=0)
    layer.shape(ellipse(x - wide * 0.3, y - tall * 0.38, wide * 0.26, tall * 0.24), (255, 255, 255), shade=0, line=0)
    lash = arc(x, y - tall * 0.12, wide * 1.14, tall * 0.86, np.pi * 1.0, np.pi * 2.0)
    layer.stroke(lash, ink, 0.12)


def _mouth(layer: Layer, x: float, y: float, skin: Colour) -> None:
    rng = layer.rng
    ink = darker(skin, 0.45)
    kind = rng.integers(4)
    if kind == 0:
        layer.stroke(arc(x, y - 0.08, rng.uniform(0.1, 0.24), 0.12, 0.15 * np.pi, 0.85 * np.pi), ink, 0.05)
    elif kind == 1:
        layer.shape(spline([(x - 0.2, y - 0.06), (x + 0.2, y - 0.06), (x + 0.1, y + 0.16), (x - 0.1, y + 0.16)]), (190, 70, 70), shade=0)
    elif kind == 2:
        layer.stroke(points((x - 0.1, y), (x + 0.1, y + rng.uniform(-0.04, 0.04))), ink, 0.05)
    else:
        layer.shape(ellipse(x, y, 0.08, 0.1), (170, 60, 60), shade=0)


def _glasses(layer: Layer, body: Body) -> None:
    x = body.yaw * 0.16
    frame = tones.neutral(layer.rng)
    for side in (-1, 1):
        ring = rounded(x + side * 0.4 - 0.3, -0.05, x + side * 0.4 + 0.3, 0.5, layer.rng.choice([0.1, 0.3]))
        layer.stroke(np.vstack([ring, ring[:1]]), frame, 0.06)
    layer.stroke(points((x - 0.1, 0.2), (x + 0.1, 0.2)), frame, 0.06)


# -- hair -------------------------------------------------------------------------------------------------------------


def _cap() -> Points:
    """The scalp as seen from behind or around the face."""
    return spline([(-0.95, 0.1), (-0.9, -0.55), (-0.45, -1.1), (0.45, -1.1), (0.9, -0.55), (0.95, 0.1), (0.6, 0.7), (-0.6, 0.7)])


def _curtain(
    layer: Layer, colour: Colour, half: float, length: float, tips: int, *, wave: float = 0.0, ragged: float = 0.25, fade: Colour | None = None
) -> None:
    """Hair hanging behind the head to y=`length` in `tips` points."""
    rng = layer.rng
    right = [(0.5, -1.08), (0.97, -0.5), (half * 0.98, 0.3 + wave * rng.uniform(-0.3, 0.3)), (half * (1 + wave * rng.uniform(-0.2, 0.4)), (0.3 + length) / 2)]
    left = [(-x * rng.uniform(0.94, 1.06), y) for x, y in reversed(right)]
    ends = []
    for k in range(tips):
        at = half * 1.08 * (1 - 2 * (k + 0.5) / tips)
        ends.append((at + rng.uniform(-0.08, 0.08) + wave * 0.15, length + rng.uniform(-ragged, ragged)))
        if k < tips - 1:
            ends.append((half * 1.0 * (1 - 2 * (k + 1) / tips), length - rng.uniform(0.15, 0.25 + ragged)))
    side_r, side_l = spline(right, closed=False, steps=5), spline(left, closed=False, steps=5)
    layer.shape(np.vstack([side_r, np.asarray(ends), side_l]), colour, shade=0.6, fade=fade)
    if length > 0.9 and rng.random() < 0.75:
        inside = [
            (half * 0.62, 0.2),
            (half * 0.66, length * 0.6),
            (half * 0.3, length - 0.45),
            (-half * 0.1, length - 0.25),
            (-half * 0.6, length * 0.65),
            (-half * 0.62, 0.2),
        ]
        layer.shape(spline(inside, steps=4), darker(colour, rng.uniform(0.55, 0.8)), shade=0, line=0)
    for _ in range(int(rng.integers(0, 5))):
        x = rng.uniform(-half * 0.95, half * 0.95)
        strand = lock(
            (x * 0.92, rng.uniform(-0.6, 0.4)), (x * rng.uniform(0.95, 1.15), length - rng.uniform(-0.1, 0.5)), rng.uniform(0.15, 0.4), rng.uniform(-0.08, 0.08)
        )
        layer.shape(strand, colour if rng.random() < 0.5 else darker(colour, 0.8), shade=0.6, line=0.7 * (rng.random() < 0.6))
    for _ in range(int(rng.integers(2, 6))):
        x = rng.uniform(-half * 0.85, half * 0.85)
        layer.stroke(spline([(x * 0.8, 0.2), (x + wave * 0.1, (0.2 + length) / 2), (x * 1.05, length - 0.3)], closed=False), darker(colour, 0.62), 0.04)


def _back_hair(layer: Layer, body: Body, kind: str) -> None:
    rng = layer.rng
    hair = body.hair
    fade = tones.vivid(rng) if rng.random() < 0.1 else None
    low = min(body.bottom * 0.8, rng.uniform(2.2, 5.2))
    if kind == "none":
        return
    if kind == "short":
        _curtain(layer, hair, rng.uniform(0.95, 1.08), rng.uniform(0.55, 0.9), int(rng.integers(4, 8)))
    elif kind == "bob":
        _curtain(layer, hair, rng.uniform(1.02, 1.25), rng.uniform(0.9, 1.5), int(rng.integers(3, 8)), ragged=0.1)
    elif kind in ("long", "hime"):
        _curtain(
            layer,
            hair,
            rng.uniform(1.05, 1.5),
            low,
            int(rng.integers(4, 9)),
            ragged=0.05 if kind == "hime" else 0.35,
            wave=0 if kind == "hime" else rng.uniform(0, 0.6),
            fade=fade,
        )
    elif kind == "wavy":
        for k in range(7):
            x = (k - 3) * 0.36
            curl = [(x * 0.8, -0.2), (x * 1.1 + 0.2, low * 0.3), (x * 1.15 - 0.2, low * 0.6), (x * 1.3 + 0.15, low * rng.uniform(0.8, 1.0))]
            layer.shape(limb(curl, 0.7, 0.18), hair, shade=0.7, fade=fade)
        layer.shape(_cap(), hair)
    elif kind == "spiky":
        tips = int(rng.integers(7, 12))
        layer.shape(_cap(), hair)
        for angle in np.linspace(0.75 * np.pi, 2.25 * np.pi, tips) + rng.uniform(-0.12, 0.12, tips):
            c, s = float(np.cos(angle)), float(np.sin(angle))
            reach = rng.uniform(1.35, 1.85)
            layer.shape(tuft((c * 0.6, -0.15 + s * 0.6), (c * reach, -0.15 + s * reach), 0.75, rng.uniform(-0.15, 0.15)), hair, shade=0.6)
        layer.shape(ellipse(0, -0.25, 0.9, 0.85), hair, line=0, shade=0)
    elif kind == "puffy":
        size = rng.uniform(1.25, 1.6)
        for angle in np.linspace(0.8 * np.pi, 2.2 * np.pi, 9):
            layer.shape(ellipse(size * 0.75 * np.cos(angle), -0.25 + size * 0.7 * np.sin(angle), 0.5, 0.5), hair)
        layer.shape(ellipse(0, -0.25, size * 0.85, size * 0.85), hair, line=0)
    elif kind == "buns":
        layer.shape(_cap(), hair)
        for side in (-1, 1):
            layer.shape(ellipse(side * 0.75, -1.0, 0.42, 0.42), hair)
            layer.stroke(arc(side * 0.75, -1.0, 0.24, 0.24, 0.5, 5.0), darker(hair, 0.6), 0.05)
    else:
        _tails(layer, body, kind, low)


def _tails(layer: Layer, body: Body, kind: str, low: float) -> None:
    rng = layer.rng
    hair, tie = body.hair, body.trim
    layer.shape(_cap(), hair)
    sides = {"ponytail": (rng.choice([-1, 1]),), "sidetail": (rng.choice([-1, 1]),)}.get(kind, (-1, 1))
    height = {"ponytail": -0.9, "twintails": rng.uniform(-0.8, 0.3), "drills": -0.3, "sidetail": -0.5, "braids": 0.6}[kind]
    for side in sides:
        root = (side * (0.25 if kind == "ponytail" else 0.9), height)
        out = rng.uniform(0.2, 0.9)
        bow = [root, (side * (1.1 + out), height + 0.35), (side * (1.05 + out), (height + low) / 2), (side * rng.uniform(0.9, 1.7), low)]
        if kind == "braids":
            for k, (x, y) in enumerate(spline([root, (side * 0.95, 1.2), (side * 0.8, low)], closed=False, steps=4)):
                layer.shape(ellipse(x, y, 0.26 - 0.012 * k, 0.22, turn=side * (0.6 if k % 2 else -0.6)), hair)
            layer.shape(tuft((side * 0.8, low), (side * 0.8, low + 0.5), 0.35), hair)
        elif kind == "drills":
            turns = int(rng.integers(4, 8))
            for k in range(turns):
                share = k / turns
                layer.shape(
                    ellipse(
                        side * (1.15 + 0.1 * share),
                        height + 0.4 + (low - height) * share * 0.8,
                        0.48 * (1 - 0.7 * share),
                        0.3 * (1 - 0.5 * share),
                        turn=side * 0.4,
                    ),
                    hair,
                    shade=1.2,
                )
        else:
            layer.shape(limb(bow, rng.uniform(0.5, 0.8), 0.05), hair)
            second = [(x * 0.96 + 0.1, y * 0.94) for x, y in bow]
            layer.shape(limb(second, 0.4, 0.05), hair, shade=0.5)
        if rng.random() < 0.7:
            layer.shape(ellipse(*root, 0.22, 0.18), tie)


def _fringe(layer: Layer, body: Body, kind: str) -> None:
    rng = layer.rng
    hair = body.hair
    top = spline([(-0.97, 0.15), (-0.96, -0.5), (-0.5, -1.1), (0, -1.2), (0.5, -1.1), (0.96, -0.5), (0.97, 0.15)], closed=False, steps=6)
    low = rng.uniform(-0.3, 0.0)
    count = int(rng.integers(3, 8))
    part = {"swept": rng.choice([-0.5, 0.5]), "parted": rng.uniform(-0.3, 0.3), "curtain": 0.0}.get(kind, 0.0)
    edge: list[tuple[float, float]] = [(0.84, rng.uniform(0.2, 0.9)), (0.72, -0.2)]
    if kind == "slick":
        edge = [(0.8, -0.1), (0.55, -0.55), (0, -0.7), (-0.55, -0.55)]
    elif kind in ("straight", "hime"):
        edge += [(0.7 - 1.4 * k / count, low + (0.06 if k % 2 else -0.06) * (0.4 if kind == "hime" else 1)) for k in range(count + 1)]
    elif kind == "spiky":
        for k in range(count):
            x = 0.7 - 1.4 * (k + 0.5) / count
            edge += [(x + rng.uniform(-0.1, 0.1), low + rng.uniform(0.05, 0.5)), (x - 0.7 / count, low - 0.3)]
    elif kind == "curls":
        for k in range(count):
            x = 0.75 - 1.5 * (k + 0.5) / count
            edge += [(x + 0.12, low - 0.1), (x, low + 0.08), (x - 0.12, low - 0.1)]
    else:
        edge += [(0.72, 0.1), (part + 0.35, -0.3), (part, -0.75 if kind != "swept" else -0.5), (part - 0.35, -0.3), (-0.72, 0.1)]
    edge += [(-0.72, -0.2), (-0.84, rng.uniform(0.2, 0.9))]
    layer.shape(np.vstack([top, np.asarray(edge)]), hair, shade=0.5)
    for _ in range(int(rng.integers(0, 5))):
        x = rng.uniform(-0.6, 0.6)
        layer.stroke(spline([(x * 0.5, -1.05), (x * 0.95, -0.7), (x * 1.05, low - 0.1)], closed=False), darker(hair, 0.6), 0.035)
    if kind not in ("slick", "curls") and rng.random() < 0.6:
        for side in (-1, 1):
            tip = (side * rng.uniform(0.72, 1.0), rng.uniform(0.7, 1.9))
            layer.shape(lock((side * 0.78, -0.75), tip, rng.uniform(0.24, 0.4), side * 0.05), hair, shade=0.5)
    if layer.pen.shading == "cel" and rng.random() < 0.6:
        layer.stroke(arc(0, -0.15, 0.72, 0.68, np.pi * rng.uniform(1.1, 1.3), np.pi * rng.uniform(1.5, 1.85)), lighter(hair, 0.5), rng.uniform(0.05, 0.12))
    if rng.random() < 0.3:
        layer.shape(tuft((0, -1.1), (rng.uniform(-0.5, 0.5), rng.uniform(-1.75, -1.4)), 0.14, rng.uniform(-0.4, 0.4)), hair, shade=0)


# -- hats -------------------------------------------------------------------------------------------------------------


def _hat(layer: Layer, body: Body, kind: str) -> None:
    rng = layer.rng
    cloth = tones.anything(rng)
    if kind == "band":
        layer.stroke(arc(0, -0.1, 0.92, 1.02, np.pi * 1.08, np.pi * 1.92), cloth, 0.16)
    elif kind == "bow":
        x = rng.choice([-0.6, 0.0, 0.6])
        for side in (-1, 1):
            layer.shape(spline([(x, -1.05), (x + side * 0.6, -1.45), (x + side * 0.6, -0.8)]), cloth)
        layer.shape(ellipse(x, -1.07, 0.14, 0.16), cloth)
    elif kind == "cap":
        layer.shape(spline([(-0.98, -0.4), (-0.7, -1.15), (0.7, -1.15), (0.98, -0.4)]), cloth)
        layer.shape(spline([(-0.2, -0.5), (1.4, -0.55), (1.5, -0.35), (0, -0.32)]), darker(cloth, 0.8))
    elif kind == "witch":
        layer.shape(spline([(-0.75, -0.7), (-0.25, -1.7), (0.3, -2.5), (0.35, -1.7), (0.75, -0.7)]), cloth)
        layer.shape(ellipse(0, -0.68, 1.5, 0.28), cloth)
        layer.shape(box(-0.74, -1.0, 0.74, -0.74), body.trim, shade=0.3)
    elif kind == "ears":
        for side in (-1, 1):
            layer.shape(points((side * 0.3, -1.0), (side * 0.75, -1.75), (side * 0.92, -0.65)), body.hair)
            layer.shape(points((side * 0.45, -1.02), (side * 0.72, -1.5), (side * 0.8, -0.8)), (240, 190, 190), shade=0, line=0)
    elif kind == "beret":
        layer.shape(ellipse(0.15, -0.95, 1.0, 0.42, turn=0.15), cloth)
    elif kind == "straw":
        straw = (232, 204, 136)
        layer.shape(ellipse(0, -0.55, 1.65, 0.34), straw)
        layer.shape(spline([(-0.8, -0.65), (-0.65, -1.3), (0.65, -1.3), (0.8, -0.65)]), straw)
        layer.shape(box(-0.8, -0.85, 0.8, -0.65), cloth, shade=0)
    elif kind == "crown":
        layer.shape(points((-0.6, -0.85), (-0.7, -1.5), (-0.3, -1.2), (0, -1.65), (0.3, -1.2), (0.7, -1.5), (0.6, -0.85)), (240, 200, 60))
    elif kind == "headphones":
        layer.stroke(arc(0, -0.1, 1.02, 1.12, np.pi, 2 * np.pi), cloth, 0.14)
        for side in (-1, 1):
            layer.shape(ellipse(side * 1.0, 0.1, 0.24, 0.36), cloth)
    elif kind == "horns":
        for side in (-1, 1):
            layer.shape(tuft((side * 0.5, -0.9), (side * 1.1, -1.7), 0.34, -side * 0.25), (230, 220, 200))
    else:
        x = rng.choice([-0.7, 0.7])
        for angle in np.linspace(0, 2 * np.pi, 6)[:-1]:
            layer.shape(ellipse(x + 0.17 * np.cos(angle), -0.75 + 0.17 * np.sin(angle), 0.15, 0.15), cloth, shade=0)
        layer.shape(ellipse(x, -0.75, 0.1, 0.1), (250, 220, 90), shade=0)
