"""The caller's own pictures for the factory: groups of photographs with known objects, cut-outs with alpha, sketches, and what they say of their licence."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sticker_studio.types import CLASSES

pytest.importorskip("torch", reason="the training extra (torch, ultralytics) is not installed")

from training.factory import compose, cutouts, data_folder, produce


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A group of two photographs of 900x600, one with three objects, one with a plain mask; a group of cut-outs; one stray file."""
    street, figures = tmp_path / "street", tmp_path / "figures" / "cutouts"
    for folder in (street / "images", street / "objects", street / "masks", figures):
        folder.mkdir(parents=True)
    picture = np.zeros((600, 900, 3), np.uint8)
    picture[..., 1] = np.arange(900) // 4
    for stem in ("crossing", "corner", "unknown"):
        Image.fromarray(picture).save(street / "images" / f"{stem}.png")
    objects = np.zeros((600, 900), np.uint8)
    objects[100:500, 100:300] = 1
    objects[200:300, 400:800] = 2
    objects[0:200, 860:900] = 3
    Image.fromarray(objects).save(street / "objects" / "crossing.png")
    (street / "objects" / "crossing.json").write_text(json.dumps(["person", "animal", "object"]))
    Image.fromarray(np.where(objects == 1, 255, 0).astype(np.uint8)).save(street / "masks" / "corner.png")
    (street / "SOURCE.json").write_text(json.dumps({"what": "a street (two photographs)", "licence": "CC0 1.0"}))
    cut = np.zeros((200, 160, 4), np.uint8)
    cut[20:180, 30:130] = (200, 30, 30, 255)
    cut[20:60, 30:60, 3] = 0
    Image.fromarray(cut).save(figures / "red.png")
    (tmp_path / "notes.txt").write_text("not a group")
    return tmp_path


def test_a_photograph_keeps_its_objects_and_their_classes_at_the_size_it_is_shrunk_to(data: Path) -> None:
    found = dict(data_folder.photos(data))
    assert set(found) == {"street/crossing", "street/corner"}
    crossing = found["street/crossing"]
    assert crossing.image.shape == (320, 480, 3)
    assert crossing.objects.shape == (320, 480)
    assert [CLASSES[label] for label in crossing.classes] == ["person", "animal", "object"]
    shares = [float((crossing.objects == number).mean()) for number in (1, 2, 3)]
    assert shares == pytest.approx([200 * 400 / 540_000, 400 * 100 / 540_000, 40 * 200 / 540_000], rel=0.03)
    assert np.abs(crossing.image[160, 300].astype(int) - (0, 562 // 4, 0)).max() <= 4
    assert [CLASSES[label] for label in found["street/corner"].classes] == ["object"]


def test_objects_are_cut_out_of_a_photograph_but_small_ones_and_those_in_a_corner_are_not(data: Path) -> None:
    rectangles = dict(data_folder.photos(data))["street/crossing"]
    assert list(data_folder.cut_from(rectangles)) == []  # nothing is cut away of a rectangle
    yy, xx = np.mgrid[0:300, 0:400]
    objects = np.where((yy - 150) ** 2 + (xx - 200) ** 2 < 100**2, 1, 0).astype(np.uint8)
    objects[(yy - 300) ** 2 + (xx - 400) ** 2 < 90**2] = 2
    objects[(yy - 30) ** 2 + (xx - 30) ** 2 < 15**2] = 3
    scene = compose.Scenery.of(np.full((300, 400, 3), 90, np.uint8), objects, [1, 0, 2], "data: street")
    (ball,) = data_folder.cut_from(scene)
    assert (ball.subject_class, ball.kind, ball.source, ball.bust) == ("animal", "photo", "data: street", False)
    assert ball.image.shape[:2] == pytest.approx((199, 199), abs=2)


def test_cutouts_with_alpha_are_taken_as_they_are(data: Path) -> None:
    (cut,) = data_folder.alpha_cutouts(data, data_folder.sources(data))
    assert cut.image.shape == (160, 100, 4)
    assert (cut.source, cut.kind) == ("data: figures", "drawn")


def test_a_group_may_say_that_its_cutouts_are_photographs_whatever_their_colours(data: Path) -> None:
    (data / "figures" / "SOURCE.json").write_text(json.dumps({"what": "figures", "licence": "CC0 1.0", "kind": "photo"}))
    (cut,) = data_folder.alpha_cutouts(data, data_folder.sources(data))
    assert cut.kind == "photo"


def test_a_model_card_names_each_groups_licence_and_a_group_that_names_none(data: Path, caplog: pytest.LogCaptureFixture) -> None:
    library = compose.Library(list(data_folder.alpha_cutouts(data, data_folder.sources(data))), [], [scene for _, scene in data_folder.photos(data)])
    told = produce.provenance_of(library, data_folder.sources(data))
    assert "a street: CC0 1.0" in told["licences"]
    assert "figures" in caplog.text
    assert any("not named" in line for line in told["licences"])


def test_a_groups_weight_says_how_often_it_is_drawn_and_a_large_group_does_not_drown_a_small_one(data: Path) -> None:
    (data / "figures" / "SOURCE.json").write_text(json.dumps({"what": "figures", "licence": "CC0 1.0", "weight": 0.25}))
    weights = {name: source.weight for name, source in data_folder.sources(data).items()}
    assert weights == {"data: figures": 0.25, "data: street": 1.0}
    scene = compose.Scenery.of(np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.uint8), [], "data: street")
    figure = next(data_folder.alpha_cutouts(data, data_folder.sources(data)))
    rng = np.random.default_rng(0)

    def share(pool: list[compose.Scenery | cutouts.Cutout], weights: dict[str, float]) -> float:
        return float(np.mean([compose.by_source(rng, pool, weights).source == "data: street" for _ in range(600)]))

    assert share([scene, figure], {}) == pytest.approx(0.5, abs=0.07)
    assert share([scene, figure], weights) == pytest.approx(0.8, abs=0.07)
    assert share([scene] + [figure] * 100, {}) == pytest.approx(1 / 11, abs=0.05)


def test_of_many_objects_the_largest_are_kept_and_numbered_by_size(tmp_path: Path) -> None:
    folder = tmp_path / "many"
    for name in ("images", "objects"):
        (folder / name).mkdir(parents=True)
    objects = np.zeros((200, 240), np.uint8)
    for number in range(1, 13):
        objects[10:20, (number - 1) * 20 : (number - 1) * 20 + number] = number
    Image.fromarray(np.zeros((200, 240, 3), np.uint8)).save(folder / "images" / "a.jpg")
    Image.fromarray(objects).save(folder / "objects" / "a.png")
    (folder / "objects" / "a.json").write_text(json.dumps(["object"] * 11 + ["person"]))
    ((_, scene),) = data_folder.photos(tmp_path)
    assert len(scene.classes) == data_folder.PHOTO_OBJECTS
    assert CLASSES[scene.classes[0]] == "person"
    areas = np.bincount(scene.objects.reshape(-1))[1:]
    assert list(areas) == sorted(areas, reverse=True)
