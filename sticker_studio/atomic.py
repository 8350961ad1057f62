"""Files that are either whole or absent: temporary name, fsync, rename."""

import os
import tempfile
from pathlib import Path


def write_bytes(path: Path, data: bytes, *, mode: int = 0o644) -> Path:
    """Write `data` to `path` so that a reader, or a kill, never sees half of it. Makes missing parent folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def write_text(path: Path, text: str, *, mode: int = 0o644) -> Path:
    """Write UTF-8 `text` to `path` atomically."""
    return write_bytes(path, text.encode(), mode=mode)
