"""From a picture's bytes to a cut-out or a sticker; pure: no files, no network, no clock but the stage timer handed in."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal, Protocol

import cv2
import numpy as np

from serving import composer, export
from serving.composer import Look
from serving.formats import FORMATS
from serving.options import CutoutOptions, StickerOptions
from sticker_studio import images, masks, refine, subjects
from sticker_studio.errors import NothingFound
from sticker_studio.subjects import Subject
from sticker_studio.types import RGB, RGBA, STYLES, Alpha, Detection, Style

WORK_SIDE_PX: Final = 1024
"""Cut-outs are refined on a view of at most this side."""
LOOK_SIDE_PX: Final = 384
"""Subjects are sought on a view of at most this side: the networks see less, and what is found must be joined and cleaned at this size."""
_SEEN_THROUGH: Final = 0.01

How = Literal["segmentor", "alpha", "whole"]
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

    @cached_property
    def small(self) -> RGB:
        """What the networks look at: the picture scaled down to `LOOK_SIDE_PX`."""
        return images.shrink(self.pixels, max_side_px=LOOK_SIDE_PX)


@dataclass(frozen=True, kw_only=True)
class Found:
    """What to cut out of a picture: `probability` is HxW of the picture, or of the picture scaled down."""

    style: Style
    style_probability: float
    probability: Alpha
    how: How
    subjects: int


@dataclass(frozen=True, kw_only=True)
class Made:
    """A finished file and what made it."""

    exported: export.Exported
    found: Found


# --- steps


def decode(data: bytes, *, max_bytes: int, max_pixels: int) -> Picture:
    """Bytes to an upright picture. Errors as `images.open_upright`."""
    image = images.open_upright(data, max_bytes=max_bytes, max_pixels=max_pixels)
    if image.mode == "RGB":
        return Picture(pixels=np.asarray(image))
    rgba = np.asarray(image)
    alpha = rgba[..., 3].astype(np.float32) / np.float32(255)
    seen_through = float((alpha < 0.5).mean())
    if _SEEN_THROUGH <= seen_through <= 1 - subjects.MIN_SUBJECT_SHARE:
        return Picture(pixels=np.ascontiguousarray(rgba[..., :3]), own_alpha=alpha)
    return Picture(pixels=over_white(rgba))


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


def find(picture: Picture, models: Models, *, subject: Subject, whole: bool, timer: StageTimer = untimed) -> Found:
    """What to cut out. Raises `NothingFound` with the remedy, unless `whole` lets the whole picture stand in."""
    with timer("classify"):
        style, probability = style_of(picture, models.classifier)
    if picture.own_alpha is not None:
        seen = view_alpha(picture.own_alpha, images.shrink(picture.pixels, max_side_px=WORK_SIDE_PX).shape[:2])
        return Found(style=style, style_probability=probability, probability=seen, how="alpha", subjects=1)
    with timer("segment"):
        seen_pixels = picture.small
        chosen = subjects.choose(models.segmentors[style].segment(seen_pixels), subject)
        joined = subjects.join(chosen, seen_pixels.shape[:2])
    if joined is not None:
        return Found(style=style, style_probability=probability, probability=joined, how="segmentor", subjects=len(chosen))
    if not whole:
        raise NothingFound(
            f"expected a subject that stands out, found none with the {style} model; crop the picture closer to the subject, or send fallback=whole"
        )
    return Found(style=style, style_probability=probability, probability=np.ones(seen_pixels.shape[:2], np.float32), how="whole", subjects=0)


def full_alpha(picture: Picture, found: Found) -> Alpha:
    """Soft alpha HxW at the picture's size."""
    if picture.own_alpha is not None:
        return picture.own_alpha
    if found.how == "whole":
        return np.ones(picture.pixels.shape[:2], np.float32)
    seen = images.shrink(picture.pixels, max_side_px=WORK_SIDE_PX)
    return view_alpha(refine.refine(seen, view_alpha(found.probability, seen.shape[:2])), picture.pixels.shape[:2])


def cutout(picture: Picture, found: Found, *, crop: bool) -> RGBA:
    """HxWx4 of the upright picture's size, or cut to the subject."""
    alpha = full_alpha(picture, found)
    box = masks.box_xyxy(alpha > 0.02) if crop else None
    left, top, right, bottom = box or (0, 0, alpha.shape[1], alpha.shape[0])
    part = alpha[top:bottom, left:right]
    colours = picture.pixels[top:bottom, left:right]
    if picture.own_alpha is None:
        colours = refine.foreground_colours(colours, part)
    return np.dstack([colours, np.rint(part * 255).astype(np.uint8)])


def sticker(picture: Picture, found: Found, look: Look) -> RGBA:
    """The finished sticker: cropped, scaled, then edges, outline and caption at the final size."""
    caption = composer.laid_out_caption(look)
    left, top, right, bottom = subject_box(found.probability, picture.pixels.shape[:2])
    crop = picture.pixels[top:bottom, left:right]
    size_wh = composer.fit((right - left, bottom - top), composer.content_wh(look, caption))
    pixels = resized(crop, size_wh)
    alpha = _alpha_at(picture, found, (left, top, right, bottom), size_wh)
    if found.how == "segmentor":
        alpha = refine.refine(pixels, alpha)
        pixels = refine.foreground_colours(pixels, alpha)
    return composer.compose(pixels, alpha, look, caption)


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
    source = picture.own_alpha if picture.own_alpha is not None else found.probability
    scale_x, scale_y = source.shape[1] / picture.pixels.shape[1], source.shape[0] / picture.pixels.shape[0]
    step_x, step_y = (box[2] - box[0]) * scale_x / size_wh[0], (box[3] - box[1]) * scale_y / size_wh[1]
    if step_x > 1.5:  # shrinking: average, or fine alpha would alias
        part = source[round(box[1] * scale_y) : round(box[3] * scale_y), round(box[0] * scale_x) : round(box[2] * scale_x)]
        return np.asarray(cv2.resize(part, size_wh, interpolation=cv2.INTER_AREA), np.float32)
    matrix = np.array([[step_x, 0, box[0] * scale_x + 0.5 * step_x - 0.5], [0, step_y, box[1] * scale_y + 0.5 * step_y - 0.5]], np.float32)
    warped = cv2.warpAffine(source, matrix, size_wh, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(warped, np.float32)


# --- whole requests


def make_sticker(picture: Picture, models: Models, options: StickerOptions, *, timer: StageTimer = untimed) -> Made:
    """A picture to a finished sticker file. Raises `NothingFound`, `InputError` for the caption."""
    rules = FORMATS[options.platform]
    look = Look(
        side_px=rules.side_px,
        margin_px=rules.margin_px,
        square=rules.square,
        outline_px=rules.outline_px if options.outline_px is None else options.outline_px,
        outline_rgb=rgb(options.outline_colour),
        caption=options.caption,
    )
    found = find(picture, models, subject=options.subject, whole=options.fallback == "whole", timer=timer)
    with timer("compose"):
        pixels = sticker(picture, found, look)
    with timer("encode"):
        exported = export.to_format(pixels, rules, title=options.caption or "sticker")
    return Made(exported=exported, found=found)


def make_cutout(picture: Picture, models: Models, options: CutoutOptions, *, timer: StageTimer = untimed) -> Made:
    """A picture to a transparent cut-out file. Raises `NothingFound`."""
    found = find(picture, models, subject=options.subject, whole=False, timer=timer)
    with timer("compose"):
        pixels = cutout(picture, found, crop=options.crop)
    with timer("encode"):
        exported = export.to_png(pixels) if options.format == "png" else export.to_webp_lossless(pixels)
    return Made(exported=exported, found=found)


def rgb(colour: str) -> tuple[int, int, int]:
    """`#rrggbb` to three bytes."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
