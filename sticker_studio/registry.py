"""The MLflow registry over its REST API, and the factory models: which version serves, and its files on disk.

No mlflow import (it costs a serving worker 400 MB): `GET /api/2.0/mlflow/registered-models/alias` names the version, and its files
come through the tracking server's artefact proxy. A version once fetched stays below `cache` as `<name>/<version>/`, whole and checked.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

Alias = Literal["champion", "challenger"]
FACTORY: Final = Path(__file__).parent / "factory_models"
"""Folder of `<registry name>/model.onnx` and `card.json`: champions of an empty registry, kept in the repository."""


@dataclass(frozen=True, kw_only=True)
class ModelVersion:
    """One version of a registered model."""

    name: str
    version: str
    run_id: str
    source: str
    tags: dict[str, str]


def factory_model(name: str) -> Path:
    """Folder of the factory model of registry name `name`."""
    return FACTORY / name
