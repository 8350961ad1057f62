"""The teachers' contract, run over every teacher; and what is each one's own."""

import json
import os
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from labeling_batch import BATCH, Drawn, draw, local_store, make_batch

from labeling import coco
from labeling.cleaning import Cut
from labeling.teachers import embedded
from labeling.teachers.protocol import Teacher
from sticker_studio import masks, params, registry, weights
from sticker_studio.errors import ContractViolation, InputError, Unavailable
from sticker_studio.inference import Segmentor
from sticker_studio.saliency import grabcut
from sticker_studio.settings import Settings
from sticker_studio.types import CLASSES, SEGMENTORS

PARAMS = params.load(Path(__file__).parents[1] / "params.yaml")
TABLE = coco.class_table(PARAMS.labeling.coco_classes)
CUT = Cut(min_score=PARAMS.labeling.min_score)
TEACHERS = ["embedded", "torchvision", "detectron2"]


def random_weights(model, *, score_gain: float, input_gain: float) -> dict:
    """Seeded weights for a model (on torch's `meta` device: shapes only), moderate enough that a network that has learnt nothing still finds things."""
    import torch

    generator = torch.Generator().manual_seed(1)
    gains = {"cls_score": score_gain, "stem.conv1": input_gain, "bbox_pred": 0.02, "anchor_deltas": 0.02, "mask_fcn_logits": 10, "mask_head.predictor": 10}
    state = {}
    for name, shape_of in model.state_dict().items():
        shape = tuple(shape_of.shape)
        gain = next((number for part, number in gains.items() if part in name), 1.0)
        if len(shape) >= 2:
            state[name] = (torch.randn(shape, generator=generator) * gain * np.sqrt(2 / np.prod(shape[1:]))).half()
        else:
            state[name] = torch.full(shape, 1.0 if name.endswith(("running_var", ".weight")) else 0.0).to(shape_of.dtype)
    return state


def torchvision_weights(folder: Path) -> Path:
    pytest.importorskip("torchvision", reason="torchvision is not installed: extra 'training'")
    import torch
    from torchvision.models.detection import maskrcnn_resnet50_fpn_v2

    with torch.device("meta"):
        model = maskrcnn_resnet50_fpn_v2(weights=None, weights_backbone=None)
    torch.save(random_weights(model, score_gain=0.05, input_gain=1.0), folder / "torchvision.pth")
    return folder / "torchvision.pth"


def detectron2_weights(folder: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("detectron2", reason="detectron2 is not installed: extra 'detectron2', see README.md")
        import torch
        from detectron2 import model_zoo
        from detectron2.modeling import build_model

        from labeling.teachers import detectron2

        config = model_zoo.get_config(detectron2.CONFIG, trained=False)
        config.MODEL.DEVICE = "meta"
        torch.save(random_weights(build_model(config), score_gain=0.1, input_gain=2e-4), folder / "detectron2.pth")
    return folder / "detectron2.pth"


@pytest.fixture(scope="module")
def weights_folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("weights")


@pytest.fixture(scope="module", params=TEACHERS)
def opener(request, weights_folder) -> Callable[[], Teacher]:
    """A function that opens the teacher anew; the networks of the Mask R-CNNs are real ones with random weights."""
    if request.param == "embedded":
        folders = [registry.factory_model(name) for name in SEGMENTORS.values()]
        return lambda: embedded.EmbeddedTeacher([Segmentor(folder) for folder in folders], cut=CUT)
    if request.param == "torchvision":
        from labeling.teachers.torchvision import TorchvisionTeacher

        file = torchvision_weights(weights_folder)
        return lambda: TorchvisionTeacher(file, sha256="0" * 64, table=TABLE, cut=CUT, short_side_px=96, device="cpu")
    from labeling.teachers.detectron2 import Detectron2Teacher

    file = detectron2_weights(weights_folder)
    return lambda: Detectron2Teacher(file, sha256="0" * 64, table=TABLE, cut=CUT, short_side_px=96, device="cpu")


@pytest.fixture(scope="module")
def teacher(opener) -> Teacher:
    return opener()


SIZES = [pytest.param((176, 120), id="wide"), pytest.param((90, 210), id="tall")]


@pytest.mark.parametrize("size_wh", SIZES)
def test_a_teacher_labels_in_the_pictures_own_pixels(teacher, size_wh):
    drawn = draw(4, size_wh=size_wh)
    before = drawn.image.copy()
    label = teacher.label(drawn.image, pin_id="pin")
    assert (label.pin_id, label.size_wh, label.origin) == ("pin", size_wh, "teacher")
    assert (label.teacher, label.teacher_version) == (teacher.name, teacher.version)
    assert label.union.shape == drawn.mask.shape
    assert (drawn.image == before).all()


def test_a_teacher_finds_something_and_says_how_sure_it_is_best_first(teacher):
    label = teacher.label(draw(5).image, pin_id="pin")
    scores = [one.score for one in label.objects]
    assert scores
    assert scores == sorted(scores, reverse=True)
    assert all(CUT.min_score <= score <= 1 for score in scores)
    assert {one.subject_class for one in label.objects} <= set(CLASSES)
    assert all(label.mask(index).any() for index in range(len(label.objects)))


def test_a_teacher_says_the_same_twice_and_when_opened_anew(teacher, opener):
    image = draw(6).image
    first = teacher.label(image, pin_id="pin")
    assert teacher.label(image, pin_id="pin") == first
    assert opener().label(image, pin_id="pin") == first


def test_a_picture_of_nothing_is_answered_and_not_refused(teacher):
    label = teacher.label(np.full((60, 100, 3), 128, np.uint8), pin_id="pin")
    assert label.size_wh == (100, 60)
    if teacher.name == embedded.NAME:
        assert label.objects == []


def test_a_teacher_is_named_as_in_the_parameters_and_versioned(teacher):
    assert teacher.name in PARAMS.labeling.teachers
    assert teacher.version
    assert teacher.version != teacher.name


def test_detectron2_says_what_its_own_predictor_says_and_mirrors_on_request(weights_folder):
    file = detectron2_weights(weights_folder)
    from detectron2 import model_zoo
    from detectron2.data import MetadataCatalog
    from detectron2.engine import DefaultPredictor

    from labeling.teachers import detectron2

    config = model_zoo.get_config(detectron2.CONFIG, trained=False)
    assert tuple(MetadataCatalog.get(config.DATASETS.TRAIN[0]).thing_classes) == coco.NAMES
    config.MODEL.DEVICE, config.MODEL.WEIGHTS, config.INPUT.MIN_SIZE_TEST, config.MODEL.ROI_HEADS.SCORE_THRESH_TEST = "cpu", str(file), 96, CUT.min_score
    image = draw(7).image
    theirs = DefaultPredictor(config)(np.ascontiguousarray(image[:, :, ::-1]))["instances"]
    ours = detectron2.Detectron2Teacher(file, sha256="0" * 64, table=TABLE, cut=CUT, short_side_px=96, device="cpu").label(image, pin_id="pin")
    large = [index for index, mask in enumerate(theirs.pred_masks.numpy()) if mask.sum() > 200]
    scores = np.array([one.score for one in ours.objects])
    assert len(large) > 3
    assert all(np.abs(scores - float(score)).min() < 1e-5 for score in theirs.scores[large])
    assert masks.iou(theirs.pred_masks.numpy().any(axis=0), ours.union) > 0.9
    mirrored = detectron2.Detectron2Teacher(file, sha256="0" * 64, table=TABLE, cut=CUT, short_side_px=96, device="cpu", flip=True)
    there, back = mirrored.label(image, pin_id="pin"), mirrored.label(np.ascontiguousarray(image[:, ::-1]), pin_id="pin")
    assert there.objects
    assert masks.iou(there.union, back.union[:, ::-1]) > 0.9


def test_torchvisions_names_cover_cocos_eighty():
    detection = pytest.importorskip("torchvision.models.detection", reason="torchvision is not installed: extra 'training'")
    assert set(coco.NAMES) <= set(detection.MaskRCNN_ResNet50_FPN_V2_Weights.COCO_V1.meta["categories"])


def test_a_file_that_holds_no_weights_is_named(tmp_path):
    pytest.importorskip("torchvision", reason="torchvision is not installed: extra 'training'")
    from labeling.teachers.torchvision import TorchvisionTeacher

    (tmp_path / "page.pth").write_text("<html>not found</html>")
    with pytest.raises(ContractViolation, match=r"page\.pth"):
        TorchvisionTeacher(tmp_path / "page.pth", sha256="0" * 64, table=TABLE, cut=CUT)


def test_cocos_names_become_our_classes_as_the_parameters_say():
    assert {TABLE[name] for name in coco.NAMES} == set(CLASSES)
    assert (TABLE["person"], TABLE["zebra"], TABLE["pizza"], len(TABLE)) == ("person", "animal", "object", 80)
    with pytest.raises(InputError, match="unknown \\['unicorn'\\]"):
        coco.class_table({"person": ["person"], "animal": ["unicorn"], "object": ["*"]})
    with pytest.raises(InputError, match="no class for"):
        coco.class_table({"person": ["person"], "animal": ["cat"], "object": ["car"]})


def overlap(mask, drawn: Drawn) -> float:
    return masks.iou(np.asarray(mask), drawn.mask)


def test_grabcut_finds_a_plain_subject_without_a_network_and_nothing_in_flat_colour():
    assert np.mean([overlap(grabcut(draw(seed).image), draw(seed)) for seed in range(4)]) > 0.8
    assert not grabcut(np.full((50, 80, 3), 90, np.uint8)).any()


def test_a_mirrored_picture_is_labelled_as_the_picture_is():
    teacher = embedded.EmbeddedTeacher([Segmentor(registry.factory_model(SEGMENTORS["anime"]))], cut=CUT)
    drawn = draw(5)
    there, back = teacher.label(drawn.image, pin_id="pin"), teacher.label(np.ascontiguousarray(drawn.image[:, ::-1]), pin_id="pin")
    assert masks.iou(there.union, back.union[:, ::-1]) > 0.9


def test_what_no_look_saw_is_proposed_by_grabcut_and_left_to_a_person():
    drawn = draw(9)
    (found,) = embedded.decide([], drawn.image, drawn.image)
    assert overlap(found.mask, drawn) > 0.9
    assert found.score < PARAMS.labeling.review_score
    assert found.subject_class == "object"


def test_weights_changed_since_their_first_use_are_refused(tmp_path):
    file, ledger = tmp_path / "model.pt", tmp_path / "home" / "weights.json"
    file.write_bytes(b"weights")
    digest = weights.verify_or_record(file, ledger)
    assert json.loads(ledger.read_text()) == {"model.pt": digest}
    assert weights.verify_or_record(file, ledger) == digest
    file.write_bytes(b"other weights")
    with pytest.raises(ContractViolation, match=digest):
        weights.verify_or_record(file, ledger)


def test_a_host_is_looked_for_once_a_batch_and_never_for_long(tmp_path, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    ledger = tmp_path / "probe.json"
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/weights.pt"
        assert weights.reachable(url, ledger=ledger, batch="a")
    assert weights.reachable(url, ledger=ledger, batch="a")  # the answer is remembered
    assert not weights.reachable(url, ledger=ledger, batch="b")
    start = time.monotonic()
    assert not weights.reachable("http://no-such-host.invalid/weights.pt", ledger=ledger, batch="b", timeout_s=0.5)
    assert time.monotonic() - start < 1.5


def label_offline(home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    root = Path(__file__).parents[1]
    kept = {key: value for key, value in os.environ.items() if not key.startswith("STICKER_")}
    private = {"TORCH_HOME": str(home / "torch"), "FVCORE_CACHE": str(home / "fvcore"), "STICKER_HOME": str(home), "STICKER_OFFLINE": "true"}
    command = [sys.executable, "-m", "labeling", "label", "--batch", BATCH, "--shard", "0", *arguments]
    return subprocess.run(command, cwd=root, env={**kept, **private, **environment}, capture_output=True, text=True, timeout=120, check=False)


def test_offline_the_embedded_teacher_stands_in_and_says_for_whom_and_why(tmp_path):
    make_batch(local_store(tmp_path), 3)
    done = label_offline(tmp_path)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert (result["teacher"], result["pins"]) == ("embedded", 3)
    assert [one["teacher"] for one in result["stood_in"]] == ["detectron2", "torchvision"]
    assert "README.md" in result["stood_in"][0]["reason"] or "STICKER_OFFLINE" in result["stood_in"][0]["reason"]
    assert "stands in for detectron2, torchvision" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_teacher_asked_for_by_name_is_not_replaced(tmp_path):
    make_batch(local_store(tmp_path), 3)
    done = label_offline(tmp_path, "--teacher", "torchvision")
    assert done.returncode == 2
    assert "STICKER_OFFLINE" in done.stderr
    unknown = label_offline(tmp_path, "--teacher", "oracle")
    assert unknown.returncode == 2
    assert "detectron2, torchvision, embedded" in unknown.stderr


def test_the_embedded_teacher_without_models_names_the_command_that_makes_them(monkeypatch, tmp_path):
    monkeypatch.setattr(registry, "FACTORY", tmp_path)
    with pytest.raises(Unavailable, match="make factory"):
        embedded.open_teacher(Settings(home=tmp_path), cut=CUT)
