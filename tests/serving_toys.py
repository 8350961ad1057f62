"""Small real ONNX models whose answers are known: what is redder than green is a subject; a bright picture is anime."""

import hashlib
import json
from pathlib import Path

import httpx
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from sticker_studio.registry import LAST_GOOD_NAME, ORIGIN_NAME
from sticker_studio.types import CLASSIFIER, SEGMENTORS

SIDE = 64
_STRIDE = 4


def write_segmentor(folder: Path, name: str, *, version: str = "toy", score: float = 0.9) -> Path:
    """A model of YOLO-seg's shape: one anchor, a box round everything, one prototype = 24 * (red - green - 0.37) of the 4x4 px below it."""
    channels = np.zeros((1, 4 + 3 + 32, 1), np.float32)
    channels[0, :4, 0] = (SIDE / 2, SIDE / 2, SIDE, SIDE)
    channels[0, 4, 0] = score
    channels[0, 7, 0] = 24.0
    kernel = np.zeros((32, 3, _STRIDE, _STRIDE), np.float32)
    kernel[0, 0], kernel[0, 1] = 1 / _STRIDE**2, -1 / _STRIDE**2
    bias = np.zeros(32, np.float32)
    bias[0] = -0.37
    nodes = [
        helper.make_node("Conv", ["images", "kernel", "bias"], ["output1"], strides=[_STRIDE, _STRIDE]),
        helper.make_node("Identity", ["head"], ["output0"]),
    ]
    outputs = [_value("output0", [1, 39, 1]), _value("output1", [1, 32, SIDE // _STRIDE, SIDE // _STRIDE])]
    return _write(folder, nodes, [("kernel", kernel), ("bias", bias), ("head", channels)], outputs, name=name, version=version, kind="segmentor")


def write_classifier(folder: Path, *, version: str = "toy") -> Path:
    """Logits (20 * (mean brightness - 0.5), 0): a bright picture is anime."""
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Sub", ["mean", "half"], ["off"]),
        helper.make_node("Reshape", ["off", "shape"], ["column"]),
        helper.make_node("Mul", ["column", "gain"], ["logits"]),
    ]
    values = [("half", np.array([0.5], np.float32)), ("shape", np.array([1, 1], np.int64)), ("gain", np.array([[20.0, 0.0]], np.float32))]
    return _write(folder, nodes, values, [_value("logits", [1, 2])], name=CLASSIFIER, version=version, kind="classifier")


def _value(name: str, shape: list[int]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _write(folder: Path, nodes: list, values: list, outputs: list, *, name: str, version: str, kind: str) -> Path:  # type: ignore[type-arg]
    initialisers = [numpy_helper.from_array(array, label) for label, array in values]
    graph = helper.make_graph(nodes, version, [_value("images", [1, 3, SIDE, SIDE])], outputs, initialisers)
    data = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(data)
    style = next((style for style, model in SEGMENTORS.items() if model == name), None)
    card = {
        "name": name, "version": version, "kind": kind, "style": style, "architecture": "toy", "input_px": SIDE, "letterbox": kind == "segmentor",
        "classes": ["anime", "normal"] if kind == "classifier" else ["person", "animal", "object"], "file_sha256": hashlib.sha256(data).hexdigest(),
    }  # fmt: skip
    (folder / "card.json").write_text(json.dumps(card))
    return folder


def fill_cache(home: Path, *, version: str = "7") -> None:
    """The home of a service that has served toy models before: all three as the last good copies."""
    for name in (CLASSIFIER, *SEGMENTORS.values()):
        folder = home / "models" / name / version
        write_classifier(folder) if name == CLASSIFIER else write_segmentor(folder, name)
        origin = json.dumps({"name": name, "version": version, "run_id": "r", "source": "s"})
        (folder / ORIGIN_NAME).write_text(origin)
        (home / "models" / name / LAST_GOOD_NAME).write_text(origin)


def register(mlflow_uri: str, folder: Path, *, alias: str = "champion") -> str:
    """Register `folder` over REST as a new version of the model that its card names, move `alias` to it, and return the version."""
    name = json.loads((folder / "card.json").read_text())["name"]
    with httpx.Client(base_url=mlflow_uri, timeout=30) as http:
        run = http.post("/api/2.0/mlflow/runs/create", json={"experiment_id": "0"}).raise_for_status().json()["run"]["info"]
        source = f"{run['artifact_uri']}/model"
        for file in folder.iterdir():
            http.put(
                f"/api/2.0/mlflow-artifacts/artifacts/{source.removeprefix('mlflow-artifacts:/')}/{file.name}", content=file.read_bytes()
            ).raise_for_status()
        http.post("/api/2.0/mlflow/registered-models/create", json={"name": name})
        answer = http.post("/api/2.0/mlflow/model-versions/create", json={"name": name, "source": source, "run_id": run["run_id"]})
        version = str(answer.raise_for_status().json()["model_version"]["version"])
    point(mlflow_uri, name, version, alias=alias)
    return version


def point(mlflow_uri: str, name: str, version: str, *, alias: str = "champion") -> None:
    """Move an alias."""
    fields = {"name": name, "alias": alias, "version": version}
    httpx.post(f"{mlflow_uri}/api/2.0/mlflow/registered-models/alias", json=fields, timeout=30).raise_for_status()


def forget(mlflow_uri: str, name: str) -> None:
    """Delete a registered model."""
    httpx.request("DELETE", f"{mlflow_uri}/api/2.0/mlflow/registered-models/delete", json={"name": name}, timeout=30)
