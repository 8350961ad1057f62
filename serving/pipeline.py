"""From a picture's bytes to a cut-out or a sticker; pure: no files, no network, no clock but the stage timer handed in."""

import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, Literal, Protocol

import cv2
import numpy as np

from serving import composer, export, layouts
from serving.composer import Look
from serving.formats import FORMATS, Layout
from serving.options import CutoutOptions, Fallback, StickerOptions
from sticker_studio import images, masks, refine, saliency, subjects
from sticker_studio.errors import InputError, InputTooLarge, NothingFound
from sticker_studio.subjects import Box, Subject, Tap
from sticker_studio.types import RGB, RGBA, STYLES, Alpha, Detection, Style

WORK_SIDE_PX: Final = 1024
"""Cut-outs are refined on a view of at most this side."""
LOOK_SIDE_PX: Final = 384
"""Subjects are sought on a view of at most this side: the networks see less, and what is found must be joined and cleaned at this size."""
TAP_REACHES: Final = (0.25, 0.12)
"""How far around a tap is looked at more closely, in shares of the picture, where the first look saw nothing there."""
BOX_ROOM: Final = 0.08
"""Around a box, that the network sees beside it, as a share of its longer side."""
MIN_SIDE_PX: Final = 16
"""Smaller pictures are refused: nothing can be seen in them."""
MAX_SIDE_PX: Final = 30_000
"""Longer ones are refused: OpenCV's warps end at 32,767."""
GLANCE_SIDE_PX: Final = 900
"""A JPEG is decoded at the smallest 1/2, 1/4 or 1/8 of its size that keeps this many px, and whole where its subject would be enlarged from that."""
SEEN_THROUGH: Final = 0.01
"""A picture has a transparency of its own where at least this share of it is see-through."""

How = Literal["segmentor", "alpha", "strokes", "saliency", "whole"]
StageTimer = Callable[[str], AbstractContextManager[object]]


class Classifier(Protocol):
    """Says which style a picture has."""

    def probabilities(self, image: RGB) -> dict[Style, float]:
        """Probability of each style for an HxWx3 picture."""
        ...


class SubjectFinder(Protocol):
    """Finds subjects in a picture."""

    def segment(self, image: RGB) -> list[Detection]:
        """Subjects of an HxWx3 picture, best first."""
        ...


def untimed(stage: str) -> AbstractContextManager[object]:
    """A stage timer that measures nothing."""
    return nullcontext(stage)


@dataclass(frozen=True, kw_only=True)
class Models:
    """The three models of one request."""

    classifier: Classifier
    segmentors: Mapping[Style, SubjectFinder]


@dataclass(frozen=True, kw_only=True)
class Picture:
    """An upright picture: `pixels` HxWx3, and its own transparency where it has a meaningful one."""

    pixels: RGB
    own_alpha: Alpha | None = None
    reduced: bool = False
    """Decoded at a fraction of its size."""

    @cached_property
    def small(self) -> RGB:
        """What the networks look at: the picture scaled down to `LOOK_SIDE_PX`."""
        return images.shrink(self.pixels, max_side_px=LOOK_SIDE_PX)


@dataclass(frozen=True, kw_only=True)
class Strokes:
    """What a person says of a picture, HxW of any size over the whole of it: 1 where it surely is background (`erase`) or subject (`restore`)."""

    erase: Alpha | None = None
    restore: Alpha | None = None

    def on(self, alpha: Alpha, box_xyxy: tuple[float, float, float, float] = (0, 0, 1, 1)) -> Alpha:
        """`alpha` (HxW of the part `box_xyxy`, in 0..1 of the picture) with the strokes on it; the later word is `restore`'s."""
        mended = alpha
        if self.erase is not None:
            mended = mended * (1 - sampled(self.erase, box_xyxy, alpha.shape))
        if self.restore is not None:
            mended = np.maximum(mended, sampled(self.restore, box_xyxy, alpha.shape))
        return np.asarray(mended, np.float32)


@dataclass(frozen=True, kw_only=True)
class Found:
    """What to cut out of a picture: `probability` is HxW of the picture, or of the picture scaled down."""

    style: Style
    style_probability: float
    probability: Alpha
    how: How
    detections: tuple[Detection, ...] = ()
    """What the segmentor saw of it, at the size of `probability`."""
    strokes: Strokes | None = None

    @property
    def subjects(self) -> int:
        """How many subjects are cut out."""
        return 1 if self.how == "alpha" else len(self.detections)


@dataclass(frozen=True, kw_only=True)
class Made:
    """A finished file and what made it."""

    exported: export.Exported
    found: Found


# --- steps


def decode(data: bytes, *, max_bytes: int, max_pixels: int, wanted_side_px: int | None = None) -> Picture:
    """Bytes to an upright picture; transparency that matters is kept as `own_alpha`, any other is laid over white.

    `wanted_side_px` (for instance `GLANCE_SIDE_PX`) lets a large JPEG decode faster at 1/2 or less, no smaller than that on its longer side.
    Errors as `images.open_upright`; `InputError` below `MIN_SIDE_PX`, `InputTooLarge` above `MAX_SIDE_PX`.
    """
    image = images.open_upright(data, max_bytes=max_bytes, max_pixels=max_pixels, wanted_side_px=wanted_side_px)
    if min(image.size) < MIN_SIDE_PX:
        raise InputError(f"expected a picture of at least {MIN_SIDE_PX} px a side, got {image.width}x{image.height}; send a larger one")
    if max(image.size) > MAX_SIDE_PX:
        raise InputTooLarge(f"expected sides of at most {MAX_SIDE_PX} px, got {image.width}x{image.height}; crop the picture or scale it down")
    if image.mode == "RGBA":
        alpha = np.asarray(image.getchannel("A"))
        if SEEN_THROUGH <= float((alpha < 128).mean()) <= 1 - subjects.MIN_SUBJECT_SHARE:
            return Picture(pixels=np.asarray(image.convert("RGB")), own_alpha=alpha.astype(np.float32) / np.float32(255))
    reduced = wanted_side_px is not None and max(image.size) < max(images.size_of(data))
    return Picture(pixels=images.over_white(image), reduced=reduced)


def over_white(rgba: RGBA) -> RGB:
    """HxWx4 laid over white."""
    alpha = rgba[..., 3:].astype(np.float32) / 255
    return np.rint(rgba[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)


def style_of(picture: Picture, classifier: Classifier) -> tuple[Style, float]:
    """The likelier style and its probability."""
    seen = picture.small
    if picture.own_alpha is not None:
        alpha = view_alpha(picture.own_alpha, seen.shape[:2])
        seen = over_white(np.dstack([seen, np.rint(alpha * 255).astype(np.uint8)]))
    probabilities = classifier.probabilities(seen)
    style = max(STYLES, key=lambda each: probabilities[each])
    return style, probabilities[style]


def view_alpha(alpha: Alpha, shape_hw: tuple[int, ...]) -> Alpha:
    """HxW resampled to `shape_hw`."""
    if alpha.shape == shape_hw[:2]:
        return alpha
    smaller = shape_hw[0] < alpha.shape[0]
    return np.asarray(cv2.resize(alpha, (shape_hw[1], shape_hw[0]), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR), np.float32)


def find(
    picture: Picture, models: Models, *, subject: Subject, fallback: Fallback = "none", strokes: Strokes | None = None, timer: StageTimer = untimed
) -> Found:
    """What to cut out. Raises `NothingFound` with the remedy, unless `fallback` or `strokes` say what stands in."""
    with timer("classify"):
        style, probability = style_of(picture, models.classifier)
    if picture.own_alpha is not None:
        seen = view_alpha(picture.own_alpha, images.shrink(picture.pixels, max_side_px=WORK_SIDE_PX).shape[:2])
        return Found(style=style, style_probability=probability, probability=_mended(seen, strokes), how="alpha", strokes=strokes)
    with timer("segment"):
        chosen, joined = _seen(picture, models.segmentors[style], subject)
        how: How = "segmentor"
        if joined is None and fallback == "saliency":
            joined, how = _salient(picture, subject), "saliency"
    shape = picture.small.shape[:2]
    if joined is None and strokes is not None and strokes.restore is not None:
        joined, how = np.zeros(shape, np.float32), "strokes"
    if joined is None and fallback == "whole":
        joined, how = np.ones(shape, np.float32), "whole"
    if joined is None:
        raise NothingFound(_told_nothing(style, subject, fallback))
    mended = _mended(joined, strokes)
    if not (mended >= 0.5).any():
        raise NothingFound("expected something left after erasing, got nothing; erase less, or restore a part")
    return Found(style=style, style_probability=probability, probability=mended, how=how, detections=tuple(chosen), strokes=strokes)


def _told_nothing(style: Style, subject: Subject, fallback: Fallback) -> str:
    where = {Tap: " at that point", Box: " in that box"}.get(type(subject), "")
    tried = "" if fallback == "none" else f" and nothing by {fallback}"
    offered = "fallback=whole" if fallback == "saliency" else "fallback=saliency (what stands out in colour) or fallback=whole"
    return f"expected a subject that stands out{where}, found none with the {style} model{tried}; crop the picture closer to the subject, or send {offered}"


def _seen(picture: Picture, segmentor: SubjectFinder, subject: Subject) -> tuple[list[Detection], Alpha | None]:
    """The chosen detections and their joined probability, both HxW of the picture scaled down."""
    if isinstance(subject, Box):
        return _seen_within(picture, segmentor, subject)
    detections = segmentor.segment(picture.small)
    if not isinstance(subject, Tap):
        chosen = subjects.choose(detections, subject)
        return chosen, _joined(chosen, picture.small)
    chosen = subjects.at(detections, subject)
    joined = _joined(chosen, picture.small)
    for reach in TAP_REACHES:
        if joined is None:  # a closer look at what lies around the point
            chosen, joined = _seen_within(picture, segmentor, _around(subject, reach), tap=subject)
    return chosen, joined


def _joined(chosen: list[Detection], seen: RGB) -> Alpha | None:
    """The chosen detections as one probability, HxW of the view `seen` by the segmentor, its border settled by the colours there."""
    joined = subjects.join(chosen, seen.shape[:2])
    return None if joined is None else refine.by_colour(seen, joined)


def _around(tap: Tap, reach: float) -> Box:
    left, top = (min(max(0.0, value - reach), 1 - 2 * reach) for value in (tap.x, tap.y))
    return Box(left, top, left + 2 * reach, top + 2 * reach)


def _seen_within(picture: Picture, segmentor: SubjectFinder, box: Box, *, tap: Tap | None = None) -> tuple[list[Detection], Alpha | None]:
    """As `_seen`, looking at `box` alone with a little around it, and cutting out nothing beyond it; with a `tap` only what is under it."""
    height, width = picture.pixels.shape[:2]
    room = BOX_ROOM * max(box.right - box.left, box.bottom - box.top)
    left, top = int(max(0.0, box.left - room) * width), int(max(0.0, box.top - room) * height)
    right, bottom = math.ceil(min(1.0, box.right + room) * width), math.ceil(min(1.0, box.bottom + room) * height)
    window = images.shrink(picture.pixels[top:bottom, left:right], max_side_px=LOOK_SIDE_PX)
    detections = segmentor.segment(np.ascontiguousarray(window))
    if tap is None:
        chosen = subjects.choose(detections, "all")
    else:
        chosen = subjects.at(detections, Tap((tap.x * width - left) / (right - left), (tap.y * height - top) / (bottom - top)))
    joined = _joined(chosen, window)
    if joined is None:
        return [], None
    shape = images.shrink(picture.pixels, max_side_px=WORK_SIDE_PX).shape[:2]
    placed = (left / width, top / height, right / width, bottom / height)
    inside = np.zeros(shape, bool)
    inside[round(box.top * shape[0]) : round(box.bottom * shape[0]), round(box.left * shape[1]) : round(box.right * shape[1])] = True
    whole = np.where(inside, spread(joined, placed, shape), np.float32(0))
    if (whole >= 0.5).mean() < subjects.MIN_SUBJECT_SHARE / 20:
        return [], None
    return [_moved(detection, placed, shape) for detection in chosen], whole


def _moved(detection: Detection, box_xyxy: tuple[float, float, float, float], shape_hw: tuple[int, ...]) -> Detection:
    """A detection in a window as one in the whole picture of `shape_hw`."""
    height, width = detection.probability.shape
    left, top, right, bottom = box_xyxy
    x, y = (right - left) / width * shape_hw[1], (bottom - top) / height * shape_hw[0]
    x0, y0, x1, y1 = detection.box_xyxy
    moved = (x0 * x + left * shape_hw[1], y0 * y + top * shape_hw[0], x1 * x + left * shape_hw[1], y1 * y + top * shape_hw[0])
    return replace(detection, box_xyxy=moved, probability=spread(detection.probability, box_xyxy, shape_hw))


def spread(alpha: Alpha, box_xyxy: tuple[float, float, float, float], shape_hw: tuple[int, ...]) -> Alpha:
    """HxW of the part `box_xyxy` (in 0..1) laid into a picture of `shape_hw`, 0 around it."""
    left, top, right, bottom = box_xyxy
    x, y = alpha.shape[1] / ((right - left) * shape_hw[1]), alpha.shape[0] / ((bottom - top) * shape_hw[0])
    matrix = np.array([[x, 0, -left * shape_hw[1] * x + 0.5 * x - 0.5], [0, y, -top * shape_hw[0] * y + 0.5 * y - 0.5]], np.float32)
    size_wh = (shape_hw[1], shape_hw[0])
    return np.asarray(cv2.warpAffine(alpha, matrix, size_wh, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_CONSTANT), np.float32)


def _salient(picture: Picture, subject: Subject) -> Alpha | None:
    """What stands out in colour, within the box where one is given, under the point where one is."""
    seen = picture.small
    height, width = seen.shape[:2]
    mask = np.zeros((height, width), bool)
    box = subject if isinstance(subject, Box) else Box(0, 0, 1, 1)
    window = np.s_[round(box.top * height) : max(1, round(box.bottom * height)), round(box.left * width) : max(1, round(box.right * width))]
    mask[window] = refine.without_specks(saliency.grabcut(seen[window]))
    if isinstance(subject, Tap):
        mask = masks.part_at(mask, subject.x, subject.y)
    return mask.astype(np.float32) if mask.mean() >= subjects.MIN_SUBJECT_SHARE else None


def _mended(alpha: Alpha, strokes: Strokes | None) -> Alpha:
    """With strokes at `WORK_SIDE_PX`, so that a fine brush keeps its shape; the rim that erasing leaves of a part goes too."""
    if strokes is None:
        return alpha
    scale = max(1.0, WORK_SIDE_PX / max(alpha.shape))
    seen = view_alpha(alpha, (round(alpha.shape[0] * scale), round(alpha.shape[1] * scale)))
    erased = seen if strokes.erase is None else refine.tidied(Strokes(erase=strokes.erase).on(seen))
    return Strokes(restore=strokes.restore).on(erased)


def full_alpha(picture: Picture, found: Found) -> Alpha:
    """Soft alpha HxW at the picture's size."""
    shape = picture.pixels.shape[:2]
    if picture.own_alpha is not None:
        alpha = picture.own_alpha
    elif found.how == "whole":
        alpha = np.ones(shape, np.float32)
    else:
        seen = images.shrink(picture.pixels, max_side_px=WORK_SIDE_PX)
        alpha = view_alpha(refine.unmixed(seen, refine.refine(seen, view_alpha(found.probability, seen.shape[:2]))), shape)
    return alpha if found.strokes is None else found.strokes.on(alpha)


def cutout(picture: Picture, found: Found, *, crop: bool) -> RGBA:
    """HxWx4 of the upright picture's size, or cut to the subject."""
    alpha = full_alpha(picture, found)
    box = masks.box_xyxy(alpha > 0.02) if crop else None
    left, top, right, bottom = box or (0, 0, alpha.shape[1], alpha.shape[0])
    part = alpha[top:bottom, left:right]
    colours = picture.pixels[top:bottom, left:right]
    if found.how not in ("alpha", "whole"):
        colours = refine.foreground_colours(colours, part)
    return np.dstack([colours, np.rint(part * 255).astype(np.uint8)])


def sticker(picture: Picture, found: Found, look: Look, *, box_xyxy: tuple[int, int, int, int] | None = None) -> RGBA:
    """The finished sticker: cropped, scaled, then edges, outline and caption at the final size.

    `box_xyxy` (picture px) is what to crop to; by default the subject's own box. The frames of an animation share one.
    """
    caption = composer.laid_out_caption(look)
    left, top, right, bottom = box_xyxy or subject_box(found.probability, picture.pixels.shape[:2])
    crop = picture.pixels[top:bottom, left:right]
    size_wh = composer.fit((right - left, bottom - top), composer.content_wh(look, caption))
    pixels = resized(crop, size_wh)
    alpha = _alpha_at(picture, found, (left, top, right, bottom), size_wh)
    if found.how not in ("alpha", "whole"):
        alpha = refine.unmixed(pixels, refine.refine(pixels, alpha))
    if found.strokes is not None:
        height, width = picture.pixels.shape[:2]
        alpha = found.strokes.on(alpha, (left / width, top / height, right / width, bottom / height))
    if found.how not in ("alpha", "whole"):
        pixels = refine.foreground_colours(pixels, alpha)
    return composer.compose(pixels, alpha, look, caption)


def enlarges(picture: Picture, found: Found, look: Look) -> bool:
    """Whether the subject has fewer px in the picture than on the sticker."""
    left, top, right, bottom = subject_box(found.probability, picture.pixels.shape[:2])
    size_wh = composer.fit((right - left, bottom - top), composer.content_wh(look, composer.laid_out_caption(look)))
    return size_wh[0] > right - left


def subject_box(probability: Alpha, picture_hw: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Box of the subject in the picture's px with room for its soft edge."""
    box = masks.box_xyxy(probability >= 0.5) or (0, 0, probability.shape[1], probability.shape[0])
    scale_x, scale_y = picture_hw[1] / probability.shape[1], picture_hw[0] / probability.shape[0]
    room = 0.015 * max(box[2] - box[0], box[3] - box[1])
    left, right = max(0.0, (box[0] - room) * scale_x), min(float(picture_hw[1]), (box[2] + room) * scale_x)
    top, bottom = max(0.0, (box[1] - room) * scale_y), min(float(picture_hw[0]), (box[3] + room) * scale_y)
    return int(left), int(top), max(int(left) + 1, int(np.ceil(right))), max(int(top) + 1, int(np.ceil(bottom)))


def resized(pixels: RGB, size_wh: tuple[int, int]) -> RGB:
    """HxWx3 at `size_wh`: area-averaged when shrinking, cubic when growing."""
    method = cv2.INTER_AREA if size_wh[0] < pixels.shape[1] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(pixels, size_wh, interpolation=method), np.uint8)


def _alpha_at(picture: Picture, found: Found, box: tuple[int, int, int, int], size_wh: tuple[int, int]) -> Alpha:
    """The part of the alpha within `box` (picture px) at `size_wh`."""
    height, width = picture.pixels.shape[:2]
    source = picture.own_alpha if picture.own_alpha is not None else found.probability
    return sampled(source, (box[0] / width, box[1] / height, box[2] / width, box[3] / height), size_wh[::-1])


def sampled(source: Alpha, box_xyxy: tuple[float, float, float, float], shape_hw: tuple[int, ...]) -> Alpha:
    """The part `box_xyxy` (in 0..1) of `source` (HxW) at `shape_hw`."""
    height, width = source.shape
    left, top, right, bottom = box_xyxy[0] * width, box_xyxy[1] * height, box_xyxy[2] * width, box_xyxy[3] * height
    step_x, step_y = (right - left) / shape_hw[1], (bottom - top) / shape_hw[0]
    size_wh = (shape_hw[1], shape_hw[0])
    if step_x > 1.5:  # shrinking: average, or fine alpha would alias
        part = source[round(top) : max(round(top) + 1, round(bottom)), round(left) : max(round(left) + 1, round(right))]
        return np.asarray(cv2.resize(part, size_wh, interpolation=cv2.INTER_AREA), np.float32)
    matrix = np.array([[step_x, 0, left + 0.5 * step_x - 0.5], [0, step_y, top + 0.5 * step_y - 0.5]], np.float32)
    warped = cv2.warpAffine(source, matrix, size_wh, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(warped, np.float32)


# --- whole requests


def look_of(options: StickerOptions, *, background: RGB | None = None) -> Look:
    """How the caller wants the sticker to look, on the platform's canvas; `background` is a picture (HxWx3) that fills it.

    Raises `InputError` for such a picture behind a layout, which has a background of its own.
    """
    if background is not None and options.layout != "sticker":
        raise InputError(f"background_picture: expected layout=sticker beside it, got {options.layout}; leave one of them out")
    rules = FORMATS[options.platform]
    return Look(
        side_px=rules.side_px,
        margin_px=rules.margin_px if options.margin_px is None else options.margin_px,
        square=rules.square,
        outline_px=rules.outline_px if options.outline_px is None else options.outline_px,
        outline_rgb=rgb(options.outline_colour),
        caption=options.caption,
        font=options.font,
        caption_rgb=None if options.caption_colour is None else rgb(options.caption_colour),
        caption_shape=options.caption_shape,
        caption_at=options.caption_at,
        shadow=options.shadow,
        background_rgb=() if options.background == "transparent" else tuple(rgb(colour) for colour in options.background.split(",")),
        background_picture=background,
    )


def make_sticker(
    picture: Picture,
    models: Models,
    options: StickerOptions,
    *,
    strokes: Strokes | None = None,
    background: RGB | None = None,
    whole: Callable[[], Picture] | None = None,
    timer: StageTimer = untimed,
) -> Made:
    """A picture to a finished sticker file; `whole` decodes a reduced picture at its full size. Raises `NothingFound`, `InputError` for the caption."""
    look = look_of(options, background=background)
    found = find(picture, models, subject=options.subject, fallback=options.fallback, strokes=strokes, timer=timer)
    if whole is not None and picture.reduced and enlarges(picture, found, look):
        picture = whole()
    if options.layout != "sticker":
        return _made_layout(picture, found, look, options, options.layout, timer=timer)
    with timer("compose"):
        pixels = sticker(picture, found, look)
    with timer("encode"):
        exported = export.to_format(pixels, FORMATS[options.platform], title=options.caption or "sticker")
    return Made(exported=exported, found=found)


def _made_layout(picture: Picture, found: Found, look: Look, options: StickerOptions, layout: Layout, *, timer: StageTimer) -> Made:
    with timer("compose"):
        square = sticker(picture, found, layouts.look_of(look, layout, margin_px=options.margin_px))
        pixels = layouts.placed(square, layout, look)
    with timer("encode"):
        exported = layouts.encode(pixels, png=options.platform == "png")
    return Made(exported=exported, found=found)


def make_cutout(picture: Picture, models: Models, options: CutoutOptions, *, strokes: Strokes | None = None, timer: StageTimer = untimed) -> Made:
    """A picture to a transparent cut-out file. Raises `NothingFound`."""
    found = find(picture, models, subject=options.subject, fallback=options.fallback, strokes=strokes, timer=timer)
    with timer("compose"):
        pixels = cutout(picture, found, crop=options.crop)
    with timer("encode"):
        exported = export.to_png(pixels) if options.format == "png" else export.to_webp_lossless(pixels)
    return Made(exported=exported, found=found)


def rgb(colour: str) -> tuple[int, int, int]:
    """`#rrggbb` to three bytes."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
