"""The object store: bytes under keys, on `file://` or `s3://` (fsspec), written whole or not at all.

Keys: `pins/<aa>/<sha256>.<ext>`, `batches/<batch>/...`, `index/...`, `labels/...`, `stickers/...`.
"""

import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlparse

import fsspec

from sticker_studio import atomic
from sticker_studio.errors import ContractViolation, InputError


class ObjectStore:
    """Bytes under keys below one URL."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._local = Path(unquote(urlparse(url).path)) if url.startswith("file://") else None
        self._fs: Any = None
        self._root = ""
        if self._local is None:
            self._fs, self._root = fsspec.core.url_to_fs(self.url)

    def __repr__(self) -> str:
        return f"ObjectStore({self.url!r})"

    def _path(self, key: str) -> str:
        parts = PurePosixPath(key).parts
        if not parts or key.startswith("/") or ".." in parts:
            raise InputError(f"store key: expected a relative path without '..', got {key!r}")
        return str(self._local / key) if self._local else f"{self._root}/{key}"

    def put(self, key: str, data: bytes) -> str:
        """Store `data` under `key` atomically and return the key."""
        path = self._path(key)
        if self._local:
            atomic.write_bytes(Path(path), data)
        else:
            self._fs.pipe_file(path, data)  # an S3 PUT is atomic
        return key

    def get(self, key: str) -> bytes:
        """The bytes under `key`. Raises `FileNotFoundError`."""
        path = self._path(key)
        return Path(path).read_bytes() if self._local else bytes(self._fs.cat_file(path))

    def exists(self, key: str) -> bool:
        """Whether `key` holds something."""
        path = self._path(key)
        return Path(path).is_file() if self._local else bool(self._fs.isfile(path))

    def delete(self, key: str) -> None:
        """Remove `key`; a missing one is fine."""
        path = self._path(key)
        if self._local:
            Path(path).unlink(missing_ok=True)
        elif self._fs.exists(path):
            self._fs.rm_file(path)

    def keys(self, prefix: str) -> Iterator[str]:
        """All keys below the folder `prefix`, sorted."""
        folder = self._path(prefix)
        if self._local:
            root = Path(folder)
            found = [path.relative_to(self._local).as_posix() for path in root.rglob("*") if path.is_file() and not path.name.startswith(".")]
        else:
            found = [path.removeprefix(f"{self._root}/") for path in self._fs.find(folder)]
        return iter(sorted(found))

    def put_json(self, key: str, value: Any) -> str:
        """Store `value` as JSON."""
        return self.put(key, json.dumps(value, indent=2, sort_keys=True, default=str).encode())

    def get_json(self, key: str) -> Any:
        """Read JSON. Raises `FileNotFoundError`, or `ContractViolation` for a damaged file."""
        data = self.get(key)
        try:
            return json.loads(data)
        except ValueError as error:
            raise ContractViolation(f"{self.url}/{key}: expected JSON, got {data[:40]!r}; remove it and run its stage again") from error


def pin_key(pin_id: str, extension: str) -> str:
    """Where the picture of a pin lies."""
    return f"pins/{pin_id[:2]}/{pin_id}.{extension}"
