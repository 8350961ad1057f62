"""What a pack says of a sticker in words: names, emoji, alt text and keywords, proposed from its caption, class and style."""

from dataclasses import dataclass
from typing import Final

import regex  # type: ignore[import-untyped]

from sticker_studio.types import Style, SubjectClass

_PICTOGRAPH: Final = r"\p{Extended_Pictographic}\uFE0F?\p{Emoji_Modifier}?[\U000E0020-\U000E007F]*"
EMOJI: Final = regex.compile(rf"\p{{Regional_Indicator}}{{2}}|[0-9#*]\uFE0F?\u20E3|{_PICTOGRAPH}(?:\u200D{_PICTOGRAPH})*")
"""One emoji, however many characters it is made of."""

MAX_EMOJI: Final = 20
MAX_NAME_CHARACTERS: Final = 30
MAX_ALT_CHARACTERS: Final = 255
MAX_KEYWORDS: Final = 20
MAX_KEYWORD_CHARACTERS: Final = 64
"""Of all keywords of a sticker together."""

_OF_CLASS: Final[dict[SubjectClass | None, str]] = {"person": "🙂", "animal": "🐾", "object": "⭐", None: "✨"}
_OF_WORDS: Final = {
    "👋": "hello hi hey bye goodbye hallo hola ciao bonjour salut",
    "❤️": "love loves heart darling kiss amour amor liebe",
    "🎂": "birthday cake anniversary geburtstag cumpleaños",
    "🎉": "party congrats congratulations celebrate hurray yay",
    "😂": "lol haha hahaha funny rofl lmao joke",
    "🙏": "thanks thank thx please merci gracias danke grazie",
    "👍": "ok okay yes great nice cool sure right agreed si oui ja",
    "👎": "no nope bad never wrong nein",
    "😮": "wow omg what really amazing whoa",
    "😢": "sad cry sorry miss alas",
    "😡": "angry mad hate grr furious",
    "🌙": "night sleep dream gn tired bed",
    "☀️": "morning sun sunny gm summer",
    "☕": "coffee tea break monday",
    "🍕": "food pizza hungry lunch dinner eat yummy",
    "🔥": "fire hot lit burn",
    "💪": "strong go win power gym",
    "🤔": "hmm why think maybe how",
    "🐱": "cat kitty meow purr",
    "🐶": "dog puppy woof doggo",
    "🎄": "christmas xmas",
    "💼": "work office meeting boss job",
}
_EMOJI_OF_WORD: Final = {word: emoji for emoji, words in _OF_WORDS.items() for word in words.split()}
_MADE: Final[dict[Style | None, str]] = {"anime": "drawn ", "normal": "photographed ", None: ""}
_THING: Final[dict[SubjectClass | None, str]] = {"person": "person", "animal": "animal", "object": "object", None: "subject"}


@dataclass(frozen=True, kw_only=True)
class Words:
    """What is said of one sticker: at least one of `emoji`, the fittest first; `alt` is what a screen reader says."""

    name: str
    emoji: tuple[str, ...]
    alt: str
    keywords: tuple[str, ...]


def proposed(*, number: int, caption: str = "", subject_class: SubjectClass | None = None, style: Style | None = None, moving: bool = False) -> Words:
    """Words for the sticker `number` (from 1) of a pack, every one within the limits above."""
    said = " ".join(EMOJI.sub(" ", caption).split())
    thing = _THING[subject_class]
    return Words(name=_name(said) or f"{thing.capitalize()} {number}", emoji=_emoji(caption, subject_class), alt=_alt(said, style, thing, moving=moving),
        keywords=_keywords(said, thing, style))  # fmt: skip


def shortened(text: str, characters: int) -> str:
    """`text`, or as much of it as fits before an ellipsis."""
    return text if len(text) <= characters else text[: characters - 1].rstrip() + "…"


def _name(said: str) -> str:
    name = shortened(said, MAX_NAME_CHARACTERS)
    return name if len(name) >= 2 else ""


def _emoji(caption: str, subject_class: SubjectClass | None) -> tuple[str, ...]:
    of_words = (_EMOJI_OF_WORD[word] for word in _words(caption) if word in _EMOJI_OF_WORD)
    return tuple(dict.fromkeys((*EMOJI.findall(caption), *of_words, _OF_CLASS[subject_class])))[:3]


def _alt(said: str, style: Style | None, thing: str, *, moving: bool) -> str:
    kind = f"{'moving ' if moving else ''}{_MADE[style]}{thing}"
    article = "An" if kind[0] in "aeiou" else "A"
    return f"{article} {kind}{f', saying “{said}”' if said else ''}"


def _keywords(said: str, thing: str, style: Style | None) -> tuple[str, ...]:
    kept: list[str] = []
    for word in dict.fromkeys((*_words(said), thing, _MADE[style].strip())):
        if len(word) >= 2 and len(kept) < MAX_KEYWORDS and sum(map(len, kept)) + len(word) <= MAX_KEYWORD_CHARACTERS:
            kept.append(word)
    return tuple(kept)


def _words(text: str) -> list[str]:
    return [word.casefold() for word in regex.findall(r"[\p{L}\p{M}\p{N}]+", text)]
