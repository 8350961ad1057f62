"""`PinRecord` and the Parquet manifests of batches."""

import hashlib
import io
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sticker_studio.errors import ContractViolation
from sticker_studio.types import Style

Row = TypeVar("Row", bound="PinRecord")

VOLATILE: Final = frozenset({"fetched_at", "host", "duration_s"})


class PinRecord(BaseModel):
    """One picture found on a board."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[0-9a-f]{64}$", description="sha-256 of the stored bytes")
    phash: str = Field(pattern=r"^[0-9a-f]{16}$", description="64-bit perceptual hash, hex")
    width: int = Field(gt=0, description="px, upright")
    height: int = Field(gt=0, description="px, upright")
    bytes: int = Field(gt=0)
    mime: str
    board: str = Field(description="the board as given, e.g. pinterest:ghibli trend")
    style: Style = Field(description="the board's declared style: the classifier's weak label")
    page_url: str
    image_url: str
    alt: str = ""
    fetched_at: datetime
    store_key: str


class QuarantinedPin(PinRecord):
    """A pin that may not be trained on, and why."""

    reason: str


_SCHEMA: Final = pa.schema(
    [
        ("id", pa.string()), ("phash", pa.string()), ("width", pa.int32()), ("height", pa.int32()), ("bytes", pa.int64()),
        ("mime", pa.string()), ("board", pa.string()), ("style", pa.string()), ("page_url", pa.string()), ("image_url", pa.string()),
        ("alt", pa.string()), ("fetched_at", pa.timestamp("us", tz="UTC")), ("store_key", pa.string()),
    ]
)  # fmt: skip


def to_parquet(pins: Sequence[PinRecord]) -> bytes:
    """A manifest's bytes, rows sorted by id. `QuarantinedPin` rows carry their reason column."""
    schema = _SCHEMA.append(pa.field("reason", pa.string())) if pins and isinstance(pins[0], QuarantinedPin) else _SCHEMA
    rows = [pin.model_dump() for pin in sorted(pins, key=lambda pin: pin.id)]
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), buffer)
    return buffer.getvalue()


def from_parquet(data: bytes) -> list[PinRecord]:
    """Read and check a manifest. Raises `ContractViolation` naming the first bad row."""
    return [_checked(PinRecord, row) for row in _rows(data)]


def quarantine_from_parquet(data: bytes) -> list[QuarantinedPin]:
    """Read and check a quarantine manifest; an empty one has no reason column."""
    return [_checked(QuarantinedPin, row) for row in _rows(data)]


def _rows(data: bytes) -> list[dict[str, Any]]:
    """Without pyarrow's thread pools: a process that ends soon after they started aborted in 1 of 25 runs ("terminate called")."""
    rows: list[dict[str, Any]] = pq.ParquetFile(io.BytesIO(data), pre_buffer=False).read(use_threads=False).to_pylist()
    return rows


def _checked(kind: type[Row], row: dict[str, Any]) -> Row:
    try:
        return kind.model_validate(row)
    except ValidationError as error:
        raise ContractViolation(f"manifest row {row.get('id', '?')}: {error}; harvest the batch again") from error


def content_hash(rows: Iterable[BaseModel]) -> str:
    """sha-256 over the rows sorted by their JSON, volatile fields left out: equal results have equal hashes."""
    texts = sorted(json.dumps({k: v for k, v in row.model_dump(mode="json").items() if k not in VOLATILE}, sort_keys=True) for row in rows)
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


def utc_now() -> datetime:
    """The time a picture was fetched; no step decides anything by it."""
    return datetime.now(UTC)
