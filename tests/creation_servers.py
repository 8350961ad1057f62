"""Providers of pictures on loopback: each speaks its documented protocol, and misbehaves when told to."""

import email.parser
import email.policy
import io
import json
import socket
import struct
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import numpy as np
from PIL import Image

KEY = "sk-t3st.Key_0123456789abcdef"
STABILITY_PRESETS = {
    *("3d-model", "analog-film", "anime", "cinematic", "comic-book", "digital-art", "enhance", "fantasy-art", "isometric", "line-art", "low-poly"),
    *("modeling-compound", "neon-punk", "origami", "photographic", "pixel-art", "tile-texture"),
}  # fmt: skip

Answer = Callable[["Handler"], None]


def picture(width: int = 96, height: int = 64, *, kind: str = "PNG", blank: bool = False) -> bytes:
    """An encoded picture: a red ellipse on grey, or one colour."""
    pixels = np.full((height, width, 3), 0 if blank else 190, np.uint8)
    y, x = np.mgrid[:height, :width]
    if not blank:
        pixels[((x - width / 2) / (width / 4)) ** 2 + ((y - height / 2) / (height / 3)) ** 2 < 1] = (220, 40, 40)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


# --- ways to answer


def raw(status: int, body: bytes, **headers: str) -> Answer:
    """Exactly this."""
    return lambda handler: handler.answer(status, body, **headers)


def told(status: int, value: object, **headers: str) -> Answer:
    """This, as JSON."""
    return raw(status, json.dumps(value).encode(), Content_Type="application/json", **headers)


def reset(handler: "Handler") -> None:
    """The connection is reset, as by a crashed process."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()
    handler.close_connection = True


def hang(handler: "Handler") -> None:
    """Nothing comes until the client or the server leaves."""
    handler.server.closing.wait(20)
    handler.close_connection = True


def drip(handler: "Handler") -> None:
    """A header every now and then, without end: no single read is late."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    for number in range(400):
        handler.wfile.write(b"X-%d: y\r\n" % number)
        time.sleep(0.05)


def endless(handler: "Handler") -> None:
    """A body of unknown length that never ends."""
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    for _ in range(4_000):
        handler.wfile.write(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")


def moved(where: str) -> Answer:
    """A redirect that keeps the method and the body."""
    return raw(307, b"", Location=where)


# --- the servers


class Handler(BaseHTTPRequestHandler):
    """Takes the next scripted answer, else the provider's own."""

    protocol_version = "HTTP/1.1"
    server: "Provider"
    fields: dict[str, Any]

    def log_message(self, *_: object) -> None:
        return

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.fields = self.server.read(self, body)
        self._reply()

    def do_GET(self) -> None:
        self.fields = {}
        self._reply()

    def _reply(self) -> None:
        self.server.seen.append((f"{self.command} {self.path}", self.fields, dict(self.headers)))
        scripted = self.server.script.get(self.path) or self.server.script.get("*")
        try:
            (scripted.popleft() if scripted else self.server.normally)(self)
        except OSError:  # the client left, as it should
            self.close_connection = True

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        """One whole answer."""
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)


class Provider(ThreadingHTTPServer, ABC):
    """A server of which a test reads `seen` (request line, fields, headers) and fills `script`: answers by path, or "*" for any."""

    daemon_threads = True
    name: ClassVar[str]

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[tuple[str, dict[str, Any], dict[str, str]]] = []
        self.script: dict[str, deque[Answer]] = {}
        self.closing = threading.Event()

    @property
    def host(self) -> str:
        """host:port"""
        return f"127.0.0.1:{self.server_port}"

    @property
    def url(self) -> str:
        """The base address."""
        return f"http://{self.host}"

    def next(self, *answers: Answer, path: str = "*") -> None:
        """Answer the next requests so."""
        self.script.setdefault(path, deque()).extend(answers)

    def requests(self, start: str = "") -> list[str]:
        """The request lines so far that begin so."""
        return [line for line, _, _ in self.seen if line.startswith(start)]

    @abstractmethod
    def read(self, handler: Handler, body: bytes) -> dict[str, Any]:
        """The fields of a request."""

    @abstractmethod
    def normally(self, handler: Handler) -> None:
        """What the documentation says."""

    def handle_error(self, *_: object) -> None:
        """A client that leaves early, as these tests want it to, is no news."""


class StabilityServer(Provider):
    """Stability AI's v2beta stable-image: multipart in, a picture or `{id, name, errors}` out."""

    name = "stability"

    def read(self, handler: Handler, body: bytes) -> dict[str, Any]:
        """The parts of the form, by name."""
        head = f"Content-Type: {handler.headers['Content-Type']}\r\n\r\n".encode()
        form = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
        return {str(part.get_param("name", header="content-disposition")): part.get_payload(decode=True).decode() for part in form.iter_parts()}  # type: ignore[union-attr]

    def normally(self, handler: Handler) -> None:
        """Check as documented, then draw."""
        problems = self._problems(handler)
        if handler.headers.get("authorization") != f"Bearer {KEY}":
            self.error(401, "unauthorized", "authorization: missing or invalid")(handler)
        elif problems:
            self.error(400, "bad_request", *problems)(handler)
        else:
            drawn = picture()
            raw(200, drawn, Content_Type="image/png", seed=handler.fields.get("seed", "7"), finish_reason="SUCCESS")(handler)

    @staticmethod
    def error(status: int, name: str, *errors: str, **headers: str) -> Answer:
        """An error as documented."""
        return told(status, {"id": "a1b2c3d4", "name": name, "errors": list(errors)}, **headers)

    @staticmethod
    def _problems(handler: Handler) -> list[str]:
        fields, last = handler.fields, handler.path.rsplit("/", 1)[-1]
        models = {"sd3.5-large", "sd3.5-large-turbo", "sd3.5-medium", "sd3.5-flash"}
        checks = {
            "path": handler.path == f"/v2beta/stable-image/generate/{last}" and last in ("core", "ultra", "sd3"),
            "accept": handler.headers.get("accept") in ("image/*", "application/json"),
            "content-type": handler.headers["Content-Type"].startswith("multipart/form-data; boundary="),
            "prompt": 1 <= len(fields.get("prompt", "")) <= 10_000,
            "negative_prompt": len(fields.get("negative_prompt", "")) <= 10_000,
            "aspect_ratio": fields.get("aspect_ratio", "1:1") in ("16:9", "1:1", "21:9", "2:3", "3:2", "4:5", "5:4", "9:16", "9:21"),
            "seed": 0 <= int(fields.get("seed", "0")) <= 4_294_967_294,
            "output_format": fields.get("output_format", "png") in ("jpeg", "png", "webp"),
            "style_preset": fields.get("style_preset", "anime") in STABILITY_PRESETS,
            "model": fields.get("model", "sd3.5-large") in models if last == "sd3" else "model" not in fields,
        }
        return [f"{field}: is invalid" for field, good in checks.items() if not good]


class ModelsLabServer(Provider):
    """ModelsLab's v6 text2img: JSON with the key in, `{status, output, ...}` out, most errors with status 200. It keeps the pictures too."""

    name = "modelslab"
    realtime = "/api/v6/realtime/text2img"
    community = "/api/v6/images/text2img"
    stored = "/generations/7.png"
    result = "/api/v6/realtime/fetch/7"

    def read(self, handler: Handler, body: bytes) -> dict[str, Any]:
        """The JSON body."""
        fields: dict[str, Any] = json.loads(body)
        return fields

    def normally(self, handler: Handler) -> None:
        """Check as documented, then draw; or give out a picture."""
        fields, path = handler.fields, handler.path
        if handler.command == "GET":
            raw(200, picture(), Content_Type="image/png")(handler) if path == self.stored else raw(404, b"")(handler)
        elif fields.get("key") != KEY:
            self.error("Invalid API key", status=401)(handler)
        elif path == self.result:
            self.success()(handler)
        elif self._problem(path, fields):
            self.error(self._problem(path, fields), status=400)(handler)
        else:
            self.success(seed=fields.get("seed"))(handler)

    def success(self, **meta: object) -> Answer:
        """A finished picture, as documented; keywords go into `meta`."""
        return told(200, self.finished(**meta))

    def finished(self, **meta: object) -> dict[str, Any]:
        """The JSON of a finished picture."""
        return {"status": "success", "generationTime": 1.2, "id": 7, "output": [f"{self.url}{self.stored}"], "proxy_links": [], "meta": meta}

    def processing(self, *, eta: object = 4.5, **extra: object) -> Answer:
        """A picture in work, as documented."""
        answer = {
            "status": "processing",
            "tip": "...",
            "eta": eta,
            "message": "Try to fetch request after seconds estimated",
            "id": 7,
            "output": [],
            "meta": {},
        }
        return told(200, answer | {"fetch_result": f"{self.url}{self.result}"} | extra)

    @staticmethod
    def error(message: object, *, status: int = 200, **extra: object) -> Answer:
        """An error as documented."""
        return told(status, {"status": "error", "message": message} | extra)

    def _problem(self, path: str, fields: dict[str, Any]) -> str:
        if path not in (self.realtime, self.community):
            return "Not found"
        if not isinstance(fields.get("prompt"), str) or not fields["prompt"]:
            return "prompt is required"
        if path == self.community and not fields.get("model_id"):
            return "model_id is required"
        if not all(isinstance(fields.get(side, 512), int) and 256 <= fields.get(side, 512) <= 1024 for side in ("width", "height")):
            return "width must be between 256 and 1024"
        return "" if 1 <= fields.get("samples", 1) <= 4 else "samples must be between 1 and 4"


@contextmanager
def serving(kind: type[Provider]) -> Iterator[Any]:
    """A running server of this kind."""
    server = kind()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
