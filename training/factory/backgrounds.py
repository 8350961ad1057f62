"""Pictures without a subject to paste subjects on: wallpapers and photographs of ordinary packages, and drawn textures and rooms."""

import importlib.util
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from sticker_studio.types import RGB

log = logging.getLogger(__name__)

MAX_SIDE_PX: Final = 640
WALLPAPERS: Final = {
    Path("/usr/share/wallpapers"): "plasma-workspace-wallpapers",
    Path("/usr/share/backgrounds"): "gnome-backgrounds, mate-backgrounds, ukui-wallpapers, lomiri-wallpapers-16.04, lomiri-wallpapers-20.04",
}
STORY_ART: Final = Path("/usr/share/games/wesnoth")
_WITH_SUBJECT: Final = (
    "konqui", "ladybird", "dragonfly", "fossa", "kleiber", "goldfish", "calla", "the-mouse", "flower", "elephants", "twowings", "friends", "onestandsout",
    "colorfulcups", "screenshot", "kite", "float-into", "wine", "string", "firstgeneration", "garden", "free_by", "painting",
)  # fmt: skip
_PHOTOGRAPHS: Final = (
    "bythewater", "coldripple", "colorfulcups", "darkesthour", "eveningglow", "fallenleaf", "wallpapers/grey", "wallpapers/kite", "onestandsout",
    "wallpapers/path", "wallpapers/volna", "summer_1am", "bridge_by", "dragonfly_by", "kleiber_by", "picture_0b", "picture_1a", "wine_by", "aitzgorri_by",
    "friends_by", "free_by", "greentock_by", "life_by", "picosdeeuropa_by", "seeding_by", "sunset_by", "mate/nature/",
)  # fmt: skip
"""Parts of the paths of the wallpapers that are photographs (looked at); the others are drawn or computed."""
_PACKAGED: Final = (
    ("skimage", "data/brick.png"), ("skimage", "data/grass.png"), ("skimage", "data/gravel.png"), ("skimage", "data/hubble_deep_field.jpg"),
    ("skimage", "data/ihc.png"), ("sklearn", "datasets/images/china.jpg"),
)  # fmt: skip
"""Photographs without a clear subject that Python packages carry; those with one are the demo board's and never trained on."""


@dataclass(frozen=True)
class Background:
    """An RGB picture (sides at most `MAX_SIDE_PX`), where it comes from, and whether it is a photograph."""

    image: RGB
    source: str
    photographed: bool


def installed() -> tuple[list[Background], list[str]]:
    """Every background of the installed packages, and a line for each source that is missing."""
    found: list[Background] = []
    missing: list[str] = []
    for folder, package in WALLPAPERS.items():
        items = [Background(image, f"Debian {package}", photographed(path)) for path in wallpaper_paths(folder) if (image := read(path)) is not None]
        if not items:
            missing.append(f"Debian {package}: not installed")
        found += items
    story = [path for path in sorted(STORY_ART.rglob("*")) if path.suffix in (".jpg", ".webp", ".png") and "story" in path.parts]
    found += [Background(image, "Debian wesnoth-1.16-data", False) for path in story if (image := read(path)) is not None]
    found += list(packaged())
    log.info("backgrounds: %d, of which photographed %d", len(found), sum(b.photographed for b in found))
    return found, missing


def wallpaper_paths(folder: Path, *, with_subject: bool = False) -> list[Path]:
    """One file a wallpaper and variant: the smallest of its sizes; those that show a subject only if wanted."""
    chosen: dict[tuple[Path, str], Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix not in (".jpg", ".png", ".webp") or path.is_symlink() or path.stem == "screenshot":
            continue
        if not with_subject and any(word in path.as_posix().lower() for word in _WITH_SUBJECT):
            continue
        key = (path.parent, "" if path.parent.name.startswith("images") else path.stem)
        if key not in chosen or path.stat().st_size < chosen[key].stat().st_size:
            chosen[key] = path
    return sorted(chosen.values())


def packaged() -> Iterator[Background]:
    """The photographs of `_PACKAGED` whose package is installed."""
    for package, relative in _PACKAGED:
        spec = importlib.util.find_spec(package)
        path = Path(spec.origin).parent / relative if spec and spec.origin else None
        image = read(path) if path and path.is_file() else None
        if image is not None:
            yield Background(image, f"PyPI {package}", True)


def read(path: Path) -> RGB | None:
    """A picture shrunk to `MAX_SIDE_PX`; None when Pillow cannot read it."""
    try:
        with Image.open(path) as opened:
            opened.draft("RGB", (MAX_SIDE_PX, MAX_SIDE_PX))
            image = opened.convert("RGB")
    except (OSError, ValueError) as error:
        log.warning("background %s left out: %s", path, error)
        return None
    image.thumbnail((MAX_SIDE_PX, MAX_SIDE_PX), Image.Resampling.BOX)
    return np.asarray(image)


def photographed(path: Path) -> bool:
    """Whether a wallpaper is a photograph."""
    return any(word in path.as_posix().lower() for word in _PHOTOGRAPHS)


def photographs() -> list[RGB]:
    """Every photographed wallpaper, those with a subject too: examples of the style, not backgrounds."""
    paths = [path for folder in WALLPAPERS for path in wallpaper_paths(folder, with_subject=True) if photographed(path)]
    return [image for path in paths if (image := read(path)) is not None]


def procedural(rng: np.random.Generator, size_wh: tuple[int, int]) -> RGB:
    """A drawn background without a subject: gradient, clouds, stripes, polygons, a room, foliage dots or a skyline."""
    drawers = (_gradient, _clouds, _stripes, _polygons, _room, _foliage, _skyline)
    weights = (0.15, 0.15, 0.08, 0.14, 0.18, 0.15, 0.15)
    return drawers[int(rng.choice(len(drawers), p=weights))](rng, size_wh)


def _colour(rng: np.random.Generator) -> tuple[int, int, int]:
    hsv = np.array([[[rng.integers(180), rng.integers(20, 220), rng.integers(50, 256)]]], np.uint8)
    red, green, blue = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0].tolist()
    return red, green, blue


def _gradient(rng: np.random.Generator, size_wh: tuple[int, int]) -> RGB:
    corners = np.array([[_colour(rng), _colour(rng)], [_colour(rng), _colour(rng)]], np.float32)
    if rng.random() < 0.4:
        corners[:, 1] = corners[:, 0]
    return np.asarray(np.clip(cv2.resize(corners, size_wh, interpolation=cv2.INTER_LINEAR), 0, 255), np.uint8)


def _clouds(rng: np.random.Generator, size_wh: tuple[int, int]) -> RGB:
    field = np.zeros((size_wh[1], size_wh[0]), np.float32)
    for octave in range(1, 7):
        grid = rng.random((2**octave + 1, 2**octave + 1), dtype=np.float32)
        field += cv2.resize(grid, size_wh, interpolation=cv2.INTER_CUBIC) * float(rng.uniform(0.45, 0.75)) ** octave
    field = (field - field.min()) / max(float(np.ptp(field)), 1e-6)
    return _mixed(rng, field)


def _mixed(rng: np.random.Generator, share: npt.NDArray[np.float32]) -> RGB:
    """Two random colours mixed by an HxW share in 0..1."""
    first, second = np.asarray(_colour(rng), np.float32), np.asarray(_colour(rng), np.float32)
    return np.asarray(np.clip(first + share[..., None] * (second - first), 0, 255), np.uint8)


def _stripes(rng: np.random.Generator, size_wh: tuple[int, int]) -> RGB:
    yy, xx = np.mgrid[: size_wh[1], : size_wh[0]].astype(np.float32)
    angle, period = rng.uniform(0, np.pi), rng.uniform(6, 60)
    wave = np.sin((xx * np.cos(angle) + yy * np.sin(angle)) * 2 * np.pi / period)
    if rng.random() < 0.4:
        wave = wave * np.sin((yy * np.cos(angle) - xx * np.sin(angle)) * 2 * np.pi / period)
    mix = (wave > 0).astype(np.float32) if rng.random() < 0.6 else (wave + 1) / 2
    return _mixed(rng, mix)


def _polygons(rng: np.random.Generator, size_wh: tuple[int, int]) -> RGB:
    canvas = _gradient(rng, size_wh)
    for _ in range(int(rng.integers(6, 40))):
        centre = rng.uniform(0, 1, 2) * size_wh
        points = centre + rng.normal(0, rng.uniform(8, 60), (int(rng.integers(3, 6)), 2))
        cv2.fillPoly(canvas, [points.astype(np.int32)], _colour(rng), cv2.LINE_AA)
    return np.asarray(cv2.GaussianBlur(canvas, (0, 0), float(rng.uniform(0.5, 6))), np.uint8)


def _room(rng: np.random.Generator, size_wh: tuple[int, int]) -> RGB:
    """A wall, a floor with converging lines, windows, shelves and tables: straight edges that are not subjects."""
    width, height = size_wh
    canvas = _gradient(rng, size_wh)
    horizon = int(height * rng.uniform(0.45, 0.8))
    floor = _colour(rng)
    canvas[horizon:] = floor
    vanish = (int(width * rng.uniform(0.2, 0.8)), int(horizon - height * rng.uniform(0, 0.3)))
    shade = tuple(int(value * 0.75) for value in floor)
    for x in np.linspace(-width, 2 * width, int(rng.integers(5, 24))):
        cv2.line(canvas, (int(x), height), vanish, shade, int(rng.integers(1, 3)), cv2.LINE_AA)
    canvas[:horizon] = cv2.resize(_gradient(rng, size_wh), (width, horizon)) if horizon else canvas[:horizon]
    step, wide = int(rng.integers(24, 90)), float(rng.uniform(0.4, 0.9))
    pane, frame, top = _colour(rng), _colour(rng), int(horizon * rng.uniform(0.05, 0.3))
    for left in range(int(rng.integers(0, step)), width, step):
        box = (left, top), (left + int(step * wide), int(horizon * rng.uniform(0.7, 0.95)))
        cv2.rectangle(canvas, *box, pane, -1)
        cv2.rectangle(canvas, *box, frame, int(rng.integers(1, 4)))
        cv2.line(canvas, (left, (top + box[1][1]) // 2), (box[1][0], (top + box[1][1]) // 2), frame, 1)
    for _ in range(int(rng.integers(0, 14))):
        x, y = int(rng.integers(0, width)), int(rng.integers(horizon, height))
        size = int((y - horizon + 10) * rng.uniform(0.2, 0.5))
        colour = _colour(rng)
        cv2.rectangle(canvas, (x, y - size // 2), (x + 2 * size, y - size // 3), colour, -1)
        for leg in (x, x + 2 * size):
            cv2.line(canvas, (leg, y - size // 3), (leg, y + size // 3), tuple(int(value * 0.6) for value in colour), 2)
    return canvas


def _foliage(rng: np.random.Generator, size_wh: tuple[int, int]) -> RGB:
    """Leaves or pebbles: hundreds of dabs that lighten towards one side, over a sky."""
    width, height = size_wh
    canvas = _gradient(rng, size_wh)
    base, horizon = np.asarray(_colour(rng), np.float32), height * rng.uniform(-0.3, 0.7)
    count = int(rng.integers(150, 900))
    size = rng.uniform(2, 12)
    for x, y in zip(rng.uniform(0, width, count), np.sort(rng.uniform(horizon, height, count)), strict=True):
        tone = np.clip(base * rng.uniform(0.5, 1.5) + rng.normal(0, 12, 3), 0, 255)
        axes = (max(1, int(size * rng.uniform(0.5, 1.5))), max(1, int(size * rng.uniform(0.3, 1.0))))
        cv2.ellipse(canvas, (int(x), int(y)), axes, float(rng.uniform(0, 180)), 0, 360, tone.tolist(), -1)
    return canvas


def _skyline(rng: np.random.Generator, size_wh: tuple[int, int]) -> RGB:
    """Sky, hills or houses with windows, trunks and a road."""
    width, height = size_wh
    canvas = _gradient(rng, size_wh)
    for layer in range(int(rng.integers(1, 4))):
        base = height * (0.3 + 0.2 * layer + rng.uniform(-0.1, 0.1))
        colour = _colour(rng)
        if rng.random() < 0.5:
            xs = np.linspace(0, width, 12)
            ys = base + rng.normal(0, height * 0.06, 12)
            outline = np.concatenate([np.stack([xs, ys], 1), [[width, height], [0, height]]])
            cv2.fillPoly(canvas, [outline.astype(np.int32)], colour, cv2.LINE_AA)
            continue
        x = int(-rng.integers(0, 30))
        while x < width:
            wide, top = int(rng.integers(20, 90)), int(base + rng.normal(0, height * 0.12))
            tone = tuple(int(np.clip(value * rng.uniform(0.7, 1.2), 0, 255)) for value in colour)
            cv2.rectangle(canvas, (x, top), (x + wide, height), tone, -1)
            glass, gap = _colour(rng), int(rng.integers(7, 18))
            for y in range(top + 4, height - 4, gap):
                for left in range(x + 3, x + wide - 4, gap):
                    cv2.rectangle(canvas, (left, y), (left + gap // 2, y + gap // 2), glass, -1)
            x += wide + int(rng.integers(0, 25))
    for _ in range(int(rng.integers(0, 6))):
        x, thick = int(rng.integers(0, width)), int(rng.integers(2, 14))
        cv2.rectangle(canvas, (x, int(height * rng.uniform(0, 0.4))), (x + thick, height), _colour(rng), -1)
    return canvas
