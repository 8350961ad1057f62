"""Challenger and champion on the golden and the audit set: the exported ONNX at work, as serving runs it."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict

from sticker_studio import masks, model_card, subjects
from sticker_studio.inference import Segmentor, StyleClassifier
from sticker_studio.params import EvaluationParams
from sticker_studio.types import Mask, Style
from training import evaluation_sets
from training.evaluation_sets import Exam
from training.gate import Evidence
from training.scores import PictureScore, Slices, summarise

log = logging.getLogger(__name__)

Output = TypeVar("Output")
REPEATS: Final = 2
"""Each picture is timed so often and its fastest time counts: what else runs on the machine then matters less."""


class Evaluation(BaseModel):
    """`evaluation.json`: all that the gate may read, and the golden scores by picture."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    batch: str
    champion: Evidence
    challenger: Evidence
    pictures: dict[str, list[PictureScore]]


class Audit(BaseModel):
    """`audit.json`: the audit set's scores, which tell whether the gate is fooled. Nothing decides by them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    batch: str
    champion: Slices
    challenger: Slices


@dataclass(frozen=True)
class Answers:
    """What one model said about the pictures of a set, with the seconds it took for each."""

    scores: list[PictureScore]
    seconds: list[float]
    masks: list[Mask]
    """Predicted masks in the order of the pictures; empty for the classifier."""


def mask_score(exam: Exam, predicted: Mask) -> PictureScore:
    """Score of a predicted HxW mask against the picture's true one."""
    found = bool(predicted.any()) or not exam.mask.any()
    edges = masks.boundary_f(predicted, exam.mask)
    return PictureScore(id=exam.id, slices=exam.slices, value=masks.iou(predicted, exam.mask), boundary_f=edges, found=found)


def style_score(exam: Exam, probabilities: Mapping[Style, float]) -> PictureScore:
    """1 for a picture whose declared style is the likelier one, else 0."""
    right = exam.style is not None and max(probabilities, key=lambda style: probabilities[style]) == exam.style
    return PictureScore(id=exam.id, slices=tuple(name for name in exam.slices if name.startswith("style:")), value=float(right))


def segmentors(folders: Sequence[Path], exams: Sequence[Exam], *, repeats: int = REPEATS) -> list[Answers]:
    """Run several segmentors over the same pictures in turns, so that they are timed under the same load."""
    students = [Segmentor(folder) for folder in folders]
    for student in students:
        student.segment(exams[0].image)  # the first run of a session plans its memory
    answers = [Answers([], [], []) for _ in students]
    for exam in exams:
        for student, answer in zip(students, answers, strict=True):
            detections, seconds = timed(partial(student.segment, exam.image), repeats)
            predicted = subjects.cut(detections, "all", exam.mask.shape)
            answer.scores.append(mask_score(exam, predicted))
            answer.seconds.append(seconds)
            answer.masks.append(predicted)
    return answers


def classifiers(folders: Sequence[Path], exams: Sequence[Exam], *, repeats: int = REPEATS) -> list[Answers]:
    """Run several classifiers over the same pictures in turns."""
    judges = [StyleClassifier(folder) for folder in folders]
    for judge in judges:
        judge.probabilities(exams[0].image)
    answers = [Answers([], [], []) for _ in judges]
    for exam in exams:
        for judge, answer in zip(judges, answers, strict=True):
            probabilities, seconds = timed(partial(judge.probabilities, exam.image), repeats)
            answer.scores.append(style_score(exam, probabilities))
            answer.seconds.append(seconds)
    return answers


def timed(call: Callable[[], Output], repeats: int) -> tuple[Output, float]:
    """The result, and the fastest of `repeats` calls in seconds."""
    fastest = np.inf
    for _ in range(repeats):
        begun = time.perf_counter()
        result = call()
        fastest = min(fastest, time.perf_counter() - begun)
    return result, float(fastest)


@dataclass(frozen=True)
class Examined:
    """What `examine` returns: the two documents, and the answers on the golden set (champion, challenger) for pictures."""

    evaluation: Evaluation
    audit: Audit
    exams: list[Exam]
    answers: tuple[Answers, Answers]


def examine(
    name: str, *, batch: str, champion: Path, challenger: Path, version: str, golden: list[Exam], audit: list[Exam], params: EvaluationParams
) -> Examined:
    """Examine both models of one registry name on both sets. `version` is the champion's in the registry."""
    card = model_card.read(challenger)
    if card.kind == "segmentor" and card.style is not None:
        run, golden, audit = segmentors, evaluation_sets.of_style(golden, card.style), evaluation_sets.of_style(audit, card.style)
    else:
        run, golden, audit = classifiers, evaluation_sets.with_style(golden), evaluation_sets.with_style(audit)
    before, after = run([champion, challenger], golden)
    audited = run([champion, challenger], audit, repeats=1)
    balanced_by = "style:" if card.kind == "classifier" else ""
    slices = [summarise(a.scores, samples=params.bootstrap_samples, seed=params.seed, balanced_by=balanced_by) for a in (before, after, *audited)]
    evaluation = Evaluation(
        model=name,
        batch=batch,
        champion=_evidence(name, version, champion, slices[0], before.seconds),
        challenger=_evidence(name, batch, challenger, slices[1], after.seconds),
        pictures={"champion": before.scores, "challenger": after.scores},
    )
    return Examined(evaluation, Audit(model=name, batch=batch, champion=slices[2], challenger=slices[3]), golden, (before, after))


def _evidence(name: str, version: str, folder: Path, golden: Slices, seconds: Sequence[float]) -> Evidence:
    card = model_card.read(folder)
    p50, p95 = (round(float(value) * 1000, 2) for value in np.percentile(seconds, [50, 95]))
    metric: Any = "mask IoU" if card.kind == "segmentor" else "balanced accuracy"
    return Evidence(name=name, version=version, file_sha256=card.file_sha256, metric=metric, golden=golden, p50_ms=p50, p95_ms=p95)


def summary(evaluation: Evaluation, audit: Audit) -> dict[str, Any]:
    """One model's part of `metrics.json`: {"golden"|"audit": {"champion"|"challenger": {slice: score}}, "metric", "latency": {role: {"p50_ms", "p95_ms"}}}."""
    roles = {"champion": evaluation.champion, "challenger": evaluation.challenger}
    return {
        "metric": evaluation.challenger.metric,
        "golden": {role: _scores(evidence.golden) for role, evidence in roles.items()},
        "audit": {"champion": _scores(audit.champion), "challenger": _scores(audit.challenger)},
        "latency": {role: {"version": evidence.version, "p50_ms": evidence.p50_ms, "p95_ms": evidence.p95_ms} for role, evidence in roles.items()},
    }


def _scores(slices: Slices) -> dict[str, dict[str, Any]]:
    return {name: score.model_dump() for name, score in slices.items()}
