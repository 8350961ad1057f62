"""Which weights a training starts from, and why: a pure choice, and the thin shell that fetches what it needs.

In order: the file that STICKER_BASE_WEIGHTS names; a champion that a batch has made; official weights where their host answers;
the factory model. Each passed-over start is named in the reason.
"""

import logging
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sticker_studio import model_card, weights
from sticker_studio.errors import Unavailable
from sticker_studio.settings import Settings
from training import champions, yolo
from training.champions import Champion
from training.runs import Base

log = logging.getLogger(__name__)

OFFICIAL_HOST: Final = "https://github.com"
"""Where Ultralytics' own code fetches its assets."""
TORCHVISION_HOST: Final = "https://download.pytorch.org"
PROBE_S: Final = 2.0


@dataclass(frozen=True)
class Start:
    """A file of weights with its provenance."""

    path: Path
    base: Base


@dataclass(frozen=True, kw_only=True)
class Official:
    """Official weights: their name, the host that has them, and the library's own code that fetches them into a folder."""

    name: str
    host: str
    fetch: Callable[[Path], Path]


def choose(champion: Champion, official: Official, architecture: str, *, batch: str, settings: Settings, base_weights: str = "") -> Start:
    """The weights to start from. Raises `Unavailable` when there are none, `ContractViolation` when a recorded hash has changed."""
    ledger = settings.home.absolute() / "weights.json"
    if base_weights:
        path = Path(base_weights)
        return _start(path, f"{path.name}", "STICKER_BASE_WEIGHTS names it", weights.verify_or_record(path, ledger))
    problem = unfit(champion, architecture)
    if not champion.is_factory and problem is None:
        return _champion_start(champion, "the champion is the best model so far")
    passed = [] if champion.is_factory else [problem or ""]
    reason = _unreachable(official, batch, settings)
    if reason is None:
        try:
            path = official.fetch(settings.home.absolute() / "weights")
            why = "official weights, and no batch has made a champion yet" if champion.is_factory else f"official weights, because {problem}"
            return _start(path, official.name, why, weights.verify_or_record(path, ledger))
        except Unavailable as error:
            reason = str(error)
    passed.append(reason)
    return _factory_start(champion, architecture, "; ".join(passed))


def unfit(champion: Champion, architecture: str) -> str | None:
    """Why a training cannot start from this champion; None when it can."""
    if champion.weights is None:
        return f"champion version {champion.version} carries no weights.pt"
    trained = model_card.read(champion.folder).architecture
    return None if trained == architecture else f"champion version {champion.version} is a {trained}, the parameters ask for {architecture}"


def _unreachable(official: Official, batch: str, settings: Settings) -> str | None:
    """Why official weights are not to be had; None when their host answers or they have been fetched before."""
    if (settings.home / "weights" / official.name).is_file():
        return None
    if settings.offline:
        return "STICKER_OFFLINE is set, so no official weights"
    ledger = settings.home.absolute() / "probe.json"
    if weights.reachable(official.host, ledger=ledger, batch=batch, timeout_s=PROBE_S):
        return None
    return f"{official.host} does not answer, so no official weights"


def _champion_start(champion: Champion, why: str) -> Start:
    path = champion.folder / champions.WEIGHTS_NAME
    return _start(path, f"{champion.name} version {champion.version} (batch {champion.batch})", why, model_card.sha256(path))


def _factory_start(champion: Champion, architecture: str, passed: str) -> Start:
    factory = champion if champion.is_factory else champions.factory(champion.name)
    problem = unfit(factory, architecture)
    if problem is not None:
        raise Unavailable(f"{factory.name}: no weights to start from ({passed}; {problem}); set STICKER_BASE_WEIGHTS to a local {architecture} .pt")
    path = factory.folder / champions.WEIGHTS_NAME
    return _start(path, f"{factory.name} {factory.version} (factory)", passed, model_card.sha256(path))


def _start(path: Path, name: str, reason: str, sha256: str) -> Start:
    base = Base(name=name, reason=reason, sha256=sha256)
    log.info("start weights: %s", base.text)
    return Start(path, base)


def official_yolo(architecture: str) -> Official:
    """The COCO weights of `architecture`, by Ultralytics' download code."""
    name = f"{architecture}.pt"

    def fetch(folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / name).is_file():
            return folder / name
        from ultralytics.utils.downloads import attempt_download_asset

        with tempfile.TemporaryDirectory(dir=folder) as temporary:  # so that a kill leaves no half file behind
            try:
                found = Path(attempt_download_asset(str(Path(temporary) / name)))
            except (OSError, RuntimeError) as error:
                raise Unavailable(f"{name} could not be fetched from {OFFICIAL_HOST}: {error}") from error
            return _present(found, name).replace(folder / name)

    return Official(name=name, host=OFFICIAL_HOST, fetch=fetch)


def official_mobilenet() -> Official:
    """The ImageNet weights of torchvision's MobileNetV3-small, by torch's download code, which checks the hash in the file's name."""
    name = "mobilenet_v3_small-047dcff4.pth"

    def fetch(folder: Path) -> Path:
        from torch.hub import load_state_dict_from_url
        from torchvision.models import MobileNet_V3_Small_Weights

        url = MobileNet_V3_Small_Weights.IMAGENET1K_V1.url
        try:
            load_state_dict_from_url(url, model_dir=str(folder), progress=False, check_hash=True, file_name=name, weights_only=True)
        except (OSError, RuntimeError) as error:
            raise Unavailable(f"{name} could not be fetched from {TORCHVISION_HOST}: {error}") from error
        return _present(folder / name, name)

    return Official(name=name, host=TORCHVISION_HOST, fetch=fetch)


def _present(path: Path, name: str) -> Path:
    if not path.is_file() or path.stat().st_size == 0:
        raise Unavailable(f"{name} could not be fetched: expected {path} after the download, found nothing")
    return path


def prepare_ultralytics(settings: Settings) -> None:
    """Give Ultralytics a private configuration folder with analytics off, before anything imports it."""
    folder = settings.home.absolute() / "ultralytics"
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["YOLO_CONFIG_DIR"] = str(folder)
    yolo.quiet_ultralytics()
    from ultralytics.utils import SETTINGS

    if SETTINGS.get("sync", True):
        SETTINGS.update({"sync": False})
