"""`ModelCard`: what serving must know of a model, kept as `card.json` beside `model.onnx`."""

import hashlib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sticker_studio.errors import ContractViolation
from sticker_studio.types import CLASSES, Style

CARD_NAME = "card.json"
MODEL_NAME = "model.onnx"


class ModelCard(BaseModel):
    """Identity, provenance and the pre- and post-processing of one model; serving and evaluation both read it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="registry name")
    version: str = Field(description="registry version, or 'factory-<n>' for the models in the repository")
    kind: Literal["segmentor", "classifier"]
    style: Style | None = Field(default=None, description="the segmentor's style")
    architecture: str
    input_px: int = Field(gt=0, description="side of the square network input")
    letterbox: bool = Field(default=True, description="keep the aspect ratio and pad (segmentors) or squeeze to the square (classifier)")
    mean: tuple[float, float, float] = Field(default=(0.0, 0.0, 0.0), description="subtracted after scaling to 0..1, RGB")
    std: tuple[float, float, float] = Field(default=(1.0, 1.0, 1.0), description="divided by after that")
    classes: tuple[str, ...] = Field(default=CLASSES, description="output order")
    score_threshold: float = Field(default=0.25, ge=0, le=1)
    iou_threshold: float = Field(default=0.6, ge=0, le=1, description="non-maximum suppression of boxes")
    temperature: float = Field(default=1.0, gt=0, description="calibration of the classifier's logits")
    snapshot: str = Field(default="", description="DVC snapshot trained on")
    teacher: str = Field(default="", description="who wrote the pseudo-labels")
    base: str = Field(default="", description="weights the training started from, and why")
    git_commit: str = ""
    metrics: dict[str, Any] = {}
    data_sources: list[str] = []
    licences: list[str] = []
    known_failures: list[str] = Field(default=[], description="what it is known to do badly, in words")
    file_sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="of model.onnx")


def read(folder: Path) -> ModelCard:
    """Read `folder`/card.json and check the hash of model.onnx beside it. Raises `ContractViolation`."""
    try:
        card = ModelCard.model_validate_json((folder / CARD_NAME).read_bytes())
    except (OSError, ValidationError) as error:
        raise ContractViolation(f"{folder}: expected a valid {CARD_NAME}: {error}") from error
    actual = sha256(folder / MODEL_NAME)
    if actual != card.file_sha256:
        raise ContractViolation(f"{folder / MODEL_NAME}: expected sha-256 {card.file_sha256} as its card says, got {actual}; fetch the model again")
    return card


def sha256(path: Path) -> str:
    """Hash of a file. Raises `ContractViolation` when it is missing."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ContractViolation(f"{path}: expected a file: {error}") from error
