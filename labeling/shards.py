"""Labelling in shards: which pins a shard has, and one shard labelled."""

import json
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import Any

from pydantic import ValidationError

from labeling.teachers.protocol import Teacher
from labeling.teachers.selection import Choice
from sticker_studio import images, manifests
from sticker_studio.annotations import Instances
from sticker_studio.errors import ContractViolation, InputError, UndecodableImage
from sticker_studio.manifests import PinRecord
from sticker_studio.store import ObjectStore

_log = logging.getLogger(__name__)


def pins_key(batch: str) -> str:
    """Manifest of a batch's kept pins."""
    return f"batches/{batch}/pins.parquet"


def labels_key(batch: str, shard: int) -> str:
    """A shard's labels, one `Instances` a line."""
    return f"batches/{batch}/labels/shard-{shard}.jsonl"


def result_key(batch: str, shard: int) -> str:
    """A shard's result; written last, so that where it is the labels are whole."""
    return f"batches/{batch}/labels/shard-{shard}.json"


def read_pins(store: ObjectStore, batch: str) -> list[PinRecord]:
    """The batch's kept pins. Raises `InputError` when the batch has none validated."""
    try:
        return manifests.from_parquet(store.get(pins_key(batch)))
    except FileNotFoundError as error:
        raise InputError(f"batch {batch}: expected {pins_key(batch)} in {store.url}, found nothing; run `scraping validate-pins --batch {batch}`") from error


def plan(pins: Sequence[PinRecord], shard_pins: int) -> list[list[PinRecord]]:
    """Pins sorted by id, cut into shards of at most `shard_pins`."""
    ordered = sorted(pins, key=lambda pin: pin.id)
    return [ordered[start : start + shard_pins] for start in range(0, len(ordered), shard_pins)]


def label_shard(store: ObjectStore, *, batch: str, shard: int, shard_pins: int, choose: Callable[[], Choice], wanted: str = "") -> dict[str, Any]:
    """Label one shard and keep labels and result; a shard already labelled (by `wanted`, when named) is not labelled again.

    Raises `InputError` for a shard that the batch does not have, `Unavailable` when there is no teacher.
    """
    shards = plan(read_pins(store, batch), shard_pins)
    if not 0 <= shard < len(shards):
        raise InputError(f"batch {batch}: expected a shard from 0 to {len(shards) - 1}, got {shard}; see `labeling plan-shards`")
    pins = shards[shard]
    pins_hash = manifests.content_hash(pins)
    done = _done(store, batch, shard)
    if done and done.get("pins_hash") == pins_hash and wanted in ("", done["teacher"]):
        _log.info("batch %s shard %s: already labelled by %s", batch, shard, done["teacher"])
        return public(done)
    choice = choose()
    labelled = [label_pin(store, pin, choice.teacher) for pin in pins]
    store.put(labels_key(batch, shard), to_jsonl(labelled))
    result = {
        "batch": batch, "shard": shard, "pins": len(pins), "labels": sum(bool(one.objects) for one in labelled), "teacher": choice.teacher.name,
        "teacher_version": choice.teacher.version, "stood_in": [asdict(one) for one in choice.stood_in], "pins_hash": pins_hash,
    }  # fmt: skip
    store.put_json(result_key(batch, shard), result)
    return public(result)


def public(result: dict[str, Any]) -> dict[str, Any]:
    """The verb's result: without what only a later run of the verb reads."""
    return {key: value for key, value in result.items() if key != "pins_hash"}


def _done(store: ObjectStore, batch: str, shard: int) -> dict[str, Any] | None:
    try:
        result: dict[str, Any] = store.get_json(result_key(batch, shard))
    except FileNotFoundError:
        return None
    return result if store.exists(labels_key(batch, shard)) else None


def label_pin(store: ObjectStore, pin: PinRecord, teacher: Teacher) -> Instances:
    """One pin's labels; a picture that cannot be decoded any more gets none, which sends it to the review queue."""
    try:
        image = images.decode_rgb(store.get(pin.store_key))
    except FileNotFoundError as error:
        raise ContractViolation(f"pin {pin.id}: expected its picture at {pin.store_key} in {store.url}; harvest the batch again") from error
    except UndecodableImage as error:
        _log.warning("pin %s: %s", pin.id, error)
        return Instances(pin_id=pin.id, width=pin.width, height=pin.height, teacher=teacher.name, teacher_version=teacher.version)
    return teacher.label(image, pin_id=pin.id, style=pin.style)


def to_jsonl(rows: Iterable[Instances]) -> bytes:
    """One line each, sorted by pin id."""
    return "".join(row.model_dump_json() + "\n" for row in sorted(rows, key=lambda row: row.pin_id)).encode()


def from_jsonl(data: bytes, *, name: str) -> list[Instances]:
    """Read and check label lines. Raises `ContractViolation` naming the file and the line."""
    return [_line(line, number, name) for number, line in enumerate(data.decode().splitlines(), 1) if line.strip()]


def _line(line: str, number: int, name: str) -> Instances:
    try:
        return Instances.model_validate_json(line)
    except ValidationError as error:
        raise ContractViolation(f"{name}, line {number}: expected `Instances`: {error}; label its shard again") from error


def raw_jsonl(data: bytes, *, name: str) -> list[dict[str, Any]]:
    """Label lines as plain objects, for the validation that is to find what is wrong with them."""
    try:
        return [json.loads(line) for line in data.decode().splitlines() if line.strip()]
    except ValueError as error:
        raise ContractViolation(f"{name}: expected one JSON object a line: {error}; label its shard again") from error
