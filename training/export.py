"""Trained networks to the files that serving reads: `model.onnx` (16-bit weights, 32-bit arithmetic), `card.json`, `weights.pt`."""

import copy
import io
import warnings
from pathlib import Path
from typing import Any, Final

import numpy as np

from sticker_studio import atomic, model_card
from sticker_studio.errors import ContractViolation
from sticker_studio.model_card import ModelCard
from training import yolo

OPSET: Final = 17
WEIGHTS_NAME: Final = "weights.pt"
MIN_HALF_VALUES: Final = 64
"""Initialisers with fewer values stay in 32 bit: they hold shapes, strides and anchors, and save nothing."""


def segmentor_onnx(model: Any, input_px: int) -> bytes:
    """An Ultralytics `SegmentationModel` as ONNX: `images` 1x3xSxS -> `output0` 1x(4+classes+32)xN, `output1` 1x32xS/4xS/4."""
    exported = copy.deepcopy(model).eval().float().fuse(verbose=False)
    head = exported.model[-1]
    head.export, head.format = True, "onnx"
    return _onnx(exported, input_px, ["output0", "output1"])


def classifier_onnx(model: Any, input_px: int) -> bytes:
    """A torch classifier as ONNX: `images` 1x3xSxS -> `logits` 1xclasses."""
    return _onnx(copy.deepcopy(model).eval().float(), input_px, ["logits"])


def _onnx(model: Any, input_px: int, outputs: list[str]) -> bytes:
    import torch

    buffer: Any = io.BytesIO()  # the tracing exporter writes to files and buffers alike; its annotation knows only files
    example = torch.zeros(1, 3, input_px, input_px)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer's remarks on constants; the exported file is checked against the network
        model(example)
        torch.onnx.export(model, (example,), buffer, opset_version=OPSET, input_names=["images"], output_names=outputs, dynamo=False)
    return halve_weights(buffer.getvalue())


def halve_weights(data: bytes) -> bytes:
    """Store an ONNX model's 32-bit weights in 16 bit behind a Cast, which ONNX Runtime folds away when it loads the file."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load_from_string(data)
    graph = model.graph
    casts = []
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(tensor)
        if values.size < MIN_HALF_VALUES or np.abs(values).max() > np.finfo(np.float16).max:
            continue
        casts.append(helper.make_node("Cast", [f"{tensor.name}.half"], [tensor.name], name=f"widen.{tensor.name}", to=TensorProto.FLOAT))
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{tensor.name}.half"))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def write_segmentor(folder: Path, model: Any, card: ModelCard) -> ModelCard:
    """Write `model.onnx`, `weights.pt` and the card (its hash filled in) below `folder`; the card last, so that a reader never mixes two versions unnoticed."""
    return _write(folder, segmentor_onnx(model, card.input_px), model, card)


def write_classifier(folder: Path, model: Any, card: ModelCard) -> ModelCard:
    """The same for a torch classifier; `weights.pt` is its state dict."""
    return _write(folder, classifier_onnx(model, card.input_px), model, card)


def _write(folder: Path, onnx_bytes: bytes, model: Any, card: ModelCard) -> ModelCard:
    yolo.save_weights(model, folder / WEIGHTS_NAME)
    atomic.write_bytes(folder / model_card.MODEL_NAME, onnx_bytes)
    finished = card.model_copy(update={"file_sha256": model_card.sha256(folder / model_card.MODEL_NAME)})
    atomic.write_text(folder / model_card.CARD_NAME, finished.model_dump_json(indent=1) + "\n")
    return finished


def load_classifier(weights: Path | None, *, classes: int = 2, seed: int = 0) -> Any:
    """A torchvision MobileNetV3-small with `classes` outputs: random when `weights` is None, else from a plain state dict. Raises `ContractViolation`."""
    import torch
    from torchvision.models import mobilenet_v3_small

    torch.manual_seed(seed)
    model = mobilenet_v3_small(weights=None, num_classes=classes)
    if weights is None:
        return model
    try:
        state = torch.load(weights, map_location="cpu", weights_only=True)
        model.load_state_dict({key: value.float() if value.is_floating_point() else value for key, value in state.items()})
    except (OSError, RuntimeError, AttributeError) as error:
        raise ContractViolation(f"{weights}: expected a plain mobilenet_v3_small state dict with {classes} outputs: {error}") from error
    return model
