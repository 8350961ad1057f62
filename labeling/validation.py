"""Which labels may be trained on: each object against the suite, each pin by how sure its teacher is."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np

from labeling import shards
from sticker_studio import suites
from sticker_studio.annotations import Instances
from sticker_studio.errors import ContractViolation
from sticker_studio.params import LabelingParams
from sticker_studio.store import ObjectStore
from sticker_studio.suites import Expectation
from sticker_studio.types import CLASSES

_log = logging.getLogger(__name__)

Fate = Literal["labeled", "review", "rejected"]
COLUMNS = ("object", "pin_id", "subject_class", "score", "points", "left", "top", "right_share", "bottom_share", "area_ratio")


@dataclass(frozen=True, kw_only=True)
class Sorted:
    """Labels by fate, and why pins are not trained on (counts by reason)."""

    labeled: list[Instances]
    review: list[Instances]
    rejected: list[str]
    reasons: dict[str, int]


def labels_key(batch: str) -> str:
    """Labels to train on."""
    return f"batches/{batch}/labels.jsonl"


def review_key(batch: str) -> str:
    """Labels that a person should look at."""
    return f"batches/{batch}/review.jsonl"


def suite(params: LabelingParams) -> list[Expectation]:
    """What one labelled object must be."""
    between = "expect_column_values_to_be_between"
    return [
        Expectation(kind="expect_column_values_to_be_in_set", options={"column": "subject_class", "value_set": list(CLASSES)}, reason="class is none of ours"),
        Expectation(kind=between, options={"column": "score", "min_value": params.min_score, "max_value": 1.0}, reason="score out of range"),
        Expectation(kind=between, options={"column": "points", "min_value": 3}, reason="polygon of fewer than 3 points"),
        Expectation(kind=between, options={"column": "left", "min_value": 0.0}, reason="polygon outside the picture"),
        Expectation(kind=between, options={"column": "top", "min_value": 0.0}, reason="polygon outside the picture"),
        Expectation(kind=between, options={"column": "right_share", "max_value": 1.0}, reason="polygon outside the picture"),
        Expectation(kind=between, options={"column": "bottom_share", "max_value": 1.0}, reason="polygon outside the picture"),
        Expectation(
            kind=between,
            options={"column": "area_ratio", "min_value": params.min_area_ratio, "max_value": params.max_area_ratio},
            reason="area out of range",
        ),
    ]


def object_rows(label: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One suite row an object of a raw `Instances`."""
    size = (float(label["width"]), float(label["height"]))
    return [{"object": f"{label['pin_id']}#{index}", "pin_id": label["pin_id"], **_measures(one, size)} for index, one in enumerate(label["objects"])]


def _measures(one: Mapping[str, Any], size: tuple[float, float]) -> dict[str, Any]:
    polygons = [np.asarray(polygon, np.float32).reshape(-1, 2) for polygon in one["polygons"]]
    points = np.concatenate([*polygons, np.zeros((0, 2), np.float32)])
    low, high = (points.min(axis=0), points.max(axis=0)) if len(points) else (np.zeros(2), np.zeros(2))
    area = sum(float(cv2.contourArea(polygon)) for polygon in polygons if len(polygon) >= 3)
    return {
        "subject_class": one["subject_class"], "score": float(one["score"]), "points": min((len(polygon) for polygon in polygons), default=0),
        "left": float(low[0]), "top": float(low[1]), "right_share": float(high[0]) / size[0], "bottom_share": float(high[1]) / size[1],
        "area_ratio": area / (size[0] * size[1]),
    }  # fmt: skip


def sort(raw: Sequence[Mapping[str, Any]], broken: Mapping[str, Sequence[str]], *, review_score: float) -> Sorted:
    """Drop broken objects; a pin with none left is rejected, one whose teacher found nothing or is unsure goes to review."""
    labeled: list[Instances] = []
    review: list[Instances] = []
    rejected: list[str] = []
    reasons: Counter[str] = Counter()
    for label in raw:
        told = [reason for index in range(len(label["objects"])) for reason in broken.get(f"{label['pin_id']}#{index}", [])]
        kept = Instances.model_validate({**label, "objects": [one for i, one in enumerate(label["objects"]) if f"{label['pin_id']}#{i}" not in broken]})
        fate = fate_of(kept, found=len(label["objects"]), review_score=review_score)
        if fate == "labeled":
            labeled.append(kept)
        elif fate == "review":
            review.append(kept)
            reasons["nothing found" if not kept.objects else "low confidence"] += 1
        else:
            rejected.append(kept.pin_id)
            reasons[told[0]] += 1
    return Sorted(labeled=labeled, review=review, rejected=rejected, reasons=dict(reasons))


def fate_of(kept: Instances, *, found: int, review_score: float) -> Fate:
    """`kept` are the objects that passed the suite, of `found` that the teacher saw."""
    if found and not kept.objects:
        return "rejected"
    return "labeled" if confidence(kept) >= review_score and kept.objects else "review"


def confidence(label: Instances) -> float:
    """Mean score of the objects, weighted by their area: an unsure speck does not hold back a sure portrait. 0 for none."""
    areas = [sum(float(cv2.contourArea(np.asarray(polygon, np.float32))) for polygon in one.polygons) for one in label.objects]
    return float(np.average([one.score for one in label.objects], weights=areas)) if sum(areas) > 0 else 0.0


def read_shards(store: ObjectStore, batch: str, count: int) -> list[dict[str, Any]]:
    """Raw labels of all `count` shards. Raises `ContractViolation` for a shard that is not there."""
    raw: list[dict[str, Any]] = []
    for shard in range(count):
        key = shards.labels_key(batch, shard)
        if not store.exists(shards.result_key(batch, shard)):
            raise ContractViolation(f"batch {batch}: expected the labels of shard {shard} at {key}; run `labeling label --batch {batch} --shard {shard}`")
        raw += shards.raw_jsonl(store.get(key), name=key)
    return raw


def validate(store: ObjectStore, *, batch: str, params: LabelingParams, max_rejected_share: float) -> dict[str, Any]:
    """Sort a batch's labels into those to train on and those to review, and write Data Docs.

    Raises `ContractViolation` when more than `max_rejected_share` of its pins are rejected: then the teacher is broken.
    """
    count = len(shards.plan(shards.read_pins(store, batch), params.shard_pins))
    raw = read_shards(store, batch, count)
    rows = [row for label in raw for row in object_rows(label)]
    outcome = suites.run(rows, suite(params), columns=COLUMNS, key="object", name="labels")
    result = sort(raw, outcome.broken, review_score=params.review_score)
    docs = suites.keep_docs(store, f"batches/{batch}/docs/labels", outcome.docs)
    _refuse_broken_teacher(result, len(raw), max_rejected_share, batch)
    store.put(labels_key(batch), shards.to_jsonl(result.labeled))
    store.put(review_key(batch), shards.to_jsonl(result.review))
    teachers = sorted({str(store.get_json(shards.result_key(batch, shard))["teacher"]) for shard in range(count)})
    return {
        "batch": batch, "labeled": len(result.labeled), "review": len(result.review), "rejected": len(result.rejected),
        "verdict": "fail" if raw and not result.labeled else "pass", "reasons": result.reasons, "teacher": "+".join(teachers), "docs": docs,
    }  # fmt: skip


def _refuse_broken_teacher(result: Sorted, pins: int, max_rejected_share: float, batch: str) -> None:
    if pins and len(result.rejected) > max_rejected_share * pins:
        raise ContractViolation(
            f"batch {batch}: expected at most {max_rejected_share:.0%} of {pins} pins to be rejected, {len(result.rejected)} were ({result.reasons}); "
            "look at the teacher's labels in the Data Docs before training on them"
        )
