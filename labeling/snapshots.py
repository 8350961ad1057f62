"""Snapshots of the data set: the only use of DVC.

A no-scm workspace tracks one folder, `data/`; the snapshot id is that folder's DVC hash. The remote holds the files under DVC's own layout and
`pointers/<id>.json`, the content of `data.dvc`, so that the id and the remote are enough to bring a snapshot back anywhere.
"""

import json
import logging
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from time import sleep
from typing import Any, Final

import yaml

from sticker_studio import atomic, manifests
from sticker_studio.errors import ContractViolation, InputError, Unavailable
from sticker_studio.manifests import PinRecord
from sticker_studio.store import ObjectStore

_log = logging.getLogger(__name__)

REMOTE: Final = "store"
DATA: Final = "data"
MANIFEST: Final = "manifest.parquet"
CONFIG: Final = """[core]
    analytics = false
    check_update = false
    no_scm = True
    remote = {remote}
['remote "{remote}"']
    url = {url}
"""
BUSY_RETRIES: Final = 5
BUSY_WAIT_S: Final = 2.0
TIMEOUT_S: Final = 3600


class Workspace:
    """A DVC workspace without git, whose `data/` folder is what a snapshot tracks."""

    def __init__(self, root: Path, *, remote_url: str) -> None:
        self.root, self.remote_url = root.absolute(), remote_url

    @property
    def data(self) -> Path:
        """The tracked folder."""
        return self.root / DATA

    def prepare(self) -> None:
        """Make the workspace, or set the one that is there to this remote; nothing is ever sent home."""
        self.root.mkdir(parents=True, exist_ok=True)
        if not (self.root / ".dvc" / "config").is_file():
            self._dvc("init", "--no-scm", *(["--force"] if (self.root / ".dvc").exists() else []))
        wanted = CONFIG.format(remote=REMOTE, url=self.remote_url)
        config = self.root / ".dvc" / "config"
        if config.read_text() != wanted:
            atomic.write_text(config, wanted)

    def commit(self) -> str:
        """Track `data/` as it is, push it and its pointer to the remote, and return the snapshot id."""
        self._dvc("add", DATA)
        self._dvc("push")
        pointer = yaml.safe_load((self.root / f"{DATA}.dvc").read_text())
        snapshot = snapshot_of(pointer)
        remote_store(self.remote_url).put_json(pointer_key(snapshot), pointer)
        return snapshot

    def checkout(self, snapshot: str) -> None:
        """Bring exactly the files of `snapshot` into `data/`. Raises `InputError` for an id the remote does not have."""
        check_id(snapshot)
        try:
            pointer = remote_store(self.remote_url).get_json(pointer_key(snapshot))
        except FileNotFoundError as error:
            raise InputError(f"snapshot {snapshot}: not in the remote {self.remote_url}; see its pointers/ folder, or correct STICKER_DVC_REMOTE") from error
        if snapshot_of(pointer) != snapshot:
            raise ContractViolation(f"{self.remote_url}/{pointer_key(snapshot)}: expected the pointer of {snapshot}, got that of {snapshot_of(pointer)}")
        atomic.write_text(self.root / f"{DATA}.dvc", yaml.safe_dump(pointer, sort_keys=False))
        self._dvc("pull", "--force", f"{DATA}.dvc")

    def _dvc(self, *arguments: str) -> str:
        """Run DVC here; a workspace that another process has locked is tried again. Not with `--quiet`, which silences errors too.

        Raises `Unavailable`, or `ContractViolation` with DVC's words.
        """
        for attempt in range(BUSY_RETRIES):
            done = subprocess.run(
                [sys.executable, "-m", "dvc", *arguments],
                cwd=self.root,
                env=_environment(self.root),
                capture_output=True,
                text=True,
                timeout=TIMEOUT_S,
                check=False,
            )
            if done.returncode == 0:
                return done.stdout
            if not _is_busy(done.stderr):
                break
            _log.info("dvc %s: the workspace is busy, attempt %s of %s", arguments[0], attempt + 1, BUSY_RETRIES)
            sleep(BUSY_WAIT_S * (attempt + 1))
        if "No module named dvc" in done.stderr:
            raise Unavailable("the package dvc is not installed; install the extra 'labeling'")
        raise ContractViolation(f"dvc {' '.join(arguments)} in {self.root}: exit code {done.returncode}: {done.stderr.strip()[-800:]}")


def _environment(root: Path) -> dict[str, str]:
    """DVC's own state stays beside the workspace, and no git, user or machine configuration reaches in."""
    private = str(root / ".dvc" / "site")
    return {**os.environ, "DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": private, "DVC_GLOBAL_CONFIG_DIR": private, "DVC_SYSTEM_CONFIG_DIR": private}


def _is_busy(stderr: str) -> bool:
    return any(word in stderr for word in ("is busy", "Unable to acquire lock", "cannot perform the command because another DVC process"))


def pointer_key(snapshot: str) -> str:
    """Where the remote keeps what DVC must know of a snapshot."""
    return f"pointers/{snapshot}.json"


def remote_store(url: str) -> ObjectStore:
    """The DVC remote as an object store."""
    return ObjectStore(url if "://" in url else Path(url).absolute().as_uri())


def snapshot_of(pointer: Any) -> str:
    """The id of a `data.dvc`. Raises `ContractViolation` when it is none."""
    try:
        md5 = str(pointer["outs"][0]["md5"])
    except (KeyError, IndexError, TypeError) as error:
        raise ContractViolation(f"expected the content of a .dvc file that tracks a folder, got {json.dumps(pointer, default=str)[:200]}") from error
    return check_id(md5.removesuffix(".dir"))


def check_id(snapshot: str) -> str:
    """`snapshot`, when it has an id's form. Raises `InputError`."""
    if not re.fullmatch(r"[0-9a-f]{32}", snapshot):
        raise InputError(f"snapshot: expected 32 hexadecimal digits, got {snapshot!r}; `labeling snapshot` prints the id")
    return snapshot


def current(data: Path) -> str:
    """The id recorded for the folder `data` of a workspace; empty when none is."""
    file = data.absolute().parent / f"{data.name}.dvc"
    return snapshot_of(yaml.safe_load(file.read_text())) if file.is_file() else ""


def kept_pins(store: ObjectStore, batch: str) -> list[PinRecord]:
    """Every pin ever kept, this batch's included. Raises `InputError` where there is none yet."""
    found = [manifests.from_parquet(store.get(key)) for key in ("index/pins.parquet", f"batches/{batch}/pins.parquet") if store.exists(key)]
    if not found:
        raise InputError(f"batch {batch}: expected index/pins.parquet or the batch's pins.parquet in {store.url}; run `scraping validate-pins` first")
    return sorted({pin.id: pin for pins in reversed(found) for pin in pins}.values(), key=lambda pin: pin.id)


def pin_name(pin: PinRecord) -> str:
    """A pin's file name in `data/pins/`."""
    return f"{pin.id}{Path(pin.store_key).suffix}"


def fill(data: Path, pins: Sequence[PinRecord], store: ObjectStore) -> None:
    """Make `data/pins/` hold exactly `pins`, and write their manifest."""
    folder = data / "pins"
    folder.mkdir(parents=True, exist_ok=True)
    names = {pin_name(pin): pin for pin in pins}
    for stale in [path for path in folder.iterdir() if path.name not in names]:
        stale.unlink()
    for name, pin in names.items():
        if not (folder / name).is_file() or (folder / name).stat().st_size != pin.bytes:
            atomic.write_bytes(folder / name, store.get(pin.store_key))
    atomic.write_bytes(data / MANIFEST, manifests.to_parquet(pins))


def snapshot(store: ObjectStore, workspace: Workspace, *, batch: str) -> dict[str, Any]:
    """Version every kept pin; a batch whose pins are already in a snapshot of the remote keeps that one."""
    pins = kept_pins(store, batch)
    key, pins_hash = f"batches/{batch}/snapshot.json", manifests.content_hash(pins)
    known = store.get_json(key) if store.exists(key) else {}
    if known.get("pins_hash") == pins_hash and remote_store(workspace.remote_url).exists(pointer_key(known["snapshot"])):
        _log.info("batch %s: snapshot %s holds its pins already", batch, known["snapshot"])
    else:
        workspace.prepare()
        fill(workspace.data, pins, store)
        known = {"batch": batch, "snapshot": workspace.commit(), "pins": len(pins), "pins_hash": pins_hash}
        store.put_json(key, known)
    return {name: known[name] for name in ("batch", "snapshot", "pins")}


def restore(snapshot_id: str, *, to: Path, remote_url: str, files: Sequence[Path]) -> dict[str, Any]:
    """Bring `snapshot_id` into a workspace at `to`, with `files` (`dvc.yaml` and `params.yaml`) beside its data, ready for `dvc repro`.

    Raises `InputError` when `to` holds something that is no DVC workspace.
    """
    if to.exists() and any(to.iterdir()) and not (to / ".dvc").is_dir():
        raise InputError(f"--to: expected a new or empty folder, {to} holds other files; name another")
    workspace = Workspace(to, remote_url=remote_url)
    workspace.prepare()
    workspace.checkout(snapshot_id)
    for file in files:
        shutil.copyfile(file, to / file.name)
    pins = manifests.from_parquet((workspace.data / MANIFEST).read_bytes())
    labels = len(list((workspace.data / "labels").glob("*.json")))
    return {"snapshot": snapshot_id, "workspace": str(to.absolute()), "pins": len(pins), "labels": labels}
