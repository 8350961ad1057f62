"""The demo board's pages: a grid of Pinterest's shape, on loopback, so that a harvest runs in a real browser without the internet."""

import html
import logging
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from scraping.demo_board import content
from sticker_studio.types import STYLES, Style

PAGE: Final = 25
"""Pins an API page."""
_HERE: Final = Path(__file__).parent
_CONSENT: Final = '<div class="consent" role="dialog">We use no cookies.<button>Decline</button></div>'
_STATIC: Final = {"board.css": "text/css", "board.js": "text/javascript"}
_MIMES: Final = {"jpg": "image/jpeg", "jpeg": "image/jpeg", "png": "image/png"}
_log = logging.getLogger(__name__)


def build(numbers: Mapping[Style, int], *, seed: int, cache: Path, virtual: bool = True, consent: bool = False) -> Starlette:
    """The board as an ASGI application. `numbers`: different pins a style; `cache`: folder where drawn pictures are kept."""
    boards = {style: content.pins(style, numbers[style], seed) for style in STYLES}
    shown = {pin.id: pin for board in boards.values() for pin in board}
    pictures = content.Pictures(list(shown.values()), cache)
    page = Template((_HERE / "board.html").read_text())

    # Drawing goes to threads (a plain def); everything else is answered at once, however many pictures are being drawn.
    async def index(request: Request) -> Response:
        return HTMLResponse("".join(f'<p><a href="/{style}">{style}</a> {len(boards[style])} pins</p>' for style in STYLES))

    async def robots(request: Request) -> Response:
        return PlainTextResponse("User-agent: *\nAllow: /\n")

    async def board(request: Request) -> Response:
        style = request.path_params["style"]
        if style not in boards:
            return PlainTextResponse("no such board", 404)
        wanted = consent or request.query_params.get("consent") == "1"
        return HTMLResponse(page.substitute(title=f"Demo board: {style}", style=style, virtual=int(virtual), consent=_CONSENT if wanted else ""))

    async def api(request: Request) -> Response:
        style, start = request.path_params["style"], request.query_params.get("bookmark", "0")
        if style not in boards or not start.isdecimal():
            return JSONResponse({"error": "expected /api/anime or /api/normal and a number as bookmark"}, 404)
        rows, end = boards[style][int(start) : int(start) + PAGE], int(start) + PAGE
        return JSONResponse({"pins": [_row(pin) for pin in rows], "bookmark": str(end) if end < len(boards[style]) else ""})

    def pin(request: Request) -> Response:
        one = shown.get(request.path_params["pin_id"])
        if one is None:
            return PlainTextResponse("no such pin", 404)
        return HTMLResponse(f'<!doctype html><title>{html.escape(one.alt)}</title><img src="{_address(one, "736x")}" alt="{html.escape(one.alt, quote=True)}">')

    def picture(request: Request) -> Response:
        stem, _, extension = request.path_params["name"].rpartition(".")
        size = request.path_params["size"]
        data = pictures.picture(stem, size, extension) if size == "originals" or size in content.WIDTHS else None
        return PlainTextResponse("gone", 404) if data is None else Response(data, media_type=_MIMES[extension], headers={"Cache-Control": "max-age=3600"})

    async def static(request: Request) -> Response:
        name = request.path_params["name"]
        return Response((_HERE / name).read_bytes(), media_type=_STATIC[name]) if name in _STATIC else PlainTextResponse("no such file", 404)

    return Starlette(
        routes=[
            Route("/", index),
            Route("/robots.txt", robots),
            Route("/static/{name}", static),
            Route("/api/{style}", api),
            Route("/pin/{pin_id}/", pin),
            Route("/{size}/{a}/{b}/{name}", picture),
            Route("/{style}", board),
        ]
    )


def _address(pin: content.BoardPin, size: str) -> str:
    return f"/{size}/{pin.id[:2]}/{pin.id[2:4]}/{pin.id}.jpg"


def _row(pin: content.BoardPin) -> dict[str, object]:
    sizes = [*content.WIDTHS, "originals"]
    return {
        "id": pin.id,
        "alt": pin.alt,
        "width": pin.width,
        "height": pin.height,
        "src": _address(pin, "236x"),
        "srcset": ", ".join(f"{_address(pin, size)} {n}x" for n, size in enumerate(sizes, 1)),
    }


def serve(numbers: Mapping[Style, int], *, seed: int, cache: Path, port: int, host: str = "127.0.0.1") -> None:
    """Serve the board until the process is ended."""
    import uvicorn

    _log.info("demo board on http://%s:%d/anime and /normal (%s)", host, port, ", ".join(f"{style}: {n} different pins" for style, n in numbers.items()))
    uvicorn.run(build(numbers, seed=seed, cache=cache), host=host, port=port, log_level="warning")
