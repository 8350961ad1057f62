"""At most so many requests a second to one host."""

import time
from collections.abc import Callable
from urllib.parse import urlsplit


class Pace:
    """Spaces requests to each host evenly, `rate_hz` a second. `own`: `host:port` pairs of the operator's own servers, which are not spaced."""

    def __init__(
        self, rate_hz: float, *, own: frozenset[str] = frozenset(), clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._gap_s = 1.0 / rate_hz
        self._own = own
        self._clock = clock
        self._sleep = sleep
        self._next: dict[str, float] = {}

    def wait(self, url: str) -> None:
        """Return when the next request to the host of `url` may leave."""
        host = urlsplit(url).netloc.lower()
        if host in self._own:
            return
        now = self._clock()
        at = max(now, self._next.get(host, now))
        self._next[host] = at + self._gap_s
        if at > now:
            self._sleep(at - now)
