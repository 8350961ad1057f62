"""`fit-classifier`: fine-tune the style classifier on the boards' declared styles (weak labels), calibrate it, keep the best by validation."""

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from sticker_studio import model_card
from sticker_studio.errors import ContractViolation, NotEnoughData
from sticker_studio.model_card import ModelCard
from sticker_studio.params import ClassifierParams, Params
from sticker_studio.settings import Settings
from sticker_studio.types import CLASSIFIER, RGB, STYLES, Style
from training import base_weights, champions, checkpoints, data, export, runs
from training.base_weights import Start
from training.champions import Champion
from training.runs import Run
from training.segmentor import set_threads

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)

ARCHITECTURE: Final = "mobilenet_v3_small"
IMAGENET_MEAN: Final = (0.485, 0.456, 0.406)
IMAGENET_STD: Final = (0.229, 0.224, 0.225)
WEIGHT_DECAY: Final = 0.01
LABEL_SMOOTHING: Final = 0.05
"""Weak labels are sometimes wrong: a board of anime has photographs in it."""
MIN_CALIBRATION: Final = 20
"""Validation pins that a temperature is fitted on, at least."""
TEMPERATURES: Final = np.geomspace(0.25, 4.0, 81)
Example = tuple[RGB, int]
_Logits = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Job:
    """Everything one training needs; pictures are SxSx3 with the style's index."""

    batch: str
    out: Path
    params: ClassifierParams
    fingerprint: str
    start: Start
    card: ModelCard
    train: list[Example]
    replayed: list[Example]
    validation: list[Example]


@dataclass
class Best:
    """The best weights so far by validation loss; `state` None means the start weights."""

    loss: float
    accuracy: float
    base_accuracy: float
    epoch: int = 0
    state: dict[str, Any] | None = None
    history: list[dict[str, float]] = field(default_factory=list)


def fit(*, batch: str, dataset: Path, out: Path, settings: Settings, params: Params) -> dict[str, Any]:
    """Train and write the run folder `out`; the verb's result. Raises `NotEnoughData` (and notes it in `out`) when a style has too few pins."""
    if params.classifier.architecture != ARCHITECTURE:
        raise ContractViolation(f"classifier.architecture: expected {ARCHITECTURE}, got {params.classifier.architecture!r}; correct params.yaml")
    described = data.description(dataset)
    folder = dataset / "classifier"
    reason = too_few(count(folder), params.classifier.min_pins_a_style)
    if reason:
        raise runs.skip(out, reason)
    set_threads(settings.train_threads)
    champion = champions.current(CLASSIFIER, settings)
    start = base_weights.choose(champion, base_weights.official_mobilenet(), ARCHITECTURE, batch=batch, settings=settings)
    fingerprint = runs.fingerprint(batch, runs.folder_hash(folder), params.classifier.model_dump(), start.base.model_dump())
    done = runs.finished(out, fingerprint)
    if done is not None:
        log.info("%s: this very training is already done in %s", CLASSIFIER, out)
        return done.result(out)
    side, replay = params.classifier.input_px, params.classifier.replay_scenes
    job = Job(
        batch=batch,
        out=out,
        params=params.classifier,
        fingerprint=fingerprint,
        start=start,
        card=_card(batch, champion, start, params.classifier, described),
        train=data.read_styles(folder, "train", side_px=side),
        replayed=data.replayed_styles(replay, side_px=side, seed=params.classifier.seed * 20_000),
        validation=data.read_styles(folder, "val", side_px=side),
    )
    return train(job).result(out)


def count(folder: Path) -> dict[Style, int]:
    """Pins of each style, both sides of the split."""
    return {style: sum(1 for part in ("train", "val") for _ in (folder / part / style).glob("*")) for style in STYLES}


def too_few(pins: dict[Style, int], wanted: int) -> str | None:
    """Why the classifier cannot be trained on these numbers of pins; None when it can."""
    short = [f"{found} of style {style}" for style, found in pins.items() if found < wanted]
    return f"classifier: at least {wanted} pins of each style wanted, found {' and '.join(short)}" if short else None


def _card(batch: str, champion: Champion, start: Start, params: ClassifierParams, described: dict[str, Any]) -> ModelCard:
    before = model_card.read(champion.folder)
    official = start.path.suffix == ".pth"
    return runs.challenger_card(
        before,
        batch=batch,
        base=start.base,
        described=described,
        source="the boards' declared styles",
        name=CLASSIFIER,
        architecture=ARCHITECTURE,
        input_px=params.input_px,
        letterbox=False,
        classes=STYLES,
        mean=IMAGENET_MEAN if official else before.mean,
        std=IMAGENET_STD if official else before.std,
        teacher="declared styles of the boards",
    )


def load_start(start: Start) -> Any:
    """The network with the start weights; ImageNet's get a new, random last layer."""
    if start.path.suffix != ".pth":
        return export.load_classifier(start.path, classes=len(STYLES))
    import torch

    model = export.load_classifier(None, classes=len(STYLES))
    state = torch.load(start.path, map_location="cpu", weights_only=True)
    own = model.state_dict()
    fitting = {key: value for key, value in state.items() if key in own and own[key].shape == value.shape}
    model.load_state_dict(own | fitting)
    return model


def train(job: Job) -> Run:
    """Fine-tune, keep the best, calibrate, export, and write `run.json` last."""
    begun = time.monotonic()
    if not job.train:
        raise NotEnoughData("classifier: no picture to train on")
    model = load_start(job.start)
    best = _learn(job, model, begun)
    chosen = load_start(job.start)
    if best.state is not None:
        chosen.load_state_dict(best.state)
    chosen.eval()
    temperature = _temperature(job, chosen)
    notes = _notes(job, best, temperature)
    figures = {
        "val_accuracy": round(best.accuracy, 4),
        "base_val_accuracy": round(best.base_accuracy, 4),
        "temperature": round(temperature, 4),
        "seconds": round(time.monotonic() - begun, 1),
    }
    card = export.write_classifier(job.out, chosen, job.card.model_copy(update={"metrics": figures, "temperature": temperature}))
    run = Run(
        batch=job.batch,
        model=CLASSIFIER,
        fingerprint=job.fingerprint,
        base=job.start.base,
        parameters=job.params.model_dump(),
        data={"train": len(job.train), "replayed": len(job.replayed), "validation": len(job.validation)},
        history=best.history,
        metrics={key: value for key, value in figures.items() if math.isfinite(value)},
        notes=notes,
        snapshot=card.snapshot,
        teacher=card.teacher,
        git_commit=card.git_commit,
        lock_sha256=runs.lock_sha256(),
    )
    (job.out / runs.SKIPPED_NAME).unlink(missing_ok=True)
    runs.write_json(job.out / runs.RUN_NAME, run)
    checkpoints.remove(job.out)
    return run


def _temperature(job: Job, model: Any) -> float:
    """Calibrated on the validation pins; on fewer than `MIN_CALIBRATION` the start's temperature stays, since a few pins can say anything."""
    if len(job.validation) < MIN_CALIBRATION:
        return job.card.temperature
    return calibrate(logits(model, job.validation, job.card), np.array([label for _, label in job.validation]))


def _learn(job: Job, model: Any, begun: float) -> Best:
    """All epochs, or as many as the time allows; `model` is trained in place, a checkpoint is written after each epoch."""
    import torch

    examples = [*job.train, *job.replayed]
    steps = job.params.epochs * data.steps_an_epoch(len(examples), job.params.batch)
    optimizer = torch.optim.AdamW(model.parameters(), lr=job.params.learning_rate, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, (step + 1) / max(1, steps // 8)) * 0.5 * (1 + math.cos(math.pi * step / steps))
    )
    best, first = _resumed(job, model, optimizer, schedule)
    for epoch in range(first, job.params.epochs):
        if time.monotonic() - begun >= job.params.time_limit_s:
            log.info("%s: the time limit of %g s ends the training after %d epochs", CLASSIFIER, job.params.time_limit_s, epoch)
            break
        loss = _epoch(job, model, examples, epoch, optimizer, schedule, deadline=begun + job.params.time_limit_s)
        _judge(job, model, best, epoch + 1, loss)
        left = (time.monotonic() - begun) / (epoch - first + 1) * (job.params.epochs - epoch - 1)
        log.info("%s: epoch %d of %d, loss %.3f, validation accuracy %.3f, about %.0f s left", CLASSIFIER, epoch + 1, job.params.epochs, loss,
                 best.history[-1]["val_accuracy"], left)  # fmt: skip
        checkpoints.save(job.out, job.fingerprint, _saved(model, optimizer, schedule, best, epoch + 1))
    return best


def _resumed(job: Job, model: Any, optimizer: Any, schedule: Any) -> tuple[Best, int]:
    saved = checkpoints.load(job.out, job.fingerprint)
    if saved is None:
        loss, accuracy = score(logits(model, job.validation, job.card), job.validation)
        return Best(loss=loss, accuracy=accuracy, base_accuracy=accuracy), 0
    model.load_state_dict(saved["model"])
    optimizer.load_state_dict(saved["optimizer"])
    schedule.load_state_dict(saved["schedule"])
    log.info("%s: going on after epoch %d", CLASSIFIER, saved["epoch"])
    return Best(**saved["best"]), int(saved["epoch"])


def _saved(model: Any, optimizer: Any, schedule: Any, best: Best, epoch: int) -> dict[str, Any]:
    plain_schedule = {key: value for key, value in schedule.state_dict().items() if key != "lr_lambdas"}
    return {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "schedule": plain_schedule | {"lr_lambdas": [None]},
        "epoch": epoch,
        "best": vars(best),
    }


def _epoch(job: Job, model: Any, examples: Sequence[Example], epoch: int, optimizer: Any, schedule: Any, *, deadline: float) -> float:
    """One pass, or what fits of it before `deadline` (monotonic seconds), one batch at least; mean loss.

    Styles weigh the same however many pins each has.
    """
    import torch

    counts = np.bincount([label for _, label in examples], minlength=len(STYLES))
    weight = torch.tensor(len(examples) / (len(STYLES) * np.maximum(counts, 1)), dtype=torch.float32)
    criterion = torch.nn.CrossEntropyLoss(weight=weight, label_smoothing=LABEL_SMOOTHING)
    rng = np.random.default_rng([job.params.seed, epoch])
    order = rng.permutation(len(examples))
    losses: list[float] = []
    model.train()
    for start in range(0, len(order), job.params.batch):
        if losses and time.monotonic() >= deadline:
            log.info("%s: the time limit of %g s ends epoch %d after %d batches", CLASSIFIER, job.params.time_limit_s, epoch + 1, len(losses))
            break
        chosen = [examples[index] for index in order[start : start + job.params.batch]]
        if len(chosen) < 2 and len(order) > 1:  # batch normalisation needs two
            continue
        images = [data.augmented_style(image, rng) for image, _ in chosen]
        loss = criterion(model(tensor(images, job.card)), torch.tensor([label for _, label in chosen]))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(float(loss.detach()))
    return float(np.mean(losses))


def _judge(job: Job, model: Any, best: Best, epoch: int, train_loss: float) -> None:
    """Note the epoch, and keep its weights when they are the best; without validation pins the last ones are kept."""
    loss, accuracy = score(logits(model, job.validation, job.card), job.validation)
    best.history.append({"epoch": float(epoch), "loss": round(train_loss, 4), "val_loss": round(loss, 4), "val_accuracy": round(accuracy, 4)})
    if not job.validation or loss < best.loss:
        best.loss, best.accuracy, best.epoch = loss, accuracy, epoch
        best.state = {key: value.detach().clone() for key, value in model.state_dict().items()}


def tensor(images: Sequence[RGB], card: ModelCard) -> "torch.Tensor":
    """SxSx3 pictures to the network's Nx3xSxS input, as `sticker_studio.inference` does it."""
    import torch

    stacked = np.stack(images).astype(np.float32) / 255
    normal = (stacked - np.asarray(card.mean, np.float32)) / np.asarray(card.std, np.float32)
    return torch.from_numpy(np.ascontiguousarray(normal.transpose(0, 3, 1, 2)))


def logits(model: Any, examples: Sequence[Example], card: ModelCard) -> _Logits:
    """N x styles raw outputs; the network is left in the mode it was in."""
    import torch

    training = model.training
    model.eval()
    with torch.no_grad():
        parts = [model(tensor([image for image, _ in examples[start : start + 32]], card)).numpy() for start in range(0, len(examples), 32)]
    model.train(training)
    return np.concatenate(parts).astype(np.float64) if parts else np.zeros((0, len(STYLES)))


def score(outputs: _Logits, examples: Sequence[Example]) -> tuple[float, float]:
    """Negative log-likelihood and balanced accuracy; (inf, nan) without examples."""
    if not len(outputs):
        return math.inf, math.nan
    labels = np.array([label for _, label in examples])
    right = outputs.argmax(axis=1) == labels
    recalls = [right[labels == label].mean() for label in np.unique(labels)]
    return nll(outputs, labels, 1.0), float(np.mean(recalls))


def nll(outputs: _Logits, labels: npt.NDArray[np.int64], temperature: float) -> float:
    """Mean negative log-likelihood of the labels at a temperature."""
    scaled = outputs / temperature
    logs = scaled - scaled.max(axis=1, keepdims=True)
    logs -= np.log(np.exp(logs).sum(axis=1, keepdims=True))
    return float(-logs[np.arange(len(labels)), labels].mean())


def calibrate(outputs: _Logits, labels: npt.NDArray[np.int64]) -> float:
    """The temperature that makes the probabilities fit the labels best (Guo et al. 2017), between 1/4 and 4."""
    return float(min(TEMPERATURES, key=lambda temperature: nll(outputs, labels, float(temperature))))


def _notes(job: Job, best: Best, temperature: float) -> list[str]:
    notes = [f"{len(job.train)} pins with their boards' styles and {len(job.replayed)} replayed scenes; validation on {len(job.validation)} pins"]
    if not job.validation:
        notes.append("no validation pins: the last weights are kept")
    elif best.state is None:
        notes.append("no epoch beat the start's validation loss: the start weights are kept")
    else:
        notes.append(f"best after epoch {best.epoch}: validation accuracy {best.base_accuracy:.3f} -> {best.accuracy:.3f}")
    few = len(job.validation) < MIN_CALIBRATION
    why = f"the start's, {len(job.validation)} validation pins are too few to calibrate on" if few else "calibrated on the validation pins"
    notes.append(f"temperature {temperature:.2f}: {why}")
    for note in notes:
        log.info("%s: %s", CLASSIFIER, note)
    return notes
