"""Scores equal what is known of made-up predictions; the golden and the audit set are stable, apart, and checked when read."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from sticker_studio import images, scenes
from sticker_studio.errors import ContractViolation, InputError
from sticker_studio.model_card import ModelCard
from sticker_studio.params import EvaluationParams
from sticker_studio.settings import Settings
from sticker_studio.types import STYLES, Detection, Mask
from training import evaluation, evaluation_sets
from training.evaluation_sets import Exam

CARD = ModelCard(name="sticker-segmentor-anime", version="1", kind="segmentor", style="anime", architecture="x", input_px=64, file_sha256="0" * 64)
PARAMS = EvaluationParams(golden_scenes=3, audit_scenes=2, bootstrap_samples=50, seed=11)


def rectangle(left: int, top: int, right: int, bottom: int, size_wh: tuple[int, int] = (60, 40)) -> Mask:
    mask = np.zeros((size_wh[1], size_wh[0]), bool)
    mask[top:bottom, left:right] = True
    return mask


def exam(mask: Mask) -> Exam:
    return Exam(id="x", image=np.zeros((*mask.shape, 3), np.uint8), mask=mask, style="anime", slices=("style:anime", "size:medium"))


def detection(mask: Mask, *, inside: float = 0.9, outside: float = 0.1) -> Detection:
    return Detection(subject_class="person", score=0.8, box_xyxy=(0, 0, 1, 1), probability=np.where(mask, inside, outside).astype(np.float32))


@pytest.mark.parametrize(
    ("predicted", "iou", "found"),
    [
        pytest.param(rectangle(0, 0, 20, 20), 1.0, True, id="the-same"),
        pytest.param(rectangle(10, 0, 30, 20), 1 / 3, True, id="half-over"),
        pytest.param(rectangle(0, 0, 20, 10), 0.5, True, id="half-of-it"),
        pytest.param(rectangle(0, 0, 0, 0), 0.0, False, id="nothing"),
    ],
)
def test_a_mask_scores_its_known_iou(predicted: Mask, iou: float, found: bool) -> None:
    score = evaluation.mask_score(exam(rectangle(0, 0, 20, 20)), predicted)
    assert score.value == pytest.approx(iou)
    assert score.found is found


def test_finding_nothing_where_nothing_is_counts_as_right() -> None:
    score = evaluation.mask_score(exam(rectangle(0, 0, 0, 0)), rectangle(0, 0, 0, 0))
    assert (score.value, score.boundary_f, score.found) == (1.0, 1.0, True)


@pytest.mark.parametrize(("probability", "value"), [pytest.param(0.9, 1.0, id="right"), pytest.param(0.4, 0.0, id="wrong")])
def test_a_style_scores_one_when_the_declared_one_is_likelier(probability: float, value: float) -> None:
    score = evaluation.style_score(exam(rectangle(0, 0, 5, 5)), {"anime": probability, "normal": 1 - probability})
    assert (score.value, score.slices) == (value, ("style:anime",))


# --- the sets


def test_the_sets_are_read_back_as_they_were_drawn_and_are_not_drawn_again(offline_settings: Settings) -> None:
    first = evaluation_sets.load("golden", offline_settings, PARAMS)
    folder = offline_settings.home / "evaluation" / "v1" / "golden"
    stamp = (folder / "set.json").stat().st_mtime_ns
    again = evaluation_sets.load("golden", offline_settings, PARAMS)
    assert (folder / "set.json").stat().st_mtime_ns == stamp
    assert [one.id for one in first] == [one.id for one in again]
    drawn = scenes.draw(seed=1_100_001, style="anime", split="golden", size_wh=evaluation_sets.SIZES_WH[1])
    kept = next(one for one in first if one.id.startswith("anime") and one.id.endswith("-1100001"))
    assert (kept.image == drawn.image).all()
    assert (kept.mask == drawn.union).all()
    more = evaluation_sets.load("golden", offline_settings, PARAMS.model_copy(update={"golden_scenes": 4}))
    assert (len(first), len(more)) == (6, 8)


def test_no_family_of_the_sets_is_one_that_trains_or_another_sets() -> None:
    for style in STYLES:
        names = [set(scenes.families(style, split)) for split in ("factory", "board", "golden", "audit")]
        assert sum(map(len, names)) == len(set().union(*names))
        assert all(names)


def golden_folder(folder: Path, *, mask_wh: tuple[int, int] = (60, 40), name: str = "a.jpg") -> Path:
    for part in ("images/anime", "masks/anime", "images", "masks"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    picture = cv2.imencode(".jpg", np.full((40, 60, 3), 120, np.uint8))[1].tobytes()
    mask = np.repeat(rectangle(0, 0, 30, 20, mask_wh)[:, :, None], 3, axis=2).astype(np.uint8) * 255
    for place in ("anime/", ""):
        (folder / "images" / f"{place}{name}").write_bytes(picture)
        (folder / "masks" / f"{place}a.png").write_bytes(images.encode_png(mask))
    return folder


def test_a_golden_folder_adds_real_pictures_to_the_golden_set_only(offline_settings: Settings, tmp_path: Path) -> None:
    settings = offline_settings.model_copy(update={"golden": str(golden_folder(tmp_path / "own"))})
    golden = evaluation_sets.load("golden", settings, PARAMS)
    real = {one.id: one for one in golden if "source:real" in one.slices}
    assert set(real) == {"real-anime/a", "real-a"}
    assert (real["real-anime/a"].style, real["real-a"].style) == ("anime", None)
    assert real["real-a"].mask.sum() == 600
    assert len(evaluation_sets.of_style(golden, "normal")) == 3 + 1
    assert len(evaluation_sets.with_style(golden)) == 6 + 1
    assert not [one for one in evaluation_sets.load("audit", settings, PARAMS) if "source:real" in one.slices]


@pytest.mark.parametrize(
    ("folder", "message"),
    [
        pytest.param({"mask_wh": (40, 60)}, "expected 60x40 px", id="mask-turned"),
        pytest.param({"name": "b.jpg"}, "expected a mask", id="mask-missing"),
    ],
)
def test_a_golden_folder_that_does_not_pair_up_is_refused(folder: dict[str, object], message: str, offline_settings: Settings, tmp_path: Path) -> None:
    settings = offline_settings.model_copy(update={"golden": str(golden_folder(tmp_path / "own", **folder))})  # type: ignore[arg-type]
    with pytest.raises(InputError, match=message):
        evaluation_sets.load("golden", settings, PARAMS)


def test_balanced_accuracy_needs_pictures_of_both_styles() -> None:
    one = exam(rectangle(0, 0, 9, 9))
    with pytest.raises(ContractViolation, match="no picture of style normal"):
        evaluation_sets.with_style([one, replace(one, id="y")])
