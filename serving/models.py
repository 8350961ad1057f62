"""The models that serve: loaded at the start, watched, and swapped under load by one assignment."""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from serving.pipeline import Models
from sticker_studio import registry
from sticker_studio.errors import Unavailable
from sticker_studio.inference import Segmentor, StyleClassifier
from sticker_studio.registry import ModelVersion, Registry, ResolvedModel
from sticker_studio.settings import Settings
from sticker_studio.types import CLASSIFIER, MODEL_NAMES, SEGMENTORS, Style

log = logging.getLogger(__name__)

REGISTRY_TIMEOUT_S: Final = 3.0
CONFIRMED: Final = "the registry's champion"
Predictor = StyleClassifier | Segmentor


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A model in memory, and where it came from."""

    resolved: ResolvedModel
    predictor: Predictor

    @property
    def sha256(self) -> str:
        """Hash of the model's file."""
        return self.predictor.card.file_sha256


@dataclass(frozen=True)
class ModelSet:
    """All models of one moment; a request takes one set and keeps it to its end."""

    by_name: Mapping[str, Loaded]

    def version(self, name: str) -> str:
        """Version of the model `name`."""
        return self.by_name[name].resolved.version

    def for_pipeline(self) -> Models:
        """What the pipeline needs."""
        predictors: dict[str, Any] = {name: loaded.predictor for name, loaded in self.by_name.items()}
        segmentors: dict[Style, Any] = {style: predictors[name] for style, name in SEGMENTORS.items()}
        return Models(classifier=predictors[CLASSIFIER], segmentors=segmentors)

    def describe(self) -> dict[str, dict[str, str]]:
        """What `GET /models` tells of each model."""
        return {
            name: {"version": loaded.resolved.version, "source": loaded.resolved.source, "sha256": loaded.sha256, "reason": loaded.resolved.reason}
            for name, loaded in self.by_name.items()
        }

    def with_model(self, loaded: Loaded) -> "ModelSet":
        """This set with one model exchanged."""
        return ModelSet(MappingProxyType({**self.by_name, loaded.resolved.name: loaded}))


def load(resolved: ResolvedModel) -> Loaded:
    """Open the model and run it once, so that the first request does not pay for it. Raises `ContractViolation` or onnxruntime's errors."""
    picture = np.full((48, 64, 3), 127, np.uint8)
    predictor: Predictor
    if resolved.name == CLASSIFIER:
        predictor = StyleClassifier(resolved.folder)
        predictor.probabilities(picture)
    else:
        predictor = Segmentor(resolved.folder)
        predictor.segment(picture)
    return Loaded(resolved=resolved, predictor=predictor)


def load_all(settings: Settings, source: Registry | None) -> ModelSet:
    """The models to start with. A registry that does not answer is asked once, not once a model."""
    loaded: dict[str, Loaded] = {}
    outage = "" if source else "no registry is set (STICKER_MLFLOW_URI)"
    for name in MODEL_NAMES:
        try:
            champion = None if outage or source is None else source.version_of(name)
        except Unavailable as error:
            champion, outage = None, str(error)
        loaded[name] = (
            load_champion(source, champion, settings) if source and champion else stand_in(name, settings, outage or "the registry names no champion")
        )
    return ModelSet(MappingProxyType(loaded))


def load_champion(source: Registry, champion: ModelVersion, settings: Settings) -> Loaded:
    """The registry's champion; where it can't be fetched or opened, what stands in for it."""
    try:
        return fetched(source, champion, settings)
    except Exception as error:
        log.exception("%s: champion %s can't be loaded", champion.name, champion.version)
        return stand_in(champion.name, settings, f"champion {champion.version} can't be loaded: {error}")


def fetched(source: Registry, champion: ModelVersion, settings: Settings) -> Loaded:
    """Fetch, check, open and try the champion, and only then note it as the last good one."""
    loaded = load(registry.from_registry(source, champion, settings))
    registry.remember_good(registry.cache_folder(settings), champion)
    return loaded


def stand_in(name: str, settings: Settings, reason: str) -> Loaded:
    """The last good copy on disk, else the factory model. Raises what the factory model raises: without any model there is no service."""
    resolved = registry.without_registry(name, settings, reason)
    if resolved.source == "factory":
        return load(resolved)
    try:
        return load(resolved)
    except Exception as error:
        log.exception("%s: the copy on disk of version %s can't be opened", name, resolved.version)
        return load(registry.factory(name, f"{reason}; the copy of version {resolved.version} on disk can't be opened: {error}"))


class ChampionWatcher(threading.Thread):
    """Looks at the champion aliases every `settings.registry_poll_s` and swaps a new champion in; requests never wait for it.

    `on_swap(name, loaded)` and `on_look(reached)` are called after each swap and each look.
    """

    def __init__(self, settings: Settings, *, on_swap: Callable[[Loaded], None], on_look: Callable[[bool], None]) -> None:
        super().__init__(name="champion-watcher", daemon=True)
        self._settings, self._on_swap, self._on_look = settings, on_swap, on_look
        self._registry = Registry(settings.mlflow_uri, timeout_s=REGISTRY_TIMEOUT_S) if settings.mlflow_uri else None
        self._stopped = threading.Event()
        self._refused: dict[str, ModelVersion] = {}
        self._last_outage = ""
        self.current = load_all(settings, self._registry)

    def run(self) -> None:
        """Look until stopped."""
        self.look()
        while not self._stopped.wait(self._settings.registry_poll_s):
            self.look()

    def stop(self) -> None:
        """End the thread after its current look."""
        self._stopped.set()

    def look(self) -> None:
        """One look at all aliases. Never raises: what serves keeps serving, and the trouble is logged once."""
        if self._registry is None:
            return
        try:
            for name in MODEL_NAMES:
                champion = self._registry.version_of(name)
                if champion and self._is_new(champion):
                    self._swap(self._registry, champion)
        except Unavailable as error:
            self._note_outage(str(error))
            self._on_look(False)
            return
        self._note_outage("")
        self._on_look(True)

    def _is_new(self, champion: ModelVersion) -> bool:
        serving = self.current.by_name[champion.name].resolved
        if serving.source == "cache" and _same(serving.registered, champion):
            self.current = self.current.with_model(replace(self.current.by_name[champion.name], resolved=replace(serving, source="registry", reason=CONFIRMED)))
        return not _same(serving.registered, champion) and not _same(self._refused.get(champion.name), champion)

    def _swap(self, source: Registry, champion: ModelVersion) -> None:
        try:
            loaded = fetched(source, champion, self._settings)
        except Unavailable:
            raise  # the next look tries again
        except Exception:
            log.exception("%s: champion %s is refused; version %s keeps serving", champion.name, champion.version, self.current.version(champion.name))
            self._refused[champion.name] = champion  # tried again when the alias moves or the service restarts
            return
        before = self.current.version(champion.name)
        self.current = self.current.with_model(loaded)
        log.info("%s: version %s serves, was %s", champion.name, champion.version, before)
        self._on_swap(loaded)

    def _note_outage(self, outage: str) -> None:
        if outage != self._last_outage:
            log.warning("%s", f"the registry can't be read, what serves keeps serving: {outage}" if outage else "the registry answers again")
            self._last_outage = outage


def _same(one: ModelVersion | None, other: ModelVersion) -> bool:
    """Whether two entries name the same files: tags may change."""
    return one is not None and replace(one, tags={}) == replace(other, tags={})
