"""The sticker service as its callers see it over HTTP: the Studio page and the benchmarks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx

from sticker_studio.errors import InputError, NothingFound, StickerError, Unavailable

TIMEOUT_S: Final = 90.0


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A finished file and what the service's headers tell of it."""

    data: bytes
    mime: str
    style: str
    style_probability: float
    classifier_version: str
    segmentor: str
    segmentor_version: str
    cut: str
    subjects: int


class StickerClient:
    """Calls of one service. Raises `NothingFound`, `InputError` or `Unavailable` with the service's own words."""

    def __init__(self, url: str, *, timeout_s: float = TIMEOUT_S, transport: httpx.BaseTransport | None = None) -> None:
        self.url = url.rstrip("/")
        self._http = httpx.Client(base_url=self.url, timeout=timeout_s, transport=transport)

    def sticker(self, picture: bytes, **options: object) -> Answer:
        """`POST /sticker`."""
        return _answer(self._post("/sticker", picture, options))

    def cutout(self, picture: bytes, **options: object) -> Answer:
        """`POST /cutout`."""
        return _answer(self._post("/cutout", picture, options))

    def classify(self, picture: bytes) -> dict[str, Any]:
        """`POST /classify`."""
        return dict(self._post("/classify", picture, {}).json())

    def models(self) -> dict[str, dict[str, str]]:
        """`GET /models`."""
        return dict(self._checked(lambda: self._http.get("/models")).json()["models"])

    def _post(self, path: str, picture: bytes, options: Mapping[str, object]) -> httpx.Response:
        fields = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in options.items()}
        return self._checked(lambda: self._http.post(path, files={"image": ("picture", picture)}, data=fields))

    def _checked(self, call: Any) -> httpx.Response:
        try:
            response: httpx.Response = call()
        except httpx.HTTPError as error:
            raise Unavailable(f"expected the sticker service at {self.url}, got {error!r}; is it running?") from error
        if response.status_code >= 400:
            raise _error(response)
        return response


def _error(response: httpx.Response) -> StickerError:
    try:
        message = str(response.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        message = f"expected an answer of the sticker service, got {response.status_code}: {response.text[:200]}"
    if response.status_code == NothingFound.http_status:
        return NothingFound(message)
    return InputError(message) if response.status_code < 500 and response.status_code != httpx.codes.TOO_MANY_REQUESTS else Unavailable(message)


def _answer(response: httpx.Response) -> Answer:
    headers = response.headers
    return Answer(
        data=response.content,
        mime=headers["content-type"],
        style=headers["x-sticker-style"],
        style_probability=float(headers["x-sticker-style-probability"]),
        classifier_version=headers["x-sticker-classifier-version"],
        segmentor=headers["x-sticker-segmentor"],
        segmentor_version=headers["x-sticker-segmentor-version"],
        cut=headers["x-sticker-cut"],
        subjects=int(headers["x-sticker-subjects"]),
    )
