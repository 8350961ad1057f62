"""The Studio page: pictures in, stickers out, in a browser. Its own process, which calls the service over HTTP like any other client."""

import logging
import os
import shutil
from pathlib import Path
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from serving.client import StickerClient
from sticker_studio.errors import StickerError
from sticker_studio.settings import Settings

log = logging.getLogger(__name__)

FONTS: Final = Path(__file__).parent.parent / "fonts"


def routes(client: StickerClient) -> list[BaseRoute]:
    """What the page needs beside Gradio: the captions' fonts, and the stickers that its browser remembers."""

    async def kept(request: Request) -> Response:
        try:
            file = await run_in_threadpool(client.kept, request.path_params["id"])
        except StickerError as error:
            return PlainTextResponse(str(error), error.http_status)
        return Response(file.data, media_type=file.mime, headers={"Cache-Control": "private, no-store", "X-Content-Type-Options": "nosniff"})

    return [Route("/kept/{id}", kept), Mount("/fonts", StaticFiles(directory=FONTS))]


def run(settings: Settings, *, service_url: str) -> None:
    """Serve the page until stopped. Offline: own fonts, no analytics, nothing from elsewhere."""
    folder = settings.home.absolute() / "studio"
    shutil.rmtree(folder, ignore_errors=True)  # of visitors of a former process
    folder.mkdir(parents=True)
    os.environ.update(GRADIO_ANALYTICS_ENABLED="False", GRADIO_TEMP_DIR=str(folder / "uploads"), HF_HUB_OFFLINE="1")
    import gradio as gr

    from serving.studio.layout import script, style
    from serving.studio.page import page

    logging.getLogger("httpx").setLevel(logging.WARNING)  # it tells addresses, and those of stickers are not for logs
    client = StickerClient(service_url, key=settings.api_keys.get_secret_value().split(",")[0].strip())
    theme = gr.themes.Default(primary_hue="blue", font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]).set(
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",  # light text on it can be read
    )
    log.info("the Studio page on http://%s:%s calls %s", settings.service_host, settings.studio_port, service_url)
    page(client, folder / "desks").launch(
        server_name=settings.service_host, server_port=settings.studio_port, share=False, quiet=True, show_error=True, ssr_mode=False,
        theme=theme, css=style(), js=script(), footer_links=[], max_file_size=settings.upload_max_bytes, allowed_paths=[str(folder / "desks")], pwa=False,
        mcp_server=False, run_history=False, app_kwargs={"routes": routes(client)},
    )  # fmt: skip
