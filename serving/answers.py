"""What the service answers: files with headers, or the same as JSON."""

import base64
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from serving.export import Exported
from serving.models import ModelSet
from serving.pipeline import Found, Made
from serving.records import Job, Kept
from sticker_studio import masks
from sticker_studio.types import CLASSIFIER, SEGMENTORS, Detection


class Stages:
    """Times the stages of one request; `also` is told of each as well."""

    def __init__(self, also: Any) -> None:
        self._also = also
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Time one stage; stages of one name add up."""
        started = perf_counter()
        try:
            with self._also(stage):
                yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + perf_counter() - started

    def header(self) -> str:
        """As the header Server-Timing, milliseconds."""
        return ", ".join(f"{stage};dur={1000 * seconds:.1f}" for stage, seconds in self.seconds.items())


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A finished file and what made it; light enough to be kept in memory."""

    exported: Exported
    facts: Mapping[str, Any]


def finished(made: Made, models: ModelSet, *, outlines: bool) -> Finished:
    """A made file with its facts; `outlines` adds each subject's polygons, which take their time."""
    found = made.found
    facts = {
        "style": found.style,
        "style_probability": round(found.style_probability, 6),
        "classifier_version": models.version(CLASSIFIER),
        "segmentor": SEGMENTORS[found.style],
        "segmentor_version": models.version(SEGMENTORS[found.style]),
        "cut": found.how,
        "subjects": found.subjects,
        "classes": sorted({detection.subject_class for detection in found.detections}),
        "mime": made.exported.mime,
        "bytes": len(made.exported.data),
        "quality": made.exported.quality,
    }
    return Finished(exported=made.exported, facts=facts | ({"found": [subject(one) for one in found.detections]} if outlines else {}))


def subject(detection: Detection) -> dict[str, Any]:
    """A detection with its outline; coordinates in 0..1 of the upright picture."""
    height, width = detection.probability.shape
    size = np.array([width, height], np.float32)
    polygons = masks.to_polygons(detection.probability >= 0.5)
    return {
        "class": detection.subject_class,
        "score": round(detection.score, 4),
        "box": [round(float(value), 4) for value in np.array(detection.box_xyxy) / np.tile(size, 2)],
        "polygons": [[[round(float(x), 4), round(float(y), 4)] for x, y in (polygon + 0.5) / size] for polygon in polygons],
    }


def headers(told: Mapping[str, Any], stages: Stages, *, kept: Kept | None, cached: bool) -> dict[str, str]:
    """Facts as headers."""
    named = {
        "X-Sticker-Style": told["style"],
        "X-Sticker-Style-Probability": f"{told['style_probability']:.4f}",
        "X-Sticker-Classifier-Version": told["classifier_version"],
        "X-Sticker-Segmentor": told["segmentor"],
        "X-Sticker-Segmentor-Version": told["segmentor_version"],
        "X-Sticker-Cut": told["cut"],
        "X-Sticker-Subjects": str(told["subjects"]),
        "X-Sticker-Quality": str(told["quality"]),
        "X-Sticker-Bytes": str(told["bytes"]),
        "X-Sticker-Cache": "hit" if cached else "miss",
        "Server-Timing": stages.header(),
    }
    return named | ({"X-Sticker-Id": kept.id, "X-Sticker-Expires": f"{kept.expires_at:.0f}"} if kept else {})


def as_json(done: Finished, kept: Kept | None, stages: Stages) -> dict[str, Any]:
    """The whole answer as JSON: the file in base64, and what made it."""
    return {
        **done.facts,
        "id": kept.id if kept else None,
        "link": link(kept.id) if kept else None,
        "expires_at": kept.expires_at if kept else None,
        "file": base64.b64encode(done.exported.data).decode(),
        "stages_ms": {stage: round(1000 * seconds, 1) for stage, seconds in stages.seconds.items()},
    }


def segments(found: Found) -> dict[str, Any]:
    """Answer of `POST /segment`."""
    return {
        "style": found.style, "style_probability": round(found.style_probability, 6), "cut": found.how,
        "found": [subject(detection) for detection in found.detections],
    }  # fmt: skip


def link(sticker_id: str) -> str:
    """Where a kept sticker is fetched."""
    return f"/stickers/{sticker_id}"


def kept_sticker(kept: Kept) -> dict[str, Any]:
    """A kept sticker's record as JSON."""
    return {"id": kept.id, "link": link(kept.id), "mime": kept.mime, "created_at": kept.created_at, "expires_at": kept.expires_at, **kept.facts}


def job(asked: Job) -> dict[str, Any]:
    """A job's progress."""
    states = [item.state for item in asked.items]
    open_items = states.count("waiting") + states.count("working")
    return {
        "id": asked.id,
        "link": f"/jobs/{asked.id}",
        "kind": asked.kind,
        "state": "running" if open_items else "cancelled" if "cancelled" in states else "done",
        "total": len(states),
        "finished": len(states) - open_items,
        "failed": states.count("failed"),
        "created_at": asked.created_at,
        "expires_at": asked.expires_at,
        "items": [{"number": item.number, "name": item.name, "state": item.state, **_outcome(item.outcome)} for item in asked.items],
    }


def _outcome(outcome: Mapping[str, Any]) -> dict[str, Any]:
    return {**outcome, **({"link": link(outcome["sticker"])} if "sticker" in outcome else {})}
