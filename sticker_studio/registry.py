"""The MLflow registry over its REST API, and the factory models: which version serves, and its files on disk.

No mlflow import (it costs a serving worker 400 MB): `GET /api/2.0/mlflow/registered-models/alias` names the version, and its files
come through the tracking server's artefact proxy. A version once fetched stays below `<home>/models/<name>/<version>/`, whole and checked.
"""

import json
import logging
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal, Self
from urllib.parse import quote, unquote, urlparse

import httpx

from sticker_studio import atomic, model_card
from sticker_studio.errors import ContractViolation, StickerError, Unavailable
from sticker_studio.model_card import CARD_NAME, MODEL_NAME, ModelCard
from sticker_studio.settings import Settings

log = logging.getLogger(__name__)

Alias = Literal["champion", "challenger"]
Source = Literal["registry", "cache", "factory"]

FACTORY: Final = Path(__file__).parent / "factory_models"
"""Folder of `<registry name>/model.onnx` and `card.json`: champions of an empty registry, kept in the repository."""
WEIGHTS_NAME: Final = "weights.pt"
ORIGIN_NAME: Final = "origin.json"
LAST_GOOD_NAME: Final = "last_good.json"
TIMEOUT_S: Final = 10.0
MAX_FILE_BYTES: Final = 1024**3
KEPT_VERSIONS: Final = 3
"""Copies kept on disk of each model: what serves, what it replaced, and one more."""

_ARTEFACT_ROUTE: Final = "api/2.0/mlflow-artifacts/artifacts/"
_ABSENT: Final = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


@dataclass(frozen=True, kw_only=True)
class ModelVersion:
    """One version of a registered model."""

    name: str
    version: str
    run_id: str
    source: str
    tags: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class ResolvedModel:
    """A model to load: its `folder` (model.onnx, card.json), where it came from and why."""

    name: str
    folder: Path
    version: str
    source: Source
    reason: str
    registered: ModelVersion | None = None
    """The registry's entry; None for a factory model."""


class Registry:
    """The registry of one tracking server."""

    def __init__(self, uri: str, *, timeout_s: float = TIMEOUT_S, transport: httpx.BaseTransport | None = None) -> None:
        self.uri = uri.rstrip("/")
        self._http = httpx.Client(base_url=self.uri, timeout=timeout_s, transport=transport, follow_redirects=False)

    def __repr__(self) -> str:
        return f"Registry({self.uri!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def version_of(self, name: str, alias: Alias = "champion") -> ModelVersion | None:
        """The version that `alias` of the registered model `name` points at; None where there is no such model or alias.

        Raises `Unavailable` when the server can't be reached or answers something else.
        """
        answer = self._get("registered-models/alias", {"name": name, "alias": alias})
        return _version(answer["model_version"]) if answer else None

    def artefact_uri(self, version: ModelVersion) -> str:
        """Where the version's files lie; MLflow resolves `models:/m-...` (logged models) and `runs:/...` sources itself."""
        answer = self._get("model-versions/get-download-uri", {"name": version.name, "version": version.version})
        if not answer or not answer.get("artifact_uri"):
            raise Unavailable(f"{version.name} version {version.version}: expected MLflow at {self.uri} to tell where its files are, got {answer!r}")
        return str(answer["artifact_uri"])

    def fetch(self, version: ModelVersion, folder: Path, *, weights: bool = False) -> ModelCard:
        """Write the version's model.onnx and card.json (and weights.pt) into `folder`, check them, and return the card.

        Raises `Unavailable` for files that can't be had, `ContractViolation` for files that are not what the card says.
        """
        uri = self.artefact_uri(version)
        for file in (CARD_NAME, MODEL_NAME, *([WEIGHTS_NAME] if weights else [])):
            self._fetch_file(f"{uri.rstrip('/')}/{file}", folder / file)
        return checked_card(folder, name=version.name)

    def _get(self, call: str, query: Mapping[str, str]) -> dict[str, Any] | None:
        try:
            response = self._http.get(f"/api/2.0/mlflow/{call}", params=dict(query))
            answer = response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise Unavailable(f"MLflow at {self.uri}: expected an answer to {call}, got {error!r}; is the server up?") from error
        if response.status_code == httpx.codes.OK and isinstance(answer, dict):
            return answer
        # a missing alias is INVALID_PARAMETER_VALUE with status 400, a missing model RESOURCE_DOES_NOT_EXIST with 404
        if isinstance(answer, dict) and answer.get("error_code") in _ABSENT:
            return None
        raise Unavailable(f"MLflow at {self.uri}: {call} was answered {response.status_code}: {str(answer)[:200]}")

    def _fetch_file(self, uri: str, target: Path) -> None:
        parsed = urlparse(uri)
        if parsed.scheme in ("", "file"):
            _copy_local(Path(unquote(parsed.path)), target)
            return
        try:
            with self._http.stream("GET", f"/{_ARTEFACT_ROUTE}{quote(_proxied_path(uri))}") as response:
                response.raise_for_status()
                _write_stream(response, target)
        except httpx.HTTPError as error:
            raise Unavailable(f"MLflow at {self.uri}: expected the file {uri}, got {error!r}; was the model logged whole?") from error


def _version(fields: Mapping[str, Any]) -> ModelVersion:
    tags = {tag["key"]: tag.get("value", "") for tag in fields.get("tags", [])}
    return ModelVersion(
        name=str(fields["name"]), version=str(fields["version"]), run_id=str(fields.get("run_id", "")), source=str(fields.get("source", "")), tags=tags
    )


def _proxied_path(uri: str) -> str:
    parsed = urlparse(uri)
    path = unquote(parsed.path).lstrip("/")
    if parsed.scheme in ("http", "https") and _ARTEFACT_ROUTE in path:
        path = path.split(_ARTEFACT_ROUTE, 1)[1]
    elif parsed.scheme != "mlflow-artifacts":
        raise Unavailable(f"expected artefacts that the tracking server hands out (mlflow-artifacts:), got {uri}; start it with --artifacts-destination")
    if ".." in path.split("/"):
        raise ContractViolation(f"artefact address: expected a plain path, got {uri}")
    return path


def _copy_local(source: Path, target: Path) -> None:
    try:
        shutil.copyfile(source, target)
    except OSError as error:
        raise Unavailable(f"expected the artefact {source}, got {error}; serve artefacts through the tracking server") from error


def _write_stream(response: httpx.Response, target: Path) -> None:
    size = 0
    with target.open("wb") as file:
        for chunk in response.iter_bytes():
            size += len(chunk)
            if size > MAX_FILE_BYTES:
                raise ContractViolation(f"{response.url}: expected at most {MAX_FILE_BYTES} bytes, got more")
            file.write(chunk)


# --- files on disk


def factory_model(name: str) -> Path:
    """Folder of the factory model of registry name `name`."""
    return FACTORY / name


def checked_card(folder: Path, *, name: str) -> ModelCard:
    """The card of `folder`, its file's hash checked, and that it is a `name`. Raises `ContractViolation`."""
    card = model_card.read(folder)
    if card.name != name:
        raise ContractViolation(f"{folder}: expected a {name}, its card says {card.name}; register the model under its own name")
    return card


def fetch_to_cache(registry: Registry, version: ModelVersion, cache: Path, *, weights: bool = False) -> Path:
    """The version's folder below `cache`, fetched when it is missing, damaged or of another registry. Whole or absent, whoever is killed.

    Raises as `Registry.fetch`.
    """
    folder = cache / version.name / version.version
    if _is_good(folder, version, weights=weights):
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".fetch-"))
    try:
        registry.fetch(version, temporary, weights=weights)
        atomic.write_text(temporary / ORIGIN_NAME, json.dumps(_origin(version)))
        temporary.chmod(0o755)
        _move_in(temporary, folder, version, weights=weights)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _origin(version: ModelVersion) -> dict[str, Any]:
    fields = asdict(version)
    fields.pop("tags")
    return fields


def _is_good(folder: Path, version: ModelVersion, *, weights: bool) -> bool:
    """Whether `folder` holds this very version: a registry made anew counts from 1 again."""
    if not folder.is_dir() or (weights and not (folder / WEIGHTS_NAME).is_file()):
        return False
    try:
        checked_card(folder, name=version.name)
        return bool(json.loads((folder / ORIGIN_NAME).read_bytes()) == _origin(version))
    except (OSError, ValueError, ContractViolation) as error:
        log.warning("%s version %s: the copy on disk is fetched again: %s", version.name, version.version, error)
        return False


def _move_in(temporary: Path, folder: Path, version: ModelVersion, *, weights: bool) -> None:
    """Rename `temporary` to `folder`; an old copy makes room, and another process that was quicker is believed."""
    old = temporary.with_name(temporary.name.replace(".fetch-", ".old-"))
    try:
        if folder.exists():
            folder.rename(old)
        temporary.rename(folder)
    except OSError as error:
        if not _is_good(folder, version, weights=weights):
            raise Unavailable(f"{folder}: could not put the fetched model in place: {error}") from error
    finally:
        shutil.rmtree(old, ignore_errors=True)


def remember_good(cache: Path, version: ModelVersion) -> None:
    """Note that this version serves, for a start without the registry, and drop copies older than the last `KEPT_VERSIONS`."""
    note = cache / version.name / LAST_GOOD_NAME
    text = json.dumps(_origin(version), sort_keys=True)
    if not note.is_file() or note.read_text() != text:
        atomic.write_text(note, text)
    folders = [path for path in note.parent.iterdir() if path.is_dir() and not path.name.startswith(".") and path.name != version.version]
    for folder in sorted(folders, key=lambda path: path.stat().st_mtime, reverse=True)[KEPT_VERSIONS - 1 :]:
        shutil.rmtree(folder, ignore_errors=True)


def last_good(cache: Path, name: str) -> ModelVersion | None:
    """The version that served last and whose copy is still whole; None without one."""
    try:
        fields = json.loads((cache / name / LAST_GOOD_NAME).read_bytes())
        version = ModelVersion(**fields, tags={})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        log.warning("%s: the note of its last good version can't be read: %s", name, error)
        return None
    return version if _is_good(cache / name / version.version, version, weights=False) else None


# --- what to serve


def cache_folder(settings: Settings) -> Path:
    """Where fetched versions lie."""
    return settings.home.absolute() / "models"


def resolve(name: str, settings: Settings, *, registry: Registry | None = None, weights: bool = False) -> ResolvedModel:
    """The model of `name` to use: the registry's champion, else the last good copy on disk, else the factory model; `reason` says why.

    Raises `ContractViolation` when even the factory model is missing or damaged.
    """
    if registry is None and settings.mlflow_uri:
        with Registry(settings.mlflow_uri) as opened:
            return resolve(name, settings, registry=opened, weights=weights)
    try:
        champion = registry.version_of(name) if registry else None
        reason = "the registry names no champion" if registry else "no registry is set (STICKER_MLFLOW_URI)"
        if registry and champion:
            return from_registry(registry, champion, settings, weights=weights)
    except (StickerError, OSError) as error:
        reason = str(error)
    return without_registry(name, settings, reason)


def from_registry(registry: Registry, version: ModelVersion, settings: Settings, *, weights: bool = False) -> ResolvedModel:
    """The given version, fetched; who loads it and finds it good says so by `remember_good`. Raises as `Registry.fetch`."""
    folder = fetch_to_cache(registry, version, cache_folder(settings), weights=weights)
    return ResolvedModel(name=version.name, folder=folder, version=version.version, source="registry", reason="the registry's champion", registered=version)


def without_registry(name: str, settings: Settings, reason: str) -> ResolvedModel:
    """The last good copy on disk, else the factory model. Raises `ContractViolation` when there is neither."""
    cache = cache_folder(settings)
    good = last_good(cache, name)
    if good:
        log.warning("%s: version %s from disk stands in: %s", name, good.version, reason)
        return ResolvedModel(name=name, folder=cache / name / good.version, version=good.version, source="cache", reason=reason, registered=good)
    log.warning("%s: the factory model stands in: %s", name, reason)
    return factory(name, reason)


def factory(name: str, reason: str) -> ResolvedModel:
    """The factory model of `name`. Raises `ContractViolation` when it is missing or damaged."""
    card = checked_card(factory_model(name), name=name)
    return ResolvedModel(name=name, folder=factory_model(name), version=card.version, source="factory", reason=reason)
