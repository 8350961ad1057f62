"""Where pins come from: a board's spelling to a stream of found pins."""

import logging
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final, Literal, Protocol
from urllib.parse import quote_plus, urlsplit

from scraping.parsing import FoundPin, candidates, pins_from_links
from sticker_studio.errors import FetchFailed, InputError
from sticker_studio.params import ScrapingParams
from sticker_studio.settings import Settings

_log = logging.getLogger(__name__)
_PICTURES: Final = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif"})
_SPELLINGS: Final = "demo:anime, demo:normal, pinterest:<query or board path>, board:<url>, folder:<path> or urls:<file>"


@dataclass(frozen=True)
class Source:
    """A parsed board. `where`: a web address (page) or a path. `allow`: private servers this source may reach by its nature."""

    kind: Literal["page", "folder", "urls"]
    where: str
    allow: frozenset[str] = frozenset()


class Page(Protocol):
    """What browsing needs of a browser's page."""

    def open(self, url: str) -> None:
        """Load `url`."""

    @property
    def url(self) -> str:
        """The address now."""

    @property
    def title(self) -> str:
        """The page's title."""

    def links(self) -> list[dict[str, str]]:
        """Links to pins now in the page."""

    def scroll(self) -> None:
        """Move down."""

    def at_end(self) -> bool:
        """Whether there is nothing further down, for now."""

    def decline_consent(self) -> str:
        """Decline a consent banner."""


def parse(source: str, settings: Settings) -> Source:
    """Read a board's spelling. Raises `InputError` listing the spellings."""
    kind, _, rest = source.partition(":")
    rest = rest.strip()
    if kind == "demo" and rest in ("anime", "normal"):
        server = f"127.0.0.1:{settings.board_port}"
        return Source("page", f"http://{server}/{rest}", frozenset({server}))
    if kind == "pinterest" and rest:
        return Source("page", pinterest_address(rest))
    if kind == "board" and urlsplit(rest).scheme in ("http", "https"):
        return Source("page", rest)
    if kind == "folder" and rest:
        return Source("folder", rest)
    if kind == "urls" and rest:
        return Source("urls", rest)
    raise InputError(f"board: expected {_SPELLINGS}, got {source!r}")


def pinterest_address(text: str) -> str:
    """A Pinterest page for a full address, a board path `<user>/<board>`, or a search query."""
    if re.match(r"https?://", text):
        host = urlsplit(text).hostname or ""
        if not re.search(r"(^|\.)pinterest\.[a-z.]+$", host):
            raise InputError(f"pinterest: expected an address of Pinterest, got host {host!r}; use board:<url> for other sites")
        return text
    if re.fullmatch(r"/?[\w.-]+/[\w.%-]+/?", text):
        return f"https://www.pinterest.com/{text.strip('/')}/"
    return f"https://www.pinterest.com/search/pins/?q={quote_plus(text)}"


def slug(source: str) -> str:
    """A board's name in store keys: readable, and different for different spellings."""
    words = re.sub(r"[^a-z0-9]+", "-", source.lower()).strip("-")[-48:].strip("-")
    return f"{words}-{sha256(source.encode()).hexdigest()[:6]}"


def browse(
    page: Page,
    url: str,
    params: ScrapingParams,
    *,
    on_cut: Callable[[str], None] = lambda reason: None,
    idle_scrolls: int = 2,
    settle_s: float = 5.0,
    step_s: float = 1.5,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[FoundPin]:
    """Pins of an endless page, each once, gathered while scrolling since rows above leave the page.

    Ends when the page's end has `idle_scrolls` times in a row brought nothing new in `settle_s` seconds (elsewhere `step_s` are waited), or at
    `max_scrolls` or `time_limit_s`; of the last two `on_cut` is told, for there may be more. Raises `FetchFailed` when the page never shows a pin.
    """
    ends = clock() + params.time_limit_s
    page.open(url)
    seen: set[str] = set()
    idle = scrolls = 0
    while clock() < ends and scrolls <= params.max_scrolls and idle < idle_scrolls:
        fresh = _fresh(page, seen, (settle_s, step_s), clock)
        idle = 0 if fresh else idle + page.at_end()
        yield from fresh
        pressed = page.decline_consent() if scrolls == 0 else ""
        if pressed:
            _log.info("%s: declined the consent banner (%s)", url, pressed)
        page.scroll()
        scrolls += 1
    if not seen:
        raise FetchFailed(f"{url}: expected links to /pin/<id>/ with pictures, found none on {page.title!r}; is it a board's address, or a login wall?")
    end = "end of the board" if idle >= idle_scrolls else "max_scrolls" if scrolls > params.max_scrolls else "time_limit_s"
    _log.info("%s: %d pins after %d scrolls (%s)", url, len(seen), scrolls, end)
    if idle < idle_scrolls:
        on_cut(end)


def _fresh(page: Page, seen: set[str], waits_s: tuple[float, float], clock: Callable[[], float]) -> list[FoundPin]:
    """Pins not in `seen`, which they enter; waits for the first of them, at the page's end for the first of `waits_s`, elsewhere for the second."""
    began = clock()
    while True:
        fresh = [pin for pin in pins_from_links(page.links(), page.url) if pin.page_url not in seen]
        if fresh or clock() - began >= waits_s[0 if page.at_end() else 1]:
            seen.update(pin.page_url for pin in fresh)
            return fresh
        time.sleep(0.05)


def list_folder(folder: Path) -> Iterator[FoundPin]:
    """Pictures in `folder` and below, by name. Of a labelled folder (`images/` beside `masks/`) the masks are no pictures."""
    if not folder.is_dir():
        raise InputError(f"folder: expected an existing folder, got {folder}")
    root = folder / "images" if (folder / "images").is_dir() and (folder / "masks").is_dir() else folder
    paths = sorted(path for path in root.rglob("*") if path.suffix.lower() in _PICTURES and path.is_file())
    if not paths:
        raise InputError(f"folder: expected pictures ({', '.join(sorted(_PICTURES))}) in {root}, found none")
    return (FoundPin("", (path.absolute().as_uri(),), path.stem.replace("_", " ")) for path in paths)


def read_urls(text: str) -> list[FoundPin]:
    """One picture address a line, `#` begins a comment, text after the address is its alt text."""
    lines = [line.split(" #")[0].strip() for line in text.splitlines()]
    parts = [line.split(maxsplit=1) for line in lines if line and not line.startswith("#")]
    return list({part[0]: FoundPin(part[0], candidates(part[0]), part[1] if len(part) > 1 else "") for part in parts}.values())
