"""Downloaded weights: their hash is recorded at first use and checked from then on; and one short look whether a host answers.

The ledger is `<home>/weights.json`: `{file name: sha-256}`. The outcome of a look is kept in `<home>/probe.json` for its batch, so that the
shards of one batch do not each wait for a network that is not there.
"""

import json
import logging
import socket
import threading
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import getproxies

from sticker_studio import atomic
from sticker_studio.errors import ContractViolation
from sticker_studio.model_card import sha256

_log = logging.getLogger(__name__)


def verify_or_record(path: Path, ledger: Path) -> str:
    """The file's sha-256, which must be the one recorded for its name in `ledger`; the first use records it.

    Raises `ContractViolation` when the file is missing or changed since.
    """
    actual = sha256(path)
    known = _read(ledger)
    expected = known.get(path.name)
    if expected is None:
        atomic.write_text(ledger, json.dumps({**known, path.name: actual}, indent=2, sort_keys=True))
        _log.info("weights %s: sha-256 %s recorded in %s", path.name, actual, ledger)
    elif expected != actual:
        raise ContractViolation(
            f"{path}: expected sha-256 {expected} as recorded in {ledger}, got {actual}; remove the file to fetch it again, or its line there if it is yours"
        )
    return actual


def reachable(url: str, *, ledger: Path, batch: str, timeout_s: float = 2.0) -> bool:
    """Whether the host of `url` takes a connection within `timeout_s`, name look-up included; asked once a batch and host.

    Behind a proxy the proxy is asked, since only it knows the host.
    """
    host, port = _address(url)
    known = _read(ledger)
    key = f"{batch} {host}:{port}"
    if key not in known:
        answer = _connects(host, port, timeout_s)
        _log.info("probe of %s:%s: %s", host, port, "reachable" if answer else f"no answer within {timeout_s} s")
        current = {name: value for name, value in _read(ledger).items() if name.startswith(f"{batch} ")}
        known = {**current, key: "reachable" if answer else "no answer"}
        atomic.write_text(ledger, json.dumps(known, indent=2, sort_keys=True))
    return known[key] == "reachable"


def _address(url: str) -> tuple[str, int]:
    parts = urlparse(url)
    proxy = getproxies().get(parts.scheme)
    if proxy:
        parts = urlparse(proxy if "://" in proxy else f"http://{proxy}")
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def _connects(host: str, port: int, timeout_s: float) -> bool:
    """In a thread of its own, because a look-up of the name cannot be given a limit."""
    answered = threading.Event()

    def attempt() -> None:
        try:
            socket.create_connection((host, port), timeout=timeout_s).close()
        except OSError as error:
            _log.debug("probe of %s:%s: %s", host, port, error)
        else:
            answered.set()

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(timeout_s)
    return answered.is_set()


def _read(path: Path) -> dict[str, str]:
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise ContractViolation(f"{path}: expected JSON: {error}; remove the file") from error
    if not isinstance(value, dict):
        raise ContractViolation(f"{path}: expected an object, got {type(value).__name__}; remove the file")
    return value
