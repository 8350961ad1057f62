"""A batch's pins, all boards together: copies across boards dropped, each picture judged, kept or quarantined with its reason."""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scraping import dedupe, suite
from scraping.harvest import INDEX, QUARANTINED, known_pins, known_quarantined, read_manifest
from sticker_studio import images, manifests, safety
from sticker_studio.errors import InputTooLarge, NotEnoughData, UndecodableImage
from sticker_studio.manifests import PinRecord, QuarantinedPin
from sticker_studio.params import Params, ValidationParams
from sticker_studio.settings import Settings
from sticker_studio.store import ObjectStore

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Harvested:
    """What the boards of a batch brought, in the order of their slugs."""

    pins: tuple[PinRecord, ...]
    found: int
    duplicates: int
    failed: int


@dataclass(frozen=True)
class Sorted:
    """Pins to keep and pins set aside."""

    kept: tuple[PinRecord, ...]
    quarantined: tuple[QuarantinedPin, ...]


def run(batch: str, *, settings: Settings, params: Params) -> dict[str, Any]:
    """Validate `batch` and write its manifest, quarantine and Data Docs; a batch that passes enters the index. The verb's result.

    Raises `NotEnoughData` when the boards showed nothing new (a quiet day), or no board of the batch was harvested.
    """
    store = ObjectStore(settings.store_url)
    harvested = read_harvested(store, batch)
    known, known_aside = known_pins(store, batch), known_quarantined(store, batch)
    plan = dedupe.plan([*known, *known_aside], harvested.pins, near_bits=params.scraping.near_duplicate_bits)
    new = _by_id(harvested.pins, plan.new)
    _quiet_day(new, harvested, params.validation)
    verdicts = suite.judge([_row(pin, store, params) for pin in new], params.validation, batch=batch)
    decided = sort(new, verdicts.faults)
    reasons = stop_reasons(decided, params.validation)
    _write_findings(store, batch, decided, verdicts.docs)
    if not reasons:
        store.put(f"batches/{batch}/pins.parquet", manifests.to_parquet(decided.kept))
        store.put(INDEX, manifests.to_parquet([*known, *decided.kept]))
        judged = [pin for pin in decided.quarantined if not pin.reason.startswith(suite.STORED)]
        store.put(QUARANTINED, manifests.to_parquet([*known_aside, *judged]))
    return {
        "batch": batch,
        "found": harvested.found,
        "kept": len(decided.kept),
        "quarantined": len(decided.quarantined),
        "duplicates": harvested.duplicates + len(plan.duplicates),
        "failed": harvested.failed,
        "verdict": "stop" if reasons else "pass",
        "reasons": reasons,
        "manifest": f"batches/{batch}/pins.parquet",
        "docs": f"batches/{batch}/docs/pins/index.html",
    }


def read_harvested(store: ObjectStore, batch: str) -> Harvested:
    """All boards' manifests and counts. Raises `NotEnoughData` when there is none."""
    records = [key for key in store.keys(f"batches/{batch}/boards") if key.endswith(".json")]
    results = [store.get_json(key) for key in records]
    if not results:
        raise NotEnoughData(f"batch {batch}: expected at least one harvested board, found none; run python -m scraping harvest --batch {batch} first")
    pins = tuple(pin for result in results for pin in read_manifest(store, result["manifest"]))
    return Harvested(pins, *(sum(result[name] for result in results) for name in ("found", "duplicates", "failed")))


def sort(pins: Sequence[PinRecord], faults: Mapping[str, Sequence[str]]) -> Sorted:
    """Keep the pins without a fault."""
    kept = tuple(pin for pin in pins if pin.id not in faults)
    aside = tuple(QuarantinedPin(**pin.model_dump(), reason="; ".join(faults[pin.id])) for pin in pins if pin.id in faults)
    return Sorted(kept, aside)


def stop_reasons(decided: Sorted, params: ValidationParams) -> list[str]:
    """Why the batch as a whole may not go on; empty when it may."""
    kept, aside = len(decided.kept), len(decided.quarantined)
    share = aside / max(1, kept + aside)
    reasons = []
    if kept < params.min_pins:
        reasons.append(f"expected at least {params.min_pins} pins, kept {kept}; see the quarantine, or harvest more boards")
    if share > params.max_quarantined_share:
        reasons.append(f"expected at most {params.max_quarantined_share:.0%} in quarantine, got {share:.0%}; look at batches' quarantine.parquet")
    return reasons


def _quiet_day(new: Sequence[PinRecord], harvested: Harvested, params: ValidationParams) -> None:
    old = harvested.found - harvested.failed - len(new)
    if len(new) < params.min_pins <= len(new) + old and harvested.failed <= harvested.found // 2:
        raise NotEnoughData(
            f"the boards showed {len(new)} new pins among {harvested.found}, a batch needs {params.min_pins}; they come again with the next batch"
        )


def _by_id(pins: Sequence[PinRecord], ids: Sequence[str]) -> list[PinRecord]:
    first = {pin.id: pin for pin in reversed(pins)}
    return [first[pin_id] for pin_id in ids]


def _row(pin: PinRecord, store: ObjectStore, params: Params) -> dict[str, Any]:
    aspect = max(pin.width, pin.height) / min(pin.width, pin.height)
    unsafe = safety.check(pin.alt, params.validation.blocked_terms)
    return pin.model_dump(include={"id", "width", "height", "mime", "style", "board", "alt"}) | {
        "aspect": aspect,
        "fault": fault(pin, store, params),
        "unsafe": unsafe,
    }


def fault(pin: PinRecord, store: ObjectStore, params: Params) -> str | None:
    """What is wrong with the stored picture of `pin`, or None: it must be there, be the bytes it is named by, and decode to the recorded size."""
    if not store.exists(pin.store_key):
        return f"missing under {pin.store_key}"
    data = store.get(pin.store_key)
    if hashlib.sha256(data).hexdigest() != pin.id:
        return f"changed under {pin.store_key}"
    try:
        shape = images.decode_rgb(data, max_bytes=params.scraping.picture_max_bytes, max_pixels=params.scraping.picture_max_pixels).shape
    except (UndecodableImage, InputTooLarge) as error:
        return str(error)
    return None if shape[:2] == (pin.height, pin.width) else f"expected {pin.width}x{pin.height} px, decoded {shape[1]}x{shape[0]}"


def _write_findings(store: ObjectStore, batch: str, decided: Sorted, docs: Mapping[str, bytes]) -> None:
    store.put(f"batches/{batch}/quarantine.parquet", manifests.to_parquet(decided.quarantined))
    folder = f"batches/{batch}/docs/pins"
    for name, data in docs.items():
        store.put(f"{folder}/{name}", data)
    for stale in set(store.keys(folder)) - {f"{folder}/{name}" for name in docs}:
        store.delete(stale)
    for pin in decided.quarantined:
        _log.warning("quarantined %s (%s): %s", pin.id[:12], pin.page_url or pin.image_url, pin.reason)
