"""The calls of one generation: within one time limit, repeated where that may help, the key hidden in whatever is told.

Proxies of the environment are not used and redirects are not followed: a key goes to the configured host and nowhere else.
"""

import asyncio
import json
import logging
import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, Protocol, TypeVar

import httpx
from PIL import Image
from pydantic import SecretStr

from sticker_studio import images
from sticker_studio.errors import (
    AnswerInvalid,
    CreationFailed,
    CreditExhausted,
    InputError,
    KeyRefused,
    Moderated,
    ProviderUnreachable,
    RateLimited,
    RequestRejected,
)

log = logging.getLogger(__name__)

MAX_PICTURE_BYTES: Final = 20_000_000
MAX_PICTURE_PIXELS: Final = 20_000_000
_TOLD_CHARACTERS: Final = 300

_WORDS: Final[dict[type[CreationFailed], tuple[str, str]]] = {
    KeyRefused: ("the key to be taken", "check the key and what it may do"),
    CreditExhausted: ("credit", "buy credit or change the plan there"),
    RateLimited: ("a picture", "ask less often"),
    Moderated: ("a description that its moderation lets pass", "describe something else"),
    ProviderUnreachable: ("a picture", "check the network, or try later"),
    RequestRejected: ("the request to be taken", "change the description"),
    AnswerInvalid: ("an answer as documented", "try later, or check the provider's address"),
}
_BY_STATUS: Final[dict[int, type[CreationFailed]]] = {401: KeyRefused, 402: CreditExhausted, 403: KeyRefused, 429: RateLimited}

_Result = TypeVar("_Result")


class Clock(Protocol):
    """The part of the module `time` that is used here."""

    def monotonic(self) -> float:
        """Seconds since some moment."""

    def sleep(self, seconds: float, /) -> None:
        """Wait."""


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How long to wait for a provider, and how often to ask again. `tries` counts the first one; waits double, up to `longest_wait_s`."""

    connect_s: float = 5.0
    read_s: float = 90.0
    tries: int = 3
    first_wait_s: float = 1.0
    longest_wait_s: float = 20.0
    clock: Clock = time


@dataclass(frozen=True)
class Reply:
    """An answer that arrived whole, of whatever status."""

    status: int
    headers: httpx.Headers
    body: bytes

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; empty when it is none."""
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}


def checked_key(key: SecretStr, setting: str) -> SecretStr:
    """The key without spaces around it. Raises `InputError` for what is no bearer token (RFC 6750, 2.1), without showing it."""
    text = key.get_secret_value().strip()
    if not re.fullmatch(r"[A-Za-z0-9._~+/=-]+", text):
        raise InputError(f"{setting}: expected a key of letters, digits and ._~+/=-, got {len(text)} characters with others among them; copy the key anew")
    return SecretStr(text)


def checked_url(url: str, setting: str) -> str:
    """The provider's address without a slash at its end. Raises `InputError` for what is no http(s) address."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        parsed = httpx.URL("")
    if parsed.scheme not in ("http", "https") or not parsed.host or parsed.userinfo:
        raise InputError(f"{setting}: expected an address such as https://example.org, got another form; leave it unset for the provider's own")
    return url.rstrip("/")


class Calls:
    """What one generation asks of `provider` within `timeout_s` seconds."""

    def __init__(self, provider: str, key: SecretStr, *, timeout_s: float, pace: Pace) -> None:
        self.provider = provider
        self._key = key.get_secret_value()
        self._pace = pace
        self._end_s = pace.clock.monotonic() + timeout_s
        self._timeout_s = timeout_s

    def left_s(self) -> float:
        """Seconds left, 0 when none are."""
        return max(0.0, self._end_s - self._pace.clock.monotonic())

    def wait(self, seconds: float) -> None:
        """Sleep. Raises `ProviderUnreachable` instead where less time than that is left."""
        if seconds >= self.left_s():
            raise self.too_slow()
        self._pace.clock.sleep(seconds)

    def too_slow(self) -> CreationFailed:
        """The error of the whole time limit."""
        return self.error(ProviderUnreachable, f"none within {self._timeout_s:.3g} s", transient=False)

    def told(self, value: object) -> str:
        """What a provider said, on one line, shortened, and without our key should it repeat it."""
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
        return " ".join(text.replace(self._key, "***").split())[:_TOLD_CHARACTERS]

    def retried(self, call: Callable[[], _Result]) -> _Result:
        """The result of `call`, tried again after a transient failure: exponential back-off with jitter, or the wait that the provider asks for.

        The last failure is raised when the tries are used up or the wait would pass the time limit.
        """
        tried = 1
        while True:
            try:
                return call()
            except CreationFailed as failure:
                wait_s = self._backoff_s(tried) if failure.retry_after_s is None else failure.retry_after_s
                if not failure.transient or tried >= self._pace.tries or wait_s >= self.left_s():
                    raise
                log.info("creation: %s: %s, try %d of %d, next in %.1f s", self.provider, failure.reason, tried, self._pace.tries, wait_s)
            self._pace.clock.sleep(wait_s)
            tried += 1

    def _backoff_s(self, tried: int) -> float:
        longest = min(self._pace.longest_wait_s, self._pace.first_wait_s * 2.0 ** (tried - 1))
        return longest * random.uniform(0.5, 1.0)  # noqa: S311  # jitter, so that many clients do not come back together

    def post(self, url: str, *, max_bytes: int = MAX_PICTURE_BYTES, **request: Any) -> Reply:
        """`POST` once; `request` is what httpx takes (json, data, files, headers).

        Raises `ProviderUnreachable` without a whole answer: transient after a broken connection, but not after a time-out, for then the picture may have been
        made and charged, and the next provider is the better bet. Raises `AnswerInvalid` above `max_bytes`.
        """
        if self.left_s() <= 0:
            raise self.too_slow()
        try:
            return asyncio.run(self._exchange(url, max_bytes, request))
        except TimeoutError:
            raise self.too_slow() from None
        except httpx.TransportError as error:
            transient = isinstance(error, httpx.ConnectTimeout) or not isinstance(error, httpx.TimeoutException)
            raise self.error(ProviderUnreachable, self.told(str(error)) or type(error).__name__, transient=transient) from None

    async def _exchange(self, url: str, max_bytes: int, request: dict[str, Any]) -> Reply:
        # asyncio for its time limit: httpx's own limits hold for each read, and an answer that drips would pass them for ever.
        timeout = httpx.Timeout(self._pace.read_s, connect=self._pace.connect_s)
        async with asyncio.timeout(self.left_s()), httpx.AsyncClient(timeout=timeout, trust_env=False) as client:
            headers = {"Accept-Encoding": "identity", **request.pop("headers", {})}
            async with client.stream("POST", url, headers=headers, **request) as response:
                body = bytearray()
                async for chunk in response.aiter_raw():
                    body += chunk
                    if len(body) > max_bytes:
                        raise self.error(AnswerInvalid, f"more than {max_bytes} bytes")
                return Reply(response.status_code, response.headers, bytes(body))

    def error(self, kind: type[CreationFailed], got: str, *, transient: bool | None = None, retry_after_s: float | None = None) -> CreationFailed:
        """An error of `kind` in words; `got` holds what the provider said, through `told`. Transient as its kind is, unless told otherwise."""
        expected, remedy = _WORDS[kind]
        passing = kind in (RateLimited, ProviderUnreachable) if transient is None else transient
        return kind(f"{self.provider}: expected {expected}, got {got}; {remedy}", transient=passing, retry_after_s=retry_after_s)

    def failure(self, reply: Reply, said: object) -> CreationFailed:
        """The error that a status other than 200 means; `said` is the provider's explanation."""
        kind = _BY_STATUS.get(reply.status) or (ProviderUnreachable if reply.status >= 500 else RequestRejected if reply.status >= 400 else AnswerInvalid)
        return self.error(kind, f"{reply.status} ({self.told(said)})", retry_after_s=retry_after_s(reply.headers.get("retry-after")))

    def picture(self, data: bytes) -> Image.Image:
        """Decode what is said to be a picture. Raises `AnswerInvalid` when it is none, or one above the limits."""
        try:
            return images.open_upright(data, max_bytes=MAX_PICTURE_BYTES, max_pixels=MAX_PICTURE_PIXELS)
        except InputError as error:
            raise self.error(AnswerInvalid, f"a file that cannot be used ({error})") from None


def retry_after_s(header: str | None) -> float | None:
    """Seconds that a Retry-After header asks for, given as a number or as a date; None without one that can be read."""
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return max(0.0, (date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
