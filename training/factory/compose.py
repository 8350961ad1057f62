"""Paste cut-outs on backgrounds: training pictures with exact masks, from close-ups that leave the picture to small subjects in clutter."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from sticker_studio.types import RGB, Style
from training.factory.backgrounds import Background, procedural
from training.factory.cutouts import Cutout, shrink
from training.yolo import IndexMap

SIDE_PX: Final = 256
_ASPECTS: Final = ((1, 1), (4, 3), (3, 4), (16, 9), (9, 16), (3, 2), (2, 3))
_ASPECT_WEIGHTS: Final = (0.28, 0.2, 0.12, 0.14, 0.06, 0.12, 0.08)
_COUNT_WEIGHTS: Final = (0.08, 0.58, 0.19, 0.09, 0.06)
"""How often a picture has 0, 1, 2, ... subjects."""

_Float = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Picture:
    """HxWx3 RGB, the HxW index map of its subjects, their class indices, and the style it counts as."""

    image: RGB
    objects: IndexMap
    classes: tuple[int, ...]
    style: Style


@dataclass(frozen=True)
class Scenery:
    """A photograph with what is known in it; encoded, so that thousands fit into memory and travel to the rendering workers."""

    picture: bytes
    objects_png: bytes
    classes: tuple[int, ...]
    source: str

    @classmethod
    def of(cls, image: RGB, objects: IndexMap, classes: Sequence[int], source: str) -> "Scenery":
        """From HxWx3 RGB (kept as JPEG), the HxW index map of the known objects, and their class indices."""
        _, picture = cv2.imencode(".jpg", np.ascontiguousarray(image[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, 94])
        _, index_map = cv2.imencode(".png", objects)
        return cls(picture.tobytes(), index_map.tobytes(), tuple(classes), source)

    @property
    def image(self) -> RGB:
        """HxWx3 RGB."""
        decoded = cv2.imdecode(np.frombuffer(self.picture, np.uint8), cv2.IMREAD_COLOR)
        return np.ascontiguousarray(np.asarray(decoded, np.uint8)[..., ::-1])

    @property
    def objects(self) -> IndexMap:
        """HxW index map."""
        return np.asarray(cv2.imdecode(np.frombuffer(self.objects_png, np.uint8), cv2.IMREAD_GRAYSCALE), np.uint8)


@dataclass(frozen=True)
class Library:
    """What to compose from."""

    cutouts: Sequence[Cutout]
    backgrounds: Sequence[Background]
    scenery: Sequence[Scenery] = ()
    photographs: Sequence[RGB] = ()
    """Photographs to learn the style from, with or without a subject; not composed with."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """How much more or less often than by its size a source is drawn."""
    drawn: bool = True
    """Without it nothing drawn is used, and pictures keep their colours and stay clean: plain photographs, to learn the style from."""

    def of_kind(self, kind: str) -> list[Cutout]:
        """Cut-outs of one kind."""
        return [cutout for cutout in self.cutouts if cutout.kind == kind]


def compose(rng: np.random.Generator, library: Library, style: Style) -> Picture:
    """One picture: drawn subjects for "anime", photographed ones (a few drawn) for "normal"; each source is equally likely."""
    size_wh = random_size(rng)
    image, objects, classes = _backdrop(rng, library, style, size_wh)
    canvas = image.astype(np.float32)
    busts = rng.random() < 0.5
    for _ in range(int(rng.choice(len(_COUNT_WEIGHTS), p=_COUNT_WEIGHTS))):
        cutout = _pick(rng, library, style)
        classes.append(cutout.label)
        paste(rng, canvas, objects, cutout, len(classes), upright=busts)
    finished = np.clip(canvas, 0, 255).astype(np.uint8)
    return Picture(degrade(rng, finished, style) if library.drawn else finished, objects, tuple(classes), style)


def random_size(rng: np.random.Generator) -> tuple[int, int]:
    wide, high = _ASPECTS[int(rng.choice(len(_ASPECTS), p=_ASPECT_WEIGHTS))]
    return round(SIDE_PX * wide / max(wide, high)), round(SIDE_PX * high / max(wide, high))


def _pick(rng: np.random.Generator, library: Library, style: Style) -> Cutout:
    drawn = library.drawn and rng.random() < (0.97 if style == "anime" else 0.12)
    pool = library.of_kind("drawn" if drawn else "photo") or list(library.cutouts)
    return by_source(rng, pool, library.weights)


class Sourced(Protocol):
    """Something of a named source."""

    @property
    def source(self) -> str:
        """The name."""


Some = TypeVar("Some", bound=Sourced)


def by_source(rng: np.random.Generator, pool: Sequence[Some], weights: Mapping[str, float], *, power: float = 0.5) -> Some:
    """One of `pool`: a source by its weight and a power of its size, so that a large one does not drown the others, then any of it."""
    counts = Counter(one.source for one in pool)
    names = sorted(counts)
    shares = np.array([weights.get(name, 1.0) * counts[name] ** power for name in names])
    source = names[int(rng.choice(len(names), p=shares / shares.sum()))]
    chosen = [one for one in pool if one.source == source]
    return chosen[int(rng.integers(len(chosen)))]


def _backdrop(rng: np.random.Generator, library: Library, style: Style, size_wh: tuple[int, int]) -> tuple[RGB, IndexMap, list[int]]:
    """Background of `size_wh`, with the known subject of a real photograph kept as a subject."""
    draw = rng.random() * (1.0 if library.drawn else 0.8)
    empty = np.zeros((size_wh[1], size_wh[0]), np.uint8)
    if library.scenery and draw < 0.3:
        scene = by_source(rng, library.scenery, library.weights)
        image, known = crop(rng, scene.image, size_wh, scene.objects)
        if style == "anime" and rng.random() < 0.5:
            image = painterly(rng, image)
        return image, known, list(scene.classes)
    if draw < (0.6 if style == "anime" else 0.85) and library.backgrounds:
        photographed = not library.drawn or rng.random() < (0.5 if style == "anime" else 0.85)
        pool = [b for b in library.backgrounds if b.photographed == photographed] or list(library.backgrounds)
        image, _ = crop(rng, pool[int(rng.integers(len(pool)))].image, size_wh)
        if style == "anime" and rng.random() < 0.4:
            image = painterly(rng, image)
        return shift_colours(rng, image, strength=0.4 if library.drawn else 0.05), empty, []
    return procedural(rng, size_wh), empty, []


def crop(rng: np.random.Generator, image: RGB, size_wh: tuple[int, int], objects: IndexMap | None = None, *, min_share: float = 0.35) -> tuple[RGB, IndexMap]:
    """A random window of the wanted aspect, resized and maybe mirrored; the index map (none: empty) follows."""
    height, width = image.shape[:2]
    share = float(rng.uniform(min_share, 1.0))
    scale = min(width / size_wh[0], height / size_wh[1]) * share
    wide, high = max(8, int(size_wh[0] * scale)), max(8, int(size_wh[1] * scale))
    left, top = int(rng.integers(0, width - wide + 1)), int(rng.integers(0, height - high + 1))
    step = -1 if rng.random() < 0.5 else 1
    window = np.s_[top : top + high, left : left + wide]
    resized = cv2.resize(image[window], size_wh, interpolation=cv2.INTER_AREA if scale > 1 else cv2.INTER_CUBIC)[:, ::step]
    if objects is None:
        return np.ascontiguousarray(resized), np.zeros(size_wh[::-1], np.uint8)
    small = cv2.resize(np.ascontiguousarray(objects[window]), size_wh, interpolation=cv2.INTER_NEAREST)[:, ::step]
    return np.ascontiguousarray(resized), np.ascontiguousarray(small, np.uint8)


def painterly(rng: np.random.Generator, image: RGB) -> RGB:
    """Make a photograph look like a painted backdrop: flattened areas, stronger colours, sometimes few tones."""
    flat = cv2.bilateralFilter(image, 7, float(rng.uniform(25, 70)), 7)
    hsv = cv2.cvtColor(flat, cv2.COLOR_RGB2HSV).astype(np.float32)
    hsv[..., 1] *= rng.uniform(1.0, 1.7)
    hsv[..., 2] = hsv[..., 2] * rng.uniform(0.9, 1.15) + rng.uniform(0, 15)
    vivid = cv2.cvtColor(np.clip(hsv, 0, 255).astype(np.uint8), cv2.COLOR_HSV2RGB)
    if rng.random() < 0.3:
        levels = int(rng.integers(5, 12))
        vivid = (np.round(vivid / 255 * levels) / levels * 255).astype(np.uint8)
    return np.asarray(vivid, np.uint8)


def shift_colours(rng: np.random.Generator, image: RGB, *, strength: float) -> RGB:
    """Random hue (all the way round at strength 1), saturation and value."""
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV).astype(np.float32)
    hsv[..., 0] = (hsv[..., 0] + rng.uniform(-90, 90) * strength) % 180
    hsv[..., 1] *= rng.uniform(1 - 0.5 * strength, 1 + 0.5 * strength)
    hsv[..., 2] *= rng.uniform(1 - 0.4 * strength, 1 + 0.3 * strength)
    return np.asarray(cv2.cvtColor(np.clip(hsv, 0, 255).astype(np.uint8), cv2.COLOR_HSV2RGB), np.uint8)


def paste(rng: np.random.Generator, canvas: _Float, objects: IndexMap, cutout: Cutout, number: int, *, upright: bool) -> None:
    """Paste one cut-out into `canvas` and write its visible pixels into `objects`, both in place."""
    height, width = canvas.shape[:2]
    patch = _varied(rng, cutout, (width, height), upright=upright)
    patch_h, patch_w = patch.shape[:2]
    left, top = _place(rng, (patch_w, patch_h), (width, height), cutout)
    x0, y0, x1, y1 = max(0, left), max(0, top), min(width, left + patch_w), min(height, top + patch_h)
    if x1 - x0 < 4 or y1 - y0 < 4:
        return
    inside = patch[y0 - top : y1 - top, x0 - left : x1 - left].astype(np.float32)
    alpha = np.asarray(inside[..., 3:] / 255, np.float32)
    region = canvas[y0:y1, x0:x1]
    _shadow(rng, canvas, (x0, y0, x1, y1), alpha)
    colour = _lit(rng, inside[..., :3], alpha, region) if cutout.kind == "photo" else inside[..., :3]
    region[:] = region * (1 - alpha) + colour * alpha
    objects[y0:y1, x0:x1][alpha[..., 0] >= 0.5] = number


def _varied(rng: np.random.Generator, cutout: Cutout, size_wh: tuple[int, int], *, upright: bool) -> npt.NDArray[np.uint8]:
    """The cut-out scaled, mirrored, turned, recoloured; heights from 0.15 to 1.7 of the canvas' shorter side, mostly 0.4 to 1."""
    image = cutout.image[:, ::-1] if rng.random() < 0.5 else cutout.image
    longer = float(np.clip(np.exp(rng.normal(np.log(0.68), 0.42)), 0.15, 1.7)) * min(size_wh)
    scale = longer / max(image.shape[:2])
    stretch = float(rng.uniform(0.88, 1.14))
    wanted = max(6, round(image.shape[1] * scale * stretch)), max(6, round(image.shape[0] * scale / stretch))
    patch = shrink(image, wanted)
    if rng.random() < (0.15 if upright or cutout.bust else 0.45):
        patch = _turned(patch, float(rng.normal(0, 18)))
    strength = float(rng.choice([0.0, 0.15, 1.0], p=[0.3, 0.4, 0.3])) if cutout.kind == "drawn" else 0.12
    if strength:
        patch = np.dstack([shift_colours(rng, np.ascontiguousarray(patch[..., :3]), strength=strength), patch[..., 3]])
    feather = float(rng.choice([0.0, 0.6, 1.0], p=[0.4, 0.4, 0.2]))
    if feather:
        patch[..., 3] = cv2.GaussianBlur(np.ascontiguousarray(patch[..., 3]), (0, 0), feather)
    return patch


def _turned(patch: npt.NDArray[np.uint8], degrees: float) -> npt.NDArray[np.uint8]:
    height, width = patch.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    cos, sin = abs(matrix[0, 0]), abs(matrix[0, 1])
    wide, high = int(height * sin + width * cos) + 2, int(height * cos + width * sin) + 2
    matrix[:, 2] += (wide / 2 - width / 2, high / 2 - height / 2)
    colour = cv2.warpAffine(np.ascontiguousarray(patch[..., :3]), matrix, (wide, high), borderMode=cv2.BORDER_REPLICATE)
    return np.dstack([colour, cv2.warpAffine(np.ascontiguousarray(patch[..., 3]), matrix, (wide, high))])


def _place(rng: np.random.Generator, patch_wh: tuple[int, int], size_wh: tuple[int, int], cutout: Cutout) -> tuple[int, int]:
    """Left and top: busts stand on the lower border, others there or anywhere; at least a good part stays inside."""
    wide, high = patch_wh
    centre_x = rng.normal(0.5, 0.2) * size_wh[0] if rng.random() < 0.7 else rng.uniform(0.05, 0.95) * size_wh[0]
    left = int(centre_x - wide / 2)
    if cutout.bust or rng.random() < 0.35:
        top = size_wh[1] - int(high * (rng.uniform(0.55, 1.0) if rng.random() < 0.45 else rng.uniform(0.92, 1.03)))
    else:
        top = int(rng.normal(0.55, 0.18) * size_wh[1] - high / 2)
    return left, top


def _shadow(rng: np.random.Generator, canvas: _Float, box_xyxy: tuple[int, int, int, int], alpha: _Float) -> None:
    """Darken the canvas softly beside and below the subject, sometimes."""
    if rng.random() > 0.35:
        return
    x0, y0, x1, y1 = box_xyxy
    height, width = canvas.shape[:2]
    shade = np.zeros((height, width), np.float32)
    shade[y0:y1, x0:x1] = alpha[..., 0]
    shift = np.array([[1, 0, rng.normal(0, 6)], [0, 1, rng.uniform(0, 8)]], np.float32)
    soft = cv2.GaussianBlur(cv2.warpAffine(shade, shift, (width, height)), (0, 0), float(rng.uniform(2, 9)))
    canvas *= 1 - float(rng.uniform(0.2, 0.6)) * np.asarray(soft, np.float32)[..., None]


def _lit(rng: np.random.Generator, colour: _Float, alpha: _Float, region: _Float) -> _Float:
    """Draw a photograph's mean and contrast part of the way to those of where it is pasted, with light from one side."""
    weight = alpha.sum() + 1e-3
    mean = (colour * alpha).sum(axis=(0, 1)) / weight
    share = float(rng.uniform(0, 0.55))
    moved = colour + (region.mean(axis=(0, 1)) - mean) * share
    ramp = np.linspace(-1, 1, colour.shape[1], dtype=np.float32)[None, :, None] * float(rng.normal(0, 0.12))
    return np.asarray(np.clip(moved * (1 + ramp), 0, 255), np.float32)


def degrade(rng: np.random.Generator, image: RGB, style: Style) -> RGB:
    """What cameras and uploads do: blur, noise (photographs more), a cast of colour, JPEG."""
    result = image.astype(np.float32)
    if rng.random() < 0.3:
        result = np.asarray(cv2.GaussianBlur(result, (0, 0), float(rng.uniform(0.4, 1.2))), np.float32)
    if rng.random() < (0.6 if style == "normal" else 0.15):
        result += rng.normal(0, rng.uniform(1, 9), image.shape).astype(np.float32)
    if rng.random() < 0.4:
        result *= rng.uniform(0.85, 1.15, 3).astype(np.float32)
    finished = np.clip(result, 0, 255).astype(np.uint8)
    if rng.random() < 0.6:
        _, data = cv2.imencode(".jpg", finished, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(45, 95))])
        finished = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return finished
