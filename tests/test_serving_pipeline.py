"""The pipeline's pure parts: edges, stickers, captions and files, on pictures drawn here."""

import io
from collections.abc import Sequence

import cv2
import numpy as np
import pytest
from PIL import Image

from serving import composer, export, pipeline
from serving.composer import Look
from serving.options import CutoutOptions, StickerOptions
from serving.pipeline import Models, Picture
from sticker_studio import masks, refine
from sticker_studio.errors import NothingFound
from sticker_studio.types import RGB, Alpha, Detection, Mask, Style


class Sure:
    """A classifier that always says the same."""

    def __init__(self, style: Style) -> None:
        self.style = style

    def probabilities(self, image: RGB) -> dict[Style, float]:
        return {"anime": 0.9 if self.style == "anime" else 0.1, "normal": 0.1 if self.style == "anime" else 0.9}


class Finder:
    """A segmentor that finds given masks, scaled to the picture and as soft as a network's."""

    def __init__(self, truths: Sequence[Mask], *, cell_px: int = 8) -> None:
        self.truths, self.cell_px = truths, cell_px
        self.seen: list[tuple[int, ...]] = []

    def segment(self, image: RGB) -> list[Detection]:
        self.seen.append(image.shape)
        return [Detection(subject_class="person", score=0.9, box_xyxy=(0, 0, 1, 1), probability=self._soft(truth, image.shape)) for truth in self.truths]

    def _soft(self, truth: Mask, shape: tuple[int, ...]) -> Alpha:
        cells = (max(1, shape[1] // self.cell_px), max(1, shape[0] // self.cell_px))
        small = cv2.resize(truth.astype(np.float32), cells, interpolation=cv2.INTER_AREA)
        logits = cv2.resize(12 * (small - 0.5), (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR)
        return np.asarray(1 / (1 + np.exp(-logits)), np.float32)


def disc(width: int, height: int, *, x: float = 0.5, y: float = 0.5, radius: float = 0.3) -> Mask:
    rows, columns = np.mgrid[:height, :width]
    return np.asarray((columns - width * x) ** 2 + (rows - height * y) ** 2 < (radius * min(width, height)) ** 2)


def drawn(truth: Mask, *, subject: tuple[int, int, int] = (220, 40, 40), ground: tuple[int, int, int] = (30, 160, 60)) -> RGB:
    """The subject on the ground with an antialiased border, as in any picture."""
    soft = cv2.GaussianBlur(truth.astype(np.float32), (0, 0), 1.0)[..., None]
    return np.rint(np.array(subject) * soft + np.array(ground) * (1 - soft)).astype(np.uint8)


def models(*truths: Mask, style: Style = "anime", cell_px: int = 8) -> Models:
    finder = Finder(truths, cell_px=cell_px)
    return Models(classifier=Sure(style), segmentors={"anime": finder, "normal": finder})


def made(truth: Mask, **options: object) -> np.ndarray:  # type: ignore[type-arg]
    result = pipeline.make_sticker(Picture(pixels=drawn(truth)), models(truth), StickerOptions.model_validate({"platform": "png"} | options))
    return np.asarray(Image.open(io.BytesIO(result.exported.data)))


SHAPES = [pytest.param(400, 260, id="landscape"), pytest.param(150, 420, id="portrait"), pytest.param(60, 40, id="small")]


# --- edges


def test_refined_edges_are_nearer_to_the_truth_than_the_networks() -> None:
    truth = disc(480, 320)
    coarse = Finder([truth], cell_px=12).segment(drawn(truth))[0].probability
    refined = refine.refine(drawn(truth), coarse)
    assert masks.iou(refined >= 0.5, truth) > max(0.99, masks.iou(coarse >= 0.5, truth))
    assert (refined[disc(480, 320, radius=0.25)] == 1).all()
    assert (refined[~disc(480, 320, radius=0.36)] == 0).all()


def test_refining_changes_nothing_far_from_the_border() -> None:
    noise = np.random.default_rng(3).integers(0, 255, (200, 300, 3), np.uint8)
    truth = disc(300, 200)
    refined = refine.refine(noise, Finder([truth]).segment(noise)[0].probability)
    assert masks.iou(refined >= 0.5, truth) > 0.9


def test_no_old_background_shines_through_a_soft_edge() -> None:
    truth = disc(300, 200)
    result = pipeline.make_cutout(Picture(pixels=drawn(truth)), models(truth), CutoutOptions(crop=False))
    pixels = np.asarray(Image.open(io.BytesIO(result.exported.data))).astype(int)
    edge = (pixels[..., 3] > 20) & (pixels[..., 3] < 250)
    assert edge.sum() > 100
    naive = drawn(truth).astype(int)
    assert pixels[edge][:, 1].mean() < 60 < naive[edge][:, 1].mean()


def test_specks_go_and_pinholes_close_but_real_parts_and_holes_stay() -> None:
    mask = disc(300, 200) | disc(300, 200, x=0.9, y=0.2, radius=0.1)
    mask[100:130, 140:170] = False
    expected = mask.copy()
    mask[5:8, 5:8], mask[80, 150] = True, False
    assert np.array_equal(refine.without_specks(mask), expected)


# --- finding


def test_the_largest_subject_or_all_of_them() -> None:
    big, small = disc(400, 260, x=0.3), disc(400, 260, x=0.8, radius=0.15)
    picture, three = Picture(pixels=drawn(big | small)), models(small, big)
    largest = pipeline.find(picture, three, subject="largest")
    everything = pipeline.find(picture, three, subject="all")
    assert masks.iou(pipeline.view_alpha(largest.probability, big.shape) >= 0.5, big) > 0.9
    assert masks.iou(pipeline.view_alpha(everything.probability, big.shape) >= 0.5, big | small) > 0.9
    assert (largest.subjects, everything.subjects) == (1, 2)


def test_nothing_or_a_mere_speck_is_nothing_found() -> None:
    empty = disc(400, 260, radius=0.02)
    for truths in ([], [empty]):
        with pytest.raises(NothingFound, match="fallback=whole"):
            pipeline.find(Picture(pixels=drawn(empty)), models(*truths, cell_px=1), subject="all")


def test_a_large_picture_is_looked_at_in_a_smaller_view_and_cut_out_at_its_own_size() -> None:
    truth = disc(1800, 1200)
    three = models(truth)
    result = pipeline.make_cutout(Picture(pixels=drawn(truth)), three, CutoutOptions(crop=False, format="webp"))
    finder = three.segmentors["anime"]
    assert isinstance(finder, Finder)
    assert finder.seen == [(256, 384, 3)]
    alpha = np.asarray(Image.open(io.BytesIO(result.exported.data)))[..., 3]
    assert alpha.shape == (1200, 1800)
    assert masks.iou(alpha >= 128, truth) > 0.98


def test_transparency_counts_only_where_it_means_something() -> None:
    pixels = drawn(disc(60, 40))

    def own_alpha(alpha: np.ndarray) -> Alpha | None:  # type: ignore[type-arg]
        buffer = io.BytesIO()
        Image.fromarray(np.dstack([pixels, alpha.astype(np.uint8)])).save(buffer, "PNG")
        return pipeline.decode(buffer.getvalue(), max_bytes=10**6, max_pixels=10**6).own_alpha

    assert own_alpha(disc(60, 40) * 255) is not None
    assert own_alpha(np.full((40, 60), 255)) is None
    assert own_alpha(np.full((40, 60), 0)) is None


# --- stickers


@pytest.mark.parametrize(("width", "height"), SHAPES)
@pytest.mark.parametrize("caption", ["", "Hello there, gentle reader"])
def test_a_sticker_keeps_its_margin_and_uses_its_room(width: int, height: int, caption: str) -> None:
    sticker = made(disc(width, height, radius=0.45), caption=caption)
    left, top, right, bottom = masks.box_xyxy(sticker[..., 3] > 8) or (0, 0, 0, 0)
    assert min(left, top, 512 - right, 512 - bottom) >= 16
    assert max(right - left, bottom - top) >= 512 - 2 * 16 - 24


@pytest.mark.parametrize("outline_px", [4, 8, 20])
def test_the_outline_is_as_wide_as_asked_at_the_stickers_size(outline_px: int) -> None:
    sticker = made(disc(200, 140, radius=0.45), outline_px=outline_px, outline_colour="#0000ff").astype(int)
    row = sticker[256]
    blue = (row[:, 2] > 180) & (row[:, 0] < 90) & (row[:, 3] > 128)
    left_run = int(np.argmin(blue[np.argmax(blue) :]))
    assert -2.5 <= left_run - outline_px <= 1.5
    assert (row[np.argmax(blue) + left_run + 3 : 256, 0] > 180).all()


def test_without_an_outline_the_subject_alone_is_left() -> None:
    sticker = made(disc(200, 140, radius=0.45), outline_px=0)
    assert not ((sticker[..., :3].min(axis=2) > 230) & (sticker[..., 3] > 128)).any()


def test_a_subject_cut_by_the_pictures_edge_is_outlined_there_too() -> None:
    sticker = made(disc(300, 200, y=1.0, radius=0.6)).astype(int)
    _, _, _, bottom = masks.box_xyxy(sticker[..., 3] > 128) or (0, 0, 0, 0)
    assert (sticker[bottom - 5, 200:300, :3] > 240).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (900, 2)])
def test_pictures_of_extreme_shapes_become_stickers(shape: tuple[int, int]) -> None:
    picture = Picture(pixels=np.full((*shape, 3), 90, np.uint8))
    result = pipeline.make_sticker(picture, models(), StickerOptions(fallback="whole"))
    assert Image.open(io.BytesIO(result.exported.data)).size == (512, 512)


# --- files


@pytest.mark.parametrize("limit", [100_000, 20_000])
def test_a_webp_is_never_larger_than_its_limit_even_of_noise(limit: int) -> None:
    noise = np.random.default_rng(5).integers(0, 255, (512, 512, 4), np.uint8)
    exported = export.to_webp_within(noise, max_bytes=limit)
    assert len(exported.data) <= limit
    assert Image.open(io.BytesIO(exported.data)).size == (512, 512)


def test_a_plain_sticker_keeps_the_best_quality() -> None:
    pixels = composer.compose(drawn(disc(400, 400)), disc(400, 400).astype(np.float32), Look(), None)
    assert export.to_webp_within(pixels, max_bytes=100_000).quality == 90
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(export.to_webp_lossless(pixels).data)))[..., 3], pixels[..., 3])


def as_jpeg(pixels: RGB) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


@pytest.mark.parametrize(("radius", "again"), [(0.4, False), (0.12, True)], ids=["large", "small"])
def test_a_jpeg_is_decoded_at_a_glance_and_whole_only_where_its_subject_would_be_enlarged(radius: float, again: bool) -> None:
    truth = disc(2000, 1500, radius=radius)
    data = as_jpeg(drawn(truth))
    limits = {"max_bytes": 10**8, "max_pixels": 10**8}
    glance, whole = pipeline.decode(data, **limits, wanted_side_px=pipeline.GLANCE_SIDE_PX), pipeline.decode(data, **limits)
    assert (glance.pixels.shape, glance.reduced, whole.reduced) == ((750, 1000, 3), True, False)
    asked: list[bool] = []

    def decode_whole() -> Picture:
        asked.append(True)
        return whole

    options = StickerOptions(platform="png")
    made = pipeline.make_sticker(glance, models(truth), options, whole=decode_whole)
    full = pipeline.make_sticker(whole, models(truth), options)
    assert bool(asked) is again
    one, other = (np.asarray(Image.open(io.BytesIO(each.exported.data)).convert("RGBA")).astype(int) for each in (made, full))
    assert np.abs(one - other).mean() < 0.5


def test_a_small_jpeg_is_not_reduced() -> None:
    data = as_jpeg(drawn(disc(800, 600)))
    assert not pipeline.decode(data, max_bytes=10**8, max_pixels=10**8, wanted_side_px=pipeline.GLANCE_SIDE_PX).reduced
