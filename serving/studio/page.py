"""What each part of the Studio page does to the visitor's desk, and what the page shows of it."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Final, get_args

import gradio as gr

from serving.client import StickerClient
from serving.formats import FORMATS
from serving.options import Fallback
from serving.studio import told
from serving.studio.desk import ALL, Desk, Look, forget, remembered
from serving.studio.layout import SEND, Controls, Layout
from sticker_studio.errors import NotKept, StickerError

KEPT_S: Final = 3600
SEND_BOTH: Final = "Send the outline and my picture"


def look_of(values: Sequence[Any]) -> Look:
    """The values of `Controls`, in their order, as options of the service; what is empty is left to it."""
    named = dict(zip((field.name for field in fields(Controls)), values, strict=True))
    return {name: value for name, value in named.items() if value not in (None, "") or name == "caption"}


def page(client: StickerClient, folder: Path) -> Any:
    """The page as Gradio blocks; `folder` takes the files of its visitors' desks."""
    with gr.Blocks(title="Sticker Studio", analytics_enabled=False, delete_cache=(KEPT_S, KEPT_S)) as blocks:
        _Page(client, Layout(Desk(client, folder))).tie(blocks)
    return blocks.queue(default_concurrency_limit=4)


class _Page:
    """What follows what. Each method takes a visitor's desk and the values of parts, and gives new values of parts."""

    def __init__(self, client: StickerClient, layout: Layout) -> None:
        self._client = client
        self._on = layout

    def tie(self, blocks: Any) -> None:
        """Tie each event of the parts to what it does."""
        on, controls = self._on, self._on.controls
        seen = [on.cards, on.sticker, on.download, on.pack_list, on.history, on.remembered]
        chosen = [*seen, on.editor, on.correction, on.consent, on.sent, *controls.all]
        state = [on.desk, on.history]
        hidden: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        each = {**hidden, "trigger_mode": "multiple"}  # none of these is dropped while another is under way
        in_turn: dict[str, Any] = {"concurrency_id": "pack", "concurrency_limit": 1}
        blocks.load(self._opened, state, [on.desk, on.history, on.remembered], **hidden)
        on.pictures.upload(self._added, [*state, on.pictures, *controls.all], [*chosen, on.pictures], **hidden)
        on.camera.change(self._photographed, [*state, on.camera, *controls.all], [*chosen, on.camera], **hidden)
        gr.on([on.draw.click, on.prompt.submit], self._drawn, [*state, on.prompt, on.preset, *controls.all], [*chosen, on.drawn], **hidden)
        on.cards.choose(self._chosen, state, chosen, **each)
        on.cards.remove(self._removed, state, chosen, **each)
        changed = [control.input for control in controls.all if control is not controls.platform]
        gr.on(changed, self._changed, [*state, *controls.all], seen, trigger_mode="always_last", **hidden)
        controls.platform.input(self._for_platform, [*state, *controls.all], [*seen, controls.outline_px], trigger_mode="always_last", **hidden)
        on.same.click(self._same_look, [*state, *controls.all], seen, **hidden)
        on.sticker.stand_in(self._stood_in, state, chosen, **each)
        on.editor.tap(self._tapped, state, chosen, **each)
        on.editor.everything(self._everything, state, chosen, **each)
        on.editor.apply(self._applied, state, chosen, **each)
        on.consent.change(lambda consent: SEND_BOTH if consent else SEND, [on.consent], [on.send], **hidden)
        on.send.click(self._sent, [on.desk, on.consent], [on.sent], api_visibility="private")
        on.download.click(self._saved, [on.desk], None, **hidden)
        on.pack_list.noted(self._noted, [on.desk], None, **each, **in_turn)
        asked = [on.desk, on.targets, on.title, on.author]
        on.build.click(self._built, asked, [on.pack_file, on.packed], api_visibility="private", **in_turn)
        on.forget.click(self._forgot, state, chosen, **hidden)

    # --- what the page shows

    def _seen(self, desk: Desk, history: Sequence[str]) -> dict[Any, Any]:
        """What every change of a sticker changes."""
        card, ids = desk.card, remembered(history, desk)
        ready = card is not None and card.state == "done" and card.file is not None
        label = f"Download for {told.PLATFORMS[str(card.look['platform'])]}" if card else "Download"
        return {
            self._on.cards: told.cards(desk),
            self._on.sticker: told.sticker(card),
            self._on.download: gr.DownloadButton(label, value=str(card.file) if ready and card else None, interactive=ready),
            self._on.pack_list: told.pack_list(desk),
            self._on.history: ids,
            self._on.remembered: told.history(ids),
        }

    def _cut(self, desk: Desk, history: Sequence[str]) -> dict[Any, Any]:
        """What another cut-out of the card on view changes."""
        view, card = _view(desk), desk.card  # first what takes its time: what is told then is of now, though other calls work on the same desk
        return {self._on.editor: view, self._on.correction: gr.Accordion(visible=bool(card and card.strokes))} | self._seen(desk, history)

    def _other(self, desk: Desk, history: Sequence[str]) -> dict[Any, Any]:
        """What another card on view changes, beside the controls; a consent was for the former one."""
        return self._cut(desk, history) | {self._on.consent: False, self._on.sent: ""}

    def _all(self, desk: Desk, history: Sequence[str]) -> dict[Any, Any]:
        """What another card on view changes."""
        update, controls = self._other(desk, history), self._on.controls
        if desk.card:
            look = desk.card.look
            update |= {getattr(controls, field.name): look.get(field.name, "") for field in fields(Controls) if field.name != "outline_px"}
            update[controls.outline_px] = look["outline_px"]
        return update

    # --- what each part does

    def _opened(self, desk: Desk, history: list[str]) -> dict[Any, Any]:
        ids = remembered([one for one in history if _is_kept(self._client, one)], desk)
        return {self._on.desk: desk, self._on.history: ids, self._on.remembered: told.history(ids)}

    def _added(self, desk: Desk, history: list[str], files: list[str] | None, *values: Any) -> Iterator[dict[Any, Any]]:
        yield {self._on.pictures: None}
        yield from self._take(desk, history, [Path(file) for file in files or []], look_of(values))

    def _photographed(self, desk: Desk, history: list[str], file: str | None, *values: Any) -> Iterator[dict[Any, Any]]:
        if file:
            yield {self._on.camera: None}
            yield from self._take(desk, history, [Path(file)], look_of(values))

    def _take(self, desk: Desk, history: list[str], files: Sequence[Path], look: Look) -> Iterator[dict[Any, Any]]:
        """Make each picture a card and then each card's sticker; the first is looked at. A caption is for one picture, the rest of a look for all."""
        again = bool(desk.cards)
        added = [desk.add(file.name, file.read_bytes(), {**look, "caption": ""} if again else look) for file in files]
        desk.chosen = added[0] if added else desk.chosen
        yield self._seen(desk, history) | ({self._on.controls.caption: ""} if again else {})
        for number, card_id in enumerate(added):
            desk.make(card_id)
            yield self._other(desk, history) if number == 0 else self._seen(desk, history)

    def _drawn(self, desk: Desk, history: list[str], prompt: str, preset: str, *values: Any) -> Iterator[dict[Any, Any]]:
        yield {self._on.drawn: told.done("Drawing …")}
        try:
            desk.make(desk.draw(prompt or "", preset=preset, look=look_of(values)))
        except StickerError as error:
            yield {self._on.drawn: told.problem(str(error))}
        else:
            yield self._all(desk, history) | {self._on.drawn: ""}

    def _chosen(self, desk: Desk, history: list[str], event: gr.EventData) -> dict[Any, Any]:
        desk.chosen = str(event.card)
        return self._all(desk, history)

    def _removed(self, desk: Desk, history: list[str], event: gr.EventData) -> dict[Any, Any]:
        desk.remove(str(event.card))
        return self._all(desk, history)

    def _changed(self, desk: Desk, history: list[str], *values: Any) -> dict[Any, Any]:
        if desk.card:
            desk.make(desk.chosen, look=look_of(values))
        return self._seen(desk, history)

    def _for_platform(self, desk: Desk, history: list[str], *values: Any) -> dict[Any, Any]:
        """Another platform, with the outline that is customary there."""
        look = dict(look_of(values))
        look["outline_px"] = FORMATS[look["platform"]].outline_px  # type: ignore[index]  # the values of the choice
        if desk.card:
            desk.make(desk.chosen, look=look)
        return self._seen(desk, history) | {self._on.controls.outline_px: look["outline_px"]}

    def _same_look(self, desk: Desk, history: list[str], *values: Any) -> Iterator[dict[Any, Any]]:
        """Every card gets this look, and keeps its caption."""
        look = look_of(values)
        for card in list(desk.cards.values()):
            desk.make(card.id, look={**look, "caption": card.look["caption"]})
            yield self._seen(desk, history)

    def _stood_in(self, desk: Desk, history: list[str], event: gr.EventData) -> dict[Any, Any]:
        if event.fallback in get_args(Fallback):
            desk.make(desk.chosen, fallback=event.fallback)
        return self._cut(desk, history)

    def _tapped(self, desk: Desk, history: list[str], event: gr.EventData) -> dict[Any, Any]:
        desk.make(str(event.card), subject=f"{_share(event.x):.4f},{_share(event.y):.4f}")
        return self._cut(desk, history)

    def _everything(self, desk: Desk, history: list[str], event: gr.EventData) -> dict[Any, Any]:
        desk.make(str(event.card), subject=ALL)
        return self._cut(desk, history)

    def _applied(self, desk: Desk, history: list[str], event: gr.EventData) -> dict[Any, Any]:
        strokes = {"erase": _mask_of(event.erase), "restore": _mask_of(event.restore)}
        desk.make(str(event.card), strokes={name: mask for name, mask in strokes.items() if mask})
        return self._cut(desk, history)

    def _sent(self, desk: Desk, consent: bool) -> str:
        try:
            answer = desk.correct(desk.chosen, consent=consent)
        except StickerError as error:
            return told.problem(str(error))
        kept = "the corrected outline, your picture and" if answer["picture_kept"] else "the corrected outline, not your picture, and"
        return told.done(f"Thank you. The service keeps {kept} which models made the sticker.")

    def _saved(self, desk: Desk) -> None:
        desk.change(desk.chosen, saved=True)

    def _noted(self, desk: Desk, event: gr.EventData) -> None:
        desk.change(str(event.card), packed=bool(event.packed), emoji=str(event.emoji))

    def _built(self, desk: Desk, targets: list[Any], title: str, author: str) -> dict[Any, Any]:
        try:
            file, pack = desk.pack(targets, title=title, author=author)
        except StickerError as error:
            return {self._on.pack_file: gr.DownloadButton(value=None, interactive=False), self._on.packed: told.problem(str(error))}
        return {self._on.pack_file: gr.DownloadButton(value=str(file), interactive=True), self._on.packed: told.packed(pack)}

    def _forgot(self, desk: Desk, history: list[str]) -> dict[Any, Any]:
        """Forget the history, here and at the service; the desk is emptied, as its stickers are among them."""
        forget(self._client, remembered(history, desk))
        for card_id in list(desk.cards):
            desk.remove(card_id)
        return self._all(desk, [])


def _view(desk: Desk) -> Mapping[str, str] | None:
    """What the editor shows of the card on view; nothing of what is no picture."""
    if not desk.card:
        return None
    try:
        picture, kept = desk.view(desk.chosen)
    except StickerError:
        return None
    return {"card": desk.chosen, "picture": told.address(picture), "kept": told.address(kept) if kept else ""}


def _is_kept(client: StickerClient, sticker_id: str) -> bool:
    try:
        client.record(sticker_id)
    except NotKept:
        return False
    except StickerError:  # the service is away, which says nothing of the sticker
        return True
    return True


def _share(value: object) -> float:
    """A coordinate in 0..1."""
    return min(1.0, max(0.0, float(str(value))))


def _mask_of(url: str) -> bytes:
    """The PNG of a data URL; no bytes of an empty one."""
    return base64.b64decode(url.partition(",")[2])
