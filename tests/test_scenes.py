"""The picture generator: seeded, exact, in families that the splits do not share."""

import hashlib
import json
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from sticker_studio import images, masks, scenes
from sticker_studio.errors import InputError
from sticker_studio.scenes import animals, backgrounds, compose, emoji, people, photo, things
from sticker_studio.scenes.families import FAMILIES, Family
from sticker_studio.scenes.layer import Layer, Pen
from sticker_studio.types import CLASSES, STYLES

PEN = Pen(line=0.05, line_tint=0.5, shading="cel", depth=0.5, light=(0.6, 0.8), shine=True)
PHOTO_PEN = Pen(line=0.0, line_tint=0.5, shading="photo", depth=0.7, light=(0.6, 0.8), texture=0.4, gloss=0.4, mute=0.3)
EVERY = [pytest.param(style, split, id=f"{style}-{split}") for style in STYLES for split in scenes.SPLITS]


def test_the_same_arguments_give_the_same_picture_in_another_process() -> None:
    here = scenes.draw(seed=71, style="anime", split="board", size_wh=(200, 150))
    code = (
        "import hashlib; from sticker_studio import scenes; "
        "s = scenes.draw(seed=71, style='anime', split='board', size_wh=(200, 150)); print(hashlib.sha256(s.image.tobytes() + s.union.tobytes()).hexdigest())"
    )
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert hashlib.sha256(here.image.tobytes() + here.union.tobytes()).hexdigest() == there


@pytest.mark.parametrize(("style", "split"), EVERY)
def test_pictures_are_repeatable_of_the_asked_size_and_hold_listed_subjects(style: str, split: str) -> None:
    for scene, again in zip(
        scenes.draw_many(6, seed=500, style=style, split=split, size_wh=(240, 192)),
        scenes.draw_many(6, seed=500, style=style, split=split, size_wh=(240, 192)),
        strict=True,
    ):
        assert scene.image.shape == (192, 240, 3)
        assert scene.image.dtype == np.uint8
        assert np.array_equal(scene.image, again.image)
        assert scene.family in scenes.families(style, split)
        assert scene.style == style
        assert split == "factory" or scene.objects
        for item, same in zip(scene.objects, again.objects, strict=True):
            assert item.mask.shape == (192, 240)
            assert item.mask.dtype == bool
            assert item.mask.sum() >= compose.MIN_VISIBLE_PX
            assert item.subject_class in CLASSES
            assert np.array_equal(item.mask, same.mask)


def test_another_seed_style_or_split_gives_another_picture() -> None:
    drawn = [
        scenes.draw(seed=seed, style=style, split=split, size_wh=(96, 64)).image.tobytes() for seed in (1, 2) for style in STYLES for split in scenes.SPLITS
    ]
    assert len(set(drawn)) == len(drawn)


@pytest.mark.parametrize("style", STYLES)
def test_no_family_background_or_drawn_kind_is_shared_between_held_out_splits(style: str) -> None:
    for one, other in combinations(scenes.SPLITS, 2):
        assert not set(scenes.families(style, one)) & set(scenes.families(style, other))
        assert not _used(style, one, "backgrounds") & _used(style, other, "backgrounds")
        held_out = _used(style, one, "subjects") & _used(style, other, "subjects") - {"person"}
        assert not held_out or (one, other) in SHARED_SUBJECTS, f"{one} and {other} both draw {held_out}"


SHARED_SUBJECTS = {("board", "golden")}
"""The golden set resembles the board in some kinds of subjects, in families and backgrounds of its own."""


def _used(style: str, split: str, field: str) -> set[str]:
    return {name for family in FAMILIES.values() if family.style == style and family.split == split for name in getattr(family, field)}


@pytest.mark.parametrize("style", STYLES)
def test_held_out_people_wear_their_hair_as_no_factory_person_does(style: str) -> None:
    factory = {hair for family in _people(style, "factory") for hair in family.look.back_hair}
    for split in ("board", "golden"):
        assert not factory & {hair for family in _people(style, split) for hair in family.look.back_hair}


def _people(style: str, split: str) -> list[Family]:
    return [family for family in FAMILIES.values() if family.style == style and family.split == split and "person" in family.subjects]


def test_every_family_names_only_what_can_be_drawn_and_draws_a_subject() -> None:
    for family in FAMILIES.values():
        for name in family.subjects:
            assert name == "person" or name.startswith("glyph:") or name in animals.KINDS or name in things.KINDS, name
        assert set(family.backgrounds) <= set(backgrounds.KINDS)
        assert scenes.draw(seed=3, style=family.style, split=family.split, family=family.name, size_wh=(160, 128)).family == family.name


@pytest.mark.parametrize("pen", [pytest.param(PEN, id="drawn"), pytest.param(PHOTO_PEN, id="photo")])
def test_every_kind_of_animal_and_object_is_drawn_whole_and_in_proportion(pen: Pen) -> None:
    for name in (*animals.KINDS, *things.KINDS):
        layer = Layer((180, 140), np.array([[18.0, 0, 90], [0, 18.0, 45]]), pen, np.random.default_rng(5))
        if name in animals.KINDS:
            animals.KINDS[name](layer, name, drawn=pen is PEN)
        else:
            things.KINDS[name](layer)
        colour, alpha = layer.finish()
        assert 0.01 < (alpha >= 0.5).mean() < 0.7, name
        assert alpha.max() == pytest.approx(1.0), name
        assert not colour[alpha == 0].any(), f"{name} leaves colour where it has no cover"


def test_the_mask_is_what_differs_from_the_background(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same subject is drawn over black and over white: where both pictures agree it covers, where they differ it does not."""
    monkeypatch.setattr(photo, "scan", lambda _rng, image: np.clip(image, 0, 255).astype(np.uint8))
    monkeypatch.setattr(compose, "_shadow", lambda _rng, image, *_rest: image)
    monkeypatch.setattr(compose, "_alike", lambda _rng, image, _drawn: image)
    monkeypatch.setattr(compose, "OCCLUDER_CHANCE", 0.0)
    pictures = []
    for tone in (0, 255):
        monkeypatch.setattr(compose, "_background", lambda _rng, _family, size_wh, tone=tone, **_rest: np.full((size_wh[1], size_wh[0], 3), tone, np.uint8))
        pictures.append([compose.picture(np.random.default_rng(seed), FAMILIES["sprite-people"], (200, 150), empty=False) for seed in range(8)])
    for (black, found), (white, again) in zip(*pictures, strict=True):
        covered = np.abs(white.astype(int) - black.astype(int)).max(axis=2) < 128
        assert [kind for _, kind in found] == [kind for _, kind in again]
        assert masks.iou(np.any([mask for mask, _ in found], axis=0), covered) > 0.98


def test_an_object_in_front_takes_its_pixels_from_the_one_behind() -> None:
    several = [scene for scene in scenes.draw_many(40, seed=1, style="anime", size_wh=(120, 90)) if len(scene.objects) > 1]
    assert len(several) >= 6
    for scene in several:
        for one, other in combinations(scene.objects, 2):
            assert not (one.mask & other.mask).any()


def test_sizes_are_long_tailed_and_only_the_factory_shows_pictures_without_a_subject() -> None:
    cover = np.array([scene.union.mean() for scene in scenes.draw_many(100, seed=40, style="normal", size_wh=(64, 48))])
    assert 0.005 < (cover == 0).mean() < 0.12
    assert (cover[cover > 0] < 0.05).mean() > 0.04
    assert (cover > 0.4).mean() > 0.04
    for split in ("board", "golden", "audit"):
        assert all(scene.objects for scene in scenes.draw_many(20, seed=40, style="anime", split=split, size_wh=(64, 48)))


def test_all_three_classes_and_both_kinds_of_glyph_or_their_stand_ins_occur() -> None:
    for style in STYLES:
        found = {item.subject_class for scene in scenes.draw_many(40, seed=9, style=style, size_wh=(96, 80)) for item in scene.objects}
        assert found == set(CLASSES)


def test_without_the_emoji_font_drawn_subjects_stand_in(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    monkeypatch.setattr(emoji, "FONT", tmp_path / "absent.ttf")
    emoji._say_missing.cache_clear()
    scene = scenes.draw(seed=4, style="anime", family="glyphs", size_wh=(160, 120))
    assert scene.objects
    assert "fonts-noto-color-emoji" in caplog.text


@pytest.mark.skipif(not emoji.FONT.is_file(), reason="Noto Color Emoji is not installed (apt package fonts-noto-color-emoji)")
def test_every_glyph_is_in_the_font_and_transparent_around() -> None:
    for characters in emoji.GLYPHS.values():
        for character in characters:
            tile = emoji.glyph(character)
            assert min(tile.shape[:2]) > 30, character
            assert tile[..., 3].min() < 128 < tile[..., 3].max(), character


def test_instances_trace_the_masks_closely() -> None:
    scene = scenes.draw(seed=12, style="anime", family="mascots", size_wh=(320, 256))
    labels = scene.instances("pin-1")
    assert labels.size_wh == (320, 256)
    assert labels.pin_id == "pin-1"
    assert [item.subject_class for item in labels.objects] == [item.subject_class for item in scene.objects]
    assert masks.iou(labels.union, scene.union) > 0.9


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param({"style": "sketch"}, "sketch", id="style"),
        pytest.param({"style": "anime", "split": "holdout"}, "holdout", id="split"),
        pytest.param({"style": "anime", "split": "board", "family": "mascots"}, "mascots", id="family of another split"),
        pytest.param({"style": "anime", "size_wh": (320, 8)}, "320x8", id="size"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        scenes.draw(seed=1, **arguments)


@pytest.mark.parametrize("size_wh", [pytest.param((90, 400), id="tall"), pytest.param((700, 96), id="wide"), pytest.param((900, 700), id="large")])
def test_other_shapes_and_sizes_are_drawn(size_wh: tuple[int, int]) -> None:
    for style in STYLES:
        scene = scenes.draw(seed=6, style=style, split="golden", size_wh=size_wh)
        assert scene.image.shape == (size_wh[1], size_wh[0], 3)
        assert scene.union.any()


def test_the_sheet_verb_writes_a_contact_sheet(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "sheet.png"
    command = [sys.executable, "-m", "sticker_studio.scenes", "sheet", "--style", "normal", "--split", "board", "--out", str(target)]
    done = subprocess.run([*command, "--count", "5", "--columns", "3", "--size", "96", "64"], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1])["pictures"] == 5
    assert images.decode_rgb(target.read_bytes()).shape == (128, 288, 3)


def test_people_stay_within_their_promised_units() -> None:
    look = FAMILIES["sprite-people"].look
    for seed in range(5):
        layer = Layer((200, 300), np.array([[15.0, 0, 100], [0, 15.0, 60]]), PEN, np.random.default_rng(seed))
        people.draw(layer, look)
        _, alpha = layer.finish()
        rows = np.flatnonzero((alpha > 0.5).any(axis=1))
        assert rows[0] > 2
        assert 60 + 15 * 8 < rows[-1] < 298
