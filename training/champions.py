"""The champion of a registry name as files: from the registry, or the factory model where there is none."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from sticker_studio import model_card, registry
from sticker_studio.errors import Unavailable
from sticker_studio.settings import Settings
from training import tracking

log = logging.getLogger(__name__)

WEIGHTS_NAME: Final = registry.WEIGHTS_NAME


@dataclass(frozen=True, kw_only=True)
class Champion:
    """A champion's folder (`model.onnx`, `card.json`, mostly `weights.pt`), its version, and the batch that made it ('factory' for factory models)."""

    name: str
    version: str
    batch: str
    origin: Literal["registry", "factory"]
    folder: Path

    @property
    def weights(self) -> Path | None:
        """Its plain state dict; None when the version carries none."""
        path = self.folder / WEIGHTS_NAME
        return path if path.is_file() else None

    @property
    def is_factory(self) -> bool:
        """Whether no batch has replaced the factory model yet."""
        return self.batch == tracking.FACTORY_BATCH


def current(name: str, settings: Settings) -> Champion:
    """The champion of `name`.

    Raises `Unavailable` when a configured registry does not answer, or there is not even a factory model;
    `ContractViolation` for a version whose files are not what its card says."""
    if not settings.mlflow_uri:
        log.info("%s: no registry configured, the factory model stands in as champion", name)
        return factory(name)
    with registry.Registry(settings.mlflow_uri) as opened:
        version = opened.version_of(name)
        if version is None:
            log.warning("%s: the registry has no champion, the factory model stands in", name)
            return factory(name)
        folder = _fetch(opened, version, settings)
    return Champion(name=name, version=version.version, batch=version.tags.get(tracking.TAG_BATCH, ""), origin="registry", folder=folder)


def _fetch(opened: registry.Registry, version: registry.ModelVersion, settings: Settings) -> Path:
    """The version's files, with its weights where it carries them: one registered by hand may be ONNX only."""
    try:
        return registry.from_registry(opened, version, settings, weights=True).folder
    except Unavailable as error:
        log.warning("%s version %s is fetched without weights: %s", version.name, version.version, error)
        return registry.from_registry(opened, version, settings).folder


def factory(name: str) -> Champion:
    """The factory model. Raises `Unavailable` when the repository holds none."""
    folder = registry.factory_model(name)
    if not (folder / model_card.CARD_NAME).is_file():
        raise Unavailable(f"{name}: no factory model in {folder}; run `make factory`")
    return Champion(name=name, version=model_card.read(folder).version, batch=tracking.FACTORY_BATCH, origin="factory", folder=folder)
