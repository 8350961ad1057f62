"""What is cut out: by a point, a box, what stands out in colour, and a person's brush."""

import cv2
import numpy as np
import pytest
from test_serving_pipeline import Sure, disc

from serving import pipeline
from serving.options import CutoutOptions, StickerOptions
from serving.pipeline import Models, Picture, Strokes
from sticker_studio import masks
from sticker_studio.errors import NothingFound
from sticker_studio.subjects import Box, Tap
from sticker_studio.types import RGB, Detection, Mask

WIDE, HIGH = 600, 400
LEFT, RIGHT, SMALL = disc(WIDE, HIGH, x=0.25, radius=0.22), disc(WIDE, HIGH, x=0.75, radius=0.22), disc(WIDE, HIGH, x=0.5, y=0.85, radius=0.05)
COLOURS = ((220, 40, 40), (230, 190, 40), (70, 60, 220))


def scene(*truths: Mask) -> RGB:
    """Discs, each in its own colour, on green."""
    pixels = np.full((HIGH, WIDE, 3), (30, 160, 60), np.float32)
    for truth, colour in zip(truths, COLOURS, strict=False):
        soft = cv2.GaussianBlur(truth.astype(np.float32), (0, 0), 1.0)[..., None]
        pixels = np.array(colour) * soft + pixels * (1 - soft)
    return np.rint(pixels).astype(np.uint8)


class ColourFinder:
    """A segmentor that sees a disc by its colour, if it is at least `min_px` px wide in the picture that it is shown."""

    def __init__(self, *, min_px: int = 30) -> None:
        self.min_px = min_px

    def segment(self, image: RGB) -> list[Detection]:
        found = []
        for score, colour in zip((0.9, 0.6, 0.5), COLOURS, strict=True):
            mask = (np.abs(image.astype(int) - np.array(colour)) < 40).all(axis=2)
            box = masks.box_xyxy(mask)
            if box is not None and box[2] - box[0] >= self.min_px:
                found.append(Detection(subject_class="object", score=score, box_xyxy=box, probability=np.where(mask, 0.95, 0.05).astype(np.float32)))
        return found


PICTURE = Picture(pixels=scene(LEFT, RIGHT, SMALL))
MODELS = Models(classifier=Sure("normal"), segmentors={"anime": ColourFinder(), "normal": ColourFinder()})


def cut(**options: object) -> Mask:
    """What `POST /cutout` cuts out of the three discs."""
    strokes = options.pop("strokes", None)
    chosen = CutoutOptions(crop=False, **options)
    found = pipeline.find(PICTURE, MODELS, subject=chosen.subject, fallback=chosen.fallback, strokes=strokes)  # type: ignore[arg-type]
    return np.asarray(pipeline.cutout(PICTURE, found, crop=False)[..., 3] >= 128)


def test_a_tap_cuts_out_the_subject_under_it_alone() -> None:
    assert masks.iou(cut(subject="0.25,0.5"), LEFT) > 0.95
    assert masks.iou(cut(subject="0.75,0.5"), RIGHT) > 0.95


def test_a_tap_on_what_is_too_small_to_be_seen_at_once_looks_more_closely() -> None:
    assert not (cut() & SMALL).any()
    assert masks.iou(cut(subject="0.5,0.85"), SMALL) > 0.9


def test_a_tap_on_nothing_is_told_with_what_may_stand_in() -> None:
    with pytest.raises(NothingFound, match=r"at that point.*fallback=saliency"):
        cut(subject="0.5,0.1")


def test_a_box_cuts_out_what_is_in_it_and_nothing_beyond_it() -> None:
    assert masks.iou(cut(subject="0.55,0.1,0.95,0.9"), RIGHT) > 0.95
    half = cut(subject="0.75,0.1,0.95,0.9")
    assert not half[:, : int(0.74 * WIDE)].any()
    assert masks.iou(half, RIGHT & (np.arange(WIDE) >= 0.75 * WIDE)) > 0.9


def test_a_detection_in_a_window_is_told_in_the_whole_pictures_place() -> None:
    found = pipeline.find(PICTURE, MODELS, subject=Box(0.55, 0.1, 0.95, 0.9))
    (detection,) = found.detections
    height, width = found.probability.shape
    box = masks.box_xyxy(detection.probability >= 0.5)
    assert box is not None
    assert np.allclose(np.array(box) / (width, height, width, height), np.array(detection.box_xyxy) / (width, height, width, height), atol=0.01)
    assert abs((box[0] + box[2]) / 2 / width - 0.75) < 0.01


@pytest.mark.parametrize("subject", ["0.5", "1,2,3", "0.5,1.5", "0.9,0.1,0.2,0.5", "nan,0.5", "0.1,0.1,0.1,0.9", "smallest", ""])
def test_a_subject_that_is_none_is_refused_with_the_ways_to_name_one(subject: str) -> None:
    with pytest.raises(ValueError, match="expected all, largest, a point x,y or a box left,top,right,bottom"):
        StickerOptions(subject=subject)


BLIND = Models(classifier=Sure("normal"), segmentors={"anime": ColourFinder(min_px=9999), "normal": ColourFinder(min_px=9999)})
LONE = Picture(pixels=scene(LEFT))


def test_what_no_network_sees_is_refused_unless_a_fallback_stands_in_and_is_named() -> None:
    with pytest.raises(NothingFound, match="fallback=whole"):
        pipeline.find(LONE, BLIND, subject="all")
    salient = pipeline.find(LONE, BLIND, subject="all", fallback="saliency")
    assert salient.how == "saliency"
    assert masks.iou(pipeline.full_alpha(LONE, salient) >= 0.5, LEFT) > 0.9
    whole = pipeline.find(LONE, BLIND, subject="all", fallback="whole")
    assert (whole.how, float(pipeline.full_alpha(LONE, whole).min())) == ("whole", 1.0)


@pytest.mark.parametrize(("subject", "truth"), [(Tap(0.75, 0.5), RIGHT), (Box(0.55, 0.1, 0.95, 0.9), RIGHT)], ids=["under the tap", "in the box"])
def test_saliency_keeps_to_the_place_that_was_named(subject: Tap | Box, truth: Mask) -> None:
    found = pipeline.find(PICTURE, BLIND, subject=subject, fallback="saliency")
    assert masks.iou(pipeline.full_alpha(PICTURE, found) >= 0.5, truth) > 0.9


def test_saliency_finds_nothing_in_one_colour() -> None:
    with pytest.raises(NothingFound, match=r"nothing by saliency.*fallback=whole"):
        pipeline.find(Picture(pixels=scene()), BLIND, subject="all", fallback="saliency")


def brushed(truth: Mask, *, scale: float = 0.5) -> np.ndarray:  # type: ignore[type-arg]
    """A stroke over `truth` as a client sends it: of another size than the picture."""
    return cv2.resize(truth.astype(np.float32), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def test_a_brush_erases_and_restores_exactly_where_it_went() -> None:
    right_half, patch = RIGHT & (np.arange(WIDE) >= 0.75 * WIDE), disc(WIDE, HIGH, x=0.5, y=0.2, radius=0.1)
    mended = cut(strokes=Strokes(erase=brushed(right_half), restore=brushed(patch)))
    assert masks.iou(mended, ((LEFT | RIGHT) & ~right_half) | patch) > 0.96


def test_a_brush_may_cut_out_what_no_network_saw() -> None:
    found = pipeline.find(LONE, BLIND, subject="all", strokes=Strokes(restore=brushed(LEFT)))
    assert (found.how, found.subjects) == ("strokes", 0)
    assert masks.iou(pipeline.full_alpha(LONE, found) >= 0.5, LEFT) > 0.95


def test_erasing_everything_is_told() -> None:
    with pytest.raises(NothingFound, match="erase less"):
        cut(strokes=Strokes(erase=np.ones((10, 10), np.float32)))


def test_a_sticker_is_framed_by_what_the_brush_left() -> None:
    """Of two discs one is erased: the other fills the sticker."""
    both = pipeline.make_sticker(PICTURE, MODELS, StickerOptions(platform="png"))
    one = pipeline.make_sticker(PICTURE, MODELS, StickerOptions(platform="png"), strokes=Strokes(erase=brushed(RIGHT, scale=1.5)))
    sizes = [masks.box_xyxy(pipeline.decode(made.exported.data, max_bytes=10**7, max_pixels=10**6).own_alpha > 0.5) for made in (both, one)]  # type: ignore[operator]
    tall = [box[3] - box[1] for box in sizes if box]
    assert tall[1] > 1.8 * tall[0]


def test_strokes_hold_on_a_picture_with_transparency_of_its_own() -> None:
    picture = Picture(pixels=scene(LEFT), own_alpha=LEFT.astype(np.float32))
    lower = np.repeat(np.arange(HIGH)[:, None] > HIGH / 2, WIDE, axis=1)
    found = pipeline.find(picture, BLIND, subject="all", strokes=Strokes(erase=brushed(lower)))
    assert masks.iou(pipeline.full_alpha(picture, found) >= 0.5, LEFT & ~lower) > 0.98
