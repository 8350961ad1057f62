"""The sticker service on BentoML: `python -m serving serve`, or `bentoml serve serving.service:StickerService`."""

import base64
import gc
import hashlib
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import wraps
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final
from urllib.parse import quote

import bentoml
import cachetools
import cv2
from pydantic import BaseModel
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse, Response

from serving import animation, answers, feedback, packs, pages, pipeline, reading
from serving.answers import Finished, Stages
from serving.creation import chain
from serving.edge import App, Edge, Gate, told_error
from serving.forms import ClassifyForm, CutoutForm, FeedbackForm, GenerateForm, PackForm, PackRequest, SegmentForm, StickerForm, StickersForm, StyleAnswer
from serving.jobs import JobRunner
from serving.models import ChampionWatcher, Loaded, ModelSet
from serving.options import FeedbackOptions, GenerateOptions, LookOptions, StickerOptions
from serving.packs import PackOptions, StickerWords
from serving.pipeline import Made, Strokes
from serving.reading import Intake
from serving.records import Item, Job, Kept, Records
from sticker_studio import images, params, safety
from sticker_studio.errors import InputError, NothingFound, StickerError, Unavailable
from sticker_studio.settings import Settings, listed
from sticker_studio.store import ObjectStore
from sticker_studio.types import CLASSIFIER, RGB

log = logging.getLogger(__name__)

QUIET: Final = frozenset({"/readyz", "/livez", "/healthz", "/metrics", "static"})
"""Asked for every few seconds by supervisors, or many at a time by pages: counted, not logged."""
GENERATE: Final = "generate"
"""Kind of a job that begins with a description."""
EXPOSED: Final = ["Server-Timing", "X-Sticker-Id", "X-Sticker-Style", "X-Sticker-Cut", "X-Sticker-Subjects", "X-Sticker-Bytes", "X-Sticker-Segmentor-Version"]
"""Headers that pages of other origins may read."""


def _json(content: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Any:
    """A JSON answer; untyped, because an API's annotation is what its documentation shows."""
    return JSONResponse(content, status_code=status, headers=headers)


def _answering(call: Callable[[Any, Intake], Any]) -> Callable[..., Any]:
    """An API method that answers this project's errors in their one shape; the only place where they become HTTP statuses."""

    @wraps(call)
    def answer(self: Any, intake: Any, **_: Any) -> Any:
        try:
            if isinstance(intake, StickerError):
                raise intake
            return call(self, intake)
        except StickerError as error:
            if isinstance(error, NothingFound):
                self.metrics.nothing_found(f"/{call.__name__}")
            return _json(told_error(error), status=error.http_status)

    return answer


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """What a caller sends beside the picture: where a brush went, and what lies behind."""

    strokes: Strokes | None = None
    background: RGB | None = None


class _Running:
    """The service of this process, for the pages and the edge; BentoML makes one for each worker."""

    service: ClassVar["Any"] = None


def current_service() -> Any:
    """The running service of this worker."""
    return _Running.service


def _count(endpoint: str, code: int, seconds: float) -> None:
    if endpoint not in QUIET:
        log.info("%s %s %.0f ms", endpoint, code, 1000 * seconds)
    if _Running.service is not None:
        _Running.service.metrics.request(endpoint, code, seconds)


class _EdgedService(bentoml.Service):  # type: ignore[misc]  # BentoML ships no types
    """A BentoML service with `Edge` outermost (`Service.add_asgi_middleware` would put it inside the traffic limits and metrics), and with its
    processes, threads and limits taken from the settings when it starts rather than when it is imported."""

    def inject_config(self) -> None:
        """Called by BentoML before it reads the configuration."""
        settings = Settings.from_env()
        traffic = {"timeout": settings.service_timeout_s, "max_concurrency": settings.service_concurrency}
        self.config.update(workers=settings.service_workers, threads=settings.service_threads, traffic=traffic)
        super().inject_config()

    def to_asgi(self, is_main: bool = True) -> App:
        """The whole ASGI app."""
        settings = Settings.from_env()
        gate = Gate(listed(settings.api_keys.get_secret_value()), per_minute=settings.rate_per_minute)
        edge = Edge(super().to_asgi(is_main=is_main), max_body_bytes=settings.upload_max_bytes, gate=gate, on_done=_count)
        if not settings.cors_origins:
            return edge
        methods, headers = ["GET", "POST", "DELETE"], ["Authorization", "X-Api-Key", "Content-Type"]
        return CORSMiddleware(edge, allow_origins=listed(settings.cors_origins), allow_methods=methods, allow_headers=headers, expose_headers=EXPOSED)


@bentoml.asgi_app(pages.pages(current_service), path="/", name="pages")
@bentoml.service(
    service_class=_EdgedService,
    name="sticker-studio",
    description="Any picture in, a messaging-ready sticker out.",
    http={"cors": {"enabled": False}},
    logging={"access": {"enabled": False}},  # it would write addresses and the ids that nobody may guess; `_count` writes what an operator needs
)
class StickerService:
    """Stickers, cut-outs and styles over HTTP."""

    def __init__(self) -> None:
        from serving.metrics import ServiceMetrics

        self.settings = Settings.from_env()
        logging.getLogger("serving").setLevel(logging.INFO)
        cv2.setNumThreads(1)
        self.metrics = ServiceMetrics()
        self._watcher = ChampionWatcher(self.settings, on_swap=self._swapped, on_look=self.metrics.registry_up)
        for loaded in self._watcher.current.by_name.values():
            self.metrics.serving(loaded.resolved)
        self._store = ObjectStore(self.settings.store_url)
        self.records = Records(self.settings.records_url, self._store, ttl_s=self.settings.sticker_ttl_s)
        self._cache: cachetools.LRUCache[str, Finished] = cachetools.LRUCache(self.settings.cache_max_bytes, getsizeof=lambda done: len(done.exported.data))
        self._cache_lock = threading.Lock()
        self._jobs = JobRunner(self.records, self._work)
        self._watcher.start()
        self._jobs.start()
        threading.Thread(target=_follow_parent, name="parent-watcher", daemon=True).start()
        _Running.service = self
        gc.collect()
        gc.freeze()  # what stays for good is not looked through at each collection, so that what a refused request held is let go soon

    def models(self) -> ModelSet:
        """The models that serve now."""
        return self._watcher.current

    def __is_ready__(self) -> bool:
        return bool(self._watcher.current.by_name)

    def _swapped(self, loaded: Loaded) -> None:
        self.metrics.swapped(loaded.resolved)

    def _decoded(self, data: bytes, stages: Stages, *, wanted_side_px: int | None = None) -> pipeline.Picture:
        settings = self.settings
        with stages("decode"):
            return pipeline.decode(data, max_bytes=settings.upload_max_bytes, max_pixels=settings.upload_max_pixels, wanted_side_px=wanted_side_px)

    # --- APIs

    @bentoml.api(route="/sticker", input_spec=StickerForm)  # type: ignore[untyped-decorator]
    @_answering
    def sticker(self, intake: Intake) -> Annotated[Path, bentoml.validators.ContentType("image/webp")]:
        """A picture to a messaging-ready sticker."""
        answer: Path = self._file("/sticker", intake, self._make_sticker)
        return answer

    @bentoml.api(route="/cutout", input_spec=CutoutForm)  # type: ignore[untyped-decorator]
    @_answering
    def cutout(self, intake: Intake) -> Annotated[Path, bentoml.validators.ContentType("image/png")]:
        """A picture to its subject on a transparent ground."""
        answer: Path = self._file("/cutout", intake, self._make_cutout)
        return answer

    @bentoml.api(route="/segment", input_spec=SegmentForm)  # type: ignore[untyped-decorator]
    @_answering
    def segment(self, intake: Intake) -> dict[str, Any]:
        """The subjects of a picture: classes, scores, boxes and outlines, in 0..1 of the upright picture."""
        stages = Stages(self.metrics.stage)
        picture, models = self._decoded(intake.file("image"), stages), self.models()
        found = pipeline.find(picture, models.for_pipeline(), subject=intake.options.subject, fallback=intake.options.fallback, timer=stages)
        answer: dict[str, Any] = _json(answers.segments(found), headers={"Server-Timing": stages.header()})
        return answer

    @bentoml.api(route="/classify", input_spec=ClassifyForm)  # type: ignore[untyped-decorator]
    @_answering
    def classify(self, intake: Intake) -> StyleAnswer:
        """The style of a picture: anime or normal."""
        models, stages = self.models(), Stages(self.metrics.stage)
        picture = self._decoded(intake.file("image"), stages, wanted_side_px=pipeline.LOOK_SIDE_PX)
        with stages("classify"):
            style, probability = pipeline.style_of(picture, models.for_pipeline().classifier)
        told = StyleAnswer(style=style, probability=round(probability, 6), version=models.version(CLASSIFIER))
        answer: StyleAnswer = _json(told.model_dump(), headers={"Server-Timing": stages.header()})
        return answer

    @bentoml.api(route="/stickers", input_spec=StickersForm)  # type: ignore[untyped-decorator]
    @_answering
    def stickers(self, intake: Intake) -> dict[str, Any]:
        """Many pictures to stickers: a job, whose progress GET /jobs/{id} tells and DELETE /jobs/{id} cancels. One failure does not end the others."""
        if not intake.many:
            raise InputError("images: expected at least one picture, got none; send files in the field 'images', or their addresses as urls")
        named = [(name or f"picture {number + 1}", data) for number, (name, data) in enumerate(zip(intake.names, intake.many, strict=True))]
        answer: dict[str, Any] = self._queued("stickers", named, intake.options)
        return answer

    @bentoml.api(route="/generate", input_spec=GenerateForm)  # type: ignore[untyped-decorator]
    @_answering
    def generate(self, intake: Intake) -> dict[str, Any]:
        """A description to a sticker: a job, as of POST /stickers."""
        options: GenerateOptions = intake.options
        if not chain.generators(self.settings):
            raise Unavailable(chain.NO_KEY)
        prompt = safety.checked_prompt(options.prompt, terms=self._blocked_terms())
        answer: dict[str, Any] = self._queued(GENERATE, [(prompt, prompt.encode())], options)
        return answer

    def _blocked_terms(self) -> list[str]:
        return params.load(self.settings.params).validation.blocked_terms

    @bentoml.api(route="/feedback", input_spec=FeedbackForm)  # type: ignore[untyped-decorator]
    @_answering
    def feedback(self, intake: Intake) -> dict[str, Any]:
        """A verdict on a sticker, or its corrected mask; with the picture only where its owner consents."""
        options: FeedbackOptions = intake.options
        kept = self.records.sticker(options.sticker)
        picture, mask = intake.files.get("image"), intake.files.get("mask")
        feedback_id = feedback.keep(self._store, kept, options, mask=mask, picture=picture, max_pixels=self.settings.upload_max_pixels)
        self.metrics.feedback("corrected" if mask else options.verdict or "corrected", consent=options.consent)
        answer: dict[str, Any] = _json({"id": feedback_id, "sticker": kept.id, "picture_kept": options.consent}, status=201)
        return answer

    @bentoml.api(route="/pack", input_spec=PackForm)  # type: ignore[untyped-decorator]
    @_answering
    def pack(self, intake: Intake) -> Annotated[Path, bentoml.validators.ContentType("application/zip")]:
        """Several pictures or kept stickers to a pack for one or several platforms; with `Accept: application/json` its compliance report too."""
        request: PackRequest = intake.options
        stages = Stages(self.metrics.stage)
        stickers = [*self._kept_stickers(request), *self._new_stickers(intake, stages)]
        if not 0 < len(stickers) <= self.settings.upload_max_pictures or len(request.words) > len(stickers):
            most = self.settings.upload_max_pictures
            told = f"got {len(stickers)} and {len(request.words)} words"
            raise InputError(f"expected 1 to {most} pictures or ids of kept stickers, and no more words than these, {told}; send `images` or `stickers`")
        said = [packs.Sticker(data=each.data, words=_worded(each.words, words)) for each, words in zip_longest(stickers, request.words)]
        with stages("encode"):
            built = packs.build(said, PackOptions.model_validate({name: getattr(request, name) for name in PackOptions.model_fields}))
        reports = {target: report.model_dump() for target, report in built.reports.items()}
        answer: Any = Response(built.data, media_type=built.mime, headers=_as_download(built.file_name) | {"Server-Timing": stages.header()})
        if intake.wants_json:
            answer = _json({"file_name": built.file_name, "mime": built.mime, "reports": reports, "file": base64.b64encode(built.data).decode()})
        file: Path = answer
        return file

    def _kept_stickers(self, request: PackRequest) -> list[packs.Sticker]:
        kept = [self.records.sticker(sticker_id) for sticker_id in request.stickers]
        return [packs.Sticker(data=self.records.file(each), words=_known(each.facts, str(each.facts["options"].get("caption", "")))) for each in kept]

    def _new_stickers(self, intake: Intake, stages: Stages) -> list[packs.Sticker]:
        """The pictures as finished stickers of the best quality, from which each platform's are made."""
        options = StickerOptions.model_validate({name: getattr(intake.options, name) for name in LookOptions.model_fields} | {"platform": "png"})
        models, made = self.models(), []
        for number, data in enumerate(intake.many, start=1):
            try:
                done = answers.finished(self._make_sticker(data, options, Drawn(), models, stages), models, outlines=False)
            except StickerError as error:
                error.args = (f"picture {number}: {error}",)
                raise
            made.append(packs.Sticker(data=done.exported.data, words=_known(done.facts, options.caption)))
        return made

    # --- making

    def _make_sticker(self, data: bytes, options: Any, drawn: "Drawn", models: ModelSet, stages: Stages) -> Made:
        if animation.wanted(data, options):
            limits = animation.Limits(
                max_bytes=self.settings.upload_max_bytes, max_pixels=self.settings.upload_max_pixels, max_frames=self.settings.upload_max_frames
            )
            return animation.make(data, models.for_pipeline(), options, limits=limits, strokes=drawn.strokes, background=drawn.background, timer=stages)
        at_a_glance = options.layout == "sticker" and options.subject in ("all", "largest")  # a tap or a box may be on something small
        picture = self._decoded(data, stages, wanted_side_px=pipeline.GLANCE_SIDE_PX if at_a_glance else None)
        return pipeline.make_sticker(
            picture, models.for_pipeline(), options, strokes=drawn.strokes, background=drawn.background, timer=stages,
            whole=lambda: self._decoded(data, stages),
        )  # fmt: skip

    def _make_cutout(self, data: bytes, options: Any, drawn: "Drawn", models: ModelSet, stages: Stages) -> Made:
        return pipeline.make_cutout(self._decoded(data, stages), models.for_pipeline(), options, strokes=drawn.strokes, timer=stages)

    def _file(self, endpoint: str, intake: Intake, make: Callable[[bytes, Any, "Drawn", ModelSet, Stages], Made]) -> Any:
        """Make a file, or take it from the cache, keep it, and answer it as bytes with headers or as JSON."""
        models, stages = self.models(), Stages(self.metrics.stage)
        data = intake.file("image")
        picture_sha256 = hashlib.sha256(data).hexdigest()
        known = _fingerprint(endpoint, intake, models, picture_sha256)
        done = None if intake.fresh else self._cached(known)
        cached = done is not None
        if done is None:
            made = make(data, intake.options, self._drawn(intake), models, stages)
            done = answers.finished(made, models, outlines=intake.wants_json)
            self._remember(known, done)
        keeps = endpoint == "/sticker" and self.settings.sticker_ttl_s > 0
        kept = self._kept_if_possible(done, picture_sha256, intake.options, stages) if keeps else None
        self.metrics.made(endpoint, done.facts, cached=cached)
        headers = answers.headers(done.facts, stages, kept=kept, cached=cached)
        if intake.wants_json:
            return _json(answers.as_json(done, kept, stages), headers=headers)
        return Response(done.exported.data, media_type=done.exported.mime, headers=headers)

    def _drawn(self, intake: Intake) -> "Drawn":
        most = self.settings.upload_max_pixels
        masks = {name: feedback.coverage(intake.files[name], max_pixels=most) for name in ("erase", "restore") if name in intake.files}
        backdrop = intake.files.get("background_picture")
        return Drawn(strokes=Strokes(**masks) if masks else None, background=None if backdrop is None else images.decode_rgb(backdrop, max_pixels=most))

    def _keep(self, done: Finished, picture_sha256: str, options: BaseModel, stages: Stages) -> Kept:
        """Keep a finished sticker; of its picture only the hash."""
        facts = {**done.facts, "options": options.model_dump(mode="json"), "picture_sha256": picture_sha256}
        with stages("keep"):
            return self.records.keep(done.exported.data, done.exported.mime, facts)

    def _kept_if_possible(self, done: Finished, picture_sha256: str, options: BaseModel, stages: Stages) -> Kept | None:
        """As `_keep`; where the records or the store do not answer, the sticker is given out all the same, without an id."""
        try:
            return self._keep(done, picture_sha256, options, stages)
        except (Unavailable, OSError) as error:
            self.metrics.not_kept()
            log.warning("a sticker is not kept: %s", error)
            return None

    def _cached(self, known: str) -> Finished | None:
        with self._cache_lock:
            found: Finished | None = self._cache.get(known)
            return found

    def _remember(self, known: str, done: Finished) -> None:
        if len(done.exported.data) <= self._cache.maxsize:
            with self._cache_lock:
                self._cache[known] = done

    # --- jobs

    def _queued(self, kind: str, inputs: list[tuple[str, bytes]], options: BaseModel) -> Any:
        if not self.settings.sticker_ttl_s:
            raise Unavailable("jobs: expected STICKER_STICKER_TTL_S above 0, got 0: nothing is kept; send the pictures one by one to /sticker")
        job = self.records.add_job(kind, inputs, options.model_dump(mode="json"))
        self._jobs.wake()
        return _json(answers.job(job), status=202)

    def _work(self, job: Job, item: Item, data: bytes) -> Mapping[str, Any]:
        """One item of a job, a picture or a description, to a kept sticker."""
        if job.kind == GENERATE:
            return self._generated(reading.checked(GenerateOptions, job.options), data.decode())
        return {"sticker": self._sticker_of(data, reading.checked(StickerOptions, job.options), endpoint="/stickers")}

    def _generated(self, options: GenerateOptions, prompt: str) -> Mapping[str, Any]:
        created = chain.create(prompt, options.preset, generators=chain.generators(self.settings), seed=options.seed, blocked_terms=self._blocked_terms())
        made_by = {"provider": created.provider, "model": created.model, "seed": created.seed, "attempts": [asdict(attempt) for attempt in created.attempts]}
        return {"sticker": self._sticker_of(created.data, options, endpoint="/generate", made_by=made_by), **made_by}

    def _sticker_of(self, data: bytes, options: StickerOptions, *, endpoint: str, made_by: Mapping[str, Any] | None = None) -> str:
        """The id of the kept sticker that a picture became."""
        models, stages = self.models(), Stages(self.metrics.stage)
        done = answers.finished(self._make_sticker(data, options, Drawn(), models, stages), models, outlines=False)
        self.metrics.made(endpoint, done.facts, cached=False)
        told = replace(done, facts={**done.facts, **(made_by or {})})
        return self._keep(told, hashlib.sha256(data).hexdigest(), options, stages).id


def _known(facts: Mapping[str, Any], caption: str) -> StickerWords:
    """What the service knows of a sticker that it made."""
    classes = facts["classes"]
    return StickerWords(caption=caption, style=facts["style"], subject_class=classes[0] if len(classes) == 1 else None)


def _worded(known: StickerWords, given: StickerWords | None) -> StickerWords:
    """What the caller says goes before what is known."""
    return known if given is None else known.model_copy(update={name: getattr(given, name) for name in given.model_fields_set})


def _as_download(file_name: str) -> dict[str, str]:
    return {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(file_name)}"}


def _fingerprint(endpoint: str, intake: Intake, models: ModelSet, picture_sha256: str) -> str:
    """The same picture, strokes, options and models give the same file."""
    digest = hashlib.sha256(f"{endpoint} {intake.wants_json} {intake.options!r} {[loaded.sha256 for loaded in models.by_name.values()]}".encode())
    digest.update(picture_sha256.encode())
    for name in sorted(set(intake.files) - {"image"}):
        digest.update(f"{name} {len(intake.files[name])} ".encode())
        digest.update(intake.files[name])
    return digest.hexdigest()


def _follow_parent() -> None:
    """End this worker when its supervisor is killed: an orphan would hold the port that the next one needs."""
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(0.5)
    log.warning("the supervising process %s is gone; this worker ends", parent)
    os.kill(os.getpid(), signal.SIGTERM)
