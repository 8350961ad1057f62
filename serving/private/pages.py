"""The private-mode page: a sticker made by the models in the browser, so that the picture never leaves it.

What the browser needs comes from this origin: the page (`page/`), the champions with their cards, and onnxruntime-web, which
`scripts/browser_runtime.sh` puts beside the environment's packages. Nothing here takes a body.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.models import Loaded, ModelSet
from sticker_studio import model_card
from sticker_studio.model_card import MODEL_NAME

PAGE: Final = Path(__file__).parent / "page"
RUNTIME_FILES: Final = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")

_POLICY: Final = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; style-src 'self'; "
    "img-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""The browser itself refuses every other origin, inline code and forms; WebAssembly is the only thing compiled at run time. One thread is
enough for these networks, so the page needs no cross-origin isolation."""
_ASK_AGAIN: Final = "no-cache"
_FOR_EVER: Final = "public, max-age=31536000, immutable"


def installed_runtime() -> Path:
    """Where `scripts/browser_runtime.sh` puts onnxruntime-web for this interpreter."""
    return Path(sys.prefix) / "share" / "onnxruntime-web"


def routes(models: Callable[[], ModelSet], *, runtime: Path | None = None) -> list[BaseRoute]:
    """`/private` and all below it. `models` gives the models that serve now; `runtime` is the folder of `RUNTIME_FILES`."""
    folder = runtime or installed_runtime()

    def missing() -> str:
        absent = [name for name in RUNTIME_FILES if not (folder / name).is_file()]
        return f"expected onnxruntime-web in {folder}, {' and '.join(absent)} missing; run scripts/browser_runtime.sh and reload this page" if absent else ""

    async def page(request: Request) -> Response:
        return PlainTextResponse(missing(), 503) if missing() else FileResponse(PAGE / "index.html")

    async def card(request: Request) -> Response:
        loaded = _named(models(), request)
        return _card(loaded) if loaded else _unknown(request)

    def model(request: Request) -> Response:
        loaded = _named(models(), request)
        return _model(loaded, asked=request.query_params.get("sha256")) if loaded else _unknown(request)

    inside: list[BaseRoute] = [
        Route("/", page),
        Route("/models/{name}/card.json", card),
        Route("/models/{name}/model.onnx", model),
        Mount("/runtime", StaticFiles(directory=folder, check_dir=False)),
        Mount("/", StaticFiles(directory=PAGE)),
    ]
    return [Route("/private", _to_page), Mount("/private", routes=inside, middleware=[Middleware(_Guarded)])]


async def _to_page(request: Request) -> Response:
    return RedirectResponse("private/")  # relative, so that it is right behind a proxy too


def _named(models: ModelSet, request: Request) -> Loaded | None:
    return models.by_name.get(request.path_params["name"])


def _unknown(request: Request) -> Response:
    return PlainTextResponse(f"expected the name of a model that serves, got {request.path_params['name'][:80]!r}; GET /models lists them", 404)


def _card(loaded: Loaded) -> Response:
    card = loaded.predictor.card.model_copy(update={"version": loaded.resolved.version})
    return Response(card.model_dump_json(), media_type="application/json")


def _model(loaded: Loaded, *, asked: str | None) -> Response:
    """The model's file. Who names the hash of its card gets that file or none: a champion may change between the card and the model."""
    if asked and asked != loaded.sha256:
        return PlainTextResponse(f"expected the model {asked[:80]}, another champion serves since; reload the page", 409)
    file = loaded.resolved.folder / MODEL_NAME
    if model_card.sha256(file) != loaded.sha256:
        return PlainTextResponse(f"{file}: expected the file that was loaded, got another; restart the service", 409)
    return FileResponse(file, media_type="application/octet-stream", headers={"Cache-Control": _FOR_EVER} if asked else None)


class _Guarded:
    """Puts `HEADERS` on every answer, and has files asked for again (they have an ETag) unless their route says otherwise."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("Cache-Control", _ASK_AGAIN)
            await send(message)

        await self._app(scope, receive, guarded)
