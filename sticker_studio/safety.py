"""Term rules on the texts that come with pictures, and on the descriptions that pictures are made of."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from sticker_studio.errors import PromptRefused

MAX_PROMPT_CHARACTERS: Final = 600


@dataclass(frozen=True)
class Rule:
    """Words that a description may not hold; where `beside` is given, only together with one of those."""

    name: str
    terms: tuple[str, ...]
    beside: tuple[str, ...] = ()


def _terms(text: str) -> tuple[str, ...]:
    return tuple(text.split(", "))


_MINORS: Final = _terms(
    "child, children, kid, kids, minor, minors, underage, toddler, baby, schoolgirl, schoolboy, preteen, teen, teens, teenage, teenager, teenagers, "
    "little girl, little boy, young girl, young boy"
)
_PEOPLE: Final = _terms("woman, women, man, men, girl, girls, boy, boys, person, people, lady, guy, body, celebrity, actress, actor")
PROMPT_RULES: Final = (
    Rule("sexual content with minors", _terms("lolicon, shotacon, child porn, child pornography, csam")),
    Rule("sexual content with minors", _terms("sexy, sexual, sexualized, naked, undressed, lingerie, seductive, aroused, provocative"), beside=_MINORS),
    Rule("sexual content", _terms("nsfw, nude, nudes, nudity, porn, porno, pornographic, pornography, hentai, erotic, erotica, xxx, topless, sex, bdsm")),
    Rule("sexual content", _terms("sexual intercourse, masturbating, masturbation, orgasm, blowjob, genitals, penis, vagina")),
    Rule("sexual content", _terms("naked, undressed, without clothes"), beside=_PEOPLE),
    Rule("gore", _terms("gore, gory, dismembered, dismemberment, decapitated, decapitation, beheaded, beheading, disembowelled, mutilated, entrails")),
    Rule("self-harm", _terms("self harm, self-harm, commit suicide, committing suicide, suicidal, cutting wrists, slit wrists, hanging himself")),
    Rule("hate", _terms("nazi, nazis, neo-nazi, hitler, ku klux klan, kkk, white power, white supremacy, ethnic cleansing")),
)
"""What no description may ask for, whatever an installation adds. A first line only: it knows English words; the providers moderate in every language."""

_JOINERS: Final = "\u200c\u200d"  # they belong into Persian and Indic words and into emoji


def check(text: str, terms: Iterable[str]) -> str | None:
    """The reason why `text` may not pass, naming the first blocked term in it as a whole word, or None.

    Case, accents, full-width letters, invisible characters and repeated spaces make no difference; `gore` does not block `Gorey` or `category`.
    """
    pattern = _pattern(tuple(terms))
    hit = pattern.search(_plain(text)) if pattern else None
    return f"blocked term in the text: {hit.group(1)}" if hit else None


def checked_prompt(text: str, *, terms: Iterable[str] = ()) -> str:
    """A description as it may be sent to a provider: on one line, without spaces around it.

    Raises `PromptRefused` with the name of the broken rule: `length` (1 to `MAX_PROMPT_CHARACTERS`), `hidden characters` (control characters, changes of
    direction, lone surrogates), one of `PROMPT_RULES`, or `blocked terms` (`terms`, an installation's own). It never tells which word it was.
    """
    line = " ".join(text.split())
    if not 0 < len(line) <= MAX_PROMPT_CHARACTERS:
        raise PromptRefused(f"prompt: expected 1 to {MAX_PROMPT_CHARACTERS} characters, got {len(line)}; describe the picture in a few words", rule="length")
    hidden = next((char for char in line if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co") and char not in _JOINERS), None)
    if hidden:
        raise PromptRefused(f"prompt: expected visible characters, got U+{ord(hidden):04X}; type the description anew", rule="hidden characters")
    broken = next((rule.name for rule in (*PROMPT_RULES, Rule("blocked terms", tuple(terms))) if _breaks(line, rule)), None)
    if broken:
        raise PromptRefused(f"prompt: expected a description within the rules, got one that breaks the rule '{broken}'; describe something else", rule=broken)
    return line


def _breaks(text: str, rule: Rule) -> bool:
    return check(text, rule.terms) is not None and (not rule.beside or check(text, rule.beside) is not None)


def _plain(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(char for char in decomposed if not unicodedata.combining(char) and unicodedata.category(char) != "Cf").split())


@lru_cache(maxsize=64)
def _pattern(terms: tuple[str, ...]) -> re.Pattern[str] | None:
    words = sorted({_plain(term) for term in terms} - {""}, key=len, reverse=True)
    # (?<![^\W_]) instead of \b: an underscore separates words too, as in file names and tags.
    return re.compile(rf"(?<![^\W_])({'|'.join(map(re.escape, words))})(?![^\W_])") if words else None
