"""What one visitor of the Studio page works on: pictures as cards, each on its way to a sticker. Knows the service, not the page."""

import io
import re
import secrets
import shutil
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

from PIL import Image

from serving.client import Answer, Pack, StickerClient
from serving.pack_check import RULES, Target
from sticker_studio import atomic, images
from sticker_studio.errors import InputError, StickerError, Unavailable

VIEW_SIDE_PX: Final = 1024
"""Longer side of the picture on which a person taps and draws."""
POLL_S: Final = 0.5
"""Between looks at a job."""
PLAIN: Final = {"platform": "png", "outline_px": 0, "margin_px": 0, "fallback": "whole"}
"""How a described sticker comes onto the desk: as a picture for others to be made of."""
KEPT_IDS: Final = 60
"""How many stickers a browser remembers."""
KEPT_REVISIONS: Final = 4
SUFFIX: Final = {"image/webp": ".webp", "image/png": ".png", "image/apng": ".png", "image/svg+xml": ".svg", "video/webm": ".webm"}
ALL: Final = "all"
NOT_KEPT: Final = "expected stickers that the service keeps, got none; have its operator set STICKER_STICKER_TTL_S above 0"

Look = Mapping[str, object]
"""Options of `POST /sticker` by name."""


@dataclass(frozen=True, kw_only=True)
class Card:
    """A picture and the sticker that it became."""

    id: str
    name: str
    picture: Path
    look: Look
    subject: str = ALL
    """As the service takes it: all, or where the person tapped as x,y."""
    fallback: str = "none"
    strokes: Mapping[str, bytes]
    """Masks `erase` and `restore`, PNG files."""
    state: Literal["waiting", "working", "done", "failed"] = "waiting"
    answer: Answer | None = None
    file: Path | None = None
    revision: int = 0
    """How many stickers were made of it."""
    problem: StickerError | None = None
    emoji: str = ""
    packed: bool = True
    """Whether it goes into the pack."""
    saved: bool = False
    """Downloaded as it is now: another one does not take its place in the history."""


class Desk:
    """The cards of one visitor, and a folder of their files. Every copy begins empty, so that each visitor gets one of their own."""

    def __init__(self, client: StickerClient, folder: Path) -> None:
        self.client = client
        self.cards: dict[str, Card] = {}
        self.chosen = ""
        self.replaced: set[str] = set()
        """Ids of stickers that others took the place of."""
        self._folder = folder
        self._own = folder / secrets.token_urlsafe(16)
        self._lock = threading.RLock()

    def __deepcopy__(self, _: object) -> "Desk":
        return Desk(self.client, self._folder)

    @property
    def card(self) -> Card | None:
        """The card that is looked at."""
        return self.cards.get(self.chosen)

    @property
    def ids(self) -> list[str]:
        """Ids of all stickers on the desk that the service keeps."""
        return [card.answer.id for card in self.cards.values() if card.answer and card.answer.id]

    def add(self, name: str, picture: bytes, look: Look) -> str:
        """A new card, which is looked at from now on; returns its id."""
        card_id = secrets.token_hex(8)
        path = atomic.write_bytes(self._place(card_id) / "picture", picture)
        with self._lock:
            self.cards[card_id] = Card(id=card_id, name=name, picture=path, look=dict(look), strokes={})
            self.chosen = card_id
        return card_id

    def draw(self, prompt: str, *, preset: str, look: Look) -> str:
        """A new card of what the service draws after a description and cuts out; returns its id. Raises the service's errors."""
        job = self.client.generate(prompt, preset=preset, **PLAIN)
        while job["state"] == "running":
            time.sleep(POLL_S)
            job = self.client.job(job["id"])
        (item,) = job["items"]
        if "sticker" not in item:
            error = item.get("error", {"message": f"expected a picture, got none ({item['state']})", "remedy": "ask again"})
            raise Unavailable(f"{error['message']}; {error['remedy']}")
        picture = self.client.kept(item["sticker"]).data
        forget(self.client, [item["sticker"]])
        return self.add(f"{prompt}.png", picture, look)

    def remove(self, card_id: str) -> None:
        """Take a card away; its sticker stays in the history."""
        with self._lock:
            if self.cards.pop(card_id, None):
                shutil.rmtree(self._place(card_id), ignore_errors=True)
            if self.chosen == card_id:
                self.chosen = next(reversed(self.cards), "")

    def change(self, card_id: str, **fields: Any) -> None:
        """Change fields of a card that do not change its sticker."""
        with self._lock:
            if card_id in self.cards:
                self.cards[card_id] = replace(self.cards[card_id], **fields)

    def make(self, card_id: str, **fields: Any) -> None:
        """Change fields of a card and make its sticker; a failure is kept as the card's `problem`."""
        with self._lock:
            self.change(card_id, state="working", **fields)
            if card_id in self.cards:
                self.cards[card_id] = self._made(self.cards[card_id])

    def _made(self, card: Card) -> Card:
        try:
            answer = self._ask(card)
        except StickerError as error:
            return replace(card, state="failed", problem=error)
        place = self._place(f"sticker-{card.revision + 1}", below=card.id)
        file = atomic.write_bytes(place / f"{_stem(card.name)}-{card.look['platform']}{SUFFIX[answer.mime]}", answer.data)
        self._let_go(card)
        return replace(card, state="done", problem=None, answer=answer, file=file, revision=card.revision + 1, saved=False)

    def _ask(self, card: Card, **look: object) -> Answer:
        options = {**card.look, "subject": card.subject, "fallback": card.fallback, **look}
        return self.client.sticker(card.picture.read_bytes(), strokes=card.strokes, **options)

    def _let_go(self, card: Card) -> None:
        """The card's former sticker goes from the service where it was never downloaded; its file, which the page may still show, some changes later."""
        shutil.rmtree(self._own / card.id / f"sticker-{card.revision - KEPT_REVISIONS}", ignore_errors=True)
        if card.answer and card.answer.id and not card.saved:
            self.replaced.add(card.answer.id)
            with suppress(StickerError):
                self.client.forget(card.answer.id)

    def view(self, card_id: str) -> tuple[Path, Path | None]:
        """The upright picture at the size it is drawn on, and what of it is kept without strokes, as a transparent picture; None where nothing is found.

        Raises `InputError` for what is no picture.
        """
        card = self.cards[card_id]
        picture = self._place(card_id) / "view.webp"
        if not picture.exists():
            atomic.write_bytes(picture, _view(card.picture.read_bytes()))
        kept = self._place(card_id) / f"kept-{card.subject}-{card.fallback}.png"
        try:
            if not kept.exists():
                atomic.write_bytes(kept, self.client.cutout(picture.read_bytes(), crop=False, subject=card.subject, fallback=card.fallback).data)
        except StickerError:
            return picture, None
        return picture, kept

    def correct(self, card_id: str, *, consent: bool) -> dict[str, Any]:
        """Send the mask as it was corrected to the service, and with `consent` the picture. Raises `InputError` where there is nothing to send."""
        card = self.cards.get(card_id)
        if card is None or not card.strokes:
            raise InputError("expected strokes of the brush, got none; erase or restore something and apply it first")
        if card.answer is None or card.answer.id is None:
            raise InputError(NOT_KEPT)
        options = {"crop": False, "subject": card.subject, "fallback": card.fallback}
        corrected = self.client.cutout((self._place(card_id) / "view.webp").read_bytes(), strokes=card.strokes, **options)
        return self.client.feedback(card.answer.id, mask=_alpha(corrected.data), picture=card.picture.read_bytes() if consent else None)

    def pack(self, targets: Sequence[Target], *, title: str, author: str) -> tuple[Path, Pack]:
        """A pack of the cards chosen for it, written to a file. Raises `InputError` and the service's own errors."""
        cards = [card for card in self.cards.values() if card.packed and card.state == "done"]
        if not cards or not targets:
            raise InputError(f"expected stickers and at least one messenger, got {len(cards)} and {len(targets)}; choose some of each")
        platforms = {RULES[target].platform for target in targets}
        look = {"platform": platforms.pop() if len(platforms) == 1 else "png"}
        with ThreadPoolExecutor(4) as pool:
            ids = [answer.id for answer in pool.map(lambda card: self._ask(card, **look), cards) if answer.id]
        try:
            if len(ids) < len(cards):
                raise InputError(NOT_KEPT)
            words = [{"emoji": [card.emoji]} if card.emoji else {} for card in cards]
            made = self.client.pack(ids, words=words, platforms=list(targets), title=title, author=author)
        finally:
            forget(self.client, ids)
        return atomic.write_bytes(self._place("pack") / Path(made.file_name).name, made.data), made

    def clear(self) -> None:
        """Delete the desk's files."""
        shutil.rmtree(self._own, ignore_errors=True)

    def _place(self, name: str, *, below: str = "") -> Path:
        place = self._own / below / name
        place.mkdir(parents=True, exist_ok=True)
        return place


def forget(client: StickerClient, ids: Iterable[str]) -> None:
    """Have the service delete stickers; those that it no longer keeps are no matter."""
    for sticker_id in ids:
        with suppress(StickerError):
            client.forget(sticker_id)


def remembered(history: Sequence[str], desk: Desk) -> list[str]:
    """The history of a browser, oldest first, with the stickers that are on the desk now and without those that others took the place of."""
    return list(dict.fromkeys([*(one for one in history if one not in desk.replaced), *desk.ids]))[-KEPT_IDS:]


def _view(picture: bytes) -> bytes:
    image = images.open_upright(picture, wanted_side_px=VIEW_SIDE_PX)
    image.thumbnail((VIEW_SIDE_PX, VIEW_SIDE_PX))
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=90)
    return buffer.getvalue()


def _alpha(cutout: bytes) -> bytes:
    buffer = io.BytesIO()
    Image.open(io.BytesIO(cutout)).getchannel("A").save(buffer, "PNG")
    return buffer.getvalue()


def _stem(name: str) -> str:
    """A name as the beginning of a file's name."""
    return re.sub(r"[^\w-]+", "-", Path(name).stem).strip("-")[:40] or "sticker"
