"""Forty varied animations for every messenger: all comply, none fails. `make long`."""

import numpy as np
import pytest

from serving import clips, composer, formats
from serving.clips import Clip
from serving.composer import Look
from serving.formats import FORMATS, MOTIONS, Platform
from sticker_studio import scenes
from sticker_studio.types import RGBA

pytestmark = pytest.mark.long


def frame(side_px: int, k: int, step: float, grain: float) -> RGBA:
    """A generated scene's subjects on their way round, as grainy as a film."""
    scene = scenes.draw(seed=900 + k, style="anime" if k % 2 else "normal", size_wh=(side_px * 3 // 5, side_px * 3 // 5))
    shown = scene.union if scene.union.any() else np.ones_like(scene.union)
    look = Look(side_px=side_px, steady=True, caption="Round and round" if k % 3 else "")
    finished = composer.compose(scene.image, shown.astype(np.float32), look, composer.laid_out_caption(look))
    way = (round(side_px / 8 * np.cos(2 * np.pi * step)), round(side_px / 8 * np.sin(2 * np.pi * step)))
    moved = np.roll(finished, way, axis=(0, 1)).astype(np.float32)
    moved[..., :3] += np.random.default_rng(round(1000 * step)).normal(0, grain, moved.shape)[..., :3]
    return np.clip(moved, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("platform", [name for name in MOTIONS if MOTIONS[name].max_bytes])
@pytest.mark.parametrize("grain", [0, 4, 16, 64])
def test_varied_animations_comply_with_every_messenger(platform: Platform, grain: float) -> None:
    encodes = []
    for k in range(10):
        count = (2, 12, 30)[k % 3]
        frames = tuple(frame(FORMATS[platform].side_px, k, step / count, grain) for step in range(count))
        duration_ms = round((0.4, 1.0)[k % 2] * (1000 * MOTIONS[platform].max_s - 10))
        made = clips.encode(Clip(frames=frames, order=tuple(range(count)), duration_ms=duration_ms), platform)
        assert formats.problems(made.data, platform) == [], k
        assert formats.is_moving(made.data)
        encodes.append(made.encodes)
    assert np.mean(encodes) <= 5
