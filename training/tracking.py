"""MLflow: runs, registered versions, aliases and tags. The only place that imports it."""

import logging
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from sticker_studio import model_card, registry
from sticker_studio.errors import StickerError, Unavailable
from sticker_studio.model_card import ModelCard
from sticker_studio.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

log = logging.getLogger(__name__)

EXPERIMENT: Final = "sticker-studio"
FILES: Final = (model_card.MODEL_NAME, model_card.CARD_NAME, registry.WEIGHTS_NAME)
"""What the artefact folder of a version holds, besides MLflow's own description of it."""
Alias = Literal["champion", "challenger"]
TAG_BATCH: Final = "sticker.batch"
TAG_SHA256: Final = "sticker.sha256"
TAG_VERDICT: Final = "sticker.verdict"
TAG_REASONS: Final = "sticker.reasons"
TAG_APPROVER: Final = "sticker.approver"
TAG_PREVIOUS: Final = "sticker.previous_champion"
TAG_ROLLED_BACK: Final = "sticker.rolled_back"
FACTORY_BATCH: Final = "factory"


@dataclass(frozen=True, kw_only=True)
class Registration:
    """What is written down of one version. `metrics` are final figures; `history` has one mapping an epoch; `pictures` are files shown with the run."""

    name: str
    batch: str
    folder: Path
    tags: Mapping[str, str]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    history: tuple[Mapping[str, float], ...] = ()
    files: tuple[Path, ...] = ()
    description: str = ""


def client(settings: Settings) -> "MlflowClient":
    """The registry's client. Raises `Unavailable` when none is configured or the training extra is missing."""
    if not settings.mlflow_uri:
        raise Unavailable("this verb needs the model registry; set STICKER_MLFLOW_URI to MLflow's address (`make up` starts one)")
    _calm_environment()
    try:
        import mlflow
    except ImportError as error:
        raise Unavailable(f"MLflow is missing ({error}); install sticker-studio[training]") from error
    mlflow.set_tracking_uri(settings.mlflow_uri)
    return mlflow.MlflowClient(tracking_uri=settings.mlflow_uri, registry_uri=settings.mlflow_uri)


def _calm_environment() -> None:
    """A dead registry is reported within seconds, nothing is sent home, no progress bars in the log."""
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")


@contextmanager
def told(doing: str, settings: Settings) -> Iterator[None]:
    """Turn MLflow's errors into `Unavailable` with the address and what was being done."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except StickerError:
        raise
    except (MlflowException, OSError) as error:
        raise Unavailable(f"{doing} at {settings.mlflow_uri} failed: {error}; check that MLflow runs and run the verb again") from error


def alias(registry: "MlflowClient", name: str, which: Alias) -> "ModelVersion | None":
    """The version that an alias names; None when there is no such model or alias."""
    from mlflow.exceptions import MlflowException

    try:
        return registry.get_model_version_by_alias(name, which)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def versions(registry: "MlflowClient", name: str, batch: str) -> "list[ModelVersion]":
    """Versions registered by `batch`, newest first."""
    found = [version for version in registry.search_model_versions(f"name='{name}'") if version.tags.get(TAG_BATCH) == batch]
    return sorted(found, key=lambda version: -int(version.version))


def tag(registry: "MlflowClient", version: "ModelVersion", tags: Mapping[str, str]) -> None:
    """Set tags of a version; values are cut to what MLflow stores."""
    for key, value in tags.items():
        registry.set_model_version_tag(version.name, str(version.version), key, value[:5000])


def register(registry: "MlflowClient", entry: Registration, settings: Settings) -> "ModelVersion":
    """Log a run with its model and register it as a new version, unless `batch` has registered this very file already: then that version.

    The artefact folder (`source`) holds `model.onnx`, `card.json` with the version's own number, and `weights.pt` where there is one.
    """
    card = model_card.read(entry.folder)
    for version in versions(registry, entry.name, entry.batch):
        if version.tags.get(TAG_SHA256) == card.file_sha256:
            return version
    return _log_and_register(registry, entry, card, settings)


def _log_and_register(registry: "MlflowClient", entry: Registration, card: ModelCard, settings: Settings) -> "ModelVersion":
    import mlflow

    mlflow.set_experiment(EXPERIMENT)
    tags = {TAG_BATCH: entry.batch, TAG_SHA256: card.file_sha256, **entry.tags}
    with mlflow.start_run(run_name=f"{entry.name} {entry.batch}", tags={"sticker.model": entry.name, **tags}) as run:
        mlflow.log_params({key: str(value)[:500] for key, value in entry.parameters.items()})
        mlflow.log_metrics(dict(entry.metrics))
        for step, values in enumerate(entry.history, 1):
            mlflow.log_metrics({key: float(value) for key, value in values.items()}, step=step)
        for path in entry.files:
            mlflow.log_artifact(str(path), "evidence")
        logged = _log_model(registry, entry, card)
        _ensure_model(registry, entry.name)
        version = registry.create_model_version(
            entry.name, source=logged.artifact_location, run_id=run.info.run_id, model_id=logged.model_id, tags=tags, description=entry.description
        )
        _log_card(registry, logged.model_id, card.model_copy(update={"version": str(version.version)}))
    log.info("%s version %s registered (run %s)", entry.name, version.version, run.info.run_id)
    return version


def _log_model(registry: "MlflowClient", entry: Registration, card: ModelCard) -> Any:
    """Log the ONNX model with signature and input example, then put our files beside it byte for byte (MLflow writes its ONNX anew)."""
    import mlflow
    import onnx
    from mlflow.models import infer_signature

    example = np.round(np.random.default_rng(0).random((1, 3, card.input_px, card.input_px), np.float32) * 4) / 4
    outputs = _outputs(entry.folder / model_card.MODEL_NAME, example)
    info = mlflow.onnx.log_model(
        onnx.load(str(entry.folder / model_card.MODEL_NAME)),
        name=entry.name,
        signature=infer_signature(example, outputs),
        input_example=example,
        pip_requirements=["onnx", "onnxruntime"],
        onnx_execution_providers=["CPUExecutionProvider"],
        save_as_external_data=False,
    )
    for name in FILES:
        if (entry.folder / name).is_file():
            registry.log_model_artifact(info.model_id, str(entry.folder / name))
    return registry.get_logged_model(info.model_id)


def _outputs(path: Path, example: Any) -> dict[str, Any]:
    import onnxruntime as ort

    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {session.get_inputs()[0].name: example}), strict=True))


def _log_card(registry: "MlflowClient", model_id: str, card: ModelCard) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / model_card.CARD_NAME
        path.write_text(card.model_dump_json(indent=1) + "\n")
        registry.log_model_artifact(model_id, str(path))


def _ensure_model(registry: "MlflowClient", name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        registry.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
