"""Which of a network's detections are cut out."""

import numpy as np
import pytest

from sticker_studio import subjects
from sticker_studio.subjects import Group
from sticker_studio.types import Detection

SHAPE = (40, 60)


def detection(left: int, right: int, score: float, *, top: int = 0) -> Detection:
    """Columns `left` to `right` of the picture, below `top`."""
    probability = np.zeros(SHAPE, np.float32)
    probability[top:, left:right] = 0.9
    return Detection(subject_class="object", score=score, box_xyxy=(left, top, right, SHAPE[0]), probability=probability)


def columns(detections: list[Detection], subject: Group) -> list[int]:
    """Which of twelve columns, five px apart, are cut out."""
    return [int(x) for x in np.flatnonzero(subjects.cut(detections, subject, SHAPE)[20, 2::5])]


def test_all_takes_every_subject_that_is_not_doubted_beside_the_surest() -> None:
    sure, fair, doubted = detection(0, 10, 0.8), detection(20, 30, 0.5), detection(40, 60, 0.3)
    assert columns([sure, fair, doubted], "all") == [0, 1, 4, 5]


def test_the_same_score_is_enough_where_nothing_is_surer() -> None:
    assert columns([detection(40, 60, 0.3)], "all") == [8, 9, 10, 11]


def test_a_large_doubtful_area_is_not_the_largest_subject() -> None:
    assert columns([detection(0, 10, 0.8), detection(10, 60, 0.4)], "largest") == [0, 1]


def test_of_two_sure_subjects_the_largest_wins() -> None:
    assert columns([detection(0, 10, 0.9), detection(30, 60, 0.8)], "largest") == [6, 7, 8, 9, 10, 11]


def test_parts_of_the_largest_subject_come_with_it() -> None:
    """The network found it whole, a little short, and again its right half."""
    assert columns([detection(0, 40, 0.8), detection(25, 45, 0.7), detection(50, 60, 0.75)], "largest") == [0, 1, 2, 3, 4, 5, 6, 7, 8]


@pytest.mark.parametrize("subject", ["all", "largest"])
@pytest.mark.parametrize("found", [[], [detection(0, 1, 0.9, top=38)]], ids=["nothing", "a speck"])
def test_nothing_worth_cutting_is_an_empty_mask(subject: Group, found: list[Detection]) -> None:
    assert not subjects.cut(found, subject, SHAPE).any()
