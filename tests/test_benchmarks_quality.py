"""What `make quality` says of the pictures that it measured: intervals, the teacher's paired gain, the classifier's confusion, the words that are kept."""

from pathlib import Path

import pytest
from PIL import Image

from benchmarks import quality
from sticker_studio.types import STYLES


def row(group: str, iou: float | None, *, style: str = "anime", teacher: float | None = None, picture: str = "01_ann_smiles.png") -> quality.Row:
    return quality.Row(
        group=group, picture=picture, character=quality.character(picture.partition(".")[0]), style=style, found=True, iou=iou, boundary_f=iou,
        cutout_s=0.1, sticker_s=0.2, sticker_bytes=9, teacher_iou=teacher,
    )  # fmt: skip


def test_an_interval_holds_its_value_is_seeded_and_narrows_with_more_pictures() -> None:
    few, many = quality.interval([0.2, 0.9, 0.7, 0.4]), quality.interval([0.2, 0.9, 0.7, 0.4] * 20)
    assert few is not None
    assert many is not None
    assert few == quality.interval([0.2, 0.9, 0.7, 0.4])
    assert few["value"] == pytest.approx(0.55)
    assert few["low"] < few["value"] < few["high"]
    assert many["high"] - many["low"] < few["high"] - few["low"]
    assert quality.interval([0.5, 0.5]) == {"value": 0.5, "low": 0.5, "high": 0.5}
    assert quality.interval([]) is None


def test_the_teachers_gain_is_paired_and_its_verdict_needs_an_interval_that_excludes_nothing() -> None:
    better = quality.summarise([row("photos", 0.1 * k, style="normal", teacher=0.1 * k + 0.05 + 0.001 * k) for k in range(9)])
    assert better["teacher_gain"]["low"] > 0.04
    mixed = quality.summarise([row("photos", 0.5, style="normal", teacher=0.5 + (0.3 if k % 2 else -0.3)) for k in range(10)])
    text = quality.markdown({"groups": {"a": better | {"characters": {}}, "b": mixed | {"characters": {}}}, "classifier_balanced_accuracy": None, "models": {}})
    assert "| better |" in text
    assert "| no gap |" in text


def test_balanced_accuracy_counts_real_pictures_of_known_style_and_both_styles_alike() -> None:
    rows = [row("photos", 0.5, style="normal"), row("photos", 0.5, style="anime"), *(row("cartoons", 0.5) for _ in range(8))]
    rows += [row("no_subject", None), row("drawn_scenes_anime", 0.5, style="normal")]
    result = quality.report(rows, {})
    assert result["classifier_balanced_accuracy"] == 0.75
    assert result["groups"]["photos"]["styles"] == {"anime": 1, "normal": 1}
    assert "| photos | 1 | 1 | 50% |" in quality.markdown(result)
    assert quality.report(rows[2:], {})["classifier_balanced_accuracy"] is None


def test_what_a_person_wrote_of_the_worst_pictures_outlives_a_new_measurement(tmp_path: Path) -> None:
    document = tmp_path / "quality.md"
    assert quality.written_words(document) == ""
    result = quality.report([row("photos", 0.5)], {})
    document.write_text(quality.markdown(result, "The bird is small."))
    assert quality.written_words(document) == "The bird is small."
    assert quality.markdown(result, quality.written_words(document)) == document.read_text()


def test_drawn_scenes_come_as_groups_whose_names_tell_their_style(tmp_path: Path) -> None:
    quality.draw_scenes(tmp_path, 2)
    listed = list(quality.pictures(tmp_path))
    assert {quality.group_style(group) for group, _, _ in listed} == set(STYLES)
    assert len(listed) == 4
    for _, picture, mask in listed:
        assert mask is not None
        assert quality.truth_of(mask).shape[::-1] == Image.open(picture).size
        assert quality.truth_of(mask).any()
