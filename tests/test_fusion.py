"""Several looks at one picture: what most of them see is believed, where it is placed and how it is outlined."""

from collections.abc import Sequence

import numpy as np
import pytest

from sticker_studio import fusion, masks
from sticker_studio.errors import ContractViolation
from sticker_studio.types import RGB, Detection, Mask


def look(*found: tuple[Mask, float], reach: Mask | None = None) -> fusion.Look:
    """What one look saw: masks with their scores, all animals."""
    sightings = [fusion.Sighting(np.where(mask, 0.9, 0.0).astype(np.float32), "animal", score) for mask, score in found]
    return fusion.Look(np.ones((80, 120), bool) if reach is None else reach, sightings)


def block(left: int, right: int) -> Mask:
    """Columns of an 80x120 picture."""
    return np.broadcast_to((np.arange(120) >= left) & (np.arange(120) < right), (80, 120))


def test_an_object_that_every_look_sees_is_believed_and_one_that_a_single_look_sees_is_doubted():
    looks = [look((block(0, 40), 0.8), (block(80, 120), 0.6)), look((block(0, 44), 0.6)), look((block(0, 42), 0.7)), look()]
    sure, doubted = fusion.fuse(looks, min_score=0.06)
    assert sure.score == pytest.approx((0.8 + 0.6 + 0.7) / 4)
    assert doubted.score == pytest.approx(0.6 / 4)
    assert sure.subject_class == "animal"


def test_the_outline_is_the_mean_of_the_sightings_by_their_scores():
    (found,) = fusion.fuse([look((block(0, 40), 0.9)), look((block(0, 50), 0.8)), look((block(0, 50), 0.8))], min_score=0.06)
    assert np.array_equal(found.probability >= 0.5, block(0, 50))
    (found,) = fusion.fuse([look((block(0, 40), 0.9)), look((block(0, 50), 0.3)), look((block(0, 40), 0.6))], min_score=0.06)
    assert np.array_equal(found.probability >= 0.5, block(0, 40))


def test_the_silence_of_a_look_that_does_not_reach_an_object_does_not_count_against_it():
    closer = look(reach=block(30, 90))
    assert fusion.fuse([look((block(0, 25), 0.8)), closer], min_score=0.06)[0].score == pytest.approx(0.8)
    assert fusion.fuse([look((block(40, 80), 0.8)), closer], min_score=0.06)[0].score == pytest.approx(0.4)


def test_touching_objects_stay_apart_and_a_doubtful_part_of_a_surer_one_goes():
    looks = [look((block(0, 40), 0.8), (block(40, 90), 0.7), (block(5, 20), 0.3))] * 2
    assert [np.flatnonzero(one.probability[0] >= 0.5)[[0, -1]].tolist() for one in fusion.fuse(looks, min_score=0.06)] == [[0, 39], [40, 89]]


class Bright:
    """A network that finds the bright pixels of a picture, and with a certainty of its own for each look."""

    def __init__(self, scores: Sequence[float], *, subject_class: str = "object") -> None:
        self.scores, self.subject_class = list(scores), subject_class
        self.shapes: list[tuple[int, ...]] = []

    def look(self, image: RGB, *, score_threshold: float, max_detections: int) -> list[Detection]:
        self.shapes.append(image.shape[:2])
        probability = np.where(image.min(axis=2) > 200, 0.9, 0.0).astype(np.float32)
        return [Detection(subject_class=self.subject_class, score=self.scores.pop(0), box_xyxy=(0, 0, 1, 1), probability=probability)]


def bright_block() -> tuple[RGB, Mask]:
    """A bright block left of the middle of an 80x120 picture."""
    truth = np.zeros((80, 120), bool)
    truth[20:50, 30:55] = True
    return np.where(truth[..., None], 240, 40).astype(np.uint8) * np.ones(3, np.uint8), truth


def test_each_share_is_looked_at_twice_and_what_is_found_is_placed_back_into_the_picture() -> None:
    image, truth = bright_block()
    network = Bright([0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
    looks = list(fusion.look_around(image, network, (1.0, 0.5, 1.5)))
    assert network.shapes == [(80, 120)] * 2 + [(40, 60)] * 2 + [(120, 180)] * 2
    closer = looks[2].reach
    assert closer.sum() == 40 * 60
    for each in looks:
        assert np.array_equal(each.sightings[0].probability >= 0.5, truth & each.reach)
    assert np.array_equal(looks[2].sightings[0].probability, looks[3].sightings[0].probability)


def test_the_looks_of_one_picture_fuse_into_one_object() -> None:
    image, truth = bright_block()
    (found,) = fusion.fuse(list(fusion.look_around(image, Bright([0.9, 0.5, 0.7, 0.7]), (1.0, 1.33))), min_score=0.1)
    assert masks.iou(found.probability >= 0.5, truth) == 1.0
    assert found.score == pytest.approx(0.7)
    assert found.subject_class == "object"
    assert found.box_xyxy == (30, 20, 55, 50)


def test_what_is_less_sure_than_asked_for_is_not_told() -> None:
    image, _ = bright_block()
    assert fusion.fuse(list(fusion.look_around(image, Bright([0.3, 0.1]), fusion.STUDENT_SHARES)), min_score=0.25) == []


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 500, 3), (300, 5, 3)])
def test_pictures_of_extreme_shapes_are_looked_at_from_everywhere(shape: tuple[int, int, int]) -> None:
    looks = list(fusion.look_around(np.full(shape, 250, np.uint8), Bright([0.9] * 4), fusion.TEACHER_SHARES))
    assert all(look.reach.shape == shape[:2] == look.sightings[0].probability.shape for look in looks)


def test_a_class_that_is_not_ours_is_named() -> None:
    with pytest.raises(ContractViolation, match="person, animal, object, got a 'zebra'"):
        list(fusion.look_around(bright_block()[0], Bright([0.9], subject_class="zebra"), (1.0,)))
