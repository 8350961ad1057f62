"""What a killed training goes on from: one file of plain tensors and figures, written whole, tied to its inputs by a fingerprint."""

import io
import logging
from pathlib import Path
from typing import Any, Final

from sticker_studio import atomic

log = logging.getLogger(__name__)

NAME: Final = "checkpoint.pt"


def save(folder: Path, fingerprint: str, values: dict[str, Any]) -> None:
    """Write `values` (tensors, figures, texts, and lists and dicts of them)."""
    import torch

    buffer = io.BytesIO()
    torch.save({"fingerprint": fingerprint, **values}, buffer)
    atomic.write_bytes(folder / NAME, buffer.getvalue())


def load(folder: Path, fingerprint: str) -> dict[str, Any] | None:
    """The values of a run with the same inputs; None (and said so) when there is none, or it is another run's."""
    import pickle

    import torch

    path = folder / NAME
    if not path.is_file():
        return None
    try:
        values = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, LookupError, ValueError, AttributeError, pickle.UnpicklingError) as error:  # whatever half a pickle raises
        log.warning("%s cannot be read (%s); training begins anew", path, error)
        return None
    if values.get("fingerprint") != fingerprint:
        log.info("%s belongs to other inputs; training begins anew", path)
        return None
    return dict(values)


def remove(folder: Path) -> None:
    """Forget the checkpoint of a finished run."""
    (folder / NAME).unlink(missing_ok=True)
