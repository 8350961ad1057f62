"""What stands before BentoML: keys and rates, bounded bodies, bounded metric labels, one shape of error.

BentoML 1.4 has no limit on a request's size, labels its metrics with any path asked for, and answers errors in four shapes (a list, a
dict, two strings). This ASGI layer is outermost, so that its own 429 and 504 answers pass through it too.
"""

import asyncio
import hmac
import json
import math
import time
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

import cachetools

from sticker_studio.errors import StickerError

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
OnDone = Callable[[str, int, float], None]

PATHS: Final = frozenset(
    {"/", "/docs", "/docs.json", "/schema.json", "/sticker", "/cutout", "/segment", "/classify", "/stickers", "/pack", "/feedback", "/generate", "/models",
     "/health", "/livez", "/readyz", "/healthz", "/metrics", "/private"}
)  # fmt: skip
FOLDERS: Final = {"/static_content/": "static", "/stickers/": "/stickers/{id}", "/jobs/": "/jobs/{id}", "/private/": "/private"}
"""Paths with an id or a file's name in them, and the label that all of one kind share."""
DRAIN_FACTOR: Final = 4
"""A body over the limit is read and thrown away up to this many times the limit, so that an honest client hears the answer."""

_REMEDIES: Final = {
    400: "GET /docs tells what each endpoint takes",
    401: "send the header Authorization: Bearer <key>, with a key that the operator gave you",
    404: "GET /docs lists what there is",
    405: "GET /docs tells each endpoint's method",
    413: "send a smaller picture",
    415: "GET /docs tells what each endpoint takes",
    429: "wait a second and send it again",
    500: "try again; if it stays, tell the operator the time: the service's log has the reason",
    503: "try again later",
    504: "send a smaller picture, or wait and send it again",
}
"""What to do about an error that BentoML or Starlette answers."""


class Edge:
    """The outermost layer. `on_done(endpoint, code, seconds)` is called after each request."""

    def __init__(self, app: App, *, max_body_bytes: int, gate: "Gate", on_done: OnDone) -> None:
        self._app, self._max_body_bytes, self._gate, self._on_done = app, max_body_bytes, gate, on_done

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection event of the ASGI protocol."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        answer = _Answer(send)
        await self._handle(scope, receive, answer)
        self._on_done(endpoint(scope["path"]), answer.status or 500, time.perf_counter() - started)

    async def _handle(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        if endpoint(scope["path"]) == "other":
            await answer.fail(404, f"expected a path of this service, got {scope['path'][:80]!r}")
            return
        body = _CountedBody(receive, self._max_body_bytes)
        refused = self._gate.refuses(scope) if scope["method"] == "POST" else None
        if refused is not None:
            await body.drain()
            await answer.fail(refused.status, refused.message, headers=refused.headers)
            return
        if body.announced(scope) > self._max_body_bytes:
            if body.announced(scope) <= DRAIN_FACTOR * self._max_body_bytes:  # else nobody waits for what may never come
                await body.drain()
            await answer.fail(413, body.message())
            return
        answer.body = body
        await self._app(scope, body, answer)
        await answer.finish()


def endpoint(path: str) -> str:
    """The metric label of a path: one of a fixed list, or `other`."""
    label = next((label for folder, label in FOLDERS.items() if path.startswith(folder) and ".." not in path), "other")
    return path if path in PATHS else label


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Why a request is not let in."""

    status: int
    message: str
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)


class Gate:
    """Who may send pictures, and how many a minute. Without keys everyone may; 0 a minute is no limit. Each replica counts by itself.

    A caller is its key, or without keys the address of its connection (a forwarded address could be made up).
    """

    def __init__(self, keys: Collection[str] = (), *, per_minute: int = 0, clock: Callable[[], float] = time.monotonic) -> None:
        self._keys, self._per_minute, self._clock = tuple(key.encode() for key in keys), per_minute, clock
        self._buckets: cachetools.LRUCache[bytes, tuple[float, float]] = cachetools.LRUCache(10_000)

    def refuses(self, scope: Scope) -> Refusal | None:
        """Why this request is refused; None lets it in and counts it."""
        caller = self._caller(scope)
        if caller is None:
            return Refusal(status=401, message="expected a known key, got none or another", headers=[(b"www-authenticate", b"Bearer")])
        wait_s = self._wait_s(caller) if self._per_minute else 0.0
        if wait_s:
            message = f"expected at most {self._per_minute} requests a minute, got more"
            return Refusal(status=429, message=message, headers=[(b"retry-after", str(math.ceil(wait_s)).encode())])
        return None

    def _caller(self, scope: Scope) -> bytes | None:
        if not self._keys:
            return str((scope.get("client") or ("",))[0]).encode()
        headers = dict(scope["headers"])
        sent = headers.get(b"x-api-key") or headers.get(b"authorization", b"").removeprefix(b"Bearer ")
        return next((key for key in self._keys if hmac.compare_digest(key, sent)), None)

    def _wait_s(self, caller: bytes) -> float:
        """0 and one request less in the caller's bucket, or the seconds until there is room for one."""
        now = self._clock()
        room, seen = self._buckets.get(caller, (float(self._per_minute), now))
        room = min(float(self._per_minute), room + (now - seen) * self._per_minute / 60)
        self._buckets[caller] = (room - 1 if room >= 1 else room, now)
        return 0.0 if room >= 1 else (1 - room) * 60 / self._per_minute


class _CountedBody:
    """`receive` that counts the body, chunked or not, and cuts the connection's input off at the limit."""

    def __init__(self, receive: Receive, max_bytes: int) -> None:
        self._receive, self._max_bytes = receive, max_bytes
        self.seen_bytes, self.ended, self.too_large = 0, False, False

    async def __call__(self) -> Message:
        if self.too_large:
            return {"type": "http.disconnect"}
        message = await self._next()
        if self.seen_bytes > self._max_bytes:
            self.too_large = True
            await self.drain()
            return {"type": "http.disconnect"}
        return message

    async def _next(self) -> Message:
        message = await self._receive()
        self.seen_bytes += len(message.get("body", b""))
        self.ended = message["type"] == "http.disconnect" or not message.get("more_body", False)
        return message

    async def drain(self) -> None:
        """Read the rest and throw it away, within bounds."""
        try:
            async with asyncio.timeout(15):
                while not self.ended and self.seen_bytes < DRAIN_FACTOR * self._max_bytes:
                    await self._next()
        except TimeoutError:
            self.ended = True

    def announced(self, scope: Scope) -> int:
        """The request's Content-Length; 0 for a chunked body."""
        value = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        return int(value) if value.isdigit() else 0

    def message(self) -> str:
        """What the caller is told."""
        return f"expected a request of at most {self._max_bytes} bytes, got more; send a smaller picture"


class _Answer:
    """`send` that holds an error answer back and gives it the one shape; everything else passes through."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0
        self.body: _CountedBody | None = None
        self._held: list[Message] = []
        self._failing = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self._failing = self.status >= 400
        if self._failing:
            self._held.append(message)
        else:
            await self._send(message)

    async def finish(self) -> None:
        """Send what was held back."""
        if self.body and self.body.too_large and (self._failing or not self.status):
            await self.fail(413, self.body.message())
        elif self._failing:
            raw = b"".join(message.get("body", b"") for message in self._held)
            await self._send_error(told(raw, self.status), _kept(self._held[0]["headers"]))

    async def fail(self, status: int, message: str, *, headers: list[tuple[bytes, bytes]] | None = None) -> None:
        """Answer with an error in the one shape."""
        await self._send_error(error_body(status, message), headers or [])

    async def _send_error(self, body: dict[str, dict[str, Any]], headers: list[tuple[bytes, bytes]]) -> None:
        self.status = body["error"]["status"]
        content = json.dumps(body).encode()
        own = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
        if self.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            own.append((b"connection", b"close"))
        await self._send({"type": "http.response.start", "status": self.status, "headers": [*headers, *own]})
        await self._send({"type": "http.response.body", "body": content})


def error_body(status: int, message: str, *, code: str = "", remedy: str = "") -> dict[str, dict[str, Any]]:
    """The one shape of an error: `{"error": {"status", "code", "message", "remedy"}}`; by default code and remedy are those of the status."""
    code = code or HTTPStatus(status).phrase.lower().replace(" ", "_").replace("-", "_")
    return {"error": {"status": status, "code": code, "message": message, "remedy": remedy or _REMEDIES.get(status, "GET /docs lists what there is")}}


def told_error(error: StickerError) -> dict[str, dict[str, Any]]:
    """An error of this project in the one shape."""
    message, remedy = error.message_and_remedy()
    return error_body(error.http_status, message, code=error.code, remedy=remedy)


def told(raw: bytes, status: int) -> dict[str, dict[str, Any]]:
    """An error answer of BentoML, Starlette or this service, whatever its shape, in the one shape."""
    try:
        answer: Any = json.loads(raw)
    except ValueError:
        message, _, remedy = (raw.decode(errors="replace").strip() or HTTPStatus(status).phrase).rpartition("; ")
        return error_body(status, message or remedy, remedy=remedy if message else "")
    if isinstance(answer, list) and answer:
        answer = answer[0]
    inner = answer.get("error", answer) if isinstance(answer, dict) else answer
    if isinstance(inner, dict) and "code" in inner:
        return {"error": inner}
    return error_body(status, str(inner.get("message", inner)) if isinstance(inner, dict) else str(inner))


def _kept(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name, value in headers if name.lower() not in (b"content-type", b"content-length")]
