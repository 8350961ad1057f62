"""The sticker service on BentoML: `python -m serving serve`, or `bentoml serve serving.service:StickerService`."""

import html
import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Self, TypeVar

import bentoml
import cv2
from bentoml.exceptions import BentoMLException
from pydantic import BaseModel, Field, ValidationError
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from serving import pipeline
from serving.edge import App, Edge
from serving.models import ChampionWatcher, Loaded, ModelSet
from serving.options import ClassifyOptions, CutoutOptions, StickerOptions
from sticker_studio.errors import NothingFound, StickerError
from sticker_studio.settings import Settings
from sticker_studio.types import CLASSIFIER, SEGMENTORS, Style

log = logging.getLogger(__name__)

MAX_PIXELS: Final = 40_000_000
TIMEOUT_S: Final = 60
MAX_CONCURRENCY: Final = 64
_MAX_FIELDS: Final = 20

_Options = TypeVar("_Options", bound=BaseModel)


class Refused(BentoMLException):
    """A `StickerError` on its way through BentoML to an HTTP status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message, error_code=HTTPStatus(status))


class _Form(bentoml.IODescriptor):  # type: ignore[misc]  # BentoML ships no types
    """A multipart form with one file, read strictly.

    BentoML's own reading fetches an address that stands where a file should (a way round every SSRF guard), takes JSON, and turns a
    broken form into a 500.
    """

    options: ClassVar[type[BaseModel]]
    image: Annotated[Path, Field(description="the picture: JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF")]

    @classmethod
    async def from_http_request(cls, request: Request, serde: object) -> Self:
        """Read the form. Raises `Refused` telling what was expected."""
        fields = await _read_form(request)
        file = fields.pop("image", None)
        if not isinstance(file, UploadFile):
            raise Refused("image: expected a file in the multipart field 'image', got " + ("text" if file else "none") + "; send the file itself", 400)
        data = await file.read()
        chosen = _checked(cls.options, fields)
        form: Self = cls.model_construct(image=data, **chosen.model_dump())
        return form


async def _read_form(request: Request) -> dict[str, Any]:
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "multipart/form-data":
        raise Refused(f"expected multipart/form-data with the field 'image', got {kind or 'no content type'}", 415)
    try:
        form = await request.form(max_files=1, max_fields=_MAX_FIELDS)
    except ClientDisconnect as error:
        raise Refused("the connection ended before the picture was whole; send it again", 400) from error
    except Exception as error:
        raise Refused(f"expected a well-formed multipart form with one file: {getattr(error, 'detail', error)}", 400) from error
    names = [name for name, _ in form.multi_items()]
    if len(names) != len(set(names)):
        raise Refused(f"expected each field once, got {', '.join(sorted(names))}", 400)
    return dict(form)


def _checked(options: type[_Options], fields: dict[str, Any]) -> _Options:
    if any(isinstance(value, UploadFile) for value in fields.values()):
        raise Refused("expected one file, in the field 'image'", 400)
    try:
        return options.model_validate(fields)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}, got {str(e['input'])[:60]!r}" for e in error.errors())
        raise Refused(f"{problems}. Options: {', '.join(options.model_fields) or 'none'}", 400) from error


class StickerForm(_Form, StickerOptions):
    """Form of `POST /sticker`."""

    options = StickerOptions


class CutoutForm(_Form, CutoutOptions):
    """Form of `POST /cutout`."""

    options = CutoutOptions


class ClassifyForm(_Form, ClassifyOptions):
    """Form of `POST /classify`."""

    options = ClassifyOptions


class StyleAnswer(BaseModel):
    """Answer of `POST /classify`."""

    style: Style
    probability: float
    version: str


# --- pages that are not BentoML APIs (those are POST only)


async def _models_page(request: Request) -> Response:
    return JSONResponse({"models": current_service().models().describe()})


async def _health_page(request: Request) -> Response:
    models = current_service().models().describe()
    return JSONResponse({"status": "ok", "models": {name: model["version"] for name, model in models.items()}})


async def _docs_page(request: Request) -> Response:
    return HTMLResponse(DOCS_PAGE)


DOCS_PAGE: Final = f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="UTF-8"><title>{html.escape("Sticker Studio service")}</title>
<link rel="stylesheet" href="./static_content/swagger-ui.css"><link rel="stylesheet" href="./static_content/index.css">
<link rel="icon" type="image/png" href="./static_content/favicon-light-32x32.png"></head>
<body><div id="swagger-ui"></div>
<script src="./static_content/swagger-ui-bundle.js"></script><script src="./static_content/swagger-ui-standalone-preset.js"></script>
<script src="./static_content/swagger-initializer.js"></script></body></html>"""
"""BentoML's own page without its tag manager."""

PAGES: Final = Starlette(
    routes=[
        Route("/models", _models_page, methods=["GET"]),
        Route("/health", _health_page, methods=["GET"]),
        Route("/docs", _docs_page, methods=["GET"]),
        Route("/", _docs_page, methods=["GET"]),
    ]
)


class _Running:
    """The service of this process, for the pages and the edge; BentoML makes one for each worker."""

    service: ClassVar["Any"] = None


def current_service() -> Any:
    """The running service of this worker."""
    return _Running.service


def _count(endpoint: str, code: int, seconds: float) -> None:
    if _Running.service is not None:
        _Running.service.metrics.request(endpoint, code, seconds)


class _EdgedService(bentoml.Service):  # type: ignore[misc]  # BentoML ships no types
    """A BentoML service with `Edge` outermost (`Service.add_asgi_middleware` would put it inside the traffic limits and metrics), and with its
    processes and threads taken from the settings when it starts rather than when it is imported."""

    def inject_config(self) -> None:
        """Called by BentoML before it reads the configuration."""
        settings = Settings.from_env()
        self.config.update(workers=settings.service_workers, threads=settings.service_threads)
        super().inject_config()

    def to_asgi(self, is_main: bool = True) -> App:
        """The whole ASGI app."""
        return Edge(super().to_asgi(is_main=is_main), max_body_bytes=Settings.from_env().upload_max_bytes, on_done=_count)


@bentoml.asgi_app(PAGES, path="/", name="pages")
@bentoml.service(
    service_class=_EdgedService,
    name="sticker-studio",
    description="Any picture in, a messaging-ready sticker out.",
    traffic={"timeout": TIMEOUT_S, "max_concurrency": MAX_CONCURRENCY},
    http={"cors": {"enabled": False}},
)
class StickerService:
    """Stickers, cut-outs and styles over HTTP."""

    def __init__(self) -> None:
        from serving.metrics import ServiceMetrics

        settings = Settings.from_env()
        cv2.setNumThreads(1)
        self.metrics = ServiceMetrics()
        self._watcher = ChampionWatcher(settings, on_swap=self._swapped, on_look=self.metrics.registry_up)
        for loaded in self._watcher.current.by_name.values():
            self.metrics.serving(loaded.resolved)
        self._max_bytes = settings.upload_max_bytes
        self._watcher.start()
        threading.Thread(target=_follow_parent, name="parent-watcher", daemon=True).start()
        _Running.service = self

    def models(self) -> ModelSet:
        """The models that serve now."""
        return self._watcher.current

    def __is_ready__(self) -> bool:
        return bool(self._watcher.current.by_name)

    def _swapped(self, loaded: Loaded) -> None:
        self.metrics.swapped(loaded.resolved)

    def _decoded(self, data: bytes) -> pipeline.Picture:
        with self.metrics.stage("decode"):
            return pipeline.decode(data, max_bytes=self._max_bytes, max_pixels=MAX_PIXELS)

    @bentoml.api(route="/sticker", input_spec=StickerForm)  # type: ignore[untyped-decorator]
    def sticker(self, image: bytes, **options: Any) -> Annotated[Path, bentoml.validators.ContentType("image/webp")]:
        """A picture to a messaging-ready sticker."""
        chosen, models = StickerOptions(**options), self.models()
        with _refusing("/sticker", self.metrics):
            made = pipeline.make_sticker(self._decoded(image), models.for_pipeline(), chosen, timer=self.metrics.stage)
        answer: Path = self._file("/sticker", made, models)
        return answer

    @bentoml.api(route="/cutout", input_spec=CutoutForm)  # type: ignore[untyped-decorator]
    def cutout(self, image: bytes, **options: Any) -> Annotated[Path, bentoml.validators.ContentType("image/png")]:
        """A picture to its subject on a transparent ground."""
        chosen, models = CutoutOptions(**options), self.models()
        with _refusing("/cutout", self.metrics):
            made = pipeline.make_cutout(self._decoded(image), models.for_pipeline(), chosen, timer=self.metrics.stage)
        answer: Path = self._file("/cutout", made, models)
        return answer

    @bentoml.api(route="/classify", input_spec=ClassifyForm)  # type: ignore[untyped-decorator]
    def classify(self, image: bytes) -> StyleAnswer:
        """The style of a picture: anime or normal."""
        models = self.models()
        with _refusing("/classify", self.metrics):
            picture = self._decoded(image)
            with self.metrics.stage("classify"):
                style, probability = pipeline.style_of(picture, models.for_pipeline().classifier)
        return StyleAnswer(style=style, probability=round(probability, 6), version=models.version(CLASSIFIER))

    def _file(self, endpoint: str, made: pipeline.Made, models: ModelSet) -> Any:
        found, exported = made.found, made.exported
        self.metrics.made(endpoint, style=found.style, how=found.how, size_bytes=len(exported.data))
        return Response(exported.data, media_type=exported.mime, headers=_headers(made, models))


def _headers(made: pipeline.Made, models: ModelSet) -> dict[str, str]:
    found, segmentor = made.found, SEGMENTORS[made.found.style]
    return {
        "X-Sticker-Style": found.style,
        "X-Sticker-Style-Probability": f"{found.style_probability:.4f}",
        "X-Sticker-Classifier-Version": models.version(CLASSIFIER),
        "X-Sticker-Segmentor": segmentor,
        "X-Sticker-Segmentor-Version": models.version(segmentor),
        "X-Sticker-Cut": found.how,
        "X-Sticker-Subjects": str(found.subjects),
        "X-Sticker-Quality": str(made.exported.quality),
        "X-Sticker-Bytes": str(len(made.exported.data)),
    }


@contextmanager
def _refusing(endpoint: str, metrics: Any) -> Iterator[None]:
    """The one place where errors become HTTP statuses."""
    try:
        yield
    except StickerError as error:
        if isinstance(error, NothingFound):
            metrics.nothing_found(endpoint)
        raise Refused(str(error), error.http_status) from error


def _follow_parent() -> None:
    """End this worker when its supervisor is killed: an orphan would hold the port that the next one needs."""
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(0.5)
    log.warning("the supervising process %s is gone; this worker ends", parent)
    os.kill(os.getpid(), signal.SIGTERM)
