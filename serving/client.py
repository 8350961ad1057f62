"""The sticker service as its callers see it over HTTP: the Studio page and the benchmarks."""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpx

from sticker_studio.errors import InputError, NothingFound, NotKept, StickerError, Unavailable

TIMEOUT_S: Final = 90.0


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A finished file and what the service's headers tell of it; `id` where the service keeps the sticker."""

    data: bytes
    mime: str
    id: str | None
    style: str
    style_probability: float
    classifier_version: str
    segmentor: str
    segmentor_version: str
    cut: str
    subjects: int


@dataclass(frozen=True, kw_only=True)
class File:
    """A file that the service made or kept."""

    data: bytes
    mime: str


@dataclass(frozen=True, kw_only=True)
class Pack(File):
    """A finished pack; `reports` tells for each kind of pack whether it complies, and the bytes of each file in it."""

    file_name: str
    reports: Mapping[str, Mapping[str, Any]]


class StickerClient:
    """Calls of one service. Raises `NothingFound`, `NotKept`, `InputError` or `Unavailable` with the service's own words."""

    def __init__(self, url: str, *, key: str = "", timeout_s: float = TIMEOUT_S, transport: httpx.BaseTransport | None = None) -> None:
        self.url = url.rstrip("/")
        self._http = httpx.Client(base_url=self.url, timeout=timeout_s, transport=transport, headers={"X-Api-Key": key} if key else {})

    def sticker(self, picture: bytes, *, strokes: Mapping[str, bytes] | None = None, **options: object) -> Answer:
        """`POST /sticker`; `strokes` are masks named `erase` and `restore`."""
        return _answer(self._post("/sticker", {"image": picture, **(strokes or {})}, options))

    def cutout(self, picture: bytes, *, strokes: Mapping[str, bytes] | None = None, **options: object) -> Answer:
        """`POST /cutout`; `strokes` as of `sticker`."""
        return _answer(self._post("/cutout", {"image": picture, **(strokes or {})}, options))

    def classify(self, picture: bytes) -> dict[str, Any]:
        """`POST /classify`."""
        return dict(self._post("/classify", {"image": picture}, {}).json())

    def models(self) -> dict[str, dict[str, str]]:
        """`GET /models`."""
        return dict(self._checked(lambda: self._http.get("/models")).json()["models"])

    def generate(self, prompt: str, **options: object) -> dict[str, Any]:
        """`POST /generate`: the job."""
        return dict(self._checked(lambda: self._http.post("/generate", json={"prompt": prompt, **options})).json())

    def job(self, job_id: str) -> dict[str, Any]:
        """`GET /jobs/{id}`."""
        return dict(self._checked(lambda: self._http.get(f"/jobs/{job_id}")).json())

    def kept(self, sticker_id: str) -> File:
        """`GET /stickers/{id}`: the file."""
        return _file(self._checked(lambda: self._http.get(f"/stickers/{sticker_id}")))

    def record(self, sticker_id: str) -> dict[str, Any]:
        """`GET /stickers/{id}`: what is known of it."""
        return dict(self._checked(lambda: self._http.get(f"/stickers/{sticker_id}", headers={"Accept": "application/json"})).json())

    def forget(self, sticker_id: str) -> None:
        """`DELETE /stickers/{id}`."""
        self._checked(lambda: self._http.delete(f"/stickers/{sticker_id}"))

    def feedback(self, sticker_id: str, *, mask: bytes, picture: bytes | None) -> dict[str, Any]:
        """`POST /feedback` with a corrected mask; a `picture` is its owner's consent to keep it."""
        files = {"mask": mask} if picture is None else {"mask": mask, "image": picture}
        return dict(self._post("/feedback", files, {"sticker": sticker_id, "consent": picture is not None}).json())

    def pack(self, stickers: Sequence[str], **options: object) -> Pack:
        """`POST /pack` of kept stickers by their ids."""
        sent, headers = {"stickers": list(stickers), **options}, {"Accept": "application/json"}
        told = self._checked(lambda: self._http.post("/pack", json=sent, headers=headers)).json()
        return Pack(data=base64.b64decode(told["file"]), mime=told["mime"], file_name=told["file_name"], reports=told["reports"])

    def _post(self, path: str, files: Mapping[str, bytes], options: Mapping[str, object]) -> httpx.Response:
        fields = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in options.items()}
        parts = {name: (name, data) for name, data in files.items()}
        return self._checked(lambda: self._http.post(path, files=parts, data=fields))

    def _checked(self, call: Callable[[], httpx.Response]) -> httpx.Response:
        try:
            response = call()
        except httpx.HTTPError as error:
            raise Unavailable(f"expected the sticker service at {self.url}, got {error!r}; is it running?") from error
        if response.status_code >= 400:
            raise _error(response)
        return response


def _error(response: httpx.Response) -> StickerError:
    try:
        told = response.json()["error"]
        message = "; ".join(part for part in (str(told["message"]), str(told.get("remedy", ""))) if part)
        code = str(told.get("code", ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        message, code = f"expected an answer of the sticker service, got {response.status_code}: {response.text[:200]}", ""
    if code == NothingFound("").code:
        return NothingFound(message)
    if response.status_code == NotKept.http_status:
        return NotKept(message)
    return InputError(message) if response.status_code < 500 and response.status_code != httpx.codes.TOO_MANY_REQUESTS else Unavailable(message)


def _file(response: httpx.Response) -> File:
    return File(data=response.content, mime=response.headers["content-type"].split(";")[0])


def _answer(response: httpx.Response) -> Answer:
    headers = response.headers
    return Answer(
        data=response.content,
        mime=headers["content-type"],
        id=headers.get("x-sticker-id"),
        style=headers["x-sticker-style"],
        style_probability=float(headers["x-sticker-style-probability"]),
        classifier_version=headers["x-sticker-classifier-version"],
        segmentor=headers["x-sticker-segmentor"],
        segmentor_version=headers["x-sticker-segmentor-version"],
        cut=headers["x-sticker-cut"],
        subjects=int(headers["x-sticker-subjects"]),
    )
