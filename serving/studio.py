"""The Studio page: a picture in, a sticker out, in a browser. It calls the service over HTTP like any other client."""

import html
import io
import logging
import os
import tempfile
from pathlib import Path
from typing import Any, Final

from PIL import Image

from serving.client import Answer, StickerClient
from serving.options import MAX_CAPTION_CHARACTERS
from sticker_studio import atomic
from sticker_studio.errors import StickerError
from sticker_studio.settings import Settings

log = logging.getLogger(__name__)

SUFFIX: Final = {"image/webp": ".webp", "image/png": ".png"}
KEPT_S: Final = 3600
PLATFORMS: Final = [("WhatsApp", "whatsapp"), ("Telegram", "telegram"), ("Signal", "signal"), ("Discord", "discord"), ("WebP", "webp"), ("PNG", "png")]
SUBJECTS: Final = [("Everything found", "all"), ("The largest subject", "largest")]

CSS: Final = """
.gradio-container { max-width: 1080px !important; margin: 0 auto !important; }
#sticker .image-frame, #sticker .image-container { background: repeating-conic-gradient(#a8acb5 0 25%, #d6d8de 0 50%) 0 0 / 28px 28px; border-radius: 8px; }
#sticker img { object-fit: contain; }
#told { min-height: 5.5em; }
#told .problem { border-left: 4px solid #dc2626; padding: 0.4em 0.9em; background: #fef2f2; color: #7f1d1d; border-radius: 4px; }
#told .done { border-left: 4px solid #16a34a; padding: 0.4em 0.9em; background: #f0fdf4; color: #14532d; border-radius: 4px; }
"""


def in_words(answer: Answer) -> str:
    """What made the sticker, for a person."""
    looks = {"anime": "a drawing (anime style)", "normal": "a photograph or another picture (normal style)"}[answer.style]
    how = {
        "segmentor": f"cut out by <b>{html.escape(answer.segmentor)}</b>, version <b>{html.escape(answer.segmentor_version)}</b>, "
        f"{answer.subjects} {'subject' if answer.subjects == 1 else 'subjects'}",
        "alpha": "the picture's own transparency was kept",
        "whole": "nothing was found, so the whole picture became the sticker",
    }[answer.cut]
    width, height = Image.open(io.BytesIO(answer.data)).size
    size = f"{len(answer.data) / 1000:.0f} KB {answer.mime.removeprefix('image/').upper()}, {width} x {height} px"
    judge = f"style classifier, version {html.escape(answer.classifier_version)}"
    return f"<div class='done'>Looks like {looks}, {answer.style_probability:.0%} sure ({judge}).<br>{how[0].upper()}{how[1:]}.<br>{size}.</div>"


def problem(message: str) -> str:
    """An error, for a person."""
    return f"<div class='problem'>{html.escape(message)}</div>"


def make(client: StickerClient, folder: Path, picture: str | None, caption: str, platform: str, subject: str, whole: bool) -> tuple[Path | None, str]:
    """One press of the button: the sticker's file (None when there is none) and what to tell."""
    if not picture:
        return None, problem("Choose a picture first.")
    try:
        answer = client.sticker(Path(picture).read_bytes(), caption=caption, platform=platform, subject=subject, fallback="whole" if whole else "none")
    except StickerError as error:
        return None, problem(str(error))
    target = Path(tempfile.mkdtemp(dir=folder)) / f"sticker{SUFFIX[answer.mime]}"
    return atomic.write_bytes(target, answer.data), in_words(answer)


def page(client: StickerClient, folder: Path) -> Any:
    """The page as Gradio blocks."""
    import gradio as gr

    def pressed(picture: str | None, caption: str, platform: str, subject: str, whole: bool) -> tuple[Any, str, Any]:
        file, told = make(client, folder, picture, caption, platform, subject, whole)
        value = str(file) if file else None
        return value, told, gr.DownloadButton(value=value, interactive=file is not None)

    with gr.Blocks(title="Sticker Studio", analytics_enabled=False, delete_cache=(KEPT_S, KEPT_S)) as blocks:
        gr.Markdown("# Sticker Studio\nAny picture in, a messaging-ready sticker out.")
        with gr.Row():
            with gr.Column():
                picture = gr.Image(label="Picture", type="filepath", sources=["upload", "clipboard"], height=340, image_mode=None, elem_id="picture")
                caption = gr.Textbox(label="Caption", placeholder="optional", max_length=MAX_CAPTION_CHARACTERS, elem_id="caption")
                platform = gr.Radio(PLATFORMS, value="whatsapp", label="For", elem_id="platform")
                subject = gr.Radio(SUBJECTS, value="all", label="Cut out", elem_id="subject")
                whole = gr.Checkbox(label="Use the whole picture where no subject is found", elem_id="whole")
                button = gr.Button("Make the sticker", variant="primary", elem_id="make")
            with gr.Column():
                sticker = gr.Image(label="Sticker", type="filepath", format="webp", interactive=False, height=420, buttons=[], elem_id="sticker")
                told = gr.HTML("", elem_id="told")
                download = gr.DownloadButton("Download the sticker", interactive=False, elem_id="download")
        inputs = [picture, caption, platform, subject, whole]
        gr.on([button.click, caption.submit], pressed, inputs=inputs, outputs=[sticker, told, download], api_name="make")
    return blocks


def run(settings: Settings, *, service_url: str) -> None:
    """Serve the page until stopped. Offline: system fonts, no analytics, nothing from elsewhere."""
    folder = settings.home.absolute() / "studio"
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.update(GRADIO_ANALYTICS_ENABLED="False", GRADIO_TEMP_DIR=str(folder), HF_HUB_OFFLINE="1")
    import gradio as gr

    theme = gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])
    log.info("the Studio page on http://%s:%s calls %s", settings.service_host, settings.studio_port, service_url)
    page(StickerClient(service_url), folder).launch(
        server_name=settings.service_host, server_port=settings.studio_port, share=False, quiet=True, show_error=True, ssr_mode=False,
        theme=theme, css=CSS, footer_links=[], max_file_size=settings.upload_max_bytes, allowed_paths=[str(folder)], pwa=False, mcp_server=False,
    )  # fmt: skip
