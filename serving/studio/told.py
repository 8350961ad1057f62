"""What the Studio page tells, as HTML; everything that comes from outside is escaped."""

import html
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from PIL import Image

from serving.client import Answer, Pack
from serving.studio.desk import SUFFIX, Card, Desk
from sticker_studio.errors import NothingFound, StickerError

STATES: Final = {"waiting": "waits", "working": "is being made", "done": "ready", "failed": "failed"}
PLATFORMS: Final = {
    "whatsapp": "WhatsApp", "telegram": "Telegram", "signal": "Signal", "discord": "Discord", "webp": "WebP", "png": "PNG", "svg": "SVG",
}  # fmt: skip
PACKS: Final = {"whatsapp": "WhatsApp", "wastickers": ".wastickers", "telegram": "Telegram", "signal": "Signal", "discord": "Discord"}
EMPTY: Final = "<p class='empty'>Your sticker appears here.</p>"
WAITING: Final = "<p class='empty'>Making the sticker …</p>"


def address(file: Path) -> str:
    """Where the page fetches a file of its desk, relative to the page."""
    return f"gradio_api/file={quote(str(file))}"


def problem(message: str) -> str:
    """An error, for a person."""
    return f"<div class='told problem' role='alert'>{html.escape(_sentence(message))}</div>"


def done(message: str) -> str:
    """A success, for a person; `message` is HTML."""
    return f"<div class='told done' role='status'>{message}</div>"


def sticker(card: Card | None) -> str:
    """The sticker of a card on the ground that the person chose, and how it came about."""
    if card is None:
        return _stage(EMPTY)
    if card.problem:
        return _stage("<p class='empty'>No sticker of this picture yet.</p>") + _failure(card.problem)
    if card.answer is None or card.file is None:
        return _stage(WAITING)
    return _stage(_shown(card.file, card.answer.mime, f"Sticker of {card.name}")) + made(card.answer)


def made(answer: Answer) -> str:
    """What made the sticker, in one line, and the rest folded away."""
    looks = {"anime": "a drawing (anime style)", "normal": "a photograph or another picture (normal style)"}[answer.style]
    how = {
        "segmentor": f"{answer.subjects} {'subject' if answer.subjects == 1 else 'subjects'} cut out by <b>{html.escape(answer.segmentor)}</b>, "
        f"version <b>{html.escape(answer.segmentor_version)}</b>",
        "alpha": "the picture's own transparency was kept",
        "whole": "nothing was found, so the whole picture became the sticker",
    }.get(answer.cut, f"cut out by {html.escape(answer.cut)}")
    judge = f"style classifier, version {html.escape(answer.classifier_version)}"
    size = f"{len(answer.data) / 1000:.0f} KB {SUFFIX[answer.mime].removeprefix('.').upper()}{_size(answer)}"
    told = f"Looks like {looks}, {answer.style_probability:.0%} sure ({judge}); {how}."
    return f"<details class='told done'><summary><span role='status'>Ready: {size}.</span></summary>{told}</details>"


def colour_field(label: str, *, none: str) -> str:
    """A native colour field; `none` is what it is called to choose no colour, where that is offered."""
    without = f"<label><input type='checkbox' aria-label='{html.escape(label)}: {none}'>{none}</label>" if none else ""
    return f"<div class='colour'><label><span>{html.escape(label)}</span><input type='color'></label>{without}</div>"


def cards(desk: Desk) -> str:
    """A strip of the desk's cards with their progress."""
    ready = sum(card.state in ("done", "failed") for card in desk.cards.values())
    progress = f"<progress max='{len(desk.cards)}' value='{ready}' aria-label='Pictures finished'></progress>" if ready < len(desk.cards) else ""
    return f"{progress}<ul class='cards' aria-label='Your pictures'>{''.join(_card(card, card.id == desk.chosen) for card in desk.cards.values())}</ul>"


def pack_list(desk: Desk) -> str:
    """The finished cards to choose from for a pack."""
    ready = [card for card in desk.cards.values() if card.file and card.answer]
    if not ready:
        return "<p class='empty'>Make stickers first; each can then go into the pack.</p>"
    return f"<ul class='pack'>{''.join(map(_packed, ready))}</ul>"


def packed(pack: Pack) -> str:
    """A finished pack in words: what its compliance reports say."""
    said = [_report(target, told) for target, told in pack.reports.items()]
    return done(f"<b>{html.escape(pack.file_name)}</b>, {len(pack.data) / 1000:.0f} KB.<ul>{''.join(said)}</ul>")


def history(ids: Sequence[str]) -> str:
    """The stickers that this browser remembers, the last first."""
    if not ids:
        return "<p class='empty'>Nothing yet. Stickers made in this browser appear here for as long as the service keeps them.</p>"
    items = (
        f"<li><a href='{link}' download='sticker' aria-label='Download sticker {number}'><img src='{link}' alt='' loading='lazy'></a></li>"
        for number, link in enumerate((f"kept/{quote(one)}" for one in reversed(ids)), start=1)
    )
    return f"<ul class='history'>{''.join(items)}</ul>"


def _sentence(message: str) -> str:
    return message[:1].upper() + message[1:] + ("" if message.endswith((".", "?", "!", ":")) else ".")


def _stage(inside: str) -> str:
    return f"<figure class='stage'>{inside}</figure>"


def _shown(file: Path, mime: str, alt: str) -> str:
    if mime.startswith("video/"):
        return f"<video src='{address(file)}' autoplay loop muted playsinline aria-label='{html.escape(alt)}'></video>"
    return f"<img src='{address(file)}' alt='{html.escape(alt)}'>"


def _size(answer: Answer) -> str:
    if answer.mime in ("image/svg+xml", "video/webm"):
        return ""
    width, height = Image.open(io.BytesIO(answer.data)).size
    return f", {width} x {height} px"


def _failure(error: StickerError) -> str:
    """An error, and where nothing was found the page's own ways out instead of the service's options."""
    message, remedy = error.message_and_remedy()
    if not isinstance(error, NothingFound) or "fallback" not in remedy:
        return problem(str(error))
    ways = (("saliency", "Cut out what stands out"), ("whole", "Take the whole picture"))
    buttons = "".join(f"<button type='button' data-with='{way}'>{label}</button>" for way, label in ways)
    return problem(f"{message}; crop the picture closer, paint over what you want with Restore, or:") + f"<div class='ways'>{buttons}</div>"


def _card(card: Card, chosen: bool) -> str:
    name, told = html.escape(card.name), STATES[card.state]
    picture = f"<img src='{address(card.file)}' alt=''>" if card.file and card.answer and not card.answer.mime.startswith("video/") else "<span></span>"
    return (
        f"<li class='{card.state}'><button type='button' data-do='choose' data-card='{card.id}' aria-pressed='{str(chosen).lower()}' title='{name}'>"
        f"{picture}<span class='name'>{name}</span><span class='state'>{told}</span></button>"
        f"<button type='button' class='remove' data-do='remove' data-card='{card.id}' aria-label='Remove {name}'>×</button></li>"
    )


def _packed(card: Card) -> str:
    name = html.escape(card.name)
    checked = "checked" if card.packed else ""
    picture = f"<img src='{address(card.file)}' alt=''>" if card.file and card.answer and not card.answer.mime.startswith("video/") else ""
    return (
        f"<li data-card='{card.id}'><label><input type='checkbox' {checked}>{picture}<span>{name}</span></label><label>Emoji "
        f"<input class='emoji' value='{html.escape(card.emoji)}' placeholder='automatic' maxlength='16' aria-label='Emoji for {name}'></label></li>"
    )


def _report(target: str, told: Mapping[str, Any]) -> str:
    name = PACKS[target]
    if not told["complies"]:
        return f"<li>{name}: would be refused: {html.escape('; '.join(told['problems']))}.</li>"
    stickers = [size for file, size in told["bytes"].items() if file.endswith((".webp", ".png", ".webm"))]
    return f"<li>{name}: keeps all its rules; {len(stickers)} pictures, icon included, the largest {max(stickers, default=0) / 1000:.0f} KB.</li>"
