"""YOLOv8-seg without stock training: Ultralytics' model and loss in a loop of our own.

On a small CPU this learns several times faster than `YOLO(...).train`: one optimizer step a batch (the stock `nbs=64` quarters them), bf16 autocast
where the processor has it, channels-last memory, cosine learning rate with a short warm-up, an exponential moving average of the weights, and 256 px.
"""

import logging
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from sticker_studio import atomic
from sticker_studio.errors import ContractViolation, Unavailable
from sticker_studio.types import CLASSES, RGB

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)

ARCHITECTURE: Final = "yolov8n-seg"
MASK_STRIDE: Final = 4
"""Px of the input a prototype pixel covers."""
MIN_OBJECT_PX: Final = 24
"""Objects with fewer visible pixels at the input size are not trained on: nothing of them is left in the prototypes."""

IndexMap = npt.NDArray[np.uint8]
"""HxW uint8: 0 is background, i + 1 is object i where it is visible (overlaps already resolved)."""


@dataclass(frozen=True)
class Sample:
    """One training picture of the network's size: SxSx3 RGB uint8, its SxS index map, and the class index of each object."""

    image: RGB
    objects: IndexMap
    classes: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class FitConfig:
    """How long and how fast; `steps` is an upper bound, `time_limit_s` another, and the learning rate follows the nearer one."""

    steps: int
    learning_rate: float
    time_limit_s: float = math.inf
    warmup_steps: int = 50
    weight_decay: float = 0.01
    ema_decay: float = 0.998
    final_rate: float = 0.02
    """Share of the learning rate that is left at the end of the cosine."""
    log_every_s: float = 30


@dataclass
class FitState:
    """What a training run is at: saved by `on_checkpoint`, given back to `fit` to go on."""

    step: int = 0
    seconds: float = 0
    history: list[dict[str, float]] = field(default_factory=list)
    ema: dict[str, Any] | None = None
    optimizer: dict[str, Any] | None = None


def quiet_ultralytics() -> None:
    """Keep Ultralytics from installing packages, asking the network or writing into the user's home; call before importing it."""
    os.environ.setdefault("YOLO_AUTOINSTALL", "false")
    os.environ.setdefault("YOLO_OFFLINE", "true")
    os.environ.setdefault("YOLO_VERBOSE", "false")


def build(*, classes: int = len(CLASSES), seed: int = 0) -> Any:
    """A randomly initialised Ultralytics `SegmentationModel`, with the loss' hyper-parameters set. Raises `Unavailable` without the training extra."""
    quiet_ultralytics()
    try:
        import torch
        from ultralytics.nn.tasks import SegmentationModel
        from ultralytics.utils import DEFAULT_CFG
    except ImportError as error:
        raise Unavailable(f"training needs torch and ultralytics ({error}); install sticker-studio[training]") from error
    torch.manual_seed(seed)
    model: Any = SegmentationModel(f"{ARCHITECTURE}.yaml", ch=3, nc=classes, verbose=False)
    model.args = DEFAULT_CFG
    model.names = dict(enumerate(CLASSES))
    return model


def load(weights: Path, *, classes: int = len(CLASSES)) -> Any:
    """`build` with a plain state dict (16 or 32 bit) from a local file. Raises `ContractViolation` when it does not fit."""
    import torch

    model = build(classes=classes)
    try:
        state = torch.load(weights, map_location="cpu", weights_only=True)
        model.load_state_dict({key: value.float() if value.is_floating_point() else value for key, value in state.items()})
    except (OSError, RuntimeError, AttributeError) as error:
        raise ContractViolation(f"{weights}: expected a plain {ARCHITECTURE} state dict with {classes} classes: {error}") from error
    return model


def half_state(model: Any) -> dict[str, Any]:
    """The model's state dict in 16 bit, ready for `torch.save`; batch-norm variances are kept within half precision's range."""

    def half(value: "torch.Tensor") -> "torch.Tensor":
        return value.detach().clamp(-65504, 65504).half() if value.is_floating_point() else value.detach().clone()

    return {key: half(value) for key, value in model.state_dict().items()}


def save_weights(model: Any, path: Path) -> Path:
    """Write `half_state` atomically, loadable with `torch.load(weights_only=True)`."""
    import io

    import torch

    buffer = io.BytesIO()
    torch.save(half_state(model), buffer)
    return atomic.write_bytes(path, buffer.getvalue())


def collate(samples: Sequence[Sample]) -> dict[str, "torch.Tensor"]:
    """Samples of one size to the batch that Ultralytics' v8SegmentationLoss reads (boxes cxcywh in 0..1, index maps at 1/4)."""
    import torch

    images = np.stack([sample.image.transpose(2, 0, 1) for sample in samples])
    prepared = [_targets(sample) for sample in samples]
    counts = [len(classes) for classes, _, _ in prepared]
    return {
        "img": torch.from_numpy(images),
        "cls": torch.from_numpy(np.concatenate([classes for classes, _, _ in prepared]).astype(np.float32)).view(-1, 1),
        "bboxes": torch.from_numpy(np.concatenate([boxes for _, boxes, _ in prepared])),
        "masks": torch.from_numpy(np.stack([index for _, _, index in prepared])),
        "batch_idx": torch.from_numpy(np.repeat(np.arange(len(samples)), counts).astype(np.float32)),
    }


def _targets(sample: Sample) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32], IndexMap]:
    """Classes, boxes (Nx4 cxcywh in 0..1) and the index map at 1/4, of the objects that are visible enough, renumbered."""
    side = sample.objects.shape[0]
    renumbered = np.zeros(256, np.uint8)
    classes, boxes = [], []
    for index, label in enumerate(sample.classes):
        mask = sample.objects == index + 1
        if np.count_nonzero(mask) < MIN_OBJECT_PX:
            continue
        left, top, width, height = cv2.boundingRect(mask.astype(np.uint8))
        boxes.append(((left + width / 2) / side, (top + height / 2) / side, width / side, height / side))
        classes.append(label)
        renumbered[index + 1] = len(classes)
    small = renumbered[sample.objects[MASK_STRIDE // 2 :: MASK_STRIDE, MASK_STRIDE // 2 :: MASK_STRIDE]]
    return np.asarray(classes, np.int64), np.asarray(boxes, np.float32).reshape(-1, 4), np.ascontiguousarray(small)


def learning_rate(progress: float, step: int, config: FitConfig) -> float:
    """Linear warm-up over the first steps, then a cosine from `learning_rate` to `final_rate` of it as `progress` goes 0..1."""
    warm = min(1.0, (step + 1) / max(1, config.warmup_steps))
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    return config.learning_rate * warm * (config.final_rate + (1 - config.final_rate) * cosine)


def fit(
    model: Any,
    batches: Iterator[dict[str, "torch.Tensor"]],
    config: FitConfig,
    *,
    state: FitState | None = None,
    on_progress: Callable[[dict[str, float]], None] | None = None,
    on_checkpoint: Callable[[Any, FitState], None] | None = None,
    checkpoint_every_s: float = 120,
) -> FitState:
    """Train `model` in place on `batches` (from `collate`) and leave the averaged weights in it.

    Inside an initialised `torch.distributed` group the ranks average their gradients each step (each with batches of its own and the same initial weights);
    one thread a rank wastes less than one process of many threads, whose barriers spin. Only rank 0 reports and writes checkpoints.

    `on_progress` gets {"step", "seconds", "loss", "box", "seg", "cls", "dfl", "rate"} about every `log_every_s`; `on_checkpoint` gets the raw model and the
    state, which lets a killed run go on. Stops at `steps`, at `time_limit_s` or when `batches` ends, whichever is first.
    """
    import torch
    from ultralytics.utils.torch_utils import ModelEMA

    state = state or FitState()
    model.train().to(memory_format=torch.channels_last)
    criterion = model.init_criterion()
    optimizer = _optimizer(model, config)
    if state.optimizer:
        optimizer.load_state_dict(state.optimizer)
    ema = ModelEMA(model, decay=config.ema_decay, tau=100, updates=state.step)
    if state.ema:
        ema.ema.load_state_dict(state.ema)
    begun, spent = time.monotonic(), state.seconds
    logged = saved = begun
    sums, summed = torch.zeros(4), 0
    first = not torch.distributed.is_initialized() or torch.distributed.get_rank() == 0
    progress = max(state.step / config.steps, state.seconds / config.time_limit_s)
    for batch in batches:
        if progress >= 1:  # agreed on, so that no rank waits for one that has left
            break
        own = max((state.step + 1) / config.steps, state.seconds / config.time_limit_s)
        losses, progress = _step(model, criterion, optimizer, batch, (learning_rate(progress, state.step, config), own))
        sums += losses
        ema.update(model)
        now = time.monotonic()
        state.step, summed = state.step + 1, summed + 1
        state.seconds = spent + now - begun
        if not first:
            continue
        if now - logged >= config.log_every_s:
            logged = now
            _report(state, sums / summed, optimizer.param_groups[0]["lr"], on_progress)
            sums, summed = torch.zeros(4), 0
        if on_checkpoint and now - saved >= checkpoint_every_s:
            saved = now
            state.ema, state.optimizer = ema.ema.state_dict(), optimizer.state_dict()
            on_checkpoint(model, state)
    if summed:
        _report(state, sums / summed, optimizer.param_groups[0]["lr"], on_progress)
    model.load_state_dict(ema.ema.state_dict())
    model.eval()
    state.ema = state.optimizer = None
    return state


def _optimizer(model: Any, config: FitConfig) -> "torch.optim.Optimizer":
    import torch

    weights = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
    others = [p for p in model.parameters() if p.requires_grad and p.ndim <= 1]
    groups = [{"params": weights, "weight_decay": config.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.99))


def _step(
    model: Any, criterion: Any, optimizer: "torch.optim.Optimizer", batch: dict[str, "torch.Tensor"], rate_progress: tuple[float, float]
) -> tuple["torch.Tensor", float]:
    """One optimizer step at a learning rate; returns box, seg, cls and dfl loss a picture, and the mean of the ranks' own progress."""
    import torch

    rate, progress = rate_progress
    for group in optimizer.param_groups:
        group["lr"] = rate
    images = batch["img"].to(torch.float32).div_(255).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16()):
        outputs = model(images)
    outputs = {key: [f.float() for f in value] if isinstance(value, list) else value.float() for key, value in outputs.items()}
    loss, _ = criterion(outputs, batch)
    optimizer.zero_grad(set_to_none=True)
    loss.sum().backward()
    progress = _average_gradients(model, progress)
    torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
    optimizer.step()
    return loss.detach()[:4] / len(images), progress


@cache
def bf16() -> bool:
    """Whether the processor multiplies 16-bit floats itself; one that doesn't takes nine times as long as in 32 bit (measured on an AVX2 machine)."""
    import torch

    found = bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    log.info("training in %s", "bf16" if found else "32 bit: this processor has no bf16 units")
    return found


def _average_gradients(model: Any, progress: float) -> float:
    """Mean of the gradients and of `progress` over the ranks; without a group, nothing to do."""
    import torch

    if not torch.distributed.is_initialized():
        return progress
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    flat = torch.cat([*(g.reshape(-1) for g in gradients), torch.tensor([progress])])
    torch.distributed.all_reduce(flat)
    flat /= torch.distributed.get_world_size()
    for gradient, mean in zip(gradients, flat[:-1].split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))
    return float(flat[-1])


def _report(state: FitState, losses: "torch.Tensor", rate: float, on_progress: Callable[[dict[str, float]], None] | None) -> None:
    box, seg, cls, dfl = (float(value) for value in losses)
    entry = {"step": float(state.step), "seconds": round(state.seconds, 1), "loss": box + seg + cls + dfl, "box": box, "seg": seg, "cls": cls, "dfl": dfl}
    entry["rate"] = rate
    state.history.append(entry)
    log.info("step %d, %.0f s: loss %.3f (box %.3f seg %.3f cls %.3f dfl %.3f), rate %.5f", state.step, state.seconds, entry["loss"], box, seg, cls, dfl, rate)
    if on_progress:
        on_progress(entry)
