"""One board's new pins of one batch: found, fetched, decoded, held against what is known, stored."""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from scraping import browser, pictures, sources
from scraping.dedupe import Seen
from scraping.pace import Pace
from scraping.parsing import FoundPin
from scraping.robots import Robots
from sticker_studio import fetch, manifests
from sticker_studio.errors import FetchFailed, FetchRefused, InputError, InputTooLarge, UndecodableImage
from sticker_studio.manifests import PinRecord, QuarantinedPin
from sticker_studio.params import ScrapingParams
from sticker_studio.settings import Settings
from sticker_studio.store import ObjectStore, pin_key
from sticker_studio.types import Style

INDEX: Final = "index/pins.parquet"
QUARANTINED: Final = "index/quarantine.parquet"
_log = logging.getLogger(__name__)
Download = Callable[[str], bytes]


class _Lost(Exception):
    """A pin whose picture could not be had; the text is the countable reason."""


@dataclass
class Tally:
    """What came of a board's pins: found = kept + duplicates + failed."""

    pins: list[PinRecord] = field(default_factory=list)
    found: int = 0
    duplicates: int = 0
    failures: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Request:
    """What one harvest was asked for."""

    batch: str
    source: str
    style: Style
    limit: int


def run(request: Request, *, settings: Settings, params: ScrapingParams, again: bool = False) -> dict[str, Any]:
    """Harvest a board and write its manifest; the verb's result. A complete harvest of the same request is not repeated unless `again`.

    Raises `InputError` for an unknown board, `Unavailable` without a browser, `FetchRefused` (robots.txt, private network), `FetchFailed`.
    """
    store = ObjectStore(settings.store_url)
    recorded = None if again else _recorded(store, request)
    if recorded:
        _log.info("%s: harvested before in this batch, taking that result (--again repeats it)", request.source)
        return recorded
    known = [*known_pins(store, request.batch), *known_quarantined(store, request.batch)]
    cuts: list[str] = []
    with ExitStack() as stack:
        found, download = _opened(request.source, settings, params, stack, cuts.append)
        tally = gather(found, download, request, known=known, store=store, params=params)
    return _write(store, request, tally, complete=not cuts)


def known_pins(store: ObjectStore, batch: str) -> list[PinRecord]:
    """Every pin ever kept but those of `batch` itself, which must not count as copies of themselves when it runs again."""
    own = {pin.id for pin in read_manifest(store, f"batches/{batch}/pins.parquet")}
    return [pin for pin in read_manifest(store, INDEX) if pin.id not in own]


def known_quarantined(store: ObjectStore, batch: str) -> list[QuarantinedPin]:
    """Every pin ever set aside but those of `batch` itself: they were judged once, and do not come again."""
    own = {pin.id for pin in read_quarantine(store, f"batches/{batch}/quarantine.parquet")}
    return [pin for pin in read_quarantine(store, QUARANTINED) if pin.id not in own]


def read_quarantine(store: ObjectStore, key: str) -> list[QuarantinedPin]:
    """The quarantine manifest under `key`, empty when there is none yet."""
    return manifests.quarantine_from_parquet(store.get(key)) if store.exists(key) else []


def read_manifest(store: ObjectStore, key: str) -> list[PinRecord]:
    """The manifest under `key`, empty when there is none yet."""
    return manifests.from_parquet(store.get(key)) if store.exists(key) else []


def gather(found: Iterable[FoundPin], download: Download, request: Request, *, known: Iterable[PinRecord], store: ObjectStore, params: ScrapingParams) -> Tally:
    """Go through `found` until `limit` new pins are stored. Pins whose page is known are duplicates without a download."""
    tally, known = Tally(), list(known)
    seen = Seen(known, near_bits=params.near_duplicate_bits)
    pages = {pin.page_url for pin in known if pin.page_url}
    for pin in found:
        tally.found += 1
        if pin.page_url in pages:
            tally.duplicates += 1
            continue
        try:
            address, picture = _picture(pin, download, params)
        except _Lost as reason:
            _log.warning("%s: %s", pin.page_url or pin.image_urls[0], reason.__cause__ or reason)
            tally.failures[str(reason)] += 1
            continue
        copy = seen.match(picture, picture.mirrored)
        if copy:
            _log.info("%s: %s copy of %s", pin.page_url or address, copy.kind, copy.of[:12])
            tally.duplicates += 1
            continue
        seen.add(picture)
        tally.pins.append(_store(pin, address, picture, request, store))
        if len(tally.pins) >= request.limit:
            break
    return tally


def _picture(pin: FoundPin, download: Download, params: ScrapingParams) -> tuple[str, pictures.Picture]:
    """The first of the pin's addresses that holds a whole picture. Raises `_Lost` with the reason of the first that failed."""
    lost: _Lost | None = None
    for address in pin.image_urls:
        try:
            data = download(address)
            return address, pictures.read(data, max_bytes=params.picture_max_bytes, max_pixels=params.picture_max_pixels)
        except (FetchFailed, FetchRefused, UndecodableImage, InputTooLarge) as error:
            reason = _Lost(_reason(error))
            reason.__cause__ = error
            # A missing original says less than a broken smaller size: keep the most telling reason.
            lost = reason if lost is None or str(lost) == "dead link" else lost
            if isinstance(error, FetchRefused):
                break
    raise lost or _Lost("no address")


def _reason(error: Exception) -> str:
    if isinstance(error, FetchFailed):
        return error.reason
    return "refused" if isinstance(error, FetchRefused) else "too large" if isinstance(error, InputTooLarge) else "broken picture"


def _store(pin: FoundPin, address: str, picture: pictures.Picture, request: Request, store: ObjectStore) -> PinRecord:
    key = store.put(pin_key(picture.id, picture.extension), picture.data)  # also over an object that was damaged since
    return PinRecord(
        id=picture.id,
        phash=picture.phash,
        width=picture.width,
        height=picture.height,
        bytes=len(picture.data),
        mime=picture.mime,
        board=request.source,
        style=request.style,
        page_url=pin.page_url,
        image_url=address,
        alt=pin.alt,
        fetched_at=manifests.utc_now(),
        store_key=key,
    )


def _opened(source: str, settings: Settings, params: ScrapingParams, stack: ExitStack, on_cut: Callable[[str], None]) -> tuple[Iterator[FoundPin], Download]:
    board = sources.parse(source, settings)
    if board.kind == "folder":
        return sources.list_folder(Path(board.where)), lambda uri: _read_file(uri, params.picture_max_bytes)
    own = fetch.allow_list(settings.fetch_allow) | board.allow
    client = stack.enter_context(fetch.Client(allow=own))
    robots = Robots(client, frozenset(host.split(":")[0] for host in fetch.allow_list(settings.robots_override)))
    download = _downloader(client, robots, Pace(params.rate_per_host_hz, own=own), params)
    if board.kind == "urls":
        return iter(sources.read_urls(_text(Path(board.where)))), download
    refusal = robots.refusal(board.where)
    if refusal:
        raise FetchRefused(refusal)
    return sources.browse(stack.enter_context(browser.opened()), board.where, params, on_cut=on_cut), download


def _downloader(client: fetch.Client, robots: Robots, pace: Pace, params: ScrapingParams) -> Download:
    def download(url: str) -> bytes:
        refusal = robots.refusal(url)
        if refusal:
            raise FetchFailed(refusal, reason="robots.txt")
        pace.wait(url)
        return client.fetch(url, max_bytes=params.picture_max_bytes, time_limit_s=params.picture_time_limit_s).data

    return download


def _read_file(uri: str, max_bytes: int) -> bytes:
    path = Path(unquote(urlsplit(uri).path))
    try:
        if path.stat().st_size > max_bytes:
            raise InputTooLarge(f"{path}: expected at most {max_bytes} bytes, got {path.stat().st_size}; send a smaller file")
        return path.read_bytes()
    except OSError as error:
        raise FetchFailed(f"{path}: expected a file that can be read, got {error}; check its rights", reason="unreadable") from error


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"urls: expected a text file of one picture address a line, got {path} ({error})") from error


def _keys(request: Request) -> tuple[str, str]:
    stem = f"batches/{request.batch}/boards/{sources.slug(request.source)}"
    return f"{stem}.parquet", f"{stem}.json"


def _recorded(store: ObjectStore, request: Request) -> dict[str, Any] | None:
    manifest, result = _keys(request)
    if not (store.exists(manifest) and store.exists(result)):
        return None
    record: dict[str, Any] = store.get_json(result)
    complete, limit = record.pop("complete", False), record.pop("limit", None)
    same = (record.get("board"), record.get("style"), limit) == (request.source, request.style, request.limit)
    return record if complete and same and all(store.exists(pin.store_key) for pin in read_manifest(store, manifest)) else None


def _write(store: ObjectStore, request: Request, tally: Tally, *, complete: bool) -> dict[str, Any]:
    manifest, record = _keys(request)
    result = {
        "batch": request.batch,
        "board": request.source,
        "style": request.style,
        "found": tally.found,
        "kept": len(tally.pins),
        "duplicates": tally.duplicates,
        "failed": tally.failures.total(),
        "failures": dict(sorted(tally.failures.items())),
        "manifest": manifest,
    }
    store.put(manifest, manifests.to_parquet(tally.pins))
    store.put_json(record, result | {"limit": request.limit, "complete": complete})
    return result
