"""What is on the Studio page: Gradio's parts, and those of our own in HTML."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, get_args

import gradio as gr

from serving.creation.protocol import StylePreset
from serving.fonts import DISPLAY
from serving.formats import FORMATS
from serving.options import MAX_CAPTION_CHARACTERS
from serving.studio import told
from serving.studio.desk import Desk

PLACES: Final = [("Automatic", "auto"), ("Top", "top"), ("Bottom", "bottom")]
SHAPES: Final = [("Straight", "straight"), ("Arc", "arc")]
SEND: Final = "Send the outline"
PICTURES: Final = ["image", ".heic", ".heif", ".avif"]
HISTORY: Final = "sticker-studio-history"
EXPLAINED: Final = (
    "Did you erase or restore something? Sending it helps the models get better. The service then keeps the corrected outline, and what made the "
    "sticker. Your picture is kept only if you tick this:"
)
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


class Layout:
    """The parts of the page by name, in the order in which a person meets them."""

    def __init__(self, desk: Desk) -> None:
        """Lay them out in the open Gradio blocks; `desk` is what every visitor gets a copy of."""
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
        self._lay_pack(desk)
        self._lay_history()

    def _lay_input(self) -> None:
        with gr.Tabs(elem_id="input"):
            with gr.Tab("Pictures"):
                self.pictures = gr.File(label="Drop, paste or choose pictures", file_count="multiple", file_types=PICTURES, height=150, elem_id="pictures")
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
            gr.Markdown(EXPLAINED)
            self.consent = gr.Checkbox(label="Keep my picture too, without its metadata, to train models on", elem_id="consent")
            self.send = gr.Button(SEND, elem_id="send")
            self.sent = gr.HTML("", elem_id="sent")

    def _lay_sticker(self) -> None:
        self.sticker = gr.HTML(told.sticker(None), html_template=_asset("sticker.html"), js_on_load=_asset("sticker.js"), elem_id="sticker")
        self.download = gr.DownloadButton("Download", variant="primary", interactive=False, elem_id="download")

    def _lay_controls(self) -> Controls:
        caption = gr.Textbox(label="Caption", placeholder="optional", max_length=MAX_CAPTION_CHARACTERS, elem_id="caption")
        platform = gr.Radio([(name, key) for key, name in told.PLATFORMS.items()], value="whatsapp", label="For", elem_id="platform")
        with gr.Accordion("Look", open=False, elem_id="look"):
            font = gr.Radio([(name.replace("-", " ").title(), name) for name in DISPLAY], value="rubik", label="Font", elem_id="font")
            with gr.Row():
                caption_at = gr.Radio(PLACES, value="auto", label="Caption's place", elem_id="caption_at")
                caption_shape = gr.Radio(SHAPES, value="straight", label="Caption's line", elem_id="caption_shape")
            with gr.Column(elem_id="colours"):
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

    def _lay_pack(self, desk: Desk) -> None:
        with gr.Accordion("Build a pack", open=False, elem_id="pack"):
            self.pack_list = gr.HTML(told.pack_list(desk), js_on_load=_asset("pack.js"), elem_id="pack_list")
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
