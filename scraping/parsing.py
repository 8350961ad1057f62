"""What a board's page says about its pins, read from attributes that stay (links, `srcset`, `alt`), not from class names."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urljoin, urlsplit, urlunsplit

SIZES: Final = ("originals", "736x", "474x", "236x")
"""Path prefixes of one picture's sizes on a Pinterest-shaped picture host, largest first."""
_PIN_PATH: Final = re.compile(r"^/pin/([^/?#]+)/?$")
_SIZE_PREFIX: Final = re.compile(r"^/(?:originals|\d+x\d*(?:_\w+)?)/")
_EXTENSIONS: Final = ("jpg", "png", "webp")


@dataclass(frozen=True)
class FoundPin:
    """A pin before its picture is fetched. `page_url` names it (empty for files); `image_urls` are tried in this order."""

    page_url: str
    image_urls: tuple[str, ...]
    alt: str = ""


def pins_from_links(links: Iterable[Mapping[str, str]], page_url: str) -> list[FoundPin]:
    """Pins among a page's links, in page order, one for each pin address.

    Each link is `{"href", "src", "srcset", "alt"}` as the browser gives them; those without a picture (not loaded yet, or a video) are left out.
    """
    pins: dict[str, FoundPin] = {}
    for link in links:
        address = pin_address(link.get("href", ""), page_url)
        picture = largest_of_srcset(link.get("srcset", "")) or link.get("src", "")
        if address and picture and not picture.startswith("data:"):
            pins.setdefault(address, FoundPin(address, candidates(urljoin(page_url, picture)), " ".join(link.get("alt", "").split())))
    return list(pins.values())


def pin_address(href: str, page_url: str) -> str | None:
    """The one form of a pin's address, `<scheme>://<host>/pin/<id>/`, or None when `href` is no link to a pin of this host."""
    parts = urlsplit(urljoin(page_url, href))
    match = _PIN_PATH.match(parts.path)
    same_site = parts.netloc.removeprefix("www.") == urlsplit(page_url).netloc.removeprefix("www.")
    return urlunsplit((parts.scheme, parts.netloc, f"/pin/{match.group(1)}/", "", "")) if match and same_site else None


def largest_of_srcset(srcset: str) -> str:
    """The address with the largest width (`w`) or density (`x`) descriptor; empty for an empty `srcset`."""
    best, best_size = "", -1.0
    for entry in re.split(r",\s+", srcset.strip()):
        address, _, descriptor = entry.strip().rstrip(",").partition(" ")
        match = re.fullmatch(r"([\d.]+)[wx]", descriptor.strip() or "1x")
        if address and match and float(match.group(1)) > best_size:
            best, best_size = address, float(match.group(1))
    return best


def candidates(image_url: str) -> tuple[str, ...]:
    """Addresses to try for one picture, best first.

    On a host whose paths begin with a size: the original, the original with another extension (it can differ from the thumbnails'), then the
    smaller sizes. Any other address stands alone.
    """
    parts = urlsplit(image_url)
    if not _SIZE_PREFIX.match(parts.path):
        return (image_url,)
    rest = _SIZE_PREFIX.sub("", parts.path)
    stem, dot, extension = rest.rpartition(".")
    others = [f"{stem}.{other}" for other in _EXTENSIONS if dot and other != extension.lower()]
    paths = [f"/{SIZES[0]}/{name}" for name in (rest, *others)] + [f"/{size}/{rest}" for size in SIZES[1:]]
    return tuple(urlunsplit((parts.scheme, parts.netloc, path, parts.query, "")) for path in paths)
