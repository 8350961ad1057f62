"""Where a training starts, and why; and how weights of other classes become a student's."""

import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sticker_studio import registry
from sticker_studio.errors import ContractViolation, Unavailable
from sticker_studio.model_card import ModelCard
from sticker_studio.settings import Settings
from sticker_studio.types import CLASSES, SEGMENTORS
from training import base_weights, students
from training.base_weights import Official
from training.champions import Champion

NAME = SEGMENTORS["anime"]
COCO_LIKE = ["person", "cat", "chair", "dog", "banana"]
MAPPING = {"person": ["person"], "animal": ["cat", "dog"], "object": ["*"]}


def model(folder: Path, *, architecture: str = "yolov8n-seg", weights: bool = True) -> Path:
    """A model folder whose hash is right; the choice never opens the network itself."""
    import hashlib

    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(b"network")
    digest = hashlib.sha256(b"network").hexdigest()
    card = ModelCard(name=NAME, version="factory-1", kind="segmentor", style="anime", architecture=architecture, input_px=64, file_sha256=digest)
    (folder / "card.json").write_text(card.model_dump_json())
    if weights:
        (folder / "weights.pt").write_bytes(f"weights of {folder.name}".encode())
    return folder


@pytest.fixture
def factory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Champion:
    """A factory model in place of the repository's."""
    monkeypatch.setattr(registry, "FACTORY", tmp_path / "factory")
    return Champion(name=NAME, version="1", batch="factory", origin="factory", folder=model(tmp_path / "factory" / NAME))


@pytest.fixture
def host() -> Iterator[str]:
    """The address of something that takes connections."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def official(host: str) -> Official:
    def fetch(folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "yolov8n-seg.pt").write_bytes(b"official")
        return folder / "yolov8n-seg.pt"

    return Official(name="yolov8n-seg.pt", host=host, fetch=fetch)


def online(settings: Settings) -> Settings:
    return settings.model_copy(update={"offline": False})


def start(champion: Champion, host: str, settings: Settings, *, base: str = "") -> base_weights.Start:
    return base_weights.choose(champion, official(host), "yolov8n-seg", batch="20260101T000000", settings=settings, base_weights=base)


def test_a_named_file_comes_before_everything_and_its_hash_is_recorded_and_held(
    factory: Champion, host: str, offline_settings: Settings, tmp_path: Path
) -> None:
    own = tmp_path / "own.pt"
    own.write_bytes(b"mine")
    made = replace(factory, batch="20251231T000000")
    chosen = start(made, host, online(offline_settings), base=str(own))
    assert (chosen.path, chosen.base.name, chosen.base.reason) == (own, "own.pt", "STICKER_BASE_WEIGHTS names it")
    own.write_bytes(b"somebody else's")
    with pytest.raises(ContractViolation, match="as recorded in"):
        start(made, host, online(offline_settings), base=str(own))


def test_a_champion_that_a_batch_made_comes_before_official_weights(factory: Champion, host: str, offline_settings: Settings) -> None:
    made = replace(factory, batch="20251231T000000", version="4")
    chosen = start(made, host, online(offline_settings))
    assert chosen.path == factory.weights
    assert "version 4 (batch 20251231T000000): the champion is the best model so far" in chosen.base.text


def test_official_weights_come_before_the_factory_model_where_their_host_answers(factory: Champion, host: str, offline_settings: Settings) -> None:
    chosen = start(factory, host, online(offline_settings))
    assert chosen.path.read_bytes() == b"official"
    assert "no batch has made a champion yet" in chosen.base.reason


def test_offline_the_factory_model_stands_in_and_says_so(factory: Champion, host: str, offline_settings: Settings) -> None:
    chosen = start(factory, host, offline_settings)
    assert chosen.path == factory.weights
    assert "STICKER_OFFLINE is set" in chosen.base.reason


def test_an_unreachable_host_is_named_and_the_factory_model_stands_in(factory: Champion, free_port: int, offline_settings: Settings) -> None:
    chosen = start(factory, f"http://127.0.0.1:{free_port}", online(offline_settings))
    assert chosen.path == factory.weights
    assert f"http://127.0.0.1:{free_port} does not answer" in chosen.base.reason


def test_a_champion_of_another_architecture_or_without_weights_is_passed_over_with_its_reason(
    factory: Champion, offline_settings: Settings, tmp_path: Path
) -> None:
    other = replace(factory, batch="b", version="2", folder=model(tmp_path / "other", architecture="yolo11n-seg"))
    assert "is a yolo11n-seg, the parameters ask for yolov8n-seg" in start(other, "http://127.0.0.1:1", offline_settings).base.reason
    bare = replace(factory, batch="b", version="3", folder=model(tmp_path / "bare", weights=False))
    assert "carries no weights.pt" in start(bare, "http://127.0.0.1:1", offline_settings).base.reason


def test_without_any_weights_the_error_names_the_setting(factory: Champion, offline_settings: Settings) -> None:
    factory.folder.joinpath("weights.pt").unlink()
    with pytest.raises(Unavailable, match=r"set STICKER_BASE_WEIGHTS to a local yolov8n-seg \.pt"):
        start(factory, "http://127.0.0.1:1", offline_settings)


# --- weights of other classes


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An Ultralytics checkpoint of 80 classes (random weights), as its own trainer writes it."""
    students.yolo.quiet_ultralytics()
    from ultralytics.nn.tasks import SegmentationModel

    torch.manual_seed(3)
    network = SegmentationModel("yolov8n-seg.yaml", ch=3, nc=80, verbose=False)
    network.names = dict(enumerate([*COCO_LIKE, *(f"thing {index}" for index in range(75))]))
    path = tmp_path_factory.mktemp("checkpoint") / "coco.pt"
    torch.save({"model": network.half(), "train_args": {"task": "segment"}}, path)
    return path


PICTURES = [np.random.default_rng(index).integers(0, 255, (64, 64, 3), np.uint8) for index in range(4)]


def test_a_checkpoint_of_eighty_classes_becomes_a_student_of_three_with_all_else_copied(checkpoint: Path) -> None:
    student = students.load(checkpoint, "yolov8n-seg", MAPPING, PICTURES)
    original = torch.load(checkpoint, weights_only=False)["model"].float().state_dict()
    state = student.state_dict()
    assert (students.class_count(state), student.model[-1].nc, tuple(student.names.values())) == (3, 3, CLASSES)
    changed = {key for key in state if state[key].shape != original[key].shape}
    assert changed == {f"model.22.cv3.{scale}.2.{kind}" for scale in range(3) for kind in ("weight", "bias")}
    assert all(torch.equal(state[key], original[key]) for key in state if key not in changed)


def test_a_mapped_class_scores_as_the_best_of_its_members(checkpoint: Path) -> None:
    student = students.load(checkpoint, "yolov8n-seg", MAPPING, PICTURES).eval()
    original = torch.load(checkpoint, weights_only=False)["model"].float().eval()
    images = torch.from_numpy(np.stack([picture.transpose(2, 0, 1) for picture in PICTURES])).float() / 255
    with torch.no_grad():
        before, after = original(images)[0], student(images)[0]
    before, after = (output[0] if isinstance(output, tuple) else output for output in (before, after))
    person = torch.logit(before[:, 4]), torch.logit(after[:, 4])
    assert torch.allclose(person[0], person[1], atol=0.05)


def test_a_students_own_weights_load_again_whatever_they_descend_from(checkpoint: Path, tmp_path: Path) -> None:
    student = students.load(checkpoint, "yolov8n-seg", MAPPING, PICTURES)
    students.yolo.save_weights(student, tmp_path / "weights.pt")
    again = students.load(tmp_path / "weights.pt", "yolov8n-seg", MAPPING, [])
    assert students.hidden_channels(again.state_dict()) == 80
    assert torch.allclose(again.state_dict()["model.0.conv.weight"], student.state_dict()["model.0.conv.weight"], atol=1e-3)


@pytest.mark.parametrize(
    ("content", "message"),
    [pytest.param(b"", "expected weights written by torch", id="empty"), pytest.param(b"\x80\x02garbage", "torch|Ultralytics", id="garbage")],
)
def test_a_file_that_holds_no_weights_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    path.write_bytes(content)
    with pytest.raises(ContractViolation, match=message):
        students.load(path, "yolov8n-seg", MAPPING, PICTURES)


def test_weights_of_another_architecture_are_refused_with_both_names(tmp_path: Path) -> None:
    torch.save({"model.22.cv3.0.2.weight": torch.zeros(3, 64, 1, 1)}, tmp_path / "part.pt")
    with pytest.raises(ContractViolation, match="expected weights of yolov8n-seg with 3 classes"):
        students.load(tmp_path / "part.pt", "yolov8n-seg", MAPPING, [])


def test_a_class_that_no_name_maps_to_is_refused() -> None:
    assert students.groups(COCO_LIKE, MAPPING) == [[0], [1, 3], [2, 4]]
    with pytest.raises(ContractViolation, match="is animal"):
        students.groups(["person", "chair"], MAPPING)
