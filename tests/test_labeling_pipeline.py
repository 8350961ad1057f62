"""The labelling verbs on a small batch: shards, validation, data set, snapshot, restore."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from labeling_batch import BATCH, draw, encode, local_store, make_batch, make_pin

from labeling import dataset, shards, snapshots, split, validation
from labeling.cleaning import Cut, Found, clean, to_instances
from labeling.snapshots import Workspace
from labeling.teachers import selection
from labeling.teachers.selection import Choice, PassedOver
from sticker_studio import manifests, masks, params, yolo_format
from sticker_studio.annotations import Instances, instance_from_mask
from sticker_studio.errors import ContractViolation, InputError, Unavailable
from sticker_studio.types import RGB, Style

PARAMS = params.load(Path(__file__).parents[1] / "params.yaml")


class ThresholdTeacher:
    """Labels what is darker than the background; as sure as it is told to be."""

    name = "threshold"
    version = "1"

    def __init__(self, score: float = 0.9) -> None:
        self.score, self.calls = score, 0

    def label(self, image: RGB, *, pin_id: str, style: Style | None = None) -> Instances:
        self.calls += 1
        mask = np.asarray(cv2.GaussianBlur(image.mean(axis=2), (0, 0), 2) < 115)
        found = [Found(mask=mask, subject_class="object", score=self.score)]
        size_wh = (image.shape[1], image.shape[0])
        return to_instances(found, pin_id=pin_id, size_wh=size_wh, teacher=self.name, version=self.version, cut=Cut(min_score=0.4))


def chosen(teacher: ThresholdTeacher) -> Choice:
    return Choice(teacher=teacher, stood_in=(PassedOver(teacher="detectron2", reason="not here"),))


def label_all(store, pins: int, teacher: ThresholdTeacher, *, batch: str = BATCH, shard_pins: int = 40) -> None:
    for shard in range(-(-pins // shard_pins)):
        shards.label_shard(store, batch=batch, shard=shard, shard_pins=shard_pins, choose=lambda: chosen(teacher))


def validate(store, batch: str = BATCH) -> dict:
    return validation.validate(store, batch=batch, params=PARAMS.labeling, max_rejected_share=0.5)


def test_shards_hold_every_pin_once_whatever_the_manifests_order(tmp_path):
    pins = make_batch(local_store(tmp_path), 11)
    planned = shards.plan(pins, 4)
    assert [len(one) for one in planned] == [4, 4, 3]
    assert sorted(pin.id for one in planned for pin in one) == sorted(pin.id for pin in pins)
    assert shards.plan(pins[::-1], 4) == planned
    assert shards.plan([], 4) == []


def test_a_shard_labelled_again_gives_the_same_and_asks_no_teacher(tmp_path):
    store, teacher = local_store(tmp_path), ThresholdTeacher()
    make_batch(store, 6)
    first = shards.label_shard(store, batch=BATCH, shard=0, shard_pins=40, choose=lambda: chosen(teacher))
    written = store.get(shards.labels_key(BATCH, 0))
    again = shards.label_shard(store, batch=BATCH, shard=0, shard_pins=40, choose=lambda: pytest.fail("a teacher was asked"))
    assert again == first
    assert first == {
        "batch": BATCH, "shard": 0, "pins": 6, "labels": 6, "teacher": "threshold", "teacher_version": "1",
        "stood_in": [{"teacher": "detectron2", "reason": "not here"}],
    }  # fmt: skip
    store.delete(shards.result_key(BATCH, 0))  # as if killed before the result was written
    assert shards.label_shard(store, batch=BATCH, shard=0, shard_pins=40, choose=lambda: chosen(teacher)) == first
    assert store.get(shards.labels_key(BATCH, 0)) == written
    assert teacher.calls == 12


def test_a_shard_that_the_batch_does_not_have_is_refused_by_its_number(tmp_path):
    store = local_store(tmp_path)
    make_batch(store, 3)
    with pytest.raises(InputError, match="from 0 to 0, got 7"):
        shards.label_shard(store, batch=BATCH, shard=7, shard_pins=40, choose=lambda: chosen(ThresholdTeacher()))
    with pytest.raises(InputError, match="validate-pins --batch 20270101T000000"):
        shards.read_pins(store, "20270101T000000")


def test_a_picture_damaged_after_validation_goes_to_review_and_stops_nothing(tmp_path):
    store = local_store(tmp_path)
    pins = make_batch(store, 4)
    store.put(pins[1].store_key, b"\xff\xd8 no longer a picture")
    label_all(store, 4, ThresholdTeacher())
    result = validate(store)
    assert (result["labeled"], result["review"]) == (3, 1)
    assert result["reasons"] == {"nothing found": 1}


def test_sure_labels_are_trained_on_and_unsure_ones_go_to_review(tmp_path):
    store = local_store(tmp_path)
    make_batch(store, 5)
    make_batch(store, 4, batch="20261121T000000", first_seed=50)
    label_all(store, 5, ThresholdTeacher(score=0.9))
    label_all(store, 4, ThresholdTeacher(score=0.45), batch="20261121T000000")
    sure, unsure = validate(store), validate(store, "20261121T000000")
    assert (sure["labeled"], sure["review"], sure["rejected"], sure["verdict"], sure["teacher"]) == (5, 0, 0, "pass", "threshold")
    assert (unsure["labeled"], unsure["review"], unsure["verdict"], unsure["reasons"]) == (0, 4, "fail", {"low confidence": 4})
    assert len(shards.from_jsonl(store.get(validation.review_key("20261121T000000")), name="review")) == 4
    assert store.exists(sure["docs"])
    assert any(key.startswith(f"batches/{BATCH}/docs/labels/validations/") for key in store.keys(f"batches/{BATCH}/docs/labels"))


BAD = [
    pytest.param({"subject_class": "robot"}, "class is none of ours", id="class"),
    pytest.param({"score": 1.5}, "score out of range", id="score above 1"),
    pytest.param({"score": 0.1}, "score out of range", id="score below the cut"),
    pytest.param({"polygons": [[[1, 1], [90, 70]]]}, "polygon of fewer than 3 points", id="two points"),
    pytest.param({"polygons": [[[10, 10], [170, 10], [170, 119], [10, 140]]]}, "polygon outside the picture", id="below the picture"),
    pytest.param({"polygons": [[[-30, 10], [100, 10], [100, 100]]]}, "polygon outside the picture", id="left of the picture"),
    pytest.param({"polygons": [[[10, 10], [14, 10], [14, 14]]]}, "area out of range", id="speck"),
    pytest.param({"polygons": [[[0, 0], [176, 0], [176, 120], [0, 120]]]}, "area out of range", id="whole picture"),
]


@pytest.mark.parametrize(("change", "reason"), BAD)
def test_a_broken_object_is_rejected_with_its_reason_and_the_rest_is_kept(tmp_path, change, reason):
    store = local_store(tmp_path)
    make_batch(store, 3)
    label_all(store, 3, ThresholdTeacher())
    lines = [json.loads(line) for line in store.get(shards.labels_key(BATCH, 0)).decode().splitlines()]
    lines[0]["objects"][0].update(change)
    store.put(shards.labels_key(BATCH, 0), "\n".join(map(json.dumps, lines)).encode())
    result = validate(store)
    assert (result["labeled"], result["rejected"], result["reasons"]) == (2, 1, {reason: 1})


def test_a_teacher_whose_labels_are_mostly_broken_stops_the_batch_and_nothing_of_it_is_trained_on(tmp_path):
    store = local_store(tmp_path)
    make_batch(store, 3)
    label_all(store, 3, ThresholdTeacher())
    lines = [json.loads(line) for line in store.get(shards.labels_key(BATCH, 0)).decode().splitlines()]
    for line in lines:
        line["objects"][0]["score"] = 7
    store.put(shards.labels_key(BATCH, 0), "\n".join(map(json.dumps, lines)).encode())
    with pytest.raises(ContractViolation, match="at most 50% of 3 pins"):
        validate(store)
    assert not store.exists(validation.labels_key(BATCH))


def test_labels_of_a_missing_shard_are_asked_for_by_the_command_that_makes_them(tmp_path):
    store = local_store(tmp_path)
    make_batch(store, 3)
    with pytest.raises(ContractViolation, match=rf"labeling label --batch {BATCH} --shard 0"):
        validate(store)


def test_an_unsure_speck_does_not_hold_back_a_sure_portrait():
    large, small = np.zeros((60, 90), bool), np.zeros((60, 90), bool)
    large[5:55, 10:70], small[20:26, 80:86] = True, True
    objects = [instance_from_mask(large, subject_class="person", score=0.9), instance_from_mask(small, subject_class="object", score=0.41)]
    label = Instances(pin_id="a", width=90, height=60, objects=[one for one in objects if one])
    assert validation.confidence(label) > 0.88
    assert validation.fate_of(label, found=2, review_score=0.5) == "labeled"


def test_cleaning_drops_islands_fills_small_holes_and_keeps_large_ones():
    mask = np.zeros((80, 120), bool)
    mask[10:70, 10:80] = True
    mask[20:23, 20:23] = False
    mask[30:60, 40:70] = False
    mask[5:8, 100:103] = True
    mask[40:60, 95:115] = True
    cleaned = clean(mask, island_ratio=0.05, hole_ratio=0.02)
    assert cleaned[21, 21]
    assert not cleaned[45, 55]
    assert not cleaned[6, 101]
    assert cleaned[50, 105]
    assert not clean(np.zeros((5, 9), bool), island_ratio=0.05, hole_ratio=0.02).any()


def test_a_mask_found_on_a_shrunk_picture_lands_on_the_pictures_own_pixels():
    full = np.zeros((300, 420), bool)
    full[60:240, 90:360] = True
    small = full[1::3, 1::3]
    label = to_instances(
        [Found(mask=small, subject_class="animal", score=0.8)], pin_id="a", size_wh=(420, 300), teacher="t", version="1", cut=Cut(min_score=0.4)
    )
    assert masks.iou(label.union, full) > 0.97


def test_a_pin_never_changes_sides_and_the_share_is_as_asked():
    ids = [f"{number * 2654435761 % 2**32:08x}" + "0" * 56 for number in range(4000)]
    sides = [split.side(one, validation_share=0.15) for one in ids]
    assert sides == [split.side(one, validation_share=0.15) for one in ids]
    assert 0.13 < sides.count("val") / len(sides) < 0.17
    grown = [split.side(one, validation_share=0.3) for one in ids]
    assert all(after == "val" for before, after in zip(sides, grown, strict=True) if before == "val")


def test_a_correction_outranks_every_teacher_whenever_it_came():
    teacher = [Instances(pin_id="a", width=9, height=6, teacher=name) for name in ("first", "second")]
    person = Instances(pin_id="a", width=9, height=6, origin="person")
    assert dataset.merge([person, *teacher])["a"] is person
    assert dataset.merge([*teacher, person])["a"] is person
    assert dataset.merge(teacher)["a"].teacher == "second"


def test_the_first_teacher_that_is_there_labels_and_says_whom_it_stands_in_for(caplog):
    here = ThresholdTeacher()

    def open_one(name):
        if name == "threshold":
            return here
        raise Unavailable(f"{name} has no weights")

    choice = selection.choose(["detectron2", "torchvision", "threshold", "embedded"], open_one)
    assert choice.teacher is here
    assert [(one.teacher, one.reason) for one in choice.stood_in] == [
        ("detectron2", "detectron2 has no weights"),
        ("torchvision", "torchvision has no weights"),
    ]
    assert "stands in for detectron2, torchvision" in caplog.text
    with pytest.raises(Unavailable, match="detectron2: detectron2 has no weights; embedded: embedded has no weights"):
        selection.choose(["detectron2", "embedded"], open_one)


PICTURES = [
    pytest.param("JPEG", "jpg", True, id="plain JPEG stays"),
    pytest.param("PNG", "png", True, id="plain PNG stays"),
    pytest.param("WEBP", "jpg", False, id="WebP becomes JPEG"),
    pytest.param("GIF", "jpg", False, id="GIF becomes JPEG"),
]


@pytest.mark.parametrize(("kind", "extension", "same"), PICTURES)
def test_every_picture_of_a_data_set_is_one_that_opencv_reads(kind, extension, same):
    image = draw(3).image
    data, actual = dataset.portable(encode(image, kind))
    assert actual == extension
    assert (data == encode(image, kind)) == same
    read = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert read.shape == image.shape
    assert np.abs(read[:, :, ::-1].astype(int) - image).mean() < 12


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A batch of 26 pins taken through snapshot, label, validate-labels and build-dataset by the real command line, with one correction."""
    home = tmp_path_factory.mktemp("built")
    store = local_store(home)
    pins = make_batch(store, 26, styles=("normal",)) + make_batch(store, 3, batch="20261119T000000", first_seed=90, styles=("anime",))
    by_batch = {BATCH: 26, "20261119T000000": 3}
    for batch, count in by_batch.items():
        label_all(store, count, ThresholdTeacher(), batch=batch)
        validate(store, batch)
    store.put(f"{dataset.CORRECTIONS}/{pins[0].id}.json", two_part(pins[0].id, (pins[0].width, pins[0].height)).model_dump_json().encode())
    snapshot = verb(home, "snapshot", "--batch", BATCH)
    result = verb(home, "build-dataset", "--batch", BATCH)
    return home, pins, snapshot, result


def two_part(pin_id: str, size_wh: tuple[int, int]) -> Instances:
    mask = np.zeros((size_wh[1], size_wh[0]), bool)
    mask[20:90, 10:60] = mask[30:100, 110:160] = True
    one = instance_from_mask(mask, subject_class="person", score=1.0)
    assert one is not None
    assert len(one.polygons) == 2
    return Instances(pin_id=pin_id, width=size_wh[0], height=size_wh[1], objects=[one], origin="person")


def run_verb(home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    root = Path(__file__).parents[1]
    kept = {key: value for key, value in os.environ.items() if not key.startswith("STICKER_")}
    settings = {"STICKER_HOME": str(home), "STICKER_PARAMS": str(root / "params.yaml"), "STICKER_OFFLINE": "true", **environment}
    return subprocess.run(
        [sys.executable, "-m", "labeling", *arguments], cwd=root, env={**kept, **settings}, capture_output=True, text=True, timeout=120, check=False
    )


def verb(home: Path, *arguments: str, **environment: str) -> dict:
    done = run_verb(home, *arguments, **environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_snapshot_is_named_by_its_content_and_taken_again_it_keeps_its_name(built):
    home, pins, snapshot, _ = built
    assert snapshot["pins"] == len(pins)
    assert len(snapshot["snapshot"]) == 32
    workspace = Workspace(home / "dvc", remote_url=str(home / "dvc-remote"))
    assert snapshots.snapshot(local_store(home), workspace, batch=BATCH) == snapshot
    assert (home / "dvc-remote" / "pointers" / f"{snapshot['snapshot']}.json").is_file()


def test_the_data_set_has_labelled_pins_by_side_and_leaves_out_a_style_with_too_few(built):
    home, pins, snapshot, result = built
    assert result["skipped"] == {"anime": "3 labelled pins, at least 20 wanted"}
    assert result["train"]["normal"] + result["val"]["normal"] == 26
    assert result["snapshot"] != snapshot["snapshot"]
    root = Path(result["dataset"])
    assert root == home / "datasets" / BATCH
    assert json.loads((root / "dataset.json").read_text()) == result
    assert not (root / "segmentor-anime").exists()
    sides = {"train": "val", "val": "train"}
    for pin in pins[:26]:
        side = split.side(pin.id, validation_share=PARAMS.labeling.validation_share)
        (picture,) = (root / "segmentor-normal" / "images" / side).glob(f"{pin.id}.*")
        assert picture.suffix in (".jpg", ".png")
        assert (root / "segmentor-normal" / "labels" / side / f"{pin.id}.txt").is_file()
        assert not list((root / "segmentor-normal" / "images" / sides[side]).glob(f"{pin.id}.*"))
        assert len(list((root / "classifier" / side / "normal").glob(f"{pin.id}.*"))) == 1
    assert sum(1 for _ in (root / "classifier").glob("*/anime/*")) == 3


def test_a_two_part_mask_stays_one_object_through_the_export(built):
    _home, pins, _, result = built
    pin = pins[0]
    side = split.side(pin.id, validation_share=PARAMS.labeling.validation_share)
    text = (Path(result["dataset"]) / "segmentor-normal" / "labels" / side / f"{pin.id}.txt").read_text()
    assert len(text.splitlines()) == 1
    read = yolo_format.from_text(text, pin_id=pin.id, size_wh=(pin.width, pin.height))
    assert read.objects[0].subject_class == "person"
    assert masks.iou(read.union, two_part(pin.id, (pin.width, pin.height)).union) > 0.97


def test_a_snapshot_comes_back_from_the_remote_alone_byte_for_byte_and_builds_the_same_data_set(built, tmp_path):
    home, pins, _, result = built
    project = tmp_path / "project"
    project.mkdir()
    (project / "params.yaml").write_text((Path(__file__).parents[1] / "params.yaml").read_text())
    (project / "dvc.yaml").write_text("stages: {}\n")
    remote = home / "dvc-remote"
    restored = verb(
        tmp_path / "elsewhere", "restore", "--snapshot", result["snapshot"], STICKER_DVC_REMOTE=str(remote), STICKER_PARAMS=str(project / "params.yaml")
    )
    workspace = Path(restored["workspace"])
    assert workspace == tmp_path / "elsewhere" / "restored" / result["snapshot"]
    assert (restored["pins"], restored["labels"]) == (29, 29)
    assert (workspace / "dvc.yaml").is_file()
    original = {path.relative_to(home / "dvc").as_posix(): path.read_bytes() for path in (home / "dvc" / "data").rglob("*") if path.is_file()}
    brought = {path.relative_to(workspace).as_posix(): path.read_bytes() for path in (workspace / "data").rglob("*") if path.is_file()}
    assert brought == original
    assert brought[f"data/pins/{pins[0].id}.jpg"] == local_store(home).get(pins[0].store_key)
    again = verb(tmp_path / "elsewhere", "build-dataset", "--batch", BATCH, "--data", str(workspace / "data"), "--out", str(workspace / "dataset"))
    assert {**again, "dataset": ""} == {**result, "dataset": ""}
    first, second = Path(result["dataset"]), workspace / "dataset"
    files = {path.relative_to(first) for path in first.rglob("*") if path.is_file() and path.name != "dataset.json"}
    assert all((second / path).read_bytes() == (first / path).read_bytes() for path in files)


def test_a_workspace_that_another_process_has_locked_is_tried_again(tmp_path, monkeypatch, caplog):
    from dvc.repo import Repo

    caplog.set_level("INFO", "labeling.snapshots")
    store = local_store(tmp_path)
    make_batch(store, 2)
    workspace = Workspace(tmp_path / "dvc", remote_url=str(tmp_path / "remote"))
    workspace.prepare()
    lock = Repo(str(workspace.root)).lock
    lock.lock()
    monkeypatch.setattr(snapshots, "sleep", lambda seconds: lock.unlock())
    assert snapshots.snapshot(store, workspace, batch=BATCH)["pins"] == 2
    assert "busy, attempt 1 of 5" in caplog.text


def test_an_unknown_snapshot_is_refused_before_anything_is_fetched(tmp_path):
    unknown = "0" * 32
    with pytest.raises(InputError, match=f"snapshot {unknown}: not in the remote"):
        snapshots.restore(unknown, to=tmp_path / "to", remote_url=str(tmp_path / "remote"), files=[])
    with pytest.raises(InputError, match="32 hexadecimal digits"):
        snapshots.check_id("../../etc")


def test_a_folder_with_other_files_is_not_restored_into(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="new or empty folder"):
        snapshots.restore("0" * 32, to=tmp_path, remote_url=str(tmp_path / "remote"), files=[])
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_a_verb_that_cannot_work_says_what_to_run_first(tmp_path):
    done = run_verb(tmp_path, "plan-shards", "--batch", BATCH)
    assert done.returncode == 2
    assert "validate-pins" in done.stderr
    assert "Traceback" not in done.stderr


def test_pins_of_a_second_batch_are_added_to_the_same_history(tmp_path):
    store = local_store(tmp_path)
    workspace = Workspace(tmp_path / "dvc", remote_url=str(tmp_path / "remote"))
    first_pins = make_batch(store, 2)
    first = snapshots.snapshot(store, workspace, batch=BATCH)
    extra = make_pin(store, encode(draw(77).image, "PNG"), style="anime", size_wh=(176, 120), extension="png")
    store.put("index/pins.parquet", manifests.to_parquet([*first_pins, extra]))
    second = snapshots.snapshot(store, workspace, batch="20261121T000000")
    assert (first["pins"], second["pins"]) == (2, 3)
    assert first["snapshot"] != second["snapshot"]
    back = snapshots.restore(first["snapshot"], to=tmp_path / "back", remote_url=workspace.remote_url, files=[])
    assert back["pins"] == 2
