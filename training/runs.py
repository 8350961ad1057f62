"""The run folder `<home>/runs/<batch>/<model>/`: what fit leaves for evaluate, gate and register."""

import hashlib
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from sticker_studio import atomic
from sticker_studio.errors import ContractViolation, NotEnoughData
from sticker_studio.model_card import ModelCard
from sticker_studio.types import MODEL_NAMES

RUN_NAME: Final = "run.json"
SKIPPED_NAME: Final = "skipped.json"
EVALUATION_NAME: Final = "evaluation.json"
AUDIT_NAME: Final = "audit.json"
VERDICT_NAME: Final = "verdict.json"
MAX_SOURCES: Final = 20
"""Lines of data sources that a card keeps, the newest."""

Model = TypeVar("Model", bound=BaseModel)


class Base(BaseModel):
    """The weights a training started from, and why these."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    reason: str
    sha256: str

    @property
    def text(self) -> str:
        """One line for cards, tags and results."""
        return f"{self.name}: {self.reason} (sha256 {self.sha256[:12]})"


def challenger_card(before: ModelCard, *, batch: str, base: Base, described: Mapping[str, Any], source: str, **own: Any) -> ModelCard:
    """A challenger's card before its metrics and hash are known: what is not named is the champion's, `before`; `described` is the data set's description."""
    common = {
        "version": batch, "snapshot": str(described.get("snapshot", "")), "base": base.text, "git_commit": git_commit(), "metrics": {}, "file_sha256": "0" * 64,
        "data_sources": [*before.data_sources, f"batch {batch}: {source}"][-MAX_SOURCES:],
    }  # fmt: skip
    return before.model_copy(update=common | own)


class Run(BaseModel):
    """`run.json`: how a model was made. `history` has one entry an epoch."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    batch: str
    model: str
    fingerprint: str
    base: Base
    parameters: dict[str, Any]
    data: dict[str, Any]
    history: list[dict[str, float]]
    metrics: dict[str, float]
    notes: list[str] = []
    snapshot: str = ""
    teacher: str = ""
    git_commit: str = ""
    lock_sha256: str = ""

    def result(self, folder: Path) -> dict[str, Any]:
        """What a fit verb prints."""
        return {"batch": self.batch, "model": self.model, "run": str(folder), "metrics": self.metrics, "base": self.base.text, "notes": self.notes}


def write_json(path: Path, value: BaseModel | Mapping[str, Any]) -> None:
    """Write a document atomically."""
    text = value.model_dump_json(indent=1) if isinstance(value, BaseModel) else json.dumps(value, indent=1, sort_keys=True, default=str)
    atomic.write_text(path, text + "\n")


def read_json(path: Path, kind: type[Model], *, verb: str) -> Model:
    """Read and check a document. Raises `ContractViolation` naming the verb that writes it."""
    try:
        return kind.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise ContractViolation(f"{path}: expected what `python -m training {verb}` writes: {error}; run it again") from error


def skip(folder: Path, reason: str) -> NotEnoughData:
    """Note in the run folder that this model is not trained, and why; returns the error to raise."""
    write_json(folder / SKIPPED_NAME, {"reason": reason})
    return NotEnoughData(reason)


def skipped(folder: Path) -> str | None:
    """Why the model of this run folder is skipped; None when it is there. A folder without a run counts as skipped."""
    if (folder / SKIPPED_NAME).is_file():
        return str(json.loads((folder / SKIPPED_NAME).read_text())["reason"])
    if not (folder / RUN_NAME).is_file():
        return f"no run in {folder}: the model was not trained"
    return None


def finished(folder: Path, fingerprint: str) -> Run | None:
    """The run that is already done with the very same inputs, so that fitting again costs nothing."""
    if skipped(folder) is not None:
        return None
    run = read_json(folder / RUN_NAME, Run, verb="fit-*")
    return run if run.fingerprint == fingerprint else None


def models(runs: Path) -> tuple[dict[str, Path], dict[str, str]]:
    """Run folders by registry name, and reasons of those skipped. Raises `NotEnoughData` when nothing was trained at all."""
    reasons = {name: reason for name in MODEL_NAMES if (reason := skipped(runs / name)) is not None}
    trained = {name: runs / name for name in MODEL_NAMES if name not in reasons}
    if not trained:
        raise NotEnoughData("; ".join(f"{name}: {reason}" for name, reason in reasons.items()))
    return trained, reasons


def fingerprint(*parts: Any) -> str:
    """Hash over what a training depends on."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def folder_hash(folder: Path) -> str:
    """Hash over names and contents of all files below `folder`."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def git_commit() -> str:
    """The checkout's commit; empty outside one."""
    try:
        found = subprocess.run(["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, timeout=10, check=False)
    except OSError:
        return ""
    return found.stdout.strip() if found.returncode == 0 else ""


def lock_sha256() -> str:
    """Hash of requirements.lock beside the packages; empty in an installation without it."""
    lock = Path(__file__).parent.parent / "requirements.lock"
    return hashlib.sha256(lock.read_bytes()).hexdigest() if lock.is_file() else ""
