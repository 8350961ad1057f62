"""Asks the generators in turn until one has made a picture."""

import logging
import secrets
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from serving.creation.calls import Clock
from serving.creation.modelslab import ModelsLab
from serving.creation.protocol import MAX_SEED, Generator, StylePreset
from serving.creation.stability import Stability
from sticker_studio import fetch, safety
from sticker_studio.errors import Attempt, CreationFailed, InputError, Moderated, Unavailable
from sticker_studio.settings import Settings

log = logging.getLogger(__name__)

TIMEOUT_S: Final = 120.0
NO_KEY: Final = "text to sticker needs a provider's key; set STICKER_STABILITY_KEY (platform.stability.ai) or STICKER_MODELSLAB_KEY (modelslab.com)"


@dataclass(frozen=True)
class Created:
    """A picture made of a description, who made it, and `attempts`: the providers that failed before, in order. The same seed makes it again."""

    data: bytes
    provider: str
    model: str
    seed: int
    attempts: tuple[Attempt, ...]


def generators(settings: Settings) -> tuple[Generator, ...]:
    """A client of each provider whose key is set, in the order they are asked. Raises `InputError` for a key or address that cannot be one."""
    found: list[Generator] = []
    if settings.stability_key.get_secret_value():
        found.append(Stability(key=settings.stability_key, url=settings.stability_url))
    if settings.modelslab_key.get_secret_value():
        found.append(ModelsLab(key=settings.modelslab_key, url=settings.modelslab_url, allow=fetch.allow_list(settings.fetch_allow)))
    return tuple(found)


def create(
    prompt: str, style: StylePreset, *, generators: Sequence[Generator], seed: int | None = None, timeout_s: float = TIMEOUT_S,
    blocked_terms: Iterable[str] = (), clock: Clock = time,
) -> Created:  # fmt: skip
    """A picture of `prompt` from the first of `generators` that makes one, within `timeout_s` seconds; `seed` is 1 to `MAX_SEED`, or drawn.

    Whatever goes wrong at one, the next is asked; each gets an equal share of the time that is left. One verdict is final: a description (or its picture) that
    a provider's moderation refuses is not carried on to a provider that may look less closely, and not tried again. It blocks: call it from a thread.

    Raises `Unavailable` with no generator, `PromptRefused` before anything is sent (`blocked_terms`: an installation's own), `InputError` for a seed out of
    range, and a kind of `CreationFailed` whose `attempts` name every provider asked: its own error where one alone was asked or moderation has spoken.
    """
    if not generators:
        raise Unavailable(NO_KEY)
    asked = safety.checked_prompt(prompt, terms=blocked_terms)
    chosen_seed = _checked_seed(seed)
    end_s = clock.monotonic() + timeout_s
    attempts: list[Attempt] = []
    for number, generator in enumerate(generators):
        share_s = max(0.0, end_s - clock.monotonic()) / (len(generators) - number)
        try:
            made = generator.generate(asked, style=style, seed=chosen_seed, timeout_s=share_s)
        except Exception as error:  # a client that breaks in an unforeseen way does not cost the picture either
            failure = _known(error, generator)
            attempts.append(Attempt(generator.name, generator.model, failure.reason, str(failure)))
            failure.attempts = tuple(attempts)
            log.warning("creation: %s (%s) made no picture: %s", generator.name, generator.model, failure.reason)
            if isinstance(failure, Moderated) or len(generators) == 1:
                raise failure from None
        else:
            return Created(made.data, made.provider, made.model, made.seed, tuple(attempts))
    raise CreationFailed("no provider made a picture: " + " | ".join(attempt.message for attempt in attempts), attempts=tuple(attempts))


def _checked_seed(seed: int | None) -> int:
    if seed is None:
        return 1 + secrets.randbelow(MAX_SEED)
    if not 1 <= seed <= MAX_SEED:
        raise InputError(f"seed: expected 1 to {MAX_SEED}, got {seed}; leave it out for a random one")
    return seed


def _known(error: Exception, generator: Generator) -> CreationFailed:
    if isinstance(error, CreationFailed):
        return error
    log.error("creation: %s broke", generator.name, exc_info=error)
    return CreationFailed(f"{generator.name}: expected a picture, got {type(error).__name__}; the log has more")
