"""Fetch an address safely: http(s) only, no private network, bounded in bytes and time, re-checked at each redirect.

The check is made on the address that is then connected to (not on an earlier look-up of the name), so a name that changes
between check and use gains nothing. Proxies of the environment are not used: they would do the look-up themselves.
"""

import ipaddress
import socket
import ssl
import time
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Self
from urllib.parse import urljoin

import httpcore
import httpx

from sticker_studio.errors import FetchFailed, FetchRefused

USER_AGENT: Final = "StickerStudio/0.1 (sticker-studio; picture pipeline)"
MAX_REDIRECTS: Final = 5
_PORTS: Final = {"http": 80, "https": 443}
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_deadline: ContextVar[float] = ContextVar("fetch_deadline")  # monotonic seconds


@dataclass(frozen=True)
class Fetched:
    """What an address held: its bytes, the declared media type (lower case, no parameters), the last address after redirects."""

    data: bytes
    mime: str
    url: str


def allow_list(text: str) -> frozenset[str]:
    """`"host:port, host:port"` (STICKER_FETCH_ALLOW) as the set that `fetch` takes."""
    return frozenset(part.strip().lower() for part in text.split(",") if part.strip())


def fetch(url: str, *, max_bytes: int, time_limit_s: float, allow: frozenset[str] = frozenset()) -> Fetched:
    """Fetch `url` once, with a connection of its own; `Client` keeps connections. Errors as `Client.fetch`."""
    with Client(allow=allow) as client:
        return client.fetch(url, max_bytes=max_bytes, time_limit_s=time_limit_s)


class Client:
    """Keeps connections between fetches. `allow`: the `host:port` pairs whose network may be private."""

    def __init__(self, *, allow: frozenset[str] = frozenset()) -> None:
        self._http = httpx.Client(
            transport=_GuardedTransport(allow), trust_env=False, follow_redirects=False, headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def fetch(self, url: str, *, max_bytes: int, time_limit_s: float) -> Fetched:
        """The content of `url`, following at most `MAX_REDIRECTS` redirects, all within `time_limit_s` seconds.

        Raises `FetchRefused` for a scheme other than http(s), credentials in the address or an address of a private network (at any hop), and
        `FetchFailed` (with `reason` and `status`) for a status other than 2xx, more than `max_bytes`, no answer in time or no connection.
        """
        token = _deadline.set(time.monotonic() + time_limit_s)
        try:
            return self._follow(url, max_bytes)
        except httpx.TimeoutException as error:
            raise FetchFailed(f"{url}: expected an answer within {time_limit_s:g} s, got none; try later", reason="timed out") from error
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise FetchFailed(f"{url}: expected a connection, got {error or type(error).__name__}; check the address and the network") from error
        finally:
            _deadline.reset(token)

    def _follow(self, url: str, max_bytes: int) -> Fetched:
        current = url
        for _ in range(MAX_REDIRECTS + 1):
            _check_form(current)
            with self._http.stream("GET", current, timeout=_remaining_s()) as response:
                if response.status_code not in _REDIRECTS or "location" not in response.headers:
                    return _read(response, current, max_bytes)
                current = urljoin(current, response.headers["location"])
        raise FetchFailed(f"{url}: expected at most {MAX_REDIRECTS} redirects, got more; check the address", reason="too many redirects")


def _read(response: httpx.Response, url: str, max_bytes: int) -> Fetched:
    if not response.is_success:
        reason = {404: "dead link", 410: "dead link", 429: "rate limited"}.get(response.status_code, f"status {response.status_code}")
        raise FetchFailed(f"{url}: expected status 2xx, got {response.status_code}; check the address", reason=reason, status=response.status_code)
    too_large = FetchFailed(f"{url}: expected at most {max_bytes} bytes, got more; raise the limit or leave it out", reason="too large")
    if int(response.headers.get("content-length", "0") or 0) > max_bytes:
        raise too_large
    data = bytearray()
    for chunk in response.iter_raw():
        data += chunk
        if len(data) > max_bytes:
            raise too_large
    mime = response.headers.get("content-type", "").split(";")[0].strip().lower()
    return Fetched(bytes(data), mime, url)


def _check_form(url: str) -> None:
    parsed = httpx.URL(url)
    if parsed.scheme not in _PORTS or not parsed.host:
        raise FetchRefused(f"{url}: expected an http or https address, got scheme {parsed.scheme!r}; give a full web address")
    if parsed.userinfo:
        raise FetchRefused(f"{parsed.scheme}://{parsed.host}: expected an address without user name and password; leave them out")


def _remaining_s() -> float:
    left = _deadline.get() - time.monotonic()
    if left <= 0:
        raise httpx.ReadTimeout("time limit reached")
    return left


def is_public(address: str) -> bool:
    """Whether an IP address (v4 or v6, also v4 wrapped in v6) belongs to the public internet."""
    ip = ipaddress.ip_address(address.split("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        wrapped = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
        if ip in _NAT64:
            wrapped.append(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
        if not all(inner.is_global for inner in wrapped if inner is not None):
            return False
    return (ip.is_global or getattr(ip, "ipv4_mapped", None) is not None) and not ip.is_multicast


def _checked_addresses(host: str, port: int, allow: frozenset[str]) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    private = [address for address in addresses if not is_public(address)]
    if private and f"{host.lower().strip('[]')}:{port}" not in allow:
        raise FetchRefused(
            f"{host}:{port}: expected an address of the public internet, got {private[0]}; if this server is meant, add {host}:{port} to STICKER_FETCH_ALLOW"
        )
    return addresses


class _GuardedBackend(httpcore.SyncBackend):
    """Connects only to addresses that were checked, and holds every read and write to the fetch's deadline."""

    def __init__(self, allow: frozenset[str]) -> None:
        self._allow = allow

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, local_address: str | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.NetworkStream:
        try:
            addresses = _checked_addresses(host, port, self._allow)
        except OSError as error:
            raise httpcore.ConnectError(f"no address for {host!r} ({error})") from error
        failure: Exception = httpcore.ConnectError(f"no address for {host!r}")
        for address in addresses:
            try:
                return _TimedStream(super().connect_tcp(address, port, _left_s(), local_address, socket_options))
            except httpcore.ConnectError as error:
                failure = error
        raise failure


def _left_s() -> float:
    left = _deadline.get() - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("time limit reached")
    return left


class _TimedStream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left_s())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _left_s())

    def close(self) -> None:
        self._inner.close()

    def start_tls(self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None) -> httpcore.NetworkStream:
        return _TimedStream(self._inner.start_tls(ssl_context, server_hostname, _left_s()))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


@cache
def _ssl_context() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)


class _GuardedTransport(httpx.HTTPTransport):
    def __init__(self, allow: frozenset[str]) -> None:
        super().__init__(verify=_ssl_context(), trust_env=False)
        # httpx has no option for the network backend; tests/test_fetch.py holds that this pool is the one in use.
        self._pool = httpcore.ConnectionPool(ssl_context=_ssl_context(), network_backend=_GuardedBackend(allow), max_connections=4)
