"""Registration, aliases, promotion, verification and rollback against a real MLflow server and a real HTTP service double."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

from sticker_studio import images, model_card
from sticker_studio.errors import InputError, Unavailable
from sticker_studio.model_card import ModelCard
from sticker_studio.settings import Settings
from sticker_studio.types import CLASSIFIER, MODEL_NAMES, SEGMENTORS
from training import champions, promotion, tracking
from training.tracking import Registration

NAME = SEGMENTORS["anime"]


def model_folder(folder: Path, *, gain: float, name: str = NAME) -> Path:
    """A real, tiny ONNX model with its card: its file differs with `gain`."""
    import onnx
    from onnx import TensorProto, helper

    folder.mkdir(parents=True, exist_ok=True)
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("Mul", ["mean", "gain"], ["logits"]),
    ]
    inputs = [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 24, 24])]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 3])]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, [helper.make_tensor("gain", TensorProto.FLOAT, [1], [gain])])
    onnx.save_model(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(folder / model_card.MODEL_NAME))
    digest = model_card.sha256(folder / model_card.MODEL_NAME)
    card = ModelCard(name=name, version="b", kind="segmentor", style="anime", architecture="tiny", input_px=24, file_sha256=digest)
    (folder / model_card.CARD_NAME).write_text(card.model_dump_json())
    (folder / "weights.pt").write_bytes(b"plain state dict of " + str(gain).encode())
    return folder


@pytest.fixture
def registry(mlflow_server: str, offline_settings: Settings) -> Settings:
    """Settings of an installation whose registry is the session's MLflow; models left by other tests are removed."""
    settings = offline_settings.model_copy(update={"mlflow_uri": mlflow_server})
    client = tracking.client(settings)
    for model in client.search_registered_models():
        client.delete_registered_model(model.name)
    return settings


def registered(settings: Settings, folder: Path, batch: str, **tags: str) -> Any:
    entry = Registration(
        name=NAME, batch=batch, folder=folder, tags=tags, parameters={"epochs": 3}, metrics={"golden.all": 0.8}, history=({"loss": 2.0}, {"loss": 1.0})
    )
    return tracking.register(tracking.client(settings), entry, settings)


def test_a_version_holds_our_files_byte_for_byte_and_its_card_names_its_number(registry: Settings, tmp_path: Path) -> None:
    import mlflow

    folder = model_folder(tmp_path / "run", gain=1.0)
    version = registered(registry, folder, "20260101T000000")
    tracking.client(registry).set_registered_model_alias(NAME, "champion", version.version)
    fetched = champions.current(NAME, registry).folder
    assert (fetched / "model.onnx").read_bytes() == (folder / "model.onnx").read_bytes()
    assert (fetched / "weights.pt").read_bytes() == (folder / "weights.pt").read_bytes()
    assert model_card.read(fetched).version == str(version.version)
    info = mlflow.models.get_model_info(f"models:/{NAME}/{version.version}")
    assert [tuple(spec.shape) for spec in info.signature.inputs] == [(-1, 3, 24, 24)] or [tuple(s.shape) for s in info.signature.inputs] == [(1, 3, 24, 24)]
    assert info.saved_input_example_info is not None
    run = tracking.client(registry).get_run(version.run_id)
    assert (run.data.params["epochs"], run.data.metrics["golden.all"], run.data.metrics["loss"]) == ("3", 0.8, 1.0)


def test_registering_a_batch_again_makes_no_second_version(registry: Settings, tmp_path: Path) -> None:
    first = registered(registry, model_folder(tmp_path / "run", gain=1.0), "20260101T000000")
    again = registered(registry, model_folder(tmp_path / "run", gain=1.0), "20260101T000000")
    other = registered(registry, model_folder(tmp_path / "other", gain=1.0), "20260102T000000")
    assert first.version == again.version != other.version


def test_an_empty_registry_answers_with_the_factory_model_or_says_that_there_is_none(registry: Settings) -> None:
    assert tracking.alias(tracking.client(registry), f"none-{uuid4().hex}", "champion") is None
    with pytest.raises(Unavailable, match="make factory"):
        champions.current("sticker-segmentor-none", registry)


def test_a_dead_registry_is_reported_with_its_address_and_no_factory_model_stands_in(
    offline_settings: Settings, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    settings = offline_settings.model_copy(update={"mlflow_uri": f"http://127.0.0.1:{free_port}"})
    with pytest.raises(Unavailable, match=str(free_port)):
        champions.current(NAME, settings)


def two_versions(settings: Settings, tmp_path: Path, verdict: str = "promote") -> tuple[str, str]:
    """A champion of day 1 and a judged challenger of day 2."""
    client = tracking.client(settings)
    old = registered(settings, model_folder(tmp_path / "1", gain=1.0), "20260101T000000")
    client.set_registered_model_alias(NAME, "champion", old.version)
    new = registered(settings, model_folder(tmp_path / "2", gain=2.0), "20260102T000000")
    tracking.tag(client, new, {tracking.TAG_VERDICT: verdict, tracking.TAG_REASONS: "all: rises" if verdict == "promote" else "all: falls"})
    return str(old.version), str(new.version)


def champion(settings: Settings) -> str:
    version = tracking.alias(tracking.client(settings), NAME, "champion")
    return str(version.version) if version else ""


def test_promotion_moves_the_alias_once_and_notes_approver_and_predecessor(registry: Settings, tmp_path: Path) -> None:
    old, new = two_versions(registry, tmp_path)
    for _ in range(2):
        result = promotion.promote("20260102T000000", "alice", registry)
        assert result["promoted"] == {NAME: new}
    tags = tracking.client(registry).get_model_version(NAME, new).tags
    assert (champion(registry), tags[tracking.TAG_APPROVER], tags[tracking.TAG_PREVIOUS]) == (new, "alice", old)
    assert result["kept"][CLASSIFIER] == "the batch registered no version"


def test_a_kept_champion_stays_with_the_gates_reason(registry: Settings, tmp_path: Path) -> None:
    old, _ = two_versions(registry, tmp_path, verdict="keep")
    result = promotion.promote("20260102T000000", "alice", registry)
    assert (champion(registry), result["promoted"], result["kept"][NAME]) == (old, {}, "all: falls")


def test_rollback_by_hand_moves_back_marks_the_version_and_refuses_unknown_ones(registry: Settings, tmp_path: Path) -> None:
    old, new = two_versions(registry, tmp_path)
    promotion.promote("20260102T000000", "alice", registry)
    assert promotion.rollback(NAME, old, registry) == {"model": NAME, "version": old}
    assert champion(registry) == old
    assert "rolled back" in promotion.promote("20260102T000000", "alice", registry)["kept"][NAME]
    with pytest.raises(InputError, match=f"expected one of its versions {old}, {new}, got '77'"):
        promotion.rollback(NAME, "77", registry)


# --- the service follows, or the alias goes back


class Service(ThreadingHTTPServer):
    """A service of the contract's shape: `versions` is what it says to serve; `alpha` what it cuts out."""

    versions: dict[str, str]
    alpha_is_blank: bool = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Service

    def do_GET(self) -> None:
        models = {name: {"version": version, "source": "registry", "sha256": "0" * 64} for name, version in self.server.versions.items()}
        self._answer(json.dumps({"models": models}).encode(), "application/json")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        cut = np.full((30, 40, 4), 255, np.uint8)
        if not self.server.alpha_is_blank:
            cut[:10, :, 3] = 0
        self._answer(images.encode_png(cut), "image/png")

    def _answer(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@pytest.fixture
def service() -> Iterator[Service]:
    server = Service(("127.0.0.1", 0), Handler)
    server.versions = {}
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


SMOKE = [np.full((30, 40, 3), 200, np.uint8)]


def verified(settings: Settings, service: Service) -> dict[str, Any]:
    promotion.promote("20260102T000000", "alice", settings)
    reachable = settings.model_copy(update={"service_url": service.url})
    return promotion.verify("20260102T000000", reachable, timeout_s=1.5, smoke=SMOKE)


def test_a_service_that_follows_keeps_the_new_champion(registry: Settings, tmp_path: Path, service: Service) -> None:
    _, new = two_versions(registry, tmp_path)
    threading.Timer(0.5, lambda: service.versions.update({NAME: new})).start()
    assert verified(registry, service) == {"batch": "20260102T000000", "serving": {NAME: new}, "rolled_back": {}}
    assert champion(registry) == new


def test_the_alias_goes_back_when_the_service_keeps_serving_the_old_version(registry: Settings, tmp_path: Path, service: Service) -> None:
    old, new = two_versions(registry, tmp_path)
    service.versions = {NAME: old}
    reason = verified(registry, service)["rolled_back"][NAME]
    assert f"serves version {old}" in reason
    assert champion(registry) == old
    assert tracking.client(registry).get_model_version(NAME, new).tags[tracking.TAG_ROLLED_BACK] == reason


def test_the_alias_goes_back_when_the_new_champion_cuts_nothing_out(registry: Settings, tmp_path: Path, service: Service) -> None:
    old, new = two_versions(registry, tmp_path)
    service.versions, service.alpha_is_blank = {NAME: new}, True
    assert "alpha is 255 everywhere" in verified(registry, service)["rolled_back"][NAME]
    assert champion(registry) == old


def test_a_batch_that_promoted_nothing_rolls_nothing_back_though_the_service_is_away(registry: Settings, tmp_path: Path, free_port: int) -> None:
    old, _ = two_versions(registry, tmp_path, verdict="keep")
    away = registry.model_copy(update={"service_url": f"http://127.0.0.1:{free_port}"})
    assert promotion.verify("20260102T000000", away, timeout_s=0, smoke=SMOKE)["rolled_back"] == {}
    assert champion(registry) == old


def test_every_registry_name_has_a_plan_for_a_version_that_nobody_judged() -> None:
    for name in MODEL_NAMES:
        assert "gate has not judged" in promotion.plan(name, {}, is_champion=False).reason
