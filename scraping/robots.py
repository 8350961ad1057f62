"""robots.txt, asked once for each host and honoured."""

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit
from urllib.robotparser import RobotFileParser

from sticker_studio.errors import FetchFailed
from sticker_studio.fetch import Client

AGENT: Final = "StickerStudio"


@dataclass
class Robots:
    """Answers whether an address may be fetched. `override`: hosts whose robots.txt the operator takes responsibility for ignoring."""

    client: Client
    override: frozenset[str] = frozenset()
    time_limit_s: float = 10.0
    _rules: dict[str, RobotFileParser | FetchFailed] = field(default_factory=dict)

    def refusal(self, url: str) -> str | None:
        """Why `url` may not be fetched, with the remedy, or None.

        Raises `FetchRefused` for a private network, and `FetchFailed` when the host cannot be asked: then nothing of it is fetched.
        """
        parts = urlsplit(url)
        if parts.hostname in self.override:
            return None
        origin = f"{parts.scheme}://{parts.netloc}"
        if origin not in self._rules:
            self._rules[origin] = self._read(origin)
        rules = self._rules[origin]
        if isinstance(rules, FetchFailed):
            raise rules
        if rules.can_fetch(AGENT, url):
            return None
        return f"{origin}/robots.txt does not allow {AGENT} to fetch {parts.path}; with the owner's permission, add {parts.hostname} to STICKER_ROBOTS_OVERRIDE"

    def _read(self, origin: str) -> RobotFileParser | FetchFailed:
        """RFC 9309: no file (4xx) allows everything, a failing server nothing; 401 and 403 refuse, as urllib reads them."""
        rules = RobotFileParser(f"{origin}/robots.txt")
        try:
            text = self.client.fetch(f"{origin}/robots.txt", max_bytes=512 * 1024, time_limit_s=self.time_limit_s).data
        except FetchFailed as error:
            if error.status is None or error.status >= 500 or error.status == 429:
                return error
            rules.parse(["User-agent: *", "Disallow: /" if error.status in (401, 403) else "Allow: /"])
            return rules
        rules.parse(text.decode("utf-8", "replace").splitlines())
        return rules
