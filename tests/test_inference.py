"""Pre- and post-processing of the models, on non-square pictures and heads whose masks are known."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from serving_toys import write_classifier, write_segmentor

from sticker_studio import masks
from sticker_studio.errors import ContractViolation
from sticker_studio.inference import Segmentor, StyleClassifier, decode, letterbox, middle
from sticker_studio.model_card import ModelCard
from sticker_studio.types import SEGMENTORS

NAME = SEGMENTORS["anime"]


def card(**changes: object) -> ModelCard:
    values: dict[str, object] = {"name": NAME, "version": "1", "kind": "segmentor", "architecture": "toy", "input_px": 64, "file_sha256": "0" * 64}
    return ModelCard.model_validate(values | changes)


def ellipse(width: int, height: int) -> np.ndarray:  # type: ignore[type-arg]
    y, x = np.mgrid[:height, :width]
    return ((x - width * 0.45) / (width * 0.3)) ** 2 + ((y - height * 0.55) / (height * 0.28)) ** 2 < 1


SIZES = [pytest.param(300, 200, id="landscape"), pytest.param(90, 260, id="portrait"), pytest.param(40, 23, id="enlarged"), pytest.param(64, 64, id="as-it-is")]


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_a_letterboxed_picture_lies_where_it_is_said_to(width: int, height: int) -> None:
    image = np.full((height, width, 3), (250, 0, 0), np.uint8)
    tensor, box = letterbox(image, card())
    assert tensor.shape == (1, 3, 64, 64)
    red = tensor[0, 0] > 0.9
    assert max(box.content_wh) == 64
    assert masks.box_xyxy(red) == (box.pad_xy[0], box.pad_xy[1], box.pad_xy[0] + box.content_wh[0], box.pad_xy[1] + box.content_wh[1])
    assert np.allclose(tensor[0, 0][~red], 114 / 255, atol=0.01)


def test_the_cards_mean_and_deviation_are_applied_by_channel() -> None:
    tensor, _ = letterbox(np.full((64, 64, 3), (255, 0, 51), np.uint8), card(mean=(0.5, 0.5, 0.2), std=(0.5, 0.25, 1.0)))
    assert np.allclose(tensor[0, :, 30, 30], (1.0, -2.0, 0.0), atol=1e-5)


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_a_mask_comes_back_to_its_place_in_the_picture(width: int, height: int) -> None:
    truth = ellipse(width, height)
    _, box = letterbox(np.dstack([truth * 255] * 3).astype(np.uint8), card(input_px=256))
    tensor, _ = letterbox(np.dstack([truth * 255] * 3).astype(np.uint8), card(input_px=256))
    subject = np.where(np.abs(tensor[0, 0] - 114 / 255) < 0.02, 0, tensor[0, 0])
    prototypes = np.zeros((32, 64, 64), np.float32)
    prototypes[0] = 24 * (cv2.resize(subject, (64, 64), interpolation=cv2.INTER_AREA) - 0.5)
    head = np.zeros((39, 3), np.float32)
    head[:4, 0], head[5, 0], head[7, 0] = (128, 128, 256, 256), 0.8, 1
    found = decode(head, prototypes, box, card(input_px=256), 0.25, 20)
    assert [(one.subject_class, one.probability.shape) for one in found] == [("animal", (height, width))]
    assert found[0].score == pytest.approx(0.8)
    assert masks.iou(found[0].probability >= 0.5, truth) > 0.93


def test_a_box_comes_back_in_the_pictures_pixels_and_bounds_its_mask() -> None:
    _, box = letterbox(np.zeros((100, 200, 3), np.uint8), card(input_px=256))  # scaled by 1.28, 64 px above and below
    prototypes = np.ones((32, 64, 64), np.float32)
    head = np.zeros((39, 1), np.float32)
    head[:4, 0], head[4, 0], head[7, 0] = (64, 128, 64, 32), 0.9, 9
    (found,) = decode(head, prototypes, box, card(input_px=256), 0.25, 20)
    assert found.box_xyxy == pytest.approx((25, 37.5, 75, 62.5))
    left, top, right, bottom = masks.box_xyxy(found.probability >= 0.5) or (0, 0, 0, 0)
    assert (left >= 20, top >= 32, right <= 80, bottom <= 68) == (True,) * 4
    assert (left <= 26, top <= 39, right >= 74, bottom >= 61) == (True,) * 4


def test_doubles_are_suppressed_weak_ones_left_out_and_the_best_come_first() -> None:
    _, box = letterbox(np.zeros((64, 64, 3), np.uint8), card())
    head = np.zeros((39, 5), np.float32)
    head[:4] = np.array([[16, 16, 20, 20], [17, 16, 20, 20], [48, 48, 20, 20], [16, 48, 20, 20], [48, 16, 20, 20]]).T
    head[4] = (0.5, 0.6, 0.9, 0.1, 0.3)
    found = decode(head, np.ones((32, 16, 16), np.float32), box, card(), 0.25, 2)
    assert [round(one.score, 2) for one in found] == [0.9, 0.6]
    assert decode(head, np.ones((32, 16, 16), np.float32), box, card(), 0.95, 20) == []


def test_a_head_of_another_shape_is_named() -> None:
    _, box = letterbox(np.zeros((64, 64, 3), np.uint8), card())
    with pytest.raises(ContractViolation, match="expected 39 head channels, got 38"):
        decode(np.zeros((38, 5), np.float32), np.zeros((32, 16, 16), np.float32), box, card(), 0.25, 20)


def test_a_segmentor_finds_what_its_network_sees_in_a_picture_of_any_shape(tmp_path: Path) -> None:
    segmentor = Segmentor(write_segmentor(tmp_path / "m", NAME))
    image = np.full((120, 400, 3), 90, np.uint8)
    truth = np.zeros((120, 400), bool)
    truth[20:100, 240:360] = True
    image[truth] = (240, 30, 20)
    (found,) = segmentor.segment(image)
    assert masks.iou(found.probability >= 0.5, truth) > 0.8
    assert segmentor.segment(image, score_threshold=0.95) == []


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 900, 3), (700, 3, 3)])
def test_pictures_of_extreme_shapes_are_looked_at(tmp_path: Path, shape: tuple[int, int, int]) -> None:
    segmentor = Segmentor(write_segmentor(tmp_path / "m", NAME))
    assert all(one.probability.shape == shape[:2] for one in segmentor.segment(np.full(shape, 128, np.uint8)))


def test_a_classifiers_probabilities_add_up_and_its_temperature_softens_them(tmp_path: Path) -> None:
    folder = write_classifier(tmp_path / "m")
    bright = np.full((30, 70, 3), 220, np.uint8)
    sharp = StyleClassifier(folder).probabilities(bright)
    written = json.loads((folder / "card.json").read_text()) | {"temperature": 4.0}
    (folder / "card.json").write_text(json.dumps(written))
    soft = StyleClassifier(folder).probabilities(bright)
    assert sharp["anime"] > soft["anime"] > 0.5
    assert sum(sharp.values()) == pytest.approx(1)
    assert StyleClassifier(folder).probabilities(bright // 8)["normal"] > 0.5


def test_a_model_of_the_other_kind_or_a_changed_file_is_refused(tmp_path: Path) -> None:
    folder = write_segmentor(tmp_path / "m", NAME)
    with pytest.raises(ContractViolation, match="expected a classifier"):
        StyleClassifier(folder)
    (folder / "model.onnx").write_bytes((folder / "model.onnx").read_bytes() + b"\0")
    with pytest.raises(ContractViolation, match="sha-256"):
        Segmentor(folder)


def test_the_classifiers_second_look_is_at_the_middle_of_a_picture_of_any_shape() -> None:
    image = np.zeros((100, 300, 3), np.uint8)
    image[15:85, 45:255] = 255
    assert middle(image).shape == (70, 210, 3)
    assert (middle(image) == 255).all()
    assert middle(np.zeros((1, 2, 3), np.uint8)).shape == (1, 2, 3)
