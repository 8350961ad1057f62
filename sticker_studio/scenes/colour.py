"""Colours: random palettes, darker and lighter tones. A colour is r,g,b in 0..255."""

import colorsys
from typing import TypeAlias

import numpy as np

Colour: TypeAlias = tuple[int, int, int]

SKINS: tuple[Colour, ...] = (
    (255, 228, 208),
    (252, 214, 186),
    (240, 196, 160),
    (214, 160, 120),
    (168, 112, 78),
    (112, 72, 50),
    (255, 236, 224),
    (228, 180, 148),
)
FURS: tuple[Colour, ...] = (
    (240, 236, 228), (206, 150, 92), (150, 98, 60), (92, 64, 46), (58, 54, 58), (160, 160, 166),
    (226, 178, 120), (196, 118, 60), (120, 126, 138), (236, 210, 170), (70, 52, 40),
)  # fmt: skip


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """From hue (turns), saturation and value in 0..1."""
    r, g, b = colorsys.hsv_to_rgb(hue % 1.0, float(np.clip(saturation, 0, 1)), float(np.clip(value, 0, 1)))
    return round(r * 255), round(g * 255), round(b * 255)


def to_hsv(colour: Colour) -> tuple[float, float, float]:
    """Hue, saturation and value in 0..1."""
    return colorsys.rgb_to_hsv(*(c / 255 for c in colour))


def vivid(rng: np.random.Generator) -> Colour:
    """A strong colour."""
    return hsv(rng.random(), rng.uniform(0.45, 0.95), rng.uniform(0.55, 1.0))


def pastel(rng: np.random.Generator) -> Colour:
    """A pale colour."""
    return hsv(rng.random(), rng.uniform(0.08, 0.4), rng.uniform(0.82, 1.0))


def dull(rng: np.random.Generator) -> Colour:
    """A greyish colour of any brightness."""
    return hsv(rng.random(), rng.uniform(0.0, 0.35), rng.uniform(0.15, 0.9))


def anything(rng: np.random.Generator) -> Colour:
    """A colour for cloth and things."""
    return (vivid, vivid, pastel, dull, neutral)[rng.integers(5)](rng)


def neutral(rng: np.random.Generator) -> Colour:
    """White, black, grey, navy or brown."""
    base = ((245, 244, 240), (34, 32, 38), (128, 128, 132), (40, 52, 92), (118, 84, 58), (226, 220, 200))[rng.integers(6)]
    return jitter(rng, base, 12)


def jitter(rng: np.random.Generator, colour: Colour, amount: float = 10) -> Colour:
    """`colour` moved by up to `amount` a channel."""
    r, g, b = (int(np.clip(c + rng.uniform(-amount, amount), 0, 255)) for c in colour)
    return r, g, b


def skin(rng: np.random.Generator) -> Colour:
    """A skin colour, paler ones more often (drawn people)."""
    return jitter(rng, SKINS[int(len(SKINS) * rng.random() ** 1.4)], 6)


def fur(rng: np.random.Generator, *, fancy: float = 0.25) -> Colour:
    """A fur colour, with probability `fancy` one that no animal has."""
    return vivid(rng) if rng.random() < fancy else jitter(rng, FURS[rng.integers(len(FURS))], 14)


def hair(rng: np.random.Generator) -> Colour:
    """Natural colours half of the time, else anything strong."""
    if rng.random() < 0.55:
        natural = ((40, 32, 36), (84, 56, 40), (132, 84, 48), (222, 178, 96), (196, 92, 44), (60, 62, 84), (232, 226, 220), (24, 24, 30), (170, 70, 40))
        return jitter(rng, natural[rng.integers(len(natural))], 14)
    return hsv(rng.random(), rng.uniform(0.3, 0.85), rng.uniform(0.5, 1.0))


def darker(colour: Colour, factor: float = 0.7, *, cool: float = 0.04) -> Colour:
    """A shadow tone: darker, more saturated, its hue moved by `cool` towards blue."""
    h, s, v = to_hsv(colour)
    towards = 0.66 - h
    return hsv(h + np.clip(towards, -cool, cool), s + (1 - factor) * 0.25, v * factor)


def lighter(colour: Colour, factor: float = 0.5) -> Colour:
    """Between `colour` and white."""
    r, g, b = (round(c + (255 - c) * factor) for c in colour)
    return r, g, b


def mix(a: Colour, b: Colour, share: float) -> Colour:
    """`share` of `b`, the rest of `a`."""
    r, g, b_ = (round(p + (q - p) * share) for p, q in zip(a, b, strict=True))
    return r, g, b_
