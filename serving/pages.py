"""What the service answers to GET and DELETE: BentoML's own APIs are POST only."""

import html
from collections.abc import Awaitable, Callable
from typing import Any, Final

from anyio import to_thread
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from serving import answers
from serving.edge import told_error
from serving.private import pages as private
from sticker_studio.errors import StickerError

DOCS_PAGE: Final = f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="UTF-8"><title>{html.escape("Sticker Studio service")}</title>
<link rel="stylesheet" href="./static_content/swagger-ui.css"><link rel="stylesheet" href="./static_content/index.css">
<link rel="icon" type="image/png" href="./static_content/favicon-light-32x32.png"></head>
<body><div id="swagger-ui"></div>
<script src="./static_content/swagger-ui-bundle.js"></script><script src="./static_content/swagger-ui-standalone-preset.js"></script>
<script src="./static_content/swagger-initializer.js"></script></body></html>"""
"""BentoML's own page without its tag manager."""

NEVER_STORED: Final = {"Cache-Control": "private, no-store"}


def pages(service: Callable[[], Any]) -> Starlette:
    """All pages; `service` gives the running service of this worker."""

    def answering(page: Callable[[Any, Request], Response]) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                return await to_thread.run_sync(page, service(), request)
            except StickerError as error:
                return JSONResponse(told_error(error), status_code=error.http_status)

        return answer

    return Starlette(
        routes=[
            Route("/models", answering(_models), methods=["GET"]),
            Route("/health", answering(_health), methods=["GET"]),
            Route("/stickers/{id}", answering(_sticker), methods=["GET"]),
            Route("/stickers/{id}", answering(_forget), methods=["DELETE"]),
            Route("/jobs/{id}", answering(_job), methods=["GET"]),
            Route("/jobs/{id}", answering(_cancel), methods=["DELETE"]),
            Route("/docs", _docs, methods=["GET"]),
            Route("/", _docs, methods=["GET"]),
            *private.routes(lambda: service().models()),
        ]
    )


def _models(service: Any, _: Request) -> Response:
    return JSONResponse({"models": service.models().describe()})


def _health(service: Any, _: Request) -> Response:
    models = service.models().describe()
    return JSONResponse({"status": "ok", "models": {name: model["version"] for name, model in models.items()}})


def _sticker(service: Any, request: Request) -> Response:
    """The finished file, or with `Accept: application/json` its record."""
    kept = service.records.sticker(request.path_params["id"])
    if "application/json" in request.headers.get("accept", ""):
        return JSONResponse(answers.kept_sticker(kept), headers=NEVER_STORED)
    return Response(service.records.file(kept), media_type=kept.mime, headers=NEVER_STORED | {"X-Content-Type-Options": "nosniff"})


def _forget(service: Any, request: Request) -> Response:
    service.records.forget(request.path_params["id"])
    return Response(status_code=204)


def _job(service: Any, request: Request) -> Response:
    return JSONResponse(answers.job(service.records.job(request.path_params["id"])), headers=NEVER_STORED)


def _cancel(service: Any, request: Request) -> Response:
    return JSONResponse(answers.job(service.records.cancel(request.path_params["id"])), headers=NEVER_STORED)


async def _docs(_: Request) -> Response:
    return HTMLResponse(DOCS_PAGE)
