"""Fetching: what may be fetched, and within which bounds, against real servers on loopback."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from sticker_studio import fetch
from sticker_studio.errors import FetchFailed, FetchRefused

PUBLIC = "93.184.215.14"


class Handler(BaseHTTPRequestHandler):
    """Answers by path; `/redirect?<url>` redirects there."""

    seen: list[str]
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        return

    def do_GET(self) -> None:
        type(self).seen.append(self.path)
        path, _, query = self.path.partition("?")
        try:
            getattr(self, path.strip("/").replace("-", "_"), self.gone)(query)
        except OSError:  # the client left, as it should
            self.close_connection = True

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def gone(self, _: str) -> None:
        self.answer(404)

    def picture(self, _: str) -> None:
        self.answer(200, b"\x89PNG..", Content_Type="IMAGE/png; charset=x")

    def redirect(self, where: str) -> None:
        self.answer(302, Location=where)

    def loop(self, _: str) -> None:
        self.answer(302, Location="/loop")

    def busy(self, _: str) -> None:
        self.answer(429)

    def agent(self, _: str) -> None:
        self.answer(200, self.headers["User-Agent"].encode())

    def chunked(self, _: str) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for _n in range(400):
            self.wfile.write(b"400\r\n" + b"x" * 1024 + b"\r\n")

    def drip_body(self, _: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        for _n in range(100):
            self.wfile.write(b"x")
            time.sleep(0.1)

    def drip_head(self, _: str) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        for n in range(100):
            self.wfile.write(b"X-%d: y\r\n" % n)
            time.sleep(0.1)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that leaves early, as these tests want it to, is no news."""


@contextmanager
def served() -> Iterator[tuple[str, list[str]]]:
    handler = type("OwnHandler", (Handler,), {"seen": []})
    server = Server(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", handler.seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def server() -> Iterator[str]:
    with served() as (host, _):
        yield host


def get(server: str, path: str, *, max_bytes: int = 10_000, time_limit_s: float = 5.0) -> fetch.Fetched:
    return fetch.fetch(f"http://{server}{path}", max_bytes=max_bytes, time_limit_s=time_limit_s, allow=frozenset({server}))


def test_an_allowed_server_is_fetched_with_its_media_type_and_our_name(server: str) -> None:
    assert get(server, "/picture") == fetch.Fetched(b"\x89PNG..", "image/png", f"http://{server}/picture")
    assert b"StickerStudio" in get(server, "/agent").data


@pytest.mark.parametrize(
    "address",
    [
        pytest.param("http://127.0.0.1:{port}/", id="loopback"),
        pytest.param("http://localhost:{port}/", id="name-of-loopback"),
        pytest.param("http://2130706433:{port}/", id="loopback-as-one-number"),
        pytest.param("http://[::ffff:127.0.0.1]:{port}/", id="loopback-wrapped-in-v6"),
        pytest.param("http://0.0.0.0:{port}/", id="any-address"),
        pytest.param("http://169.254.169.254/latest/meta-data/", id="cloud-metadata"),
        pytest.param("http://10.0.0.1/", id="private"),
        pytest.param("http://100.64.0.1/", id="carrier-grade-nat"),
        pytest.param("http://[::1]/", id="v6-loopback"),
        pytest.param("http://[fd00::1]/", id="v6-private"),
        pytest.param("http://[64:ff9b::7f00:1]/", id="loopback-behind-nat64"),
        pytest.param("http://[2002:7f00:1::]/", id="loopback-behind-6to4"),
        pytest.param("http://224.0.0.1/", id="multicast"),
    ],
)
def test_a_private_address_is_refused_and_never_asked(address: str) -> None:
    with served() as (host, seen):
        with pytest.raises(FetchRefused, match="STICKER_FETCH_ALLOW"):
            fetch.fetch(address.format(port=host.split(":")[1]), max_bytes=10, time_limit_s=3)
        assert seen == []


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://example.org/a", "data:text/plain,hi", "javascript:1", "//example.org/a", "http:///a"])
def test_other_schemes_and_addresses_without_host_are_refused(address: str) -> None:
    with pytest.raises(FetchRefused, match="http or https"):
        fetch.fetch(address, max_bytes=10, time_limit_s=3)


def test_an_address_with_a_password_is_refused_without_repeating_it() -> None:
    with pytest.raises(FetchRefused, match="without user name") as caught:
        fetch.fetch("http://me:geheim@example.org/", max_bytes=10, time_limit_s=3)
    assert "geheim" not in str(caught.value)


def test_a_redirect_into_the_private_network_is_refused_and_never_asked(server: str) -> None:
    with served() as (inner, seen):
        with pytest.raises(FetchRefused, match=inner):
            get(server, f"/redirect?http://{inner}/picture")
        assert seen == []


def test_a_redirect_to_a_file_is_refused(server: str) -> None:
    with pytest.raises(FetchRefused, match="file"):
        get(server, "/redirect?file:///etc/passwd")


def test_redirects_are_followed_to_the_last_address(server: str) -> None:
    assert get(server, "/redirect?/picture").url == f"http://{server}/picture"


def test_a_redirect_loop_ends() -> None:
    with served() as (host, seen):
        with pytest.raises(FetchFailed) as caught:
            get(host, "/loop")
        assert (caught.value.reason, len(seen)) == ("too many redirects", fetch.MAX_REDIRECTS + 1)


def test_a_name_with_one_private_address_among_public_ones_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80)) for address in (PUBLIC, "127.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: entries)
    with pytest.raises(FetchRefused, match=r"127\.0\.0\.1"):
        fetch.fetch("http://example.org/", max_bytes=10, time_limit_s=3)


def test_the_name_is_looked_up_once_and_that_address_is_connected_to(monkeypatch: pytest.MonkeyPatch, server: str) -> None:
    port, looked_up = int(server.split(":")[1]), []

    def rebinding(host: str, *_: object, **__: object) -> list[object]:
        looked_up.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1" if len(looked_up) == 1 else "127.0.0.2", port))]

    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *a, **k: rebinding(host) if host == "pictures.example" else real(host, *a, **k))
    allow = frozenset({f"pictures.example:{port}"})
    assert fetch.fetch(f"http://pictures.example:{port}/picture", max_bytes=100, time_limit_s=3, allow=allow).mime == "image/png"
    assert looked_up == ["pictures.example"]


def test_too_many_bytes_are_refused_whether_declared_or_not(server: str) -> None:
    for path in ("/picture", "/chunked"):
        with pytest.raises(FetchFailed, match="at most 5 bytes") as caught:
            get(server, path, max_bytes=5)
        assert caught.value.reason == "too large"


@pytest.mark.parametrize("path", ["/drip-body", "/drip-head"])
def test_a_server_that_drips_is_left_at_the_time_limit(server: str, path: str) -> None:
    began = time.monotonic()
    with pytest.raises(FetchFailed, match=r"within 0\.4 s") as caught:
        get(server, path, time_limit_s=0.4)
    assert caught.value.reason == "timed out"
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    ("path", "reason", "status"), [pytest.param("/nowhere", "dead link", 404, id="404"), pytest.param("/busy", "rate limited", 429, id="429")]
)
def test_a_status_becomes_a_countable_reason(server: str, path: str, reason: str, status: int) -> None:
    with pytest.raises(FetchFailed) as caught:
        get(server, path)
    assert (caught.value.reason, caught.value.status) == (reason, status)


def test_a_closed_port_and_an_unknown_name_are_failures_not_crashes() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{free.getsockname()[1]}"
    for address in (f"http://{host}/", "http://no-such-host.invalid/", "http://" + "a" * 70 + ".example/"):
        with pytest.raises(FetchFailed) as caught:
            fetch.fetch(address, max_bytes=10, time_limit_s=5, allow=frozenset({host}))
        assert caught.value.reason == "unreachable"


def test_one_client_keeps_its_connection_and_serves_many_fetches(server: str) -> None:
    with fetch.Client(allow=frozenset({server})) as client:
        assert {client.fetch(f"http://{server}/picture", max_bytes=100, time_limit_s=3).data for _ in range(3)} == {b"\x89PNG.."}


def test_the_allow_list_reads_pairs_and_ignores_blanks() -> None:
    assert fetch.allow_list(" 127.0.0.1:80, Board.local:8090 ,,") == {"127.0.0.1:80", "board.local:8090"}
