"""Edges: colours settle a coarse border, the border follows the picture, and no old background is left in the colours."""

import cv2
import numpy as np
import pytest

from benchmarks import edges
from serving import pipeline
from serving.composer import Look
from serving.pipeline import Found, Picture
from sticker_studio import masks, refine, scenes
from sticker_studio.types import RGB, Alpha, Mask, Style

WIDE, HIGH = 384, 256


def disc(*, x: float = 0.4, y: float = 0.55, radius: float = 0.3) -> Mask:
    rows, columns = np.mgrid[:HIGH, :WIDE]
    return np.asarray((columns - WIDE * x) ** 2 + (rows - HIGH * y) ** 2 < (radius * HIGH) ** 2)


def over_ground(truth: Mask) -> RGB:
    """The subject, red, over a green that changes from left to right."""
    ground = np.dstack([np.full((HIGH, WIDE), 30), np.tile(np.linspace(90, 190, WIDE), (HIGH, 1)), np.full((HIGH, WIDE), 60)])
    soft = cv2.GaussianBlur(truth.astype(np.float32), (0, 0), 1.0)[..., None]
    return np.rint(np.array((220, 40, 40)) * soft + ground * (1 - soft)).astype(np.uint8)


def moved(truth: Mask, by_px: int) -> Alpha:
    """What a network says that is as coarse as its cells, unsure over three of them, and wrong by so many px to the right."""
    return np.asarray(cv2.GaussianBlur(edges.coarse(np.roll(truth, by_px, axis=1).astype(np.float32)), (0, 0), 3 * WIDE / refine.CELLS), np.float32)


# --- colours


@pytest.mark.parametrize("by_px", [-12, 0, 12])
def test_colours_bring_a_misplaced_border_back(by_px: int) -> None:
    truth, said = disc(), moved(disc(), by_px)
    settled = refine.by_colour(over_ground(truth), said)
    assert masks.iou(settled >= 0.5, truth) > max(0.985, masks.iou(said >= 0.5, truth))


@pytest.mark.parametrize("style", ["anime", "normal"])
def test_refined_edges_of_generated_scenes_are_nearer_to_the_truth(style: Style) -> None:
    gains = []
    for scene in scenes.draw_many(8, seed=31, style=style, split="factory", size_wh=(WIDE, HIGH)):
        said = moved(scene.union, 0)
        refined = refine.refine(scene.image, refine.by_colour(scene.image, said))
        gains.append([measure(refined >= 0.5, scene.union) - measure(said >= 0.5, scene.union) for measure in (masks.iou, masks.boundary_f)])
    assert (np.mean(gains, axis=0) > (0.01, 0.005)).all()


def test_colours_decide_nothing_far_from_the_border() -> None:
    inside, other = disc(), disc(x=0.8, y=0.2, radius=0.1)
    picture = over_ground(inside | other)
    settled = refine.by_colour(picture, moved(inside, 0))
    assert not (settled[other] >= 0.5).any()


def test_where_colours_say_nothing_the_network_is_believed() -> None:
    said = moved(disc(), 9)
    settled = refine.by_colour(np.full((HIGH, WIDE, 3), 128, np.uint8), said)
    assert masks.iou(settled >= 0.5, said >= 0.5) > 0.98


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_probability_without_a_border_stays_as_it_is(value: float) -> None:
    said = np.full((HIGH, WIDE), value, np.float32)
    picture = over_ground(disc())
    assert np.array_equal(refine.by_colour(picture, said) >= 0.5, said >= 0.5)
    assert np.array_equal(refine.refine(picture, said), said)
    assert np.array_equal(refine.unmixed(picture, said), said)


@pytest.mark.parametrize("shape", [(1, 1), (1, 90), (70, 2), (5, 900)])
def test_pictures_of_extreme_shapes_have_edges_too(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    picture, said = rng.integers(0, 255, (*shape, 3), np.uint8), rng.random(shape, np.float32)
    alpha = refine.unmixed(picture, refine.refine(picture, refine.by_colour(picture, said)))
    assert alpha.shape == shape
    assert np.isfinite(alpha).all()
    assert alpha.min() >= 0
    assert alpha.max() <= 1


# --- the guided filter


def test_the_guided_filter_is_the_papers() -> None:
    """Against equations 14 to 16 written out: in each window the least squares fit of the source to the guide, then the mean of the fits."""
    rng = np.random.default_rng(7)
    guide, source, radius, eps = rng.random((9, 12, 3)), rng.random((9, 12)), 2, 1e-2
    padded_guide = np.pad(guide, ((2 * radius, 2 * radius), (2 * radius, 2 * radius), (0, 0)), mode="symmetric")
    padded_source = np.pad(source, 2 * radius, mode="symmetric")
    fits = np.zeros((9 + 2 * radius, 12 + 2 * radius, 4))
    for row in range(fits.shape[0]):
        for column in range(fits.shape[1]):
            window = np.s_[row : row + 2 * radius + 1, column : column + 2 * radius + 1]
            colours, values = padded_guide[window].reshape(-1, 3), padded_source[window].reshape(-1)
            slope = np.linalg.solve(np.cov(colours.T, bias=True) + eps * np.eye(3), (colours * values[:, None]).mean(0) - colours.mean(0) * values.mean())
            fits[row, column] = [*slope, values.mean() - slope @ colours.mean(0)]
    expected = np.zeros((9, 12))
    for row in range(9):
        for column in range(12):
            mean = fits[row : row + 2 * radius + 1, column : column + 2 * radius + 1].mean(axis=(0, 1))
            expected[row, column] = mean[:3] @ guide[row, column] + mean[3]
    filtered = refine.guided_filter(guide.astype(np.float32), source.astype(np.float32), radius_px=radius, eps=eps)
    assert np.abs(filtered - expected)[radius:-radius, radius:-radius].max() < 1e-3


# --- halo


@pytest.fixture(scope="module")
def halo_means() -> dict[str, float]:
    """Sixteen figures over sixteen backgrounds, small."""
    return edges.halos((240, 180))


def test_decontamination_takes_the_old_background_out_of_a_known_edge(halo_means: dict[str, float]) -> None:
    assert halo_means["true alpha, decontaminated"] < 0.5 * halo_means["true alpha, as it is"]


def test_decontamination_lessens_the_halo_of_a_refined_edge(halo_means: dict[str, float]) -> None:
    assert halo_means["refined alpha, decontaminated"] < 0.85 * halo_means["refined alpha, as it is"]


def test_a_sticker_and_a_cutout_are_free_of_the_old_background() -> None:
    """Through the whole pipeline, laid over black: green is the old ground's alone."""
    truth = disc()
    picture = Picture(pixels=over_ground(truth))
    found = Found(style="anime", style_probability=1.0, probability=moved(truth, 0), how="segmentor")
    for cut in (pipeline.sticker(picture, found, Look(outline_px=0)), pipeline.cutout(picture, found, crop=True)):
        edge = (cut[..., 3] > 20) & (cut[..., 3] < 250)
        assert edge.sum() > 100
        assert cut[edge][:, 1].mean() < 55 < picture.pixels[~truth][:, 1].mean()


def test_whole_pixels_keep_their_colour() -> None:
    truth = disc()
    picture = over_ground(truth)
    alpha = cv2.GaussianBlur(truth.astype(np.float32), (0, 0), 1.0)
    assert np.array_equal(refine.foreground_colours(picture, alpha)[alpha >= 0.999], picture[alpha >= 0.999])


def test_the_border_is_unmixed_to_the_share_of_its_colours() -> None:
    """A border blurred twice as wide comes back to the picture's own."""
    truth = disc()
    soft = cv2.GaussianBlur(truth.astype(np.float32), (0, 0), 1.0)
    wide = cv2.GaussianBlur(truth.astype(np.float32), (0, 0), 2.5)
    border = np.abs(soft - 0.5) < 0.3
    unmixed = refine.unmixed(over_ground(truth), wide)
    assert np.abs(unmixed - soft)[border].mean() < 0.7 * np.abs(wide - soft)[border].mean()
    assert np.array_equal(unmixed[~truth & (soft < 0.01)], wide[~truth & (soft < 0.01)])


# --- what is told of it


def test_a_gain_is_paired_and_alpha_is_scored_only_where_the_truth_is_soft() -> None:
    truth = disc().astype(np.float32)
    assert set(edges.scores(truth, truth)) == {"iou", "boundary_f", "boundary_f_2px"}
    soft = cv2.GaussianBlur(truth, (0, 0), 2.0)
    assert edges.scores(soft, soft) == {"iou": 1.0, "boundary_f": 1.0, "boundary_f_2px": 1.0, "alpha_error": 0.0}
    assert edges.scores(None, truth)["iou"] == 0
    found = edges.summary([({"iou": 0.1 * k}, {"iou": 0.1 * k + 0.05}) for k in range(8)])
    assert found["iou"]["gain"] == pytest.approx({"value": 0.05, "low": 0.05, "high": 0.05})
    assert "| +0.050 (+0.050 to +0.050) |" in edges.markdown({"photos": found}, {})
