"""The factory: cut-outs, compositions with exact masks, the corpus, the training loop and the exported files."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sticker_studio import inference, masks, model_card, registry, subjects
from sticker_studio.errors import InputError
from sticker_studio.types import CLASSIFIER, MODEL_NAMES, SEGMENTORS, STYLES

pytest.importorskip("torch", reason="the training extra (torch, ultralytics) is not installed")

from training import __main__ as main
from training import export, yolo
from training.factory import compose, corpus, cutouts, recipe, style
from training.factory.backgrounds import Background, procedural

CARD = model_card.ModelCard(name="sticker-segmentor-anime", version="test", kind="segmentor", architecture="yolov8n-seg", input_px=64, file_sha256="0" * 64)


def disc(radius: int, colour: tuple[int, int, int], kind: cutouts.Kind = "drawn", *, bust: bool = False) -> cutouts.Cutout:
    yy, xx = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    image = np.zeros((2 * radius + 1, 2 * radius + 1, 4), np.uint8)
    image[..., :3] = colour
    image[..., 3] = np.where(yy**2 + xx**2 <= radius**2, 255, 0)
    return cutouts.Cutout(image, "animal", kind, "test", bust=bust)


@pytest.fixture
def library() -> compose.Library:
    grey = Background(np.full((120, 200, 3), 90, np.uint8), "test", True)
    return compose.Library([disc(60, (250, 30, 30)), disc(40, (20, 200, 40), "photo")], [grey])


def test_a_cutout_is_cropped_to_its_alpha_and_a_full_rectangle_is_not_one() -> None:
    canvas = np.zeros((100, 140, 4), np.uint8)
    canvas[20:60, 30:120] = (9, 9, 9, 255)
    canvas[20:30, 30:60, 3] = 0
    cut = cutouts.tidy(canvas)
    assert cut is not None
    assert cut.shape == (40, 90, 4)
    assert cutouts.tidy(np.full((50, 80, 4), 255, np.uint8)) is None


def test_shrinking_a_cutout_leaves_no_fringe_of_its_transparent_colour() -> None:
    image = disc(50, (200, 100, 50)).image.copy()
    image[image[..., 3] == 0, :3] = 255
    small = cutouts.shrink(image, (33, 25))
    visible = small[..., 3] > 40
    assert np.abs(small[visible][:, :3].astype(int) - (200, 100, 50)).max() <= 3


def test_a_drawing_on_white_paper_is_cut_from_the_paper_with_its_white_inside_kept() -> None:
    paper = np.full((90, 130, 3), 250, np.uint8)
    paper[20:70, 30:100] = (40, 60, 200)
    paper[35:55, 50:80] = 252
    found = cutouts.off_paper(paper)
    assert found[45, 60]
    assert not found[5, 5]
    assert masks.iou(found, np.pad(np.ones((50, 70), bool), ((20, 20), (30, 30)))) > 0.9


@pytest.mark.parametrize("kind", STYLES)
def test_a_composition_is_the_same_for_the_same_seed_and_its_index_map_names_its_classes(library: compose.Library, kind: str) -> None:
    for seed in range(12):
        first, second = (compose.compose(np.random.default_rng(seed), library, kind) for _ in range(2))  # type: ignore[arg-type]
        assert np.array_equal(first.image, second.image)
        assert first.objects.shape == first.image.shape[:2]
        assert first.objects.max() <= len(first.classes)


def test_a_figure_for_the_style_is_drawn_large_and_alive_before_a_photograph(library: compose.Library) -> None:
    """The photographed cut-out and the drawn object of the library are never the figure, and where there is none the photograph shows."""
    thing = replace(disc(60, (10, 10, 250)), subject_class="object")
    rich = replace(library, cutouts=[*library.cutouts, thing])
    seen = [style.figure(np.random.default_rng(seed), rich) for seed in range(15)]
    for picture in seen:
        assert np.count_nonzero(picture.objects) >= style.MIN_DRAWN_SHARE * picture.objects.size
    colours = np.concatenate([picture.image[picture.objects > 0] for picture in seen]).astype(int)
    assert not (np.abs(colours - (10, 10, 250)) < 30).all(axis=1).any()
    assert (np.abs(colours - (250, 30, 30)) < 40).all(axis=1).any()


def test_the_index_map_marks_exactly_where_the_pasted_subject_is_seen(library: compose.Library) -> None:
    scene = compose.Library([disc(60, (255, 0, 0))], [Background(np.full((80, 80, 3), 0, np.uint8), "test", True)])
    agreements = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        canvas, objects = np.zeros((144, 256, 3), np.float32), np.zeros((144, 256), np.uint8)
        compose.paste(rng, canvas, objects, scene.cutouts[0], 1, upright=True)
        seen = canvas.max(axis=2) > 100
        agreements.append(masks.iou(seen, objects == 1))
    assert np.mean(agreements) > 0.93


def test_procedural_backgrounds_have_the_wanted_size_and_are_seeded() -> None:
    for seed in range(20):
        first, second = (procedural(np.random.default_rng(seed), (96, 64)) for _ in range(2))
        assert first.shape == (64, 96, 3)
        assert np.array_equal(first, second)


def test_a_part_is_rendered_by_two_processes_once_and_read_back_exactly(tmp_path: Path, library: compose.Library) -> None:
    def picture(index: int) -> compose.Picture:
        return compose.compose(np.random.default_rng(index), library, "anime")

    part = corpus.render(tmp_path / "part", 60, picture, workers=2)
    again = corpus.render(tmp_path / "part", 60, lambda _: pytest.fail("rendered twice"), workers=2)
    wanted = picture(55)
    assert np.array_equal(again.picture(55)[0], wanted.image)
    assert np.array_equal(part.picture(55)[1], wanted.objects)
    assert again.classes_of(55) == wanted.classes


def test_augmented_pictures_keep_image_and_mask_together(tmp_path: Path) -> None:
    """A bright square on black stays where its mask says, through windows, mirrors, scales and the letterbox."""
    image, objects = np.zeros((144, 256, 3), np.uint8), np.zeros((144, 256), np.uint8)
    image[40:110, 60:160], objects[40:110, 60:160] = 220, 1
    part = corpus.render(tmp_path / "part", 1, lambda _: compose.Picture(image, objects, (2,), "anime"), workers=1)
    rng = np.random.default_rng(4)
    scores = []
    for _ in range(60):
        sample = corpus.augment(rng, part, 0, 128)
        assert sample.image.shape == (128, 128, 3)
        inside, outside = sample.image[sample.objects == 1], sample.image[sample.objects == 0]
        scores.append(float(inside.mean()) - float(outside.mean()))
    assert min(scores) > 20


def test_a_batch_states_each_visible_object_once_with_the_box_of_its_mask() -> None:
    objects = np.zeros((64, 64), np.uint8)
    objects[8:24, 16:48], objects[40:42, 2:4], objects[44:60, 4:20] = 1, 2, 3
    batch = yolo.collate(
        [yolo.Sample(np.zeros((64, 64, 3), np.uint8), np.zeros((64, 64), np.uint8), ()), yolo.Sample(np.zeros((64, 64, 3), np.uint8), objects, (0, 1, 2))]
    )
    assert batch["img"].shape == (2, 3, 64, 64)
    assert batch["batch_idx"].tolist() == [1, 1]
    assert batch["cls"].flatten().tolist() == [0, 2], "the four visible pixels of object 2 are too few to learn"
    assert batch["bboxes"][0].tolist() == [0.5, 0.25, 0.5, 0.25]
    assert batch["masks"].shape == (2, 16, 16)
    assert sorted(np.unique(batch["masks"][1]).tolist()) == [0, 1, 2], "numbered as the boxes are"


def test_the_learning_rate_warms_up_then_falls_to_its_final_share() -> None:
    config = yolo.FitConfig(steps=100, learning_rate=0.1, warmup_steps=10, final_rate=0.02)
    rates = [yolo.learning_rate(step / 100, step, config) for step in range(101)]
    assert rates[0] == pytest.approx(0.01)
    assert max(rates) < 0.1
    assert rates[-1] == pytest.approx(0.002)


def test_training_learns_resumes_and_its_export_says_what_the_network_says(tmp_path: Path) -> None:
    """A few steps on one red disc lower the loss; the ONNX file (16-bit weights) agrees with the torch network on the mask."""
    import torch

    image, objects = np.full((64, 64, 3), 40, np.uint8), np.zeros((64, 64), np.uint8)
    yy, xx = np.mgrid[:64, :64]
    objects[(yy - 34) ** 2 + (xx - 29) ** 2 < 18**2] = 1
    image[objects == 1] = (230, 40, 40)
    batch = yolo.collate([yolo.Sample(image, objects, (1,))] * 2)
    model = yolo.build(seed=1)
    config = yolo.FitConfig(steps=36, learning_rate=3e-3, warmup_steps=5, ema_decay=0.9, log_every_s=0)
    saved: list[dict[str, object]] = []
    state = yolo.fit(
        model, iter([batch] * 24), config, on_checkpoint=lambda _, s: saved.append({"step": s.step, "ema": s.ema is not None}), checkpoint_every_s=0
    )
    assert saved[-1] == {"step": 24, "ema": True}
    state = yolo.fit(model, iter([batch] * 100), config, state=state)
    assert state.step == 36
    assert state.history[-1]["loss"] < 0.7 * state.history[0]["loss"]

    card = export.write_segmentor(tmp_path / "model", model, CARD)
    assert model_card.read(tmp_path / "model") == card
    assert (tmp_path / "model" / "model.onnx").stat().st_size < 8_000_000
    tensor, _ = inference.letterbox(image, card)
    session = inference.Segmentor(tmp_path / "model")._session
    predictions, prototypes = session.run(None, {"images": tensor})
    with torch.no_grad():
        (expected, protos), _ = yolo.load(tmp_path / "model" / "weights.pt").eval()(torch.from_numpy(tensor))
    assert predictions.shape == tuple(expected.shape)
    assert prototypes.shape == tuple(protos.shape)
    best = int(np.asarray(expected[0, 4:7].max(0).values).argmax())
    columns = predictions[0][7:, best], expected[0, 7:, best].numpy()
    first, second = (np.tensordot(column, proto, axes=1) > 0 for column, proto in zip(columns, (prototypes[0], protos[0].numpy()), strict=True))
    assert masks.iou(first, second) > 0.98
    assert np.abs(predictions[0][4:7] - expected[0, 4:7].numpy()).max() < 0.02


def test_held_out_keys_never_change_sides() -> None:
    sides = [recipe.held_out(f"key-{i}", 0.25) for i in range(400)]
    assert sides == [recipe.held_out(f"key-{i}", 0.25) for i in range(400)]
    assert 60 < sum(sides) < 140


def test_calibration_cools_logits_that_are_too_sure() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 400)
    right = rng.random(400) < 0.8
    sure = np.where((labels == 1) == right, 6.0, -6.0)
    values = np.stack([-sure / 2, sure / 2], axis=1).astype(np.float32)
    assert style.calibrate(values, labels) > 3


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_the_factory_models_in_the_package_are_whole_small_and_say_where_they_come_from(name: str) -> None:
    folder = registry.factory_model(name)
    card = model_card.read(folder)
    assert card.name == name
    assert card.version.startswith("factory-")
    assert card.data_sources
    assert card.licences
    assert card.known_failures
    assert card.metrics
    assert all(re.fullmatch(r"[\w\-. /]+", metric) for metric in card.metrics), "MLflow takes no other characters"
    assert all(path.stat().st_size < 9_000_000 for path in folder.iterdir())


@pytest.mark.parametrize("kind", STYLES)
def test_the_factory_segmentors_find_the_subject_of_generated_scenes(kind: str) -> None:
    from sticker_studio import scenes

    segmentor = inference.Segmentor(registry.factory_model(SEGMENTORS[kind]))  # type: ignore[index]
    values = []
    for seed in range(24):
        scene = scenes.draw(seed=90_000 + seed, style=kind, split="factory", size_wh=(320, 240))  # type: ignore[arg-type]
        if not scene.objects:
            continue
        truth = max((item.mask for item in scene.objects), key=np.count_nonzero)
        values.append(masks.iou(truth, subjects.cut(segmentor.segment(scene.image), "largest", truth.shape)))
    assert np.mean(values) > 0.5


def test_the_factory_classifier_tells_generated_drawings_from_photographs_that_packages_carry() -> None:
    """None of these photographs was trained on; generated photo-like scenes are not asked, the factory classifier takes half of them for drawn."""
    skimage, ultralytics = (
        pytest.importorskip(name, reason=f"{name}, whose photographs are looked at, is not installed") for name in ("skimage", "ultralytics")
    )
    from sticker_studio import scenes

    classifier = inference.StyleClassifier(registry.factory_model(CLASSIFIER))
    drawn = [classifier.probabilities(scenes.draw(seed=91_000 + i, style="anime", split="factory", size_wh=(300, 224)).image)["anime"] > 0.5 for i in range(20)]
    folders = {Path(skimage.__file__).parent / "data": ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "motorcycle_left.png")}
    folders[Path(ultralytics.__file__).parent / "assets"] = ("bus.jpg", "zidane.jpg")
    photographs = [folder / name for folder, names in folders.items() for name in names]
    taken = [classifier.probabilities(np.asarray(Image.open(path).convert("RGB")))["normal"] > 0.5 for path in photographs]
    assert np.mean(drawn) > 0.8
    assert np.mean(taken) > 0.7


@pytest.mark.parametrize(("budget", "seconds"), [("90s", 90), ("10m", 600), ("1.5h", 5400), (" 2h ", 7200)])
def test_a_budget_is_a_time_with_its_unit(budget: str, seconds: float) -> None:
    assert main.seconds(budget) == seconds


@pytest.mark.parametrize("budget", ["", "10", "ten minutes", "-5m", "5m30s"])
def test_a_budget_without_a_unit_is_refused_with_an_example(budget: str) -> None:
    with pytest.raises(InputError, match="expected a time like 90s, 10m or 2h"):
        main.seconds(budget)
