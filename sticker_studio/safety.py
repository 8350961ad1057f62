"""Term rules on the texts that come with pictures."""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache


def check(text: str, terms: Iterable[str]) -> str | None:
    """The reason why `text` may not pass, naming the first blocked term in it as a whole word, or None.

    Case, accents, full-width letters and repeated spaces make no difference; `gore` does not block `Gorey` or `category`.
    """
    pattern = _pattern(tuple(terms))
    hit = pattern.search(_plain(text)) if pattern else None
    return f"blocked term in the text: {hit.group(1)}" if hit else None


def _plain(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(char for char in decomposed if not unicodedata.combining(char)).split())


@lru_cache(maxsize=64)
def _pattern(terms: tuple[str, ...]) -> re.Pattern[str] | None:
    words = sorted({_plain(term) for term in terms} - {""}, key=len, reverse=True)
    # (?<![^\W_]) instead of \b: an underscore separates words too, as in file names and tags.
    return re.compile(rf"(?<![^\W_])({'|'.join(map(re.escape, words))})(?![^\W_])") if words else None
