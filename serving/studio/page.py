"""The Studio page as Gradio blocks: what is on it, and what each part does to the visitor's desk."""

import base64
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, get_args

import gradio as gr

from serving.client import StickerClient
from serving.creation.protocol import StylePreset
from serving.fonts import DISPLAY
from serving.formats import FORMATS
from serving.options import MAX_CAPTION_CHARACTERS, Fallback
from serving.studio import told
from serving.studio.desk import ALL, Desk, Look, forget, remembered
from sticker_studio.errors import StickerError

KEPT_S: Final = 3600
POLL_S: Final = 1.0
PLATFORMS: Final = {
    "whatsapp": "WhatsApp", "telegram": "Telegram", "signal": "Signal", "discord": "Discord", "webp": "WebP", "png": "PNG", "svg": "SVG",
}  # fmt: skip
PLACES: Final = [("Automatic", "auto"), ("Top", "top"), ("Bottom", "bottom")]
SHAPES: Final = [("Straight", "straight"), ("Arc", "arc")]
SEND: Final = "Send the outline"
SEND_BOTH: Final = "Send the outline and my picture"
HISTORY: Final = "sticker-studio-history"

_HERE: Final = Path(__file__).parent


def _asset(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def style() -> str:
    """The page's CSS: its own, the captions' fonts, and each name of their choice in its own face."""
    rules = [_asset("style.css")]
    for number, (name, font) in enumerate(DISPLAY.items(), start=1):
        rules.append(f"@font-face {{ font-family: 'caption {name}'; src: url('fonts/{font.path.name}'); font-display: swap; }}")
        rules.append(f"#font label:nth-of-type({number}) span {{ font-family: 'caption {name}', sans-serif; font-weight: normal; }}")
    return "\n".join(rules)


def script() -> str:
    """What the browser runs when the page opens."""
    return _asset("page.js")


@dataclass(frozen=True, kw_only=True)
class Controls:
    """The options of a sticker, each field named as the service names it."""

    caption: Any
    platform: Any
    font: Any
    caption_colour: Any
    caption_at: Any
    caption_shape: Any
    outline_px: Any
    outline_colour: Any
    shadow: Any
    background: Any

    @property
    def all(self) -> list[Any]:
        """In the order of the fields."""
        return [getattr(self, field.name) for field in fields(self)]


def look_of(values: Sequence[Any]) -> Look:
    """The values of `Controls`, in their order, as options of the service; what is empty is left to it."""
    named = dict(zip((field.name for field in fields(Controls)), values, strict=True))
    return {name: value for name, value in named.items() if value not in (None, "") or name == "caption"}


def page(client: StickerClient, folder: Path) -> Any:
    """The page; `folder` takes the files of its visitors' desks."""
    with gr.Blocks(title="Sticker Studio", analytics_enabled=False, delete_cache=(KEPT_S, KEPT_S)) as blocks:
        _Page(blocks, Desk(client, folder))
    return blocks.queue(default_concurrency_limit=4)


class _Page:
    """Lays the page out, and ties each part to what it does."""

    def __init__(self, blocks: Any, desk: Desk) -> None:
        self._client = desk.client
        self.desk = gr.State(desk, delete_callback=lambda left: left.clear())
        self.history = gr.BrowserState([], storage_key=HISTORY, secret=HISTORY)
        gr.Markdown("# Sticker Studio\nAny picture in, a messaging-ready sticker out.", elem_id="heading")
        with gr.Row(elem_id="bench"):
            with gr.Column(elem_id="bring"):
                self._lay_input()
                self.cards = gr.HTML("", js_on_load=_asset("cards.js"), elem_id="cards")
            with gr.Column(elem_id="make"):
                self._lay_sticker()
                self.controls = self._lay_controls()
            with gr.Column(elem_id="mend"):
                self.editor = gr.HTML(None, html_template=_asset("editor.html"), js_on_load=_asset("editor.js"), elem_id="editor")
                self._lay_correction()
        self._lay_pack()
        self._lay_history()
        self._tie(blocks)

    # --- layout

    def _lay_input(self) -> None:
        with gr.Tabs(elem_id="input"):
            with gr.Tab("Pictures"):
                self.pictures = gr.File(
                    label="Drop, paste or choose pictures",
                    file_count="multiple",
                    file_types=["image", ".heic", ".heif", ".avif"],
                    height=150,
                    elem_id="pictures",
                )
            with gr.Tab("Camera"):
                self.camera = gr.Image(label="Photograph", type="filepath", sources=["webcam"], height=300, elem_id="camera")
            with gr.Tab("Describe"):
                self.prompt = gr.Textbox(label="What shall it show?", placeholder="a cat with sunglasses", max_length=300, elem_id="prompt")
                presets = [(name.capitalize(), name) for name in get_args(StylePreset)]
                self.preset = gr.Radio(presets, value="cartoon", label="Drawn as", elem_id="preset")
                self.draw = gr.Button("Draw it", elem_id="draw")
                self.drawn = gr.HTML("", elem_id="drawn")

    def _lay_correction(self) -> None:
        with gr.Accordion("Send your correction", open=False, visible=False, elem_id="correction") as self.correction:
            gr.Markdown(
                "Did you erase or restore something? Sending it helps the models get better. The service then keeps the corrected outline, and what made the "
                "sticker. Your picture is kept only if you tick this:"
            )
            self.consent = gr.Checkbox(label="Keep my picture too, without its metadata, to train models on", elem_id="consent")
            self.send = gr.Button(SEND, elem_id="send")
            self.sent = gr.HTML("", elem_id="sent")

    def _lay_sticker(self) -> None:
        self.sticker = gr.HTML(told.sticker(None), html_template=_asset("sticker.html"), js_on_load=_asset("sticker.js"), elem_id="sticker")
        self.download = gr.DownloadButton("Download", variant="primary", interactive=False, elem_id="download")

    def _lay_controls(self) -> Controls:
        caption = gr.Textbox(label="Caption", placeholder="optional", max_length=MAX_CAPTION_CHARACTERS, elem_id="caption")
        platform = gr.Radio([(name, key) for key, name in PLATFORMS.items()], value="whatsapp", label="For", elem_id="platform")
        with gr.Accordion("Look", open=False, elem_id="look"):
            font = gr.Radio([(name.replace("-", " ").title(), name) for name in DISPLAY], value="rubik", label="Font", elem_id="font")
            with gr.Row():
                caption_at = gr.Radio(PLACES, value="auto", label="Caption's place", elem_id="caption_at")
                caption_shape = gr.Radio(SHAPES, value="straight", label="Caption's line", elem_id="caption_shape")
            caption_colour = self._colour("Caption's colour", none="automatic", elem_id="caption_colour")
            outline_colour = self._colour("Outline's colour", value="#ffffff", elem_id="outline_colour")
            background = self._colour("Background", none="transparent", elem_id="background")
            outline_px = gr.Slider(0, 24, value=FORMATS["whatsapp"].outline_px, step=1, label="Outline, px", elem_id="outline_px")
            shadow = gr.Checkbox(label="Soft shadow", elem_id="shadow")
            self.same = gr.Button("Same look for all pictures", size="sm", elem_id="same")
        return Controls(
            caption=caption, platform=platform, font=font, caption_colour=caption_colour, caption_at=caption_at, caption_shape=caption_shape,
            outline_px=outline_px, outline_colour=outline_colour, shadow=shadow, background=background,
        )  # fmt: skip

    def _colour(self, label: str, *, value: str = "", none: str = "", elem_id: str) -> Any:
        template = told.colour_field(label, none=none)
        return gr.HTML(value, html_template=template, js_on_load=_asset("colour.js"), min_width=120, elem_id=elem_id)

    def _lay_pack(self) -> None:
        with gr.Accordion("Build a pack", open=False, elem_id="pack"):
            self.pack_list = gr.HTML("", js_on_load=_asset("pack.js"), elem_id="pack_list")
            with gr.Row():
                self.title = gr.Textbox(label="Title", value="My stickers", max_length=128, elem_id="pack_title")
                self.author = gr.Textbox(label="Author", value="Me", max_length=128, elem_id="pack_author")
            self.targets = gr.CheckboxGroup([(name, key) for key, name in told.PACKS.items()], value=["whatsapp"], label="For", elem_id="pack_for")
            with gr.Row():
                self.build = gr.Button("Build the pack", elem_id="build")
                self.pack_file = gr.DownloadButton("Download the pack", variant="primary", interactive=False, elem_id="pack_file")
            self.packed = gr.HTML("", elem_id="packed")

    def _lay_history(self) -> None:
        with gr.Accordion("Stickers of this browser", open=False, elem_id="history"):
            self.remembered = gr.HTML(told.history([]), elem_id="remembered")
            self.forget = gr.Button("Forget them all", size="sm", elem_id="forget")

    # --- what follows what

    def _tie(self, blocks: Any) -> None:
        controls = self.controls
        seen = [self.cards, self.sticker, self.download, self.pack_list, self.history, self.remembered]
        chosen = [*seen, self.editor, self.correction, *controls.all]
        state = [self.desk, self.history]
        hidden: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        each = {**hidden, "trigger_mode": "multiple"}  # none of these is dropped while another is under way
        in_turn: dict[str, Any] = {"concurrency_id": "pack", "concurrency_limit": 1}
        blocks.load(self._opened, [self.desk, self.history], [self.desk, *chosen], **hidden)
        self.pictures.upload(self._added, [*state, self.pictures, *controls.all], [*chosen, self.pictures], **hidden)
        self.camera.change(self._photographed, [*state, self.camera, *controls.all], [*chosen, self.camera], **hidden)
        gr.on([self.draw.click, self.prompt.submit], self._drawn, [*state, self.prompt, self.preset, *controls.all], [*chosen, self.drawn], **hidden)
        self.cards.choose(self._chosen, state, chosen, **each)
        self.cards.remove(self._removed, state, chosen, **each)
        changed = [control.input for control in controls.all if control is not controls.platform]
        gr.on(changed, self._changed, [*state, *controls.all], seen, trigger_mode="always_last", **hidden)
        controls.platform.input(self._for_platform, [*state, *controls.all], [*seen, controls.outline_px], trigger_mode="always_last", **hidden)
        self.same.click(self._same_look, [*state, *controls.all], seen, **hidden)
        self.sticker.stand_in(self._stood_in, state, chosen, **each)
        self.editor.tap(self._tapped, state, chosen, **each)
        self.editor.everything(self._everything, state, chosen, **each)
        self.editor.apply(self._applied, state, chosen, **each)
        self.consent.change(lambda consent: SEND_BOTH if consent else SEND, [self.consent], [self.send], **hidden)
        self.send.click(self._sent, [self.desk, self.consent], [self.sent], api_visibility="private")
        self.download.click(self._saved, [self.desk], None, **hidden)
        self.pack_list.noted(self._noted, [self.desk], None, **each, **in_turn)
        asked = [self.desk, self.targets, self.title, self.author]
        self.build.click(self._built, asked, [self.pack_file, self.packed], api_visibility="private", **in_turn)
        self.forget.click(self._forgot, state, seen, **hidden)

    # --- what the page shows

    def _seen(self, desk: Desk, history: Sequence[str]) -> dict[Any, Any]:
        """What every change of a sticker changes."""
        card, ids = desk.card, remembered(history, desk)
        ready = card is not None and card.state == "done" and card.file is not None
        label = f"Download for {PLATFORMS[str(card.look['platform'])]}" if card else "Download"
        return {
            self.cards: told.cards(desk),
            self.sticker: told.sticker(card),
            self.download: gr.DownloadButton(label, value=str(card.file) if ready and card else None, interactive=ready),
            self.pack_list: told.pack_list(desk),
            self.history: ids,
            self.remembered: told.history(ids),
        }

    def _all(self, desk: Desk, history: Sequence[str], *, controls: bool = True) -> dict[Any, Any]:
        """What another card on view changes."""
        card = desk.card
        update = self._seen(desk, history) | {self.editor: _view(desk), self.correction: gr.Accordion(visible=bool(card and card.strokes))}
        if card and controls:
            update |= {getattr(self.controls, field.name): card.look.get(field.name, "") for field in fields(Controls) if field.name != "outline_px"}
            update[self.controls.outline_px] = card.look["outline_px"]
        return update

    # --- what each part does

    def _opened(self, desk: Desk, history: list[str]) -> dict[Any, Any]:
        return {self.desk: desk} | self._all(desk, [one for one in history if _is_kept(self._client, one)])

    def _added(self, desk: Desk, history: list[str], files: list[str] | None, *values: Any) -> Iterator[dict[Any, Any]]:
        yield {self.pictures: None}
        yield from self._take(desk, history, [Path(file) for file in files or []], look_of(values))

    def _photographed(self, desk: Desk, history: list[str], file: str | None, *values: Any) -> Iterator[dict[Any, Any]]:
        if file:
            yield {self.camera: None}
            yield from self._take(desk, history, [Path(file)], look_of(values))

    def _take(self, desk: Desk, history: list[str], files: Sequence[Path], look: Look) -> Iterator[dict[Any, Any]]:
        """Make each picture a card and then each card's sticker; the first is looked at."""
        added = [desk.add(file.name, file.read_bytes(), look) for file in files]
        desk.chosen = added[0] if added else desk.chosen
        yield self._seen(desk, history)
        for number, card_id in enumerate(added):
            desk.make(card_id)
            yield self._all(desk, history) if number == 0 else self._seen(desk, history)

    def _drawn(self, desk: Desk, history: list[str], prompt: str, preset: str, *values: Any) -> Iterator[dict[Any, Any]]:
        """A description to a picture: what the service draws and cuts out becomes a card, so that it can be written on."""
        try:
            yield {self.drawn: told.done("Drawing …")}
            job = self._client.generate(prompt or "", preset=preset, platform="png", outline_px=0, margin_px=0, fallback="whole")
            while job["state"] == "running":
                time.sleep(POLL_S)
                job = self._client.job(job["id"])
            (item,) = job["items"]
            if "sticker" not in item:
                yield {self.drawn: told.problem(_told_error(item))}
                return
            picture = self._client.kept(item["sticker"]).data
            forget(self._client, [item["sticker"]])
        except StickerError as error:
            yield {self.drawn: told.problem(str(error))}
            return
        desk.make(desk.add(f"{prompt[:40]}.png", picture, look_of(values)))
        yield self._all(desk, history) | {self.drawn: ""}

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
        return self._seen(desk, history) | {self.controls.outline_px: look["outline_px"]}

    def _same_look(self, desk: Desk, history: list[str], *values: Any) -> Iterator[dict[Any, Any]]:
        """Every card gets this look, and keeps its caption."""
        look = look_of(values)
        for card in list(desk.cards.values()):
            desk.make(card.id, look={**look, "caption": card.look["caption"]})
            yield self._seen(desk, history)

    def _stood_in(self, desk: Desk, history: list[str], event: gr.EventData) -> dict[Any, Any]:
        if event.fallback in get_args(Fallback):
            desk.make(desk.chosen, fallback=event.fallback)
        return self._all(desk, history, controls=False)

    def _tapped(self, desk: Desk, history: list[str], event: gr.EventData) -> dict[Any, Any]:
        desk.make(str(event.card), subject=f"{_share(event.x):.4f},{_share(event.y):.4f}")
        return self._all(desk, history, controls=False)

    def _everything(self, desk: Desk, history: list[str], event: gr.EventData) -> dict[Any, Any]:
        desk.make(str(event.card), subject=ALL)
        return self._all(desk, history, controls=False)

    def _applied(self, desk: Desk, history: list[str], event: gr.EventData) -> dict[Any, Any]:
        strokes = {"erase": _mask_of(event.erase), "restore": _mask_of(event.restore)}
        desk.make(str(event.card), strokes={name: mask for name, mask in strokes.items() if mask})
        return self._all(desk, history, controls=False)

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
            return {self.pack_file: gr.DownloadButton(value=None, interactive=False), self.packed: told.problem(str(error))}
        return {self.pack_file: gr.DownloadButton(value=str(file), interactive=True), self.packed: told.packed(pack)}

    def _forgot(self, desk: Desk, history: list[str]) -> dict[Any, Any]:
        """Forget the history, here and at the service; the desk is emptied, as its stickers are among them."""
        forget(self._client, remembered(history, desk))
        for card_id in list(desk.cards):
            desk.remove(card_id)
        return self._seen(desk, [])


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
    except StickerError:
        return False
    return True


def _told_error(item: Mapping[str, Any]) -> str:
    error = item.get("error") or {"message": f"expected a picture, got none ({item['state']})", "remedy": "ask again"}
    return f"{error['message']}; {error['remedy']}"


def _share(value: object) -> float:
    """A coordinate in 0..1."""
    return min(1.0, max(0.0, float(str(value))))


def _mask_of(url: str) -> bytes:
    """The PNG of a data URL; no bytes of an empty one."""
    return base64.b64decode(url.partition(",")[2])
