"""The factory's style classifier: drawn or photographed, learned from drawings, painted backdrops and photographs of ordinary packages."""

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from sticker_studio import scenes
from sticker_studio.inference import middle
from sticker_studio.types import RGB, STYLES, Style
from training import export
from training.factory import compose as composing
from training.factory import corpus, cutouts
from training.factory.backgrounds import Background
from training.factory.compose import Library, Picture, Scenery
from training.factory.cutouts import Cutout

log = logging.getLogger(__name__)

INPUT_PX: Final = 192
"""Side that is served. What is learned on windows at `TRAIN_PX` is a little larger in whole pictures (Touvron et al. 2019): 0.961, at 160 px 0.944."""
TRAIN_PX: Final = 160
SMALL_PX: Final = 112
"""Side of the first 70 % of a training from nothing: twice as many steps a second."""
MEAN: Final = (0.485, 0.456, 0.406)
STD: Final = (0.229, 0.224, 0.225)
SHARES: Final[dict[Style, dict[str, float]]] = {
    "anime": {"paste-anime": 0.4, "style-figures": 0.34, "scenes-anime": 0.14, "style-painted": 0.12},
    "normal": {"real": 0.55, "style-photographs": 0.33, "scenes-normal": 0.12},
}
"""Parts that each style's examples come from."""
COUNTS: Final = {"style-painted": 700, "style-photographs": 1800, "style-figures": 4000}
MIN_DRAWN_SHARE: Final = 0.08
"""A paste with less of it covered by drawn subjects may look like the photograph behind them: it teaches neither style."""

LEARNING_RATE: Final = 3e-3
GO_ON_RATE: Final = 8e-4
"""Of a classifier that is trained further."""
MIN_DEVIATION: Final = 14
"""Of the pixel values of a drawn backdrop; flatter ones say nothing of a style."""

_Float = npt.NDArray[np.float32]


def photographs(library: Library) -> Library:
    """Only what was photographed: for examples of "normal" without anything drawn."""
    plain = [background for background in library.backgrounds if background.photographed]
    return Library(library.of_kind("photo"), plain, library.scenery, library.photographs, library.weights, drawn=False)


def photograph(rng: np.random.Generator, library: Library) -> Picture:
    """A photograph as it is, or with photographed subjects pasted on it."""
    taken = [*library.photographs, *(background.image for background in library.backgrounds)]
    if taken and rng.random() < 0.55:
        image, _ = composing.crop(rng, taken[int(rng.integers(len(taken)))], composing.random_size(rng))
        return Picture(image, np.zeros(image.shape[:2], np.uint8), (), "normal")
    return composing.compose(rng, library, "normal")


def painted(rng: np.random.Generator, library: Library) -> Picture:
    """A painted picture without a pasted subject: a photograph made painterly, or a drawn backdrop as it is."""
    size_wh = composing.random_size(rng)
    drawn = [background for background in library.backgrounds if not background.photographed and background.image.std() > MIN_DEVIATION]
    if drawn and (rng.random() < 0.3 or not library.scenery):
        image, _ = composing.crop(rng, drawn[int(rng.integers(len(drawn)))].image, size_wh)
    else:
        taken: list[Scenery | Background] = [*library.scenery, *(background for background in library.backgrounds if background.photographed)]
        image, _ = composing.crop(rng, taken[int(rng.integers(len(taken)))].image, size_wh)
        image = composing.painterly(rng, image)
    return Picture(image, np.zeros(image.shape[:2], np.uint8), (), "anime")


def figure(rng: np.random.Generator, library: Library) -> Picture:
    """A drawn figure that stands large before a photograph: what a style classifier takes for a photograph most often."""
    plain = photographs(library)
    while True:
        backdrop = photograph(rng, plain).image
        if rng.random() < 0.3:
            backdrop = composing.painterly(rng, backdrop)
        objects = np.zeros(backdrop.shape[:2], np.uint8)
        canvas = backdrop.astype(np.float32)
        classes: list[int] = []
        for _ in range(1 if rng.random() < 0.75 else 2):
            cutout = _figure_cutout(rng, library)
            classes.append(cutout.label)
            composing.paste(rng, canvas, objects, cutout, len(classes), upright=True)
        if np.count_nonzero(objects) >= MIN_DRAWN_SHARE * objects.size:
            return Picture(np.clip(canvas, 0, 255).astype(np.uint8), objects, tuple(classes), "anime")


def _figure_cutout(rng: np.random.Generator, library: Library) -> Cutout:
    """A drawn person or animal of the library, or the largest subject of a drawn scene."""
    drawn = [cutout for cutout in library.of_kind("drawn") if cutout.subject_class != "object"]
    if drawn and rng.random() < 0.6:
        return composing.by_source(rng, drawn, library.weights)
    while True:
        scene = scenes.draw(seed=int(rng.integers(1 << 30)), style="anime", split="factory", size_wh=(360, 360))
        if not scene.objects:
            continue
        largest = max(scene.objects, key=lambda item: np.count_nonzero(item.mask))
        image = cutouts.tidy(np.dstack([scene.image, np.where(largest.mask, 255, 0).astype(np.uint8)]))
        if image is not None:
            return Cutout(image, largest.subject_class, "drawn", "scenes", bust=bool(largest.mask[-1].any()))


def view(rng: np.random.Generator | None, image: RGB, side_px: int = INPUT_PX) -> RGB:
    """The network's square view of a picture; with `rng` a random window of it, mirrored, slightly recoloured.

    Blur, noise and JPEG come to both styles alike: in the rendered parts photographs are noisier, and noise must not tell the styles apart.
    """
    if rng is None:
        return np.asarray(cv2.resize(image, (side_px, side_px), interpolation=cv2.INTER_AREA), np.uint8)
    height, width = image.shape[:2]
    wide, high = (max(16, int(side * rng.uniform(0.65, 1.0))) for side in (width, height))
    left, top = int(rng.integers(0, width - wide + 1)), int(rng.integers(0, height - high + 1))
    window = image[top : top + high, left : left + wide]
    window = np.ascontiguousarray(window[:, ::-1] if rng.random() < 0.5 else window)
    resized = cv2.resize(window, (side_px, side_px), interpolation=cv2.INTER_AREA if rng.random() < 0.7 else cv2.INTER_LINEAR)
    gain, cast = rng.uniform(0.8, 1.2), rng.uniform(0.92, 1.08, 3)
    toned = resized * (gain * cast) + rng.uniform(-12, 12)
    if rng.random() < 0.5:  # neither strong colours nor their absence make a drawing
        grey = toned.mean(axis=2, keepdims=True)
        toned = (grey + (toned - grey) * (0 if rng.random() < 0.2 else rng.uniform(0.4, 1.9)) - 128) * rng.uniform(0.7, 1.5) + 128
    result = np.clip(toned, 0, 255).astype(np.uint8)
    if rng.random() < 0.25:
        result = np.asarray(cv2.GaussianBlur(result, (0, 0), float(rng.uniform(0.3, 0.9))), np.uint8)
    if rng.random() < 0.35:
        result = np.clip(result + rng.normal(0, rng.uniform(1, 9), result.shape), 0, 255).astype(np.uint8)
    if rng.random() < 0.4:
        _, data = cv2.imencode(".jpg", result, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(50, 95))])
        result = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return result


def normalise(images: Sequence[RGB]) -> _Float:
    """Nx3xSxS float32 as the card's mean and std say."""
    scaled = np.stack(images).astype(np.float32) / 255
    return np.ascontiguousarray(((scaled - np.asarray(MEAN, np.float32)) / np.asarray(STD, np.float32)).transpose(0, 3, 1, 2))


def examples(parts: Mapping[str, corpus.Part]) -> dict[Style, list[tuple[str, npt.NDArray[np.int64]]]]:
    """For each style its parts and the indices in them that clearly are of that style."""
    found: dict[Style, list[tuple[str, npt.NDArray[np.int64]]]] = {}
    for style in STYLES:
        found[style] = []
        for name in SHARES[style]:
            if name not in parts:
                continue
            found[style].append((name, clearly_styled(name, parts[name])))
    return found


def clearly_styled(name: str, part: corpus.Part) -> npt.NDArray[np.int64]:
    """Indices of the pictures of a part that clearly are of its style: a paste without a drawn subject is a photograph."""
    indices = np.arange(len(part))
    if not name.endswith(("paste-anime", "figures")):
        return indices
    return np.array([i for i in indices if np.count_nonzero(part.objects[i]) >= MIN_DRAWN_SHARE * part.objects[i].size])


def fit(parts: Mapping[str, corpus.Part], *, time_limit_s: float, seed: int, start: Path | None = None, batch: int = 24) -> Any:
    """Train a MobileNetV3-small, from nothing or from `start` (a state dict), on balanced batches of both styles; returns it in evaluation mode, averaged."""
    import torch
    from ultralytics.utils.torch_utils import ModelEMA

    rng = np.random.default_rng(seed)
    chosen = examples(parts)
    model = export.load_classifier(start, classes=len(STYLES), seed=seed)
    learning_rate = LEARNING_RATE if start is None else GO_ON_RATE
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 0.1  # torchvision's 0.01 is for millions of steps: after a thousand its running means are still those of the start
    model.train().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=0.02)
    ema = ModelEMA(model, decay=0.995, tau=50)
    begun, step = time.monotonic(), 0
    while (progress := (time.monotonic() - begun) / time_limit_s) < 1:
        images, labels = _batch(rng, parts, chosen, batch, side_px=SMALL_PX if progress < 0.7 and start is None else TRAIN_PX)
        rate = learning_rate * min(1.0, (step + 1) / 40) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        pictures = torch.from_numpy(images).contiguous(memory_format=torch.channels_last)
        loss = torch.nn.functional.cross_entropy(model(pictures), torch.from_numpy(labels))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        ema.update(model)
        step += 1
        if step % 50 == 0:
            log.info("style classifier: step %d, %.0f s, loss %.3f", step, time.monotonic() - begun, float(loss.detach()))
    return ema.ema.eval()


def _batch(
    rng: np.random.Generator, parts: Mapping[str, corpus.Part], chosen: Mapping[Style, Sequence[tuple[str, npt.NDArray[np.int64]]]], size: int, *, side_px: int
) -> tuple[_Float, npt.NDArray[np.int64]]:
    images: list[RGB] = []
    labels = np.arange(size, dtype=np.int64) % len(STYLES)
    for label in labels:
        style = STYLES[int(label)]
        sources = chosen[style]
        weights = np.array([SHARES[style][name] for name, _ in sources])
        name, indices = sources[int(rng.choice(len(sources), p=weights / weights.sum()))]
        image, _ = parts[name].picture(int(indices[int(rng.integers(len(indices)))]))
        images.append(view(rng, image, side_px))
    return normalise(images), labels


def logits(model: Any, images: Sequence[RGB]) -> _Float:
    """NxC logits of pictures, by the two looks that serve: all of it and its middle."""
    import torch

    looks = (normalise([view(None, image), view(None, middle(image))]) for image in images)
    with torch.no_grad():
        return np.stack([model(torch.from_numpy(two)).numpy().mean(axis=0) for two in looks])


def calibrate(values: _Float, labels: npt.NDArray[np.int64]) -> float:
    """The temperature (0.5 to 5) with the least cross-entropy on held-out logits (Guo et al. 2017)."""
    grid = np.geomspace(0.5, 5, 60)

    def loss(temperature: float) -> float:
        scaled = values.astype(np.float64) / temperature
        scaled -= scaled.max(axis=1, keepdims=True)
        chosen = scaled[np.arange(len(labels)), labels] - np.log(np.exp(scaled).sum(axis=1))
        return float(-chosen.mean())

    return float(min(grid, key=loss))


def held_out_set(parts: Mapping[str, corpus.Part]) -> tuple[list[RGB], npt.NDArray[np.int64]]:
    """Held-out pictures and labels: real photographs and photo-like scenes against drawn scenes and pastes."""
    sources: dict[str, Style] = {
        "val-real": "normal",
        "val-scenes-normal": "normal",
        "val-scenes-anime": "anime",
        "val-paste-anime": "anime",
        "val-figures": "anime",
    }
    images: list[RGB] = []
    labels: list[int] = []
    for name, style in sources.items():
        if name in parts:
            chosen = clearly_styled(name, parts[name])[:60]
            images += [parts[name].picture(int(index))[0] for index in chosen]
            labels += [STYLES.index(style)] * len(chosen)
    return images, np.asarray(labels, np.int64)


def accuracy(model: Any, parts: Mapping[str, corpus.Part]) -> tuple[dict[str, float], float]:
    """Held-out accuracy by style, and the calibrated temperature."""
    images, labels = held_out_set(parts)
    values = logits(model, images)
    right = values.argmax(axis=1) == labels
    by_style: dict[str, float] = {style: float(right[labels == index].mean()) for index, style in enumerate(STYLES) if (labels == index).any()}
    return by_style, calibrate(values, labels)


def renderers(library: Library) -> dict[str, Callable[[np.random.Generator], Picture]]:
    """What renders each part of `COUNTS`."""
    plain = photographs(library)
    return {
        "style-painted": lambda rng: painted(rng, library),
        "style-photographs": lambda rng: photograph(rng, plain),
        "style-figures": lambda rng: figure(rng, library),
    }
