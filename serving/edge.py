"""What stands before BentoML: bounded bodies, bounded metric labels, one shape of error.

BentoML 1.4 has no limit on a request's size, labels its metrics with any path asked for, and answers errors in four shapes (a list, a
dict, two strings). This ASGI layer is outermost, so that its own 429 and 504 answers pass through it too.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any, Final

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
OnDone = Callable[[str, int, float], None]

PATHS: Final = frozenset(
    {"/", "/docs", "/docs.json", "/schema.json", "/sticker", "/cutout", "/classify", "/models", "/health", "/livez", "/readyz", "/healthz", "/metrics"}
)
ASSETS: Final = "/static_content/"
DRAIN_FACTOR: Final = 4
"""A body over the limit is read and thrown away up to this many times the limit, so that an honest client hears the answer."""

_HINTS: Final = {
    404: "GET /docs lists what there is",
    405: "GET /docs tells each endpoint's method",
    429: "the service is busy; wait a second and send it again",
    504: "the picture took too long; send a smaller one, or wait and send it again",
}


class Edge:
    """The outermost layer. `on_done(endpoint, code, seconds)` is called after each request."""

    def __init__(self, app: App, *, max_body_bytes: int, on_done: OnDone) -> None:
        self._app, self._max_body_bytes, self._on_done = app, max_body_bytes, on_done

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
        if body.announced(scope) > self._max_body_bytes:
            await body.drain()
            await answer.fail(413, body.message())
            return
        answer.body = body
        await self._app(scope, body, answer)
        await answer.finish()


def endpoint(path: str) -> str:
    """The metric label of a path: one of a fixed list, or `other`."""
    if path.startswith(ASSETS) and ".." not in path:
        return "static"
    return path if path in PATHS else "other"


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
            await self.fail(self.status, told(raw, self.status), headers=_kept(self._held[0]["headers"]))

    async def fail(self, status: int, message: str, *, headers: list[tuple[bytes, bytes]] | None = None) -> None:
        """Answer with an error in the one shape."""
        self.status = status
        content = json.dumps(error_body(status, message)).encode()
        own = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
        if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            own.append((b"connection", b"close"))
        await self._send({"type": "http.response.start", "status": status, "headers": [*(headers or []), *own]})
        await self._send({"type": "http.response.body", "body": content})


def error_body(status: int, message: str) -> dict[str, dict[str, Any]]:
    """The one shape of an error: `{"error": {"status", "reason", "message"}}`."""
    hint = _HINTS.get(status)
    told = message if not hint or hint in message else f"{message}; {hint}"
    return {"error": {"status": status, "reason": HTTPStatus(status).phrase, "message": told}}


def told(raw: bytes, status: int) -> str:
    """The message in an error answer of BentoML, Starlette or this service, whatever its shape."""
    try:
        answer: Any = json.loads(raw)
    except ValueError:
        return raw.decode(errors="replace").strip() or HTTPStatus(status).phrase
    if isinstance(answer, list) and answer:
        answer = answer[0]
    inner = answer.get("error", answer) if isinstance(answer, dict) else answer
    return str(inner.get("message", inner)) if isinstance(inner, dict) else str(inner)


def _kept(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name, value in headers if name.lower() not in (b"content-type", b"content-length")]
