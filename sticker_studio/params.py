"""`params.yaml`: the tuned values, typed; unknown keys are refused."""

from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sticker_studio.errors import InputError
from sticker_studio.types import Style, SubjectClass


class _Params(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BoardParams(_Params):
    """One board of the daily run."""

    source: str = Field(description="demo, pinterest:<query or board>, board:<url>, folder:<path> or urls:<file>")
    style: Style
    limit: int = Field(default=150, gt=0, description="new pins wanted from this board a day")


class ScrapingParams(_Params):
    """Bounds of a harvest."""

    boards: list[BoardParams]
    max_scrolls: int = Field(gt=0)
    time_limit_s: float = Field(gt=0)
    picture_time_limit_s: float = Field(gt=0)
    picture_max_bytes: int = Field(gt=0)
    picture_max_pixels: int = Field(gt=0)
    rate_per_host_hz: float = Field(gt=0, description="requests a second to one public host")
    near_duplicate_bits: int = Field(ge=0, le=64, description="perceptual hashes at most this far apart are the same picture")


class ValidationParams(_Params):
    """What a pin must be to be kept, and what stops a batch."""

    min_side_px: int = Field(gt=0)
    max_side_px: int = Field(gt=0)
    max_aspect: float = Field(gt=1)
    min_pins: int = Field(ge=0, description="fewer kept pins stop the batch")
    max_quarantined_share: float = Field(ge=0, le=1, description="a larger share stops the batch")
    blocked_terms: list[str]


class LabelingParams(_Params):
    """Teachers in order of preference, and what a label must be."""

    teachers: list[Literal["detectron2", "torchvision", "embedded"]]
    shard_pins: int = Field(gt=0)
    min_score: float = Field(ge=0, le=1)
    review_score: float = Field(ge=0, le=1, description="labels below it go to the review queue and are not trained on")
    min_area_ratio: float = Field(ge=0, le=1)
    max_area_ratio: float = Field(ge=0, le=1)
    epsilon_ratio: float = Field(ge=0, description="polygon simplification, share of the arc")
    validation_share: float = Field(gt=0, lt=1)
    flip: bool = Field(default=False, description="Detectron2 also looks at the mirror image and averages; twice the time")
    coco_classes: dict[SubjectClass, list[str]]


class SegmentorParams(_Params):
    """Fine-tuning of a student."""

    architecture: str
    input_px: int = Field(gt=0)
    epochs: int = Field(gt=0)
    batch: int = Field(gt=0)
    learning_rate: float = Field(gt=0)
    time_limit_s: float = Field(gt=0)
    min_pins: int = Field(gt=0, description="a style with fewer labelled pins is skipped")
    replay_scenes: int = Field(ge=0, description="generated scenes of factory families mixed into training, against forgetting")
    seed: int


class ClassifierParams(_Params):
    """Fine-tuning of the style classifier."""

    architecture: str
    input_px: int = Field(gt=0)
    epochs: int = Field(gt=0)
    batch: int = Field(gt=0)
    learning_rate: float = Field(gt=0)
    time_limit_s: float = Field(gt=0)
    min_pins_a_style: int = Field(gt=0)
    replay_scenes: int = Field(ge=0)
    seed: int


class EvaluationParams(_Params):
    """Golden and audit sets."""

    golden_scenes: int = Field(gt=0, description="generated pictures a style")
    audit_scenes: int = Field(gt=0)
    bootstrap_samples: int = Field(gt=0)
    seed: int


class GateParams(_Params):
    """When a challenger may become champion."""

    min_gain: float = Field(ge=0, description="mean IoU (segmentors) or balanced accuracy (classifier) to gain on at least one slice")
    max_loss: float = Field(ge=0, description="allowed loss on any slice beyond the champion's interval")
    max_p95_ratio: float = Field(gt=0, description="challenger's p95 over champion's, measured in one run")


class PromotionParams(_Params):
    """Who approves, and how long they have."""

    policy: Literal["auto", "human"]
    response_timeout_s: float = Field(gt=0)
    on_timeout: Literal["Approve", "Reject"]
    verify_timeout_s: float = Field(gt=0, description="the service must name the new champion within this time")


class Params(_Params):
    """All tuned values."""

    scraping: ScrapingParams
    validation: ValidationParams
    labeling: LabelingParams
    segmentor: SegmentorParams
    classifier: ClassifierParams
    evaluation: EvaluationParams
    gate: GateParams
    promotion: PromotionParams


def load(path: Path) -> Params:
    """Read and check `path`. Raises `InputError` naming each wrong key."""
    try:
        return Params.model_validate(yaml.safe_load(path.read_text()))
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise InputError(f"{path}: expected the parameters of params.py: {error}") from error
