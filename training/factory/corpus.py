"""The factory's training pictures, rendered once into flat files that are mapped into memory, and augmented as they are drawn.

A part is a folder of `images.npy` (N x S x S x 3), `objects.npy` (N x S x S index maps), `classes.npy` (N x K, 255 = none) and `content.npy` (N x 4:
left, top, width and height of the picture inside its letterbox). A finished part is never rendered again; a killed rendering starts over.
"""

import logging
import multiprocessing
import pickle
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cloudpickle
import cv2
import numpy as np
import numpy.typing as npt

from sticker_studio.types import RGB
from training.factory.compose import SIDE_PX, Picture
from training.yolo import IndexMap, Sample, collate

log = logging.getLogger(__name__)

MAX_OBJECTS: Final = 16
NO_CLASS: Final = 255
PAD: Final = 114
Render = Callable[[int], Picture]
"""Renders picture number i of a part, always the same."""


@dataclass(frozen=True)
class Part:
    """One rendered part, mapped into memory."""

    images: npt.NDArray[np.uint8]
    objects: npt.NDArray[np.uint8]
    classes: npt.NDArray[np.uint8]
    content: npt.NDArray[np.int16]

    def __len__(self) -> int:
        return len(self.images)

    def sample(self, index: int) -> Sample:
        """Picture `index` as it was rendered, letterboxed."""
        return Sample(np.asarray(self.images[index]), np.asarray(self.objects[index]), self.classes_of(index))

    def classes_of(self, index: int) -> tuple[int, ...]:
        """Class indices of the objects of picture `index`."""
        return tuple(int(value) for value in self.classes[index] if value != NO_CLASS)

    def picture(self, index: int) -> tuple[RGB, IndexMap]:
        """Picture `index` and its index map without the letterbox."""
        left, top, width, height = (int(value) for value in self.content[index])
        window = np.s_[index, top : top + height, left : left + width]
        return np.asarray(self.images[window]), np.asarray(self.objects[window])


def letterbox(picture: Picture) -> tuple[RGB, IndexMap, tuple[int, int, int, int]]:
    """Shrink or centre a picture in the square, padded grey; also where its content lies."""
    height, width = picture.image.shape[:2]
    scale = SIDE_PX / max(height, width)
    wide, high = max(1, round(width * scale)), max(1, round(height * scale))
    left, top = (SIDE_PX - wide) // 2, (SIDE_PX - high) // 2
    image = np.full((SIDE_PX, SIDE_PX, 3), PAD, np.uint8)
    objects = np.zeros((SIDE_PX, SIDE_PX), np.uint8)
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    image[top : top + high, left : left + wide] = cv2.resize(picture.image, (wide, high), interpolation=interpolation)
    objects[top : top + high, left : left + wide] = cv2.resize(picture.objects, (wide, high), interpolation=cv2.INTER_NEAREST)
    return image, objects, (left, top, wide, high)


def render(folder: Path, count: int, picture: Render, *, workers: int) -> Part:
    """Render `count` pictures into `folder` with `workers` processes, or map what a finished run left there."""
    if not (folder / "done").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        shapes = {"images": (count, SIDE_PX, SIDE_PX, 3), "objects": (count, SIDE_PX, SIDE_PX), "classes": (count, MAX_OBJECTS), "content": (count, 4)}
        for name, shape in shapes.items():
            np.lib.format.open_memmap(folder / f"{name}.npy", mode="w+", dtype=np.int16 if name == "content" else np.uint8, shape=shape)
        _fan_out(folder, count, picture, workers)
        (folder / "done").touch()
        log.info("%s: %d pictures", folder.name, count)
    return open_part(folder)


def open_part(folder: Path, *, mode: Any = "r") -> Part:
    """Map a rendered part."""
    images, objects, classes, content = (np.load(folder / f"{name}.npy", mmap_mode=mode) for name in ("images", "objects", "classes", "content"))
    return Part(images, objects, classes, content)


_job: tuple[Path, Render] | None = None
"""What this process renders, set once by `_start_worker`."""


def _fan_out(folder: Path, count: int, picture: Render, workers: int) -> None:
    chunks = [range(start, min(count, start + 50)) for start in range(0, count, 50)]
    if workers <= 1:
        for chunk in chunks:
            _render_pictures(folder, picture, chunk)
        return
    # spawned, not forked: a fork copies the locks that other threads of this process hold, and hangs on them
    job = cloudpickle.dumps((folder, picture))
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"), initializer=_start_worker, initargs=(job,)) as pool:
        for _ in pool.map(_render_chunk, chunks):
            continue


def _start_worker(job: bytes) -> None:
    global _job
    cv2.setNumThreads(1)
    _job = pickle.loads(job)  # noqa: S301  # by this module's own parent process


def _render_chunk(chunk: range) -> None:
    if _job is None:
        raise RuntimeError("a rendering worker was started outside of render()")
    _render_pictures(*_job, chunk)


def _render_pictures(folder: Path, picture: Render, indices: range) -> None:
    part = open_part(folder, mode="r+")
    for index in indices:
        made = picture(index)
        part.images[index], part.objects[index], part.content[index] = letterbox(made)
        part.classes[index] = NO_CLASS
        classes = made.classes[:MAX_OBJECTS]
        part.classes[index, : len(classes)] = classes


def augment(rng: np.random.Generator, part: Part, index: int, side_px: int) -> Sample:
    """A random window of a picture, mirrored, recoloured, letterboxed into `side_px`; at least half of its subjects' pixels stay in."""
    image, objects = part.picture(index)
    window = _window(rng, objects)
    image, objects = image[window], objects[window]
    if rng.random() < 0.5:
        image, objects = image[:, ::-1], objects[:, ::-1]
    height, width = image.shape[:2]
    scale = side_px / max(height, width)
    if rng.random() < 0.2:
        scale *= float(rng.uniform(0.55, 1.0))
    wide, high = max(8, round(width * scale)), max(8, round(height * scale))
    left, top = (side_px - wide) // 2, (side_px - high) // 2
    canvas = np.full((side_px, side_px, 3), PAD, np.uint8)
    index_map = np.zeros((side_px, side_px), np.uint8)
    resized = cv2.resize(np.ascontiguousarray(image), (wide, high), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    canvas[top : top + high, left : left + wide] = recolour(rng, np.asarray(resized, np.uint8))
    index_map[top : top + high, left : left + wide] = cv2.resize(np.ascontiguousarray(objects), (wide, high), interpolation=cv2.INTER_NEAREST)
    return Sample(canvas, index_map, part.classes_of(index))


def _window(rng: np.random.Generator, objects: IndexMap) -> tuple[slice, slice]:
    height, width = objects.shape
    whole = np.s_[0:height, 0:width]
    if rng.random() < 0.4:
        return whole
    present = np.count_nonzero(objects)
    for _ in range(3):
        share_w, share_h = rng.uniform(0.5, 1.0, 2)
        wide, high = max(16, int(width * share_w)), max(16, int(height * share_h))
        left, top = int(rng.integers(0, width - wide + 1)), int(rng.integers(0, height - high + 1))
        window = np.s_[top : top + high, left : left + wide]
        if np.count_nonzero(objects[window]) >= 0.5 * present:
            return window
    return whole


def recolour(rng: np.random.Generator, image: RGB) -> RGB:
    """Brightness, contrast, a cast, grey, inverted, blur or noise, cheaply: one look-up table a channel, and sometimes one filter."""
    ramp = np.arange(256, dtype=np.float32)
    gamma, gain, cast = rng.uniform(0.75, 1.3), rng.uniform(0.75, 1.2), rng.uniform(0.85, 1.15, 3)
    table = 255 * (ramp / 255) ** gamma * gain
    tables = np.clip(table[:, None] * (cast if rng.random() < 0.5 else 1.0) + rng.uniform(-15, 15), 0, 255).astype(np.uint8)
    result = cv2.LUT(image, np.ascontiguousarray(np.broadcast_to(tables, (256, 3))[None]))
    draw = rng.random()
    if draw < 0.08:
        result = np.repeat(cv2.cvtColor(result, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    elif draw < 0.18:
        result = cv2.cvtColor(result, cv2.COLOR_RGB2HSV)
        result[..., 0] = (result[..., 0].astype(np.int16) + int(rng.integers(0, 180))) % 180
        result = cv2.cvtColor(result, cv2.COLOR_HSV2RGB)
    elif draw < 0.28:
        result = cv2.GaussianBlur(result, (0, 0), float(rng.uniform(0.4, 1.4)))
    elif draw < 0.38:
        result = np.clip(result + rng.normal(0, rng.uniform(2, 12), result.shape), 0, 255).astype(np.uint8)
    elif draw < 0.42:
        result = result[..., ::-1]
    return np.ascontiguousarray(result, np.uint8)


def batches(parts: Mapping[str, Part], shares: Mapping[str, float], *, batch: int, side_px: int, seed: int) -> Iterator[dict[str, Any]]:
    """Endless batches that draw from the parts by their shares (those of missing parts fall to the others)."""
    rng = np.random.default_rng(seed)
    names = [name for name in shares if name in parts and len(parts[name]) and shares[name] > 0]
    weights = np.array([shares[name] for name in names])
    weights = weights / weights.sum()
    while True:
        chosen = [parts[names[int(i)]] for i in rng.choice(len(names), batch, p=weights)]
        yield collate([augment(rng, part, int(rng.integers(len(part))), side_px) for part in chosen])


def largest_object(objects: IndexMap) -> npt.NDArray[np.bool_]:
    """Mask of the object with the most visible pixels; empty where there is none."""
    counts = np.bincount(objects.reshape(-1), minlength=2)
    counts[0] = 0
    return np.asarray(objects == int(counts.argmax())) if counts.any() else np.zeros(objects.shape, bool)
