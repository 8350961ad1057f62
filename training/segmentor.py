"""`fit-segmentor`: fine-tune a style's student on the data set, from the best weights at hand, and keep the best by validation.

Ultralytics' model and loss in the loop of `training.yolo`: on a small CPU it learns several times faster than the stock trainer (docs/training.md).
"""

import copy
import logging
import math
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sticker_studio import masks, model_card, subjects
from sticker_studio.errors import NotEnoughData
from sticker_studio.inference import decode, letterbox
from sticker_studio.model_card import ModelCard
from sticker_studio.params import Params, SegmentorParams
from sticker_studio.settings import Settings
from sticker_studio.types import SEGMENTORS, Style
from training import base_weights, champions, checkpoints, data, export, runs, students, yolo
from training.base_weights import Start
from training.data import Picture
from training.runs import Run
from training.yolo import FitConfig, FitState

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)

MAX_VALIDATION: Final = 32
MAX_DETECTIONS: Final = 20
MAPPING_PICTURES: Final = 48
"""Pictures that the class channels of foreign weights are fitted on."""
CHECKPOINT_S: Final = 30.0
MAX_THREADS: Final = 8


@dataclass(frozen=True, kw_only=True)
class Job:
    """Everything one training needs."""

    batch: str
    style: Style
    out: Path
    params: SegmentorParams
    fingerprint: str
    start: Start
    card: ModelCard
    train: list[Picture]
    validation: list[Picture]
    described: dict[str, Any]


@dataclass
class Best:
    """The best averaged weights so far, by validation; `base` is where the training started."""

    base: float
    value: float
    step: int = 0
    state: dict[str, Any] | None = None
    history: list[dict[str, float]] = field(default_factory=list)

    def offer(self, value: float, step: int, state: dict[str, Any]) -> None:
        """Keep a copy of `state` when it is better than anything before."""
        self.history.append({"step": float(step), "val_iou": value})
        if value > self.value:
            self.value, self.step, self.state = value, step, {key: tensor.detach().clone() for key, tensor in state.items()}


def fit(*, batch: str, style: Style, dataset: Path, out: Path, settings: Settings, params: Params) -> dict[str, Any]:
    """Train and write the run folder `out`; the verb's result. Raises `NotEnoughData` (and notes it in `out`) for a style with too little."""
    name = SEGMENTORS[style]
    described = data.description(dataset)
    folder = dataset / f"segmentor-{style}"
    reason = data.skip_reason(described, style) or _too_few(folder, style, params.segmentor.min_pins)
    if reason:
        raise runs.skip(out, reason)
    set_threads(settings.train_threads)
    base_weights.prepare_ultralytics(settings)
    champion = champions.current(name, settings)
    start = base_weights.choose(
        champion,
        base_weights.official_yolo(params.segmentor.architecture),
        params.segmentor.architecture,
        batch=batch,
        settings=settings,
        base_weights=settings.base_weights,
    )
    fingerprint = runs.fingerprint(batch, runs.folder_hash(folder), params.segmentor.model_dump(), start.base.model_dump())
    done = runs.finished(out, fingerprint)
    if done is not None:
        log.info("%s: this very training is already done in %s", name, out)
        return done.result(out)
    job = Job(
        batch=batch,
        style=style,
        out=out,
        params=params.segmentor,
        fingerprint=fingerprint,
        start=start,
        card=_card(name, batch, style, champion.folder, params.segmentor, start, described),
        train=data.read_pictures(folder, "train", side_px=params.segmentor.input_px),
        validation=data.read_pictures(folder, "val", side_px=params.segmentor.input_px)[:MAX_VALIDATION],
        described=described,
    )
    return train(job, params).result(out)


def _too_few(folder: Path, style: Style, wanted: int) -> str | None:
    found = sum(1 for part in ("train", "val") for _ in (folder / "images" / part).glob("*"))
    return f"{style}: {found} labelled pins, at least {wanted} wanted" if found < wanted else None


def set_threads(wanted: int) -> None:
    """Torch's threads: `wanted`, or half of the cores up to `MAX_THREADS` (0), because two styles train side by side.

    Threads of one training that wait for each other must not spin: beside other work on the same cores that costs ten times the time.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import torch

    torch.set_num_threads(wanted or max(1, min(MAX_THREADS, (os.cpu_count() or 1) // 2)))


def _card(name: str, batch: str, style: Style, champion: Path, params: SegmentorParams, start: Start, described: dict[str, Any]) -> ModelCard:
    return runs.challenger_card(
        model_card.read(champion),
        batch=batch,
        base=start.base,
        described=described,
        source=f"{sum(described.get('train', {}).values())} labelled pins",
        name=name,
        style=style,
        architecture=params.architecture,
        input_px=params.input_px,
        teacher=", ".join(described.get("teachers", [])),
    )


def train(job: Job, params: Params) -> Run:
    """Fine-tune, keep the best, export, and write `run.json` last."""
    begun = time.monotonic()
    replay = data.replayed(job.params.replay_scenes, style=job.style, side_px=job.params.input_px, seed=job.params.seed * 10_000)
    pictures = [*job.train, *replay]
    if not pictures:
        raise NotEnoughData(f"{job.style}: no picture to train on")
    mapping = [data.fitted(picture, job.params.input_px).image for picture in _spread(pictures, MAPPING_PICTURES)]
    model = students.load(job.start.path, job.params.architecture, params.labeling.coco_classes, mapping)
    best, state = _learn(job, model, pictures)
    notes = _notes(job, best, state, len(replay))
    if best.state is not None:
        model.load_state_dict(best.state)
    else:
        model = students.load(job.start.path, job.params.architecture, params.labeling.coco_classes, mapping)
    figures = {"val_iou": round(best.value, 4), "base_val_iou": round(best.base, 4), "steps": float(state.step), "seconds": round(time.monotonic() - begun, 1)}
    card = export.write_segmentor(job.out, model, job.card.model_copy(update={"metrics": figures}))
    run = _run(job, pictures, best, state, figures, notes, card)
    (job.out / runs.SKIPPED_NAME).unlink(missing_ok=True)
    runs.write_json(job.out / runs.RUN_NAME, run)
    checkpoints.remove(job.out)
    return run


def _spread(pictures: Sequence[Picture], count: int) -> list[Picture]:
    """At most `count` pictures, evenly from the whole list."""
    return [pictures[int(index)] for index in np.unique(np.linspace(0, len(pictures) - 1, min(count, len(pictures))).astype(int))]


def _learn(job: Job, model: Any, pictures: list[Picture]) -> tuple[Best, FitState]:
    """Train `model` in place from the checkpoint, if there is one; the best averaged weights and where the loop ended."""
    steps = job.params.epochs * data.steps_an_epoch(len(pictures), job.params.batch)
    saved = checkpoints.load(job.out, job.fingerprint)
    best, state = _resumed(job, model, saved)
    config = FitConfig(
        steps=steps,
        learning_rate=job.params.learning_rate,
        time_limit_s=job.params.time_limit_s,
        warmup_steps=max(10, steps // 5),
        log_every_s=5,
    )
    log.info("%s: %d pictures, %d steps from step %d, validation IoU at the start %.4f", job.card.name, len(pictures), steps, state.step, best.base)

    def checkpoint(raw: Any, at: FitState) -> None:
        if job.validation:
            averaged = copy.deepcopy(raw)
            averaged.load_state_dict(at.ema)
            best.offer(validate(averaged, job.validation, job.card), at.step, averaged.state_dict())
            log.info("%s: validation IoU %.4f at step %d (start %.4f, best %.4f)", job.card.name, best.history[-1]["val_iou"], at.step, best.base, best.value)
        checkpoints.save(job.out, job.fingerprint, _saved(raw, at, best))

    end = yolo.fit(
        model,
        _batches(job, pictures, state.step),
        config,
        state=state,
        on_progress=lambda entry: _tell(job, entry, steps, config),
        on_checkpoint=checkpoint,
        checkpoint_every_s=min(CHECKPOINT_S, job.params.time_limit_s / 4),
    )
    if job.validation:
        best.offer(validate(model, job.validation, job.card), end.step, model.state_dict())
    else:
        best.value, best.step, best.state = math.nan, end.step, model.state_dict()
    return best, end


def _batches(job: Job, pictures: list[Picture], first_step: int) -> "Iterator[dict[str, torch.Tensor]]":
    for samples in data.sample_batches(pictures, batch=job.params.batch, side_px=job.params.input_px, seed=job.params.seed, first_step=first_step):
        yield yolo.collate(samples)


def _saved(raw: Any, at: FitState, best: Best) -> dict[str, Any]:
    return {
        "model": raw.state_dict(), "ema": at.ema, "optimizer": at.optimizer, "step": at.step, "seconds": at.seconds, "history": at.history,
        "best": {"base": best.base, "value": best.value, "step": best.step, "state": best.state, "history": best.history},
    }  # fmt: skip


def _resumed(job: Job, model: Any, saved: dict[str, Any] | None) -> tuple[Best, FitState]:
    if saved is None:
        base = validate(model, job.validation, job.card) if job.validation else math.nan
        return Best(base=base, value=base), FitState()
    log.info("%s: going on at step %d, after %.0f s", job.card.name, saved["step"], saved["seconds"])
    model.load_state_dict(saved["model"])
    state = FitState(step=saved["step"], seconds=saved["seconds"], history=saved["history"], ema=saved["ema"], optimizer=saved["optimizer"])
    return Best(**saved["best"]), state


def validate(model: Any, pictures: Sequence[Picture], card: ModelCard) -> float:
    """Mean IoU of all that serving would cut out after a single look (two would rank the epochs the same, in twice the time) against all that is labelled."""
    import torch

    network = copy.deepcopy(model).float().eval().fuse(verbose=False)
    head = network.model[-1]
    head.export, head.format = True, "onnx"
    values = []
    with torch.no_grad():
        for picture in pictures:
            tensor, box = letterbox(picture.image, card)
            predictions, prototypes = network(torch.from_numpy(tensor))
            found = decode(predictions[0].numpy(), prototypes[0].numpy(), box, card, card.score_threshold, MAX_DETECTIONS)
            values.append(masks.iou(subjects.cut(found, "all", picture.objects.shape), picture.objects > 0))
    return float(np.mean(values))


def _tell(job: Job, entry: dict[str, float], steps: int, config: FitConfig) -> None:
    """Epoch, loss and how long it still takes."""
    epoch = 1 + int((entry["step"] - 1) * job.params.epochs / steps)
    pace = entry["seconds"] / max(1.0, entry["step"])
    left = min(pace * (steps - entry["step"]), config.time_limit_s - entry["seconds"])
    log.info("%s: epoch %d of %d, loss %.3f, about %.0f s left", job.card.name, epoch, job.params.epochs, entry["loss"], max(0.0, left))


def _notes(job: Job, best: Best, state: FitState, replayed: int) -> list[str]:
    steps = job.params.epochs * data.steps_an_epoch(len(job.train) + replayed, job.params.batch)
    notes = [f"{len(job.train)} pins and {replayed} replayed scenes; validation on {len(job.validation)} pins"]
    if state.step < steps:
        notes.append(f"stopped at the time limit of {job.params.time_limit_s:g} s after {state.step} of {steps} steps")
    if not job.validation:
        notes.append("no validation pins: the last averaged weights are kept unseen")
    elif best.state is None:
        notes.append(f"no averaged weights beat the start's validation IoU {best.base:.4f}: the start weights are kept")
    else:
        notes.append(f"best averaged weights at step {best.step}: validation IoU {best.base:.4f} -> {best.value:.4f}")
    for note in notes:
        log.info("%s: %s", job.card.name, note)
    return notes


def _run(job: Job, pictures: list[Picture], best: Best, state: FitState, figures: dict[str, float], notes: list[str], card: ModelCard) -> Run:
    steps = data.steps_an_epoch(len(pictures), job.params.batch)
    return Run(
        batch=job.batch,
        model=card.name,
        fingerprint=job.fingerprint,
        base=job.start.base,
        parameters=job.params.model_dump(),
        data={"train": len(job.train), "replayed": len(pictures) - len(job.train), "validation": len(job.validation)},
        history=by_epoch(state.history, best.history, steps),
        metrics={key: value for key, value in figures.items() if math.isfinite(value)},
        notes=notes,
        snapshot=card.snapshot,
        teacher=card.teacher,
        git_commit=card.git_commit,
        lock_sha256=runs.lock_sha256(),
    )


def by_epoch(entries: Sequence[dict[str, float]], validations: Sequence[dict[str, float]], steps: int) -> list[dict[str, float]]:
    """Means of the logged losses of each epoch, with the last validation in it."""
    epochs: dict[int, list[dict[str, float]]] = {}
    for entry in entries:
        epochs.setdefault(int((entry["step"] - 1) // steps), []).append(entry)
    result = []
    for epoch, members in sorted(epochs.items()):
        row = {key: round(float(np.mean([member[key] for member in members])), 4) for key in ("loss", "box", "seg", "cls", "dfl")}
        seen = [v["val_iou"] for v in validations if int((v["step"] - 1) // steps) == epoch]
        result.append({"epoch": float(epoch + 1), **row, **({"val_iou": round(seen[-1], 4)} if seen else {})})
    return result
