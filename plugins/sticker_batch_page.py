"""What the page *Sticker batches* shows, as HTML text and pictures: pure functions over a batch's files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from sticker_studio.annotations import Instances
    from sticker_studio.manifests import PinRecord, QuarantinedPin

THUMBNAIL_PX: Final = 168
SHOWN: Final = 240
"""Pins of one page; a larger batch says how many are left out."""
_STYLE: Final = """
:root{color-scheme:light dark}body{font:14px/1.5 system-ui,sans-serif;margin:1.5rem;max-width:1400px}h1{font-size:1.3rem}h2{font-size:1.05rem;margin-top:2rem}
.pins{display:flex;flex-wrap:wrap;gap:10px}figure{margin:0;width:168px}img{width:168px;height:168px;object-fit:contain;background:#8882;border-radius:6px}
figcaption{font-size:12px;overflow-wrap:anywhere}.away img{filter:blur(9px)}
table{border-collapse:collapse}td,th{padding:2px 12px 2px 0;text-align:left;vertical-align:top}
"""


@dataclass(frozen=True)
class Batch:
    """A batch as its files tell it; `verdicts` by registry name, each {"verdict", "reasons"}."""

    name: str
    boards: Sequence[Mapping[str, Any]]
    kept: "Sequence[PinRecord]"
    quarantined: "Sequence[QuarantinedPin]"
    labels: "Mapping[str, Instances]"
    verdicts: Mapping[str, Mapping[str, Any]]


def index_page(batches: Sequence[str], base: str) -> str:
    """Page that links every batch below the address `base`, newest first."""
    items = "".join(f'<li><a href="{base}/batches/{escape(name)}">{escape(name)}</a></li>' for name in sorted(batches, reverse=True))
    return _document("Sticker batches", f"<ul>{items}</ul>" if items else "<p>No batch yet: start <code>sticker_daily</code>.</p>")


def batch_page(batch: Batch, base: str) -> str:
    """Page of one batch: its boards, the gate's verdicts, and its pins with their labels drawn on them."""
    found = sum(board["found"] for board in batch.boards)
    labelled = sum(bool(label.objects) for label in batch.labels.values())
    summary = f"<p>{found} pins found, {len(batch.kept)} kept, {len(batch.quarantined)} quarantined, something labelled on {labelled}.</p>"
    parts = [f'<p><a href="{base}/batches">All batches</a></p>', summary, _boards(batch.boards), _verdicts(batch.verdicts)]
    pictures = f"{base}/batches/{batch.name}/pins"
    kept = "".join(_figure(pin, pictures, f"{pin.style}: {_words(batch.labels.get(pin.id))}") for pin in batch.kept[:SHOWN])
    away = "".join(_figure(pin, pictures, pin.reason) for pin in batch.quarantined[:SHOWN])
    parts += [f"<h2>Kept</h2><div class=pins>{kept}</div>", _left_out(batch.kept)]
    parts += [f"<h2>Quarantined</h2><div class='pins away'>{away}</div>", _left_out(batch.quarantined)]
    return _document(f"Batch {batch.name}", "".join(parts))


def _document(title: str, body: str) -> str:
    return f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(title)}</title><style>{_STYLE}</style><h1>{escape(title)}</h1>{body}</html>"


def _boards(boards: Sequence[Mapping[str, Any]]) -> str:
    columns = ("board", "style", "found", "kept", "duplicates", "failed")
    head = "".join(f"<th>{name}</th>" for name in columns)
    rows = "".join(f"<tr>{''.join(f'<td>{escape(str(board[name]))}</td>' for name in columns)}</tr>" for board in boards)
    return f"<h2>Boards</h2><table><tr>{head}</tr>{rows}</table>"


def _verdicts(verdicts: Mapping[str, Mapping[str, Any]]) -> str:
    if not verdicts:
        return "<h2>Verdicts</h2><p>The gate has not judged this batch.</p>"
    rows = ""
    for model, verdict in sorted(verdicts.items()):
        reasons = "<br>".join(escape(reason) for reason in verdict["reasons"])
        rows += f"<tr><td>{escape(model)}</td><td>{escape(verdict['verdict'])}</td><td>{reasons}</td></tr>"
    return f"<h2>Verdicts</h2><table>{rows}</table>"


def _words(label: "Instances | None") -> str:
    if label is None or not label.objects:
        return "no label"
    return ", ".join(f"{found.subject_class} {found.score:.2f}" for found in label.objects)


def _figure(pin: "PinRecord", pictures: str, caption: str) -> str:
    return f'<figure><img loading=lazy alt="{escape(pin.alt)}" src="{pictures}/{pin.id}"><figcaption>{escape(caption)}</figcaption></figure>'


def _left_out(pins: "Sequence[PinRecord]") -> str:
    return f"<p>{len(pins) - SHOWN} more are not shown.</p>" if len(pins) > SHOWN else ""


def thumbnail(data: bytes, label: "Instances | None") -> bytes:
    """WebP of a picture's bytes, `THUMBNAIL_PX` at its longer side, what is labelled tinted. Raises `InputError` for what is no picture."""
    import cv2
    import numpy as np

    from sticker_studio import images

    pixels = images.decode_rgb(data)
    scale = THUMBNAIL_PX / max(pixels.shape[:2])
    size_wh = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
    small = np.asarray(cv2.resize(pixels, size_wh, interpolation=cv2.INTER_AREA), np.uint8)
    if label is not None and label.objects:
        mask = cv2.resize(label.union.astype(np.uint8), size_wh, interpolation=cv2.INTER_AREA).astype(bool)
        small[mask] = (small[mask] * 0.55 + np.array([255, 40, 150]) * 0.45).astype(np.uint8)
    return images.encode_webp(small, quality=80)
