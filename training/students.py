"""Student networks from weights: plain state dicts, Ultralytics checkpoints, and COCO's 80 classes made into this project's three."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sticker_studio.errors import ContractViolation
from sticker_studio.types import CLASSES, RGB, SubjectClass
from training import yolo

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)

OTHERS: Final = "*"
RIDGE: Final = 1e-3
BACKGROUND_WEIGHT: Final = 0.02
"""Weight of an anchor that shows nothing when class channels are fitted; one that shows a subject weighs up to 1."""

State = dict[str, Any]


def build(architecture: str, *, hidden: int | None = None, seed: int = 0) -> Any:
    """A randomly initialised Ultralytics segmentation model of three classes with the loss' hyper-parameters set.

    `hidden`: channels before the class channels, which Ultralytics makes depend on the number of classes (64 for ours, 80 for COCO's in the nano size);
    a student that descends from COCO weights keeps theirs. Raises `ContractViolation` for an architecture that Ultralytics does not know.
    """
    yolo.quiet_ultralytics()
    import torch
    from ultralytics.nn.tasks import SegmentationModel
    from ultralytics.utils import DEFAULT_CFG

    torch.manual_seed(seed)
    try:
        model: Any = SegmentationModel(f"{architecture}.yaml", ch=3, nc=len(CLASSES), verbose=False)
        if hidden is not None and hidden != hidden_channels(model.state_dict()):
            model = SegmentationModel(f"{architecture}.yaml", ch=3, nc=hidden, verbose=False)
            _replace_classes(model, len(CLASSES))
    except FileNotFoundError as error:
        raise ContractViolation(f"segmentor.architecture: expected a segmentation model of Ultralytics such as yolov8n-seg, got {architecture!r}") from error
    model.args = DEFAULT_CFG
    model.names = dict(enumerate(CLASSES))
    return model


def _replace_classes(model: Any, count: int) -> None:
    """Give the head `count` class channels, keeping everything before them."""
    import torch

    head = model.model[-1]
    for branch in head.cv3:
        branch[-1] = torch.nn.Conv2d(branch[-1].in_channels, count, 1)
    head.nc, head.no = count, count + 4 * head.reg_max
    model.yaml["nc"] = model.nc = count
    head.bias_init()


def _class_keys(state: Mapping[str, Any]) -> list[str]:
    """Keys of the weights of the last class convolution of each scale."""
    last = max((int(key.split(".")[1]) for key in state if key.startswith("model.")), default=-1)
    return sorted(key for key in state if key.startswith(f"model.{last}.cv3.") and key.endswith(".2.weight"))


def hidden_channels(state: Mapping[str, Any]) -> int:
    """Channels before the class channels. Raises `ContractViolation` when this is no state dict of a YOLO-seg."""
    keys = _class_keys(state)
    if not keys:
        raise ContractViolation("expected the state dict of an Ultralytics YOLO-seg, found no class branch (model.<n>.cv3.*.2.weight)")
    return int(state[keys[0]].shape[1])


def class_count(state: Mapping[str, Any]) -> int:
    """How many classes the weights are for."""
    hidden_channels(state)
    return int(state[_class_keys(state)[0]].shape[0])


def from_state(state: State, architecture: str) -> Any:
    """A student with a plain state dict (16 or 32 bit) of three classes. Raises `ContractViolation` when it does not fit the architecture."""
    model = build(architecture, hidden=hidden_channels(state))
    try:
        model.load_state_dict({key: value.float() if value.is_floating_point() else value for key, value in state.items()})
    except RuntimeError as error:
        raise ContractViolation(f"expected weights of {architecture} with {len(CLASSES)} classes: {str(error)[:300]}") from error
    return model


def load(path: Path, architecture: str, coco_classes: Mapping[SubjectClass, Sequence[str]], pictures: Sequence[RGB]) -> Any:
    """A student from a local file: a plain state dict, or an Ultralytics checkpoint, whose classes are mapped by `coco_classes`.

    `pictures` (SxSx3, the network's size) are what class channels are fitted on when the checkpoint has other classes. Only the classes that Ultralytics
    lists as safe are unpickled. Raises `ContractViolation` when the file is neither or does not fit.
    """
    state = read_plain(path)
    if state is not None:
        return from_state(state, architecture)
    checkpoint = _read_checkpoint(path)
    names = [str(checkpoint.names[index]) for index in sorted(checkpoint.names)]
    if tuple(names) == CLASSES:
        return from_state(checkpoint.state_dict(), architecture)
    log.info("%s: %d classes become %s; fitting their channels on %d pictures", path.name, len(names), ", ".join(CLASSES), len(pictures))
    return regroup(checkpoint, architecture, groups(names, coco_classes), pictures)


def read_plain(path: Path) -> State | None:
    """A plain state dict; None when the file holds something else. Raises `ContractViolation` for an unreadable file."""
    import pickle

    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        return None
    except (OSError, RuntimeError, EOFError, LookupError, ValueError, AttributeError) as error:
        raise ContractViolation(f"{path}: expected weights written by torch: {error}; fetch the file again") from error
    plain = isinstance(state, dict) and bool(state) and all(hasattr(value, "is_floating_point") for value in state.values())
    return state if plain else None


def _read_checkpoint(path: Path) -> Any:
    yolo.quiet_ultralytics()
    from ultralytics.nn.tasks import torch_safe_load

    try:
        checkpoint, _ = torch_safe_load(str(path), safe_only=True)
    except (TypeError, RuntimeError, ModuleNotFoundError, AttributeError) as error:
        raise ContractViolation(f"{path}: expected a segmentation checkpoint of Ultralytics: {str(error)[:300]}") from error
    model = checkpoint.get("ema") or checkpoint.get("model")
    if model is None or not hasattr(model.model[-1], "cv4"):
        raise ContractViolation(f"{path}: expected a segmentation checkpoint of Ultralytics, got {type(model).__name__}")
    return model.float().eval()


def groups(names: Sequence[str], mapping: Mapping[SubjectClass, Sequence[str]]) -> list[list[int]]:
    """Indices of `names` for each of our classes; '*' takes the names not listed. Raises `ContractViolation` for a class that gets none."""
    table = {name: label for label, listed in mapping.items() for name in listed}
    result = [[index for index, name in enumerate(names) if table.get(name, table.get(OTHERS)) == label] for label in CLASSES]
    empty = [label for label, members in zip(CLASSES, result, strict=True) if not members]
    if empty:
        raise ContractViolation(f"labeling.coco_classes: none of the checkpoint's {len(names)} classes is {', '.join(empty)}; extend the table in params.yaml")
    return result


def regroup(checkpoint: Any, architecture: str, members: Sequence[Sequence[int]], pictures: Sequence[RGB]) -> Any:
    """A three-class student from a model of many classes: all other tensors are copied.

    The logit of a class should be "any of its members", which no single linear channel is; it is the one that fits log-sum-exp of the members' logits best
    over the anchors of `pictures` (weighted ridge regression, in closed form), anchors that show a subject weighing most.
    """
    state = checkpoint.state_dict()
    keys = _class_keys(state)
    features = _class_features(checkpoint, pictures)
    model = build(architecture, hidden=hidden_channels(state))
    try:
        merged = {key: value.float() if value.is_floating_point() else value for key, value in state.items()}
        for key, scale in zip(keys, features, strict=True):
            weight, bias = _fit_channels(scale, merged[key].flatten(1), merged[key.replace("weight", "bias")], members)
            merged[key], merged[key.replace("weight", "bias")] = weight[:, :, None, None], bias
        model.load_state_dict(merged)
    except RuntimeError as error:
        raise ContractViolation(f"expected a checkpoint of {architecture}: {str(error)[:300]}; set segmentor.architecture to the checkpoint's") from error
    return model


def _class_features(checkpoint: Any, pictures: Sequence[RGB]) -> "list[torch.Tensor]":
    """Inputs of the class channels over `pictures`, one anchors x channels tensor a scale."""
    import torch

    if not pictures:
        raise ContractViolation("mapping a checkpoint's classes needs pictures to fit them on, got none")
    collected: list[list[torch.Tensor]] = [[] for _ in checkpoint.model[-1].cv3]
    hooks = [
        branch[-1].register_forward_pre_hook(lambda _, inputs, store=store: store.append(inputs[0].permute(0, 2, 3, 1).flatten(0, 2)))
        for branch, store in zip(checkpoint.model[-1].cv3, collected, strict=True)
    ]
    try:
        with torch.no_grad():
            for start in range(0, len(pictures), 8):
                images = np.stack([picture.transpose(2, 0, 1) for picture in pictures[start : start + 8]])
                checkpoint(torch.from_numpy(images).float() / 255)
    finally:
        for hook in hooks:
            hook.remove()
    return [torch.cat(parts) for parts in collected]


def _fit_channels(
    features: "torch.Tensor", weight: "torch.Tensor", bias: "torch.Tensor", members: Sequence[Sequence[int]]
) -> "tuple[torch.Tensor, torch.Tensor]":
    """Weights (3 x channels) and biases (3) of the channels that stand for groups of the given ones."""
    import torch

    logits = features @ weight.T + bias
    padded = torch.cat([features, torch.ones(len(features), 1)], dim=1).double()
    solved = []
    for group in members:
        target = torch.logsumexp(logits[:, list(group)], dim=1).double()
        share = (BACKGROUND_WEIGHT + target.sigmoid()).sqrt()[:, None]
        matrix = (padded * share).T @ (padded * share)
        matrix += RIDGE * matrix.diagonal().mean() * torch.eye(len(matrix), dtype=torch.double)
        solved.append(torch.linalg.solve(matrix, (padded * share).T @ (target[:, None] * share))[:, 0])
    stacked = torch.stack(solved).float()
    return stacked[:, :-1], stacked[:, -1]
