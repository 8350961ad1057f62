"""Photographs without masks: what the segmentor at hand is sure of, after several looks, is what the next one learns from."""

import json
from pathlib import Path

import pytest
from PIL import Image

from sticker_studio import masks, registry, scenes
from sticker_studio.inference import Segmentor
from training.factory import data_folder, pseudo_labels


@pytest.fixture(scope="module")
def segmentor() -> Segmentor:
    return Segmentor(registry.factory_model("sticker-segmentor-normal"))


@pytest.fixture(scope="module")
def scene(segmentor: Segmentor) -> scenes.Scene:
    """One large subject that the factory model finds at a look."""
    for one in scenes.draw_many(80, seed=5, style="normal", split="factory"):
        found = segmentor.segment(one.image)
        if len(one.objects) == 1 and found and found[0].score > 0.6 and masks.iou(found[0].probability >= 0.5, one.objects[0].mask) > 0.93:
            return one
    pytest.fail("the factory model finds none of eighty generated subjects")


@pytest.fixture
def data(tmp_path: Path, scene: scenes.Scene) -> Path:
    """A group of one picture of that subject, one of nothing, and one whose mask is known."""
    for name in ("images", "masks"):
        (tmp_path / "data" / "street" / name).mkdir(parents=True)
    images = tmp_path / "data" / "street" / "images"
    Image.fromarray(scene.image).save(images / "subject.png")
    Image.fromarray(scene.image).save(images / "known.png")
    Image.new("RGB", (300, 200), "grey").save(images / "nothing.jpg")
    Image.new("L", scene.image.shape[1::-1], 255).save(tmp_path / "data" / "street" / "masks" / "known.png")
    (tmp_path / "data" / "street" / "SOURCE.json").write_text(json.dumps({"what": "a street", "licence": "CC0 1.0", "weight": 0.5}))
    return tmp_path / "data"


def test_only_pictures_without_a_mask_are_labelled_and_those_of_nothing_are_left_out(
    data: Path, tmp_path: Path, segmentor: Segmentor, scene: scenes.Scene
) -> None:
    out = tmp_path / "labelled"
    assert pseudo_labels.write(data, out, segmentor, data_folder.sources(data), workers=2) == 1
    ((name, found),) = data_folder.photos(out)
    assert name == "street/subject"
    assert found.source == "data: street"
    assert masks.iou(found.objects > 0, scene.objects[0].mask) > 0.6
    told = data_folder.sources(out)["data: street"]
    assert "pseudo-labels by sticker-segmentor-normal factory-" in told.what
    assert (told.licence, told.weight) == ("CC0 1.0", 0.5)


def test_a_picture_that_an_earlier_run_labelled_is_not_looked_at_again(
    data: Path, tmp_path: Path, segmentor: Segmentor, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = data_folder.sources(data)
    pseudo_labels.write(data, tmp_path / "labelled", segmentor, known, workers=1)
    monkeypatch.setattr(pseudo_labels, "label", lambda *_: pytest.fail("looked again"))
    assert pseudo_labels.write(data, tmp_path / "labelled", segmentor, known, workers=1) == 1


def test_a_known_box_makes_sure_of_what_the_looks_alone_would_doubt(segmentor: Segmentor, scene: scenes.Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pseudo_labels, "SURE_SCORE", 1.01)
    height, width = scene.image.shape[:2]
    left, top, right, bottom = masks.box_xyxy(scene.objects[0].mask) or (0, 0, 0, 0)
    box = (left / width, top / height, right / width, bottom / height)
    assert pseudo_labels.label(scene.image, segmentor, [])[1] == []
    assert pseudo_labels.label(scene.image, segmentor, [(0.0, 0.0, 0.05, 0.05)])[1] == []
    objects, classes = pseudo_labels.label(scene.image, segmentor, [box])
    assert len(classes) == 1
    assert masks.iou(objects > 0, scene.objects[0].mask) > 0.6
