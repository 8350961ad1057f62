"""From an animated picture's bytes to an animated sticker within a platform's limits; pure, like `pipeline`, of which it uses the steps.

One look decides the style, one box and one scale serve all frames, so that the sticker does not jump; neighbouring frames steady each other's masks.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Final

import cv2
import numpy as np
from PIL import Image

from serving import clips, pipeline
from serving.clips import Clip
from serving.formats import FORMATS, MOTIONS, Motion
from serving.options import Fallback, StickerOptions
from serving.pipeline import Found, Made, Models, Picture, StageTimer, Strokes, untimed
from sticker_studio import images, masks, subjects
from sticker_studio.errors import InputError, InputTooLarge, NothingFound, StickerError, UndecodableImage, UnsupportedInput
from sticker_studio.types import RGB, RGBA, STYLES, Alpha, Style

MAX_READS: Final = 500_000
"""From a file: GIFs come in blocks of 255 bytes."""
_READ_AHEAD_BYTES: Final = 65_536
"""Pillow reads so much for each frame of a GIF, and goes back."""
KEPT_SIDE_PX: Final = 640
"""Frames are kept at no more than this: many are in memory at once."""
_SPEED_UP: Final = 1.5
"""What is longer than a platform allows is played faster, up to this; the rest is left out."""
_UNSET_MS: Final = 100
"""How long browsers show a frame whose duration is below 20 ms, which mostly means unset."""
_EDGE_MS: Final = 10
"""Kept free below a platform's longest duration: containers round."""

_SAME_COLOUR: Final = 48
"""Levels that a moved pixel may differ in and still count as the same."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What an animated input may cost."""

    max_bytes: int = images.MAX_BYTES
    max_pixels: int = 20_000_000
    """Of one frame."""
    max_frames: int = 2000
    max_total_pixels: int = 400_000_000
    """Of all frames that are decoded."""
    max_cut_frames: int = 60
    """The most frames that are cut out: each takes about 0.1 s."""


@dataclass(frozen=True, kw_only=True)
class Frames:
    """A decoded animation: `pixels` HxWx4, all of one size, and how long each shows."""

    pixels: tuple[RGBA, ...]
    durations_ms: tuple[float, ...]


def is_animated(data: bytes) -> bool:
    """Whether `data` is an animated GIF, WebP, APNG or AVIF; decodes no pixels. False for what can't be read: decoding it tells why."""
    try:
        picture = images.opened(data)
        return picture.format in ("GIF", "PNG", "WEBP", "AVIF") and bool(getattr(picture, "is_animated", False))
    except (StickerError, *images.UNDECODABLE, Image.DecompressionBombError):
        return False


def wanted(data: bytes, options: StickerOptions) -> bool:
    """Whether `make` is the one to call: the input is animated, and what is asked for can be."""
    return options.animated and options.layout == "sticker" and options.platform in MOTIONS and is_animated(data)


# --- decoding and choosing frames


def decode(data: bytes, *, limits: Limits, max_s: float) -> Frames:
    """The frames of the first `max_s` (or all, where that is a little longer), disposal and blending done, scaled down to `KEPT_SIDE_PX`, at most
    twice `limits.max_cut_frames` of them.

    Raises `UndecodableImage` for what is no whole animation, `InputTooLarge` above the limits, `InputError` for frames too small to see anything in.
    """
    if len(data) > limits.max_bytes:
        raise InputTooLarge(f"expected a picture of at most {limits.max_bytes} bytes, got {len(data)}; send a smaller file")
    try:
        picture = images.opened(data, max_reads=MAX_READS, spare_bytes=(limits.max_frames + 16) * _READ_AHEAD_BYTES)
        _check_size(picture, limits)
        return _evenly(_played(picture, limits), max_ms=max_s * 1000 * _SPEED_UP, most=2 * limits.max_cut_frames)
    except StickerError:
        raise
    except Image.DecompressionBombError as error:
        raise InputTooLarge(f"expected at most {limits.max_pixels} pixels a frame: {error}; send a smaller animation") from error
    except images.UNDECODABLE as error:
        raise UndecodableImage(f"expected a whole animated GIF, WebP, APNG or AVIF, got: {images.plain(error)}; check the file opens elsewhere") from error


def _check_size(picture: Image.Image, limits: Limits) -> None:
    if picture.width * picture.height > limits.max_pixels:
        raise InputTooLarge(f"expected frames of at most {limits.max_pixels} pixels, got {picture.width}x{picture.height}; send a smaller animation")
    if min(picture.size) < pipeline.MIN_SIDE_PX:
        raise InputError(f"expected frames of at least {pipeline.MIN_SIDE_PX} px a side, got {picture.width}x{picture.height}; send a larger animation")
    count = int(getattr(picture, "n_frames", 1))
    if count > limits.max_frames:
        raise InputTooLarge(f"expected at most {limits.max_frames} frames, got {count}; send a shorter animation")


def _played(picture: Image.Image, limits: Limits) -> Iterator[tuple[RGBA, float]]:
    """Each frame as it is seen, and its ms."""
    first = 1 if picture.info.get("default_image") else 0  # an APNG may carry a still for programs that can't play it
    for number in range(first, int(getattr(picture, "n_frames", 1))):
        if (number - first + 1) * picture.width * picture.height > limits.max_total_pixels:
            raise InputTooLarge(f"expected at most {limits.max_total_pixels} pixels in all frames, got more; send a smaller or shorter animation")
        picture.seek(number)
        picture.load()
        duration = float(picture.info.get("duration") or 0)
        frame = picture.convert("RGBA")
        frame.thumbnail((KEPT_SIDE_PX, KEPT_SIDE_PX), Image.Resampling.BOX)
        yield np.asarray(frame), duration if duration >= 20 else _UNSET_MS


def _evenly(played: Iterator[tuple[RGBA, float]], *, max_ms: float, most: int) -> Frames:
    """The frames that begin before `max_ms`; where there are more than `most`, every second, every fourth ..., so that memory stays bounded."""
    pixels: list[RGBA] = []
    durations: list[float] = []
    stride, elapsed = 1, 0.0
    for number, (frame, duration) in enumerate(played):
        if number % stride == 0:
            pixels.append(frame)
            durations.append(0.0)
        durations[-1] += duration
        elapsed += duration
        if len(pixels) > most:
            stride *= 2
            pixels = pixels[::2]
            durations = [sum(durations[k : k + 2]) for k in range(0, len(durations), 2)]
        if elapsed >= max_ms:
            break
    return Frames(pixels=tuple(pixels), durations_ms=tuple(durations))


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """Which frame shows in each of equal steps."""

    order: tuple[int, ...]
    duration_ms: int


def timeline(durations_ms: Sequence[float], *, max_s: float, max_fps: float, most: int) -> Timeline:
    """Steps within `max_s` and `max_fps`, at most `most`, for frames that show `durations_ms`.

    What is too long is played up to 1.5 times as fast, and what is left after that is cut off.
    """
    total, room = sum(durations_ms), max_s * 1000 - _EDGE_MS
    speed = min(_SPEED_UP, max(1.0, total / room))
    shown = min(room, total / speed)
    finest = min(durations_ms) / speed
    steps = max(1, min(most, int(shown * max_fps / 1000), round(shown / finest)))
    ends = list(accumulate(durations_ms))
    order = tuple(min(bisect_right(ends, (k + 0.5) * shown / steps * speed), len(ends) - 1) for k in range(steps))
    return Timeline(order=order, duration_ms=max(1, int(shown)))


# --- cutting out


class _Decided:
    """A classifier that has made up its mind."""

    def __init__(self, probabilities: dict[Style, float]) -> None:
        self._probabilities = probabilities

    def probabilities(self, image: RGB) -> dict[Style, float]:
        """The same for every picture."""
        return self._probabilities


def pictures(frames: Frames, chosen: Sequence[int]) -> dict[int, Picture]:
    """The chosen frames; their transparency counts where the animation as a whole has some."""
    alphas = {k: frames.pixels[k][..., 3] for k in chosen}
    seen_through = float(np.mean([(alpha < 128).mean() for alpha in alphas.values()]))
    if pipeline.SEEN_THROUGH <= seen_through <= 1 - subjects.MIN_SUBJECT_SHARE:
        return {k: Picture(pixels=np.ascontiguousarray(frames.pixels[k][..., :3]), own_alpha=alphas[k].astype(np.float32) / np.float32(255)) for k in chosen}
    return {k: Picture(pixels=pipeline.over_white(frames.pixels[k])) for k in chosen}


def decided(models: Models, seen: Sequence[Picture]) -> Models:
    """The models with one style for all frames: what the classifier says of the first, the middle and the last, averaged."""
    looks = [models.classifier.probabilities(picture.small) for picture in (seen[0], seen[len(seen) // 2], seen[-1])]
    return replace(models, classifier=_Decided({style: float(np.mean([look[style] for look in looks])) for style in STYLES}))


def find_all(seen: Sequence[Picture], models: Models, options: StickerOptions, *, strokes: Strokes | None = None, timer: StageTimer = untimed) -> list[Found]:
    """What to cut out of each frame. A frame in which nothing is found takes its neighbour's mask; neighbours steady each other.

    Detections are large: those of the first frame in which something is found are kept alone.
    Raises `NothingFound` where no frame has a subject and `options.fallback` is none.
    """
    of_style = decided(models, seen)
    found: list[Found | None] = []
    for picture in seen:
        one = _found(picture, of_style, options, fallback="none", strokes=strokes, timer=timer)
        found.append(replace(one, detections=()) if one and any(found) else one)
    known = [k for k, each in enumerate(found) if each is not None]
    if not known:
        return [pipeline.find(picture, of_style, subject=options.subject, fallback=options.fallback, strokes=strokes, timer=timer) for picture in seen]
    filled = [found[min(known, key=lambda other: abs(other - k))] for k in range(len(seen))]
    return steadied(seen, [each for each in filled if each is not None])


def _found(picture: Picture, models: Models, options: StickerOptions, *, fallback: Fallback, strokes: Strokes | None, timer: StageTimer) -> Found | None:
    try:
        return pipeline.find(picture, models, subject=options.subject, fallback=fallback, strokes=strokes, timer=timer)
    except NothingFound:
        return None


def steadied(seen: Sequence[Picture], found: Sequence[Found]) -> list[Found]:
    """Each frame's probability averaged with its neighbours', moved to where the frame shows the same: what flickers goes, what moves stays sharp.

    Optical flow by Dense Inverse Search (Kroeger et al., 2016). On generated animations the subject's outline changes a fifth less from frame to frame,
    and the mean IoU is a little higher; a plain median over the frames costs 0.03 of IoU where things move.
    """
    return [_steadied(k, seen, found) for k in range(len(found))]


def _steadied(k: int, seen: Sequence[Picture], found: Sequence[Found]) -> Found:
    small, own = seen[k].small, found[k].probability
    if found[k].how == "alpha" or own.shape != small.shape[:2]:
        return found[k]
    total, weights = own * np.float32(2), np.full(own.shape, 2, np.float32)
    for other in (k - 1, k + 1):
        if 0 <= other < len(found) and found[other].probability.shape == own.shape:
            moved, alike = _moved_to(small, seen[other].small, found[other].probability)
            total, weights = total + moved * alike, weights + alike
    return replace(found[k], probability=np.asarray(total / weights, np.float32))


def _moved_to(here: RGB, there: RGB, probability: Alpha) -> tuple[Alpha, Alpha]:
    """The `probability` of the frame `there` moved to where `here` shows the same, and 1 where the colours agree, else 0."""
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
    way = np.asarray(flow.calc(cv2.cvtColor(here, cv2.COLOR_RGB2GRAY), cv2.cvtColor(there, cv2.COLOR_RGB2GRAY), np.empty(0)), np.float32)
    rows, columns = np.mgrid[: here.shape[0], : here.shape[1]].astype(np.float32)
    x, y = columns + way[..., 0], rows + way[..., 1]
    moved = cv2.remap(probability, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    colours = cv2.remap(there, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    alike = np.abs(here.astype(np.int16) - np.asarray(colours)).max(axis=2) < _SAME_COLOUR
    return np.asarray(moved, np.float32), alike.astype(np.float32)


def common_box(found: Sequence[Found], picture_hw: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Box in the frames' px around the subject in all of them."""
    boxes = np.array([pipeline.subject_box(each.probability, picture_hw) for each in found])
    left, top = boxes[:, :2].min(axis=0)
    right, bottom = boxes[:, 2:].max(axis=0)
    return int(left), int(top), int(right), int(bottom)


# --- the whole request


def make(
    data: bytes,
    models: Models,
    options: StickerOptions,
    *,
    limits: Limits | None = None,
    strokes: Strokes | None = None,
    background: RGB | None = None,
    timer: StageTimer = untimed,
) -> Made:
    """An animated picture to a finished animated sticker; `found` is the first frame's. An animation that does not move becomes a still sticker.

    Raises as `decode` and `pipeline.make_sticker`; `UnsupportedInput` for a platform without animated stickers.
    """
    if options.platform not in MOTIONS:
        raise UnsupportedInput(f"expected a platform with animated stickers ({', '.join(MOTIONS)}), got {options.platform}; send a still picture")
    limits, rules = limits or Limits(), MOTIONS[options.platform]
    with timer("decode"):
        seen, order, duration_ms = _chosen(data, limits, rules)
    found = find_all(seen, models, options, strokes=strokes, timer=timer)
    with timer("compose"):
        finished = compose(seen, found, options, background=background)
    with timer("encode"):
        clip = Clip(frames=finished, order=order, duration_ms=duration_ms)
        exported = clips.encode(_beginning_seen(clip), options.platform)
    return Made(exported=exported, found=found[0])


def _chosen(data: bytes, limits: Limits, rules: Motion) -> tuple[list[Picture], tuple[int, ...], int]:
    """The frames that are used, which of them shows in each step, and the ms of all."""
    frames = decode(data, limits=limits, max_s=rules.max_s)
    line = timeline(frames.durations_ms, max_s=rules.max_s, max_fps=rules.max_fps, most=limits.max_cut_frames)
    chosen = sorted(set(line.order))
    return list(pictures(frames, chosen).values()), tuple(chosen.index(k) for k in line.order), line.duration_ms


def compose(seen: Sequence[Picture], found: Sequence[Found], options: StickerOptions, *, background: RGB | None = None) -> tuple[RGBA, ...]:
    """The finished frames, all cropped to one box, at one scale, with one caption, of the platform's size."""
    look = replace(pipeline.look_of(options, background=background), square=True, steady=True)
    box = common_box(found, seen[0].pixels.shape[:2])
    square = [pipeline.sticker(picture, each, look, box_xyxy=box) for picture, each in zip(seen, found, strict=True)]
    return tuple(square) if FORMATS[options.platform].square else without_shorter_margins(square)


def without_shorter_margins(frames: Sequence[RGBA]) -> tuple[RGBA, ...]:
    """Square frames cut along the less filled side of them all, to an even number of px, which video needs."""
    covered = np.maximum.reduce([frame[..., 3] for frame in frames])
    box = masks.box_xyxy(covered > 0)
    if box is None:
        return tuple(frames)
    left, top, right, bottom = box
    left, top = left - left % 2, top - top % 2
    right, bottom = right + right % 2, bottom + bottom % 2
    return tuple(np.ascontiguousarray(frame[:, left:right] if right - left < bottom - top else frame[top:bottom]) for frame in frames)


def _beginning_seen(clip: Clip) -> Clip:
    """The clip turned round so that it does not begin with an empty frame: it is what stands for it where nothing moves."""
    first = next((k for k, frame in enumerate(clip.order) if clip.frames[frame][..., 3].any()), 0)
    return Clip(frames=clip.frames, order=clip.order[first:] + clip.order[:first], duration_ms=clip.duration_ms)
