"""An animated picture becomes an animated sticker: within each platform's limits, steady, its captions still, its frames in order."""

import io
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from PIL import Image

from serving import animation, clips, formats
from serving.animation import Limits, timeline
from serving.clips import Clip
from serving.formats import MOTIONS, Platform
from serving.options import StickerOptions
from serving.pipeline import Found, Models, Picture
from sticker_studio import masks
from sticker_studio.errors import InputError, InputTooLarge, NothingFound, UndecodableImage, UnsupportedInput
from sticker_studio.types import RGB, RGBA, Detection, Style

MOVING: list[Platform] = list(MOTIONS)
ENCODINGS = ["GIF", "PNG", "WEBP"]


class Redness:
    """A segmentor whose subject is what is red. Where `blind` says so it sees nothing in that look."""

    def __init__(self, blind: Sequence[int] = ()) -> None:
        self.looks, self.blind = 0, blind

    def segment(self, image: RGB) -> list[Detection]:
        self.looks += 1
        if self.looks - 1 in self.blind:
            return []
        red = 1 / (1 + np.exp(-(image[..., 0].astype(np.float32) - image[..., 1] - 60) / 10))
        return [Detection(subject_class="object", score=0.9, box_xyxy=(0, 0, 1, 1), probability=red)]


class Undecided:
    """A classifier that changes its mind at every look."""

    def __init__(self) -> None:
        self.looks = 0

    def probabilities(self, image: RGB) -> dict[Style, float]:
        self.looks += 1
        return {"anime": 1.0, "normal": 0.0} if self.looks % 2 else {"anime": 0.0, "normal": 1.0}


class Never:
    """A segmentor that must not be asked."""

    def segment(self, image: RGB) -> list[Detection]:
        raise AssertionError("the other style's segmentor was asked")


def models(**options: Any) -> Models:
    return Models(classifier=Undecided(), segmentors={"anime": Redness(**options), "normal": Never()})


def ball(k: int, count: int, *, wh: tuple[int, int] = (200, 120), clear: bool = False) -> Image.Image:
    """A red ball on its way from left to right over blue, or over nothing."""
    width, height = wh
    rows, columns = np.mgrid[:height, :width]
    inside = np.hypot(columns - (40 + k * (width - 80) / max(1, count - 1)), rows - height / 2) < 28
    pixels = np.zeros((height, width, 4), np.uint8)
    pixels[...] = (30, 60, 200, 0 if clear else 255)
    pixels[inside] = (225, 40, 35, 255)
    pixels[rows % 12 < 3, 0] //= 2
    return Image.fromarray(pixels)


def animated(count: int, *, ms: int | list[int] = 80, encoding: str = "GIF", clear: bool = False, **options: Any) -> bytes:
    frames = [ball(k, count, clear=clear) for k in range(count)]
    if not clear:
        frames = [frame.convert("RGB") for frame in frames]
    buffer = io.BytesIO()
    extra = {"disposal": 2} if clear and encoding == "GIF" else {}
    frames[0].save(buffer, encoding, save_all=True, append_images=frames[1:], duration=ms, loop=0, **extra, **options)
    return buffer.getvalue()


def made(data: bytes, platform: Platform = "webp", models_: Models | None = None, **options: Any) -> bytes:
    chosen = StickerOptions.model_validate({"platform": platform} | options)
    return animation.make(data, models_ or models(), chosen).exported.data


def middles(frames: Sequence[RGBA]) -> list[tuple[float, float]]:
    """Middle of the red of each frame."""
    found = []
    for frame in frames:
        rows, columns = np.nonzero((frame[..., 3] > 128) & (frame[..., 0] > 150) & (frame[..., 1] < 120))
        found.append((float(columns.mean()), float(rows.mean())))
    return found


# --- what is animated


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_animation_is_told_from_a_still(encoding: str) -> None:
    still = io.BytesIO()
    ball(0, 2).convert("RGB").save(still, encoding)
    assert animation.is_animated(animated(3, encoding=encoding))
    assert not animation.is_animated(still.getvalue())


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"not a picture", animated(3)[:30]], ids=["empty", "header", "text", "cut-off"])
def test_what_cannot_be_read_is_not_animated(data: bytes) -> None:
    assert not animation.is_animated(data)


def test_a_sticker_moves_where_the_input_does_and_the_caller_and_the_platform_let_it() -> None:
    assert animation.wanted(animated(3), StickerOptions())
    assert not animation.wanted(animated(3), StickerOptions(platform="svg"))
    assert not animation.wanted(animated(3), StickerOptions(animated=False))
    assert not animation.wanted(animated(3), StickerOptions(layout="banner"))
    assert not animation.wanted(b"", StickerOptions())


# --- the whole way


@pytest.mark.parametrize("platform", MOVING)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_animated_input_gives_a_sticker_that_each_platform_takes(platform: Platform, encoding: str) -> None:
    data = made(animated(6, encoding=encoding), platform)
    assert formats.problems(data, platform) == []
    assert formats.is_moving(data)
    travel = [x for x, _ in middles(formats.frames_of(data))]
    assert len(travel) == 6
    assert all(after > before + 5 for before, after in pairwise(travel))


def test_the_sticker_does_not_jump_and_its_caption_stands_still() -> None:
    frames = formats.frames_of(made(animated(6), "png", caption="Rolling"))
    ways = middles(frames)
    steps = np.diff([x for x, _ in ways])
    assert np.ptp(steps) < 4  # the ball rolls evenly
    assert np.ptp([y for _, y in ways]) < 2
    caption = [frame[330:] for frame in frames]
    assert all((part == caption[0]).mean() > 0.999 for part in caption)
    assert (caption[0][..., 3] > 0).sum() > 2000


def test_the_style_is_decided_once() -> None:
    undecided = models()
    made(animated(8), "webp", undecided)
    assert isinstance(undecided.classifier, Undecided)
    assert undecided.classifier.looks == 3


def test_a_frame_in_which_nothing_is_found_takes_its_neighbours_mask() -> None:
    frames = formats.frames_of(made(animated(6, ms=100), "png", models(blind=(2,))))
    areas = [int((frame[..., 3] > 128).sum()) for frame in frames]
    assert min(areas) > 0.5 * max(areas)


def rolling(count: int, *, wh: tuple[int, int] = (200, 120)) -> tuple[list[Picture], list[Found]]:
    """Frames of the rolling ball, and what a perfect segmentor finds in them."""
    pictures = [Picture(pixels=np.asarray(ball(k, count, wh=wh).convert("RGB"))) for k in range(count)]
    masks_ = [(picture.small[..., 0].astype(int) - picture.small[..., 2] > 0).astype(np.float32) for picture in pictures]
    return pictures, [Found(style="anime", style_probability=1.0, probability=mask, how="segmentor") for mask in masks_]


def test_a_flicker_of_one_frame_is_damped_and_what_moves_stays_sharp() -> None:
    pictures, found = rolling(9)
    hole = found[4].probability.copy()
    hole[:, :100] *= 0.2
    steady = animation.steadied(pictures, [*found[:4], replace(found[4], probability=hole), *found[5:]])
    lost = (found[4].probability > 0.5) & (hole < 0.5)
    assert lost.sum() > 500
    assert steady[4].probability[lost].mean() > 0.5
    for before, after in zip(found, animation.steadied(pictures, found), strict=True):
        assert masks.iou(before.probability >= 0.5, after.probability >= 0.5) > 0.97


def test_beyond_a_cut_a_frame_is_not_believed() -> None:
    pictures, found = rolling(4)
    other = Picture(pixels=np.full((120, 200, 3), (20, 200, 40), np.uint8))
    nothing = replace(found[0], probability=np.zeros((120, 200), np.float32))
    steady = animation.steadied([*pictures[:2], other, other], [*found[:2], nothing, nothing])
    assert masks.iou(steady[1].probability >= 0.5, found[1].probability >= 0.5) > 0.97
    assert not (steady[2].probability >= 0.5).any()


@pytest.mark.parametrize("wh", [(16, 16), (16, 400), (400, 17)])
def test_small_and_narrow_frames_are_steadied_too(wh: tuple[int, int]) -> None:
    pictures, found = rolling(3, wh=wh)
    assert [each.probability.shape for each in animation.steadied(pictures, found)] == [each.probability.shape for each in found]


def test_an_animation_without_any_subject_is_told_so_unless_a_fallback_is_asked_for() -> None:
    with pytest.raises(NothingFound, match="found none"):
        made(animated(4), "webp", models(blind=range(100)))
    frames = formats.frames_of(made(animated(4), "webp", models(blind=range(100)), fallback="whole"))
    assert len(frames) == 4
    assert all((frame[..., 3] > 128).mean() > 0.4 for frame in frames)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_animation_with_transparency_keeps_its_own_and_no_network_looks(encoding: str) -> None:
    without_finder = Models(classifier=Undecided(), segmentors={"anime": Never(), "normal": Never()})
    frames = formats.frames_of(made(animated(5, encoding=encoding, clear=True), "png", without_finder, outline_px=0))
    areas = [int((frame[..., 3] > 128).sum()) for frame in frames]
    assert np.ptp(areas) < 0.05 * max(areas)
    boxes = [masks.box_xyxy(frame[..., 3] > 128) for frame in frames]
    widths = [box[2] - box[0] for box in boxes if box]
    heights = [box[3] - box[1] for box in boxes if box]
    assert abs(float(np.mean(widths)) - float(np.mean(heights))) < 5  # a ball, not a trail


def test_the_apngs_still_for_old_viewers_is_not_part_of_the_sticker() -> None:
    buffer = io.BytesIO()
    still = Image.new("RGB", (200, 120), (0, 0, 0))
    still.save(buffer, "PNG", save_all=True, default_image=True, append_images=[ball(k, 4).convert("RGB") for k in range(4)], duration=80, loop=0)
    assert len(formats.frames_of(made(buffer.getvalue(), "png"))) == 4


def test_an_animation_in_which_nothing_moves_becomes_a_still_sticker() -> None:
    buffer = io.BytesIO()
    frames = [ball(1, 3).convert("RGB") for _ in range(3)]
    frames[1].putpixel((199, 119), (0, 0, 0))  # far from the subject, and it is cut away
    frames[0].save(buffer, "PNG", save_all=True, append_images=frames[1:], duration=80, loop=0)
    data = made(buffer.getvalue(), "whatsapp")
    assert formats.problems(data, "whatsapp") == []
    assert not formats.is_moving(data)


def test_a_telegram_sticker_has_no_margin_on_its_shorter_side_and_its_alpha_comes_back() -> None:
    frames = formats.frames_of(made(animated(5), "telegram"))
    assert frames[0].shape[1] == 512
    assert frames[0].shape[0] < 300
    corners = [int(frame[..., 3][y, x]) for frame in frames for y in (0, -1) for x in (0, -1)]
    assert max(corners) < 20
    assert all(frame[..., 3].max() > 250 for frame in frames)


def test_an_svg_does_not_move() -> None:
    with pytest.raises(UnsupportedInput, match="whatsapp"):
        made(animated(3), "svg")


# --- time


def test_a_short_animation_keeps_its_frames_and_their_pace() -> None:
    line = timeline([100.0] * 8, max_s=3, max_fps=30, most=60)
    assert line.order == tuple(range(8))
    assert line.duration_ms == 800


def test_frames_of_different_length_keep_their_length() -> None:
    line = timeline([300.0, 100.0, 100.0], max_s=3, max_fps=30, most=60)
    assert line.order == (0, 0, 0, 1, 2)
    data = made(animated(3, ms=[300, 100, 100]), "png")
    assert np.diff(formats.look(data).times_ms).tolist() == [300, 100, 100]


def test_what_is_a_little_too_long_is_played_faster_and_what_is_far_too_long_is_cut() -> None:
    faster = timeline([100.0] * 40, max_s=3, max_fps=30, most=100)
    assert faster.order[-1] == 39
    assert faster.duration_ms <= 3000
    cut = timeline([100.0] * 200, max_s=3, max_fps=30, most=100)
    assert cut.order[-1] < 46
    assert cut.duration_ms <= 3000


def test_no_more_frames_a_second_than_allowed_and_no_more_in_all() -> None:
    line = timeline([20.0] * 100, max_s=3, max_fps=30, most=1000)
    assert len(line.order) / line.duration_ms * 1000 <= 30
    assert len(timeline([20.0] * 100, max_s=3, max_fps=30, most=12).order) == 12


def test_a_long_fast_animation_is_taken_within_the_limits_of_every_platform() -> None:
    data = animated(120, ms=20)
    for platform in ("telegram", "whatsapp"):
        sticker = animation.make(data, models(), StickerOptions(platform=platform), limits=Limits(max_cut_frames=10)).exported.data
        assert formats.problems(sticker, platform) == []
        assert 8 <= formats.look(sticker).frames <= 10


# --- limits of the input


@pytest.mark.parametrize(
    ("limits", "problem"),
    [
        pytest.param(Limits(max_frames=9), "at most 9 frames, got 10", id="frames"),
        pytest.param(Limits(max_pixels=200 * 120 - 1), "frames of at most 23999 pixels", id="pixels"),
        pytest.param(Limits(max_total_pixels=200 * 120 * 9), "pixels in all frames", id="all-pixels"),
        pytest.param(Limits(max_bytes=100), "at most 100 bytes", id="bytes"),
    ],
)
def test_an_input_beyond_a_limit_is_refused(limits: Limits, problem: str) -> None:
    with pytest.raises(InputTooLarge, match=problem):
        animation.decode(animated(10), limits=limits, max_s=10)


def test_frames_too_small_to_see_anything_in_are_refused() -> None:
    buffer = io.BytesIO()
    frames = [Image.new("RGB", (15, 200), colour) for colour in ("red", "blue")]
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    with pytest.raises(InputError, match="at least 16 px a side, got 15x200"):
        animation.decode(buffer.getvalue(), limits=Limits(), max_s=10)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_damaged_animation_is_refused(encoding: str) -> None:
    data = animated(6, encoding=encoding)
    with pytest.raises(UndecodableImage, match="expected a whole"):
        animation.decode(data[: len(data) // 2], limits=Limits(), max_s=10)


def test_memory_holds_no_more_frames_than_may_be_cut_out_twice() -> None:
    frames = animation.decode(animated(100), limits=Limits(max_cut_frames=10), max_s=10)
    assert 10 <= len(frames.pixels) <= 20
    assert sum(frames.durations_ms) == 8000


# --- limits of the file


def noise(side: int, count: int, duration_ms: int) -> Clip:
    rng = np.random.default_rng(3)
    frames = tuple(rng.integers(0, 256, (side, side, 4)).astype(np.uint8) for _ in range(count))
    return Clip(frames=frames, order=tuple(range(count)), duration_ms=duration_ms)


@pytest.mark.parametrize("platform", [platform for platform in MOVING if MOTIONS[platform].max_bytes])
def test_even_noise_fits_the_byte_limit_in_few_encodes(platform: Platform) -> None:
    exported = clips.encode(noise(formats.FORMATS[platform].side_px, 5, 2900), platform)
    assert formats.problems(exported.data, platform) == []
    assert formats.is_moving(exported.data)
    assert exported.encodes <= 6


def test_an_apng_keeps_colours_and_soft_edges() -> None:
    rows, columns = np.mgrid[:256, :256]
    frames = []
    for k in range(3):
        alpha = np.clip(100 - np.hypot(columns - 110 - 15 * k, rows - 128), 0, 1)
        frames.append(np.dstack([columns, rows, np.full_like(rows, 90), alpha * 255]).astype(np.uint8))
    clip = Clip(frames=tuple(frames), order=(0, 1, 2), duration_ms=300)
    for before, after in zip(frames, formats.frames_of(clips._apng(clip, 256)), strict=True):
        solid = before[..., 3] == 255
        error = np.abs(before[solid].astype(int) - after[solid])
        assert error.mean() < 5
        assert np.abs(before[..., 3].astype(int) - after[..., 3]).max() < 45
