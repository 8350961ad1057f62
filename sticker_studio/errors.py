"""The one exception tree.

StickerError                  anything this project raises on purpose
├── InputError                the caller sent something unusable (HTTP 400)
│   ├── UndecodableImage      not a picture, truncated, or of an unknown format (HTTP 400)
│   ├── InputTooLarge         over a byte, pixel or time limit (HTTP 413)
│   ├── UnsupportedInput      a format or option that is known but not served (HTTP 415)
│   └── PromptRefused         a description that breaks a rule of `safety`; names the rule (HTTP 422)
├── NotKept                   no such sticker or job: never made, deleted, or past its time (HTTP 404)
├── NothingFound              no subject in the picture (HTTP 422)
├── ContractViolation         data read back breaks its contract (a bug or a damaged file)
├── Unavailable               a needed package, weight, model or server is missing; names the remedy
├── FetchRefused              an address that may not be fetched (private network, scheme, redirect)
├── FetchFailed               an address that could not be fetched (time, status, size)
├── CreationFailed            no provider made a picture of a description; `attempts` tells why (HTTP 502)
│   ├── KeyRefused            the provider does not take our key (HTTP 503)
│   ├── CreditExhausted       the account has no credit, or its plan lacks this (HTTP 503)
│   ├── RateLimited           the provider wants fewer requests; `retry_after_s` (HTTP 503)
│   ├── Moderated             the provider refuses the description or its picture (HTTP 422)
│   ├── ProviderUnreachable   no answer: network, time, or an error of the provider's own (HTTP 502)
│   ├── RequestRejected       the provider calls our request invalid (HTTP 502)
│   └── AnswerInvalid         what the provider answered is not what it documents, or no picture (HTTP 502)
└── NotEnoughData             a stage has too little to work on; the caller skips with this reason

Every message says what was expected, what came, and what to do.
"""

import re
from dataclasses import dataclass


class StickerError(Exception):
    """Anything this project raises on purpose."""

    http_status = 500

    @property
    def code(self) -> str:
        """The kind of error as a caller's program tells it apart: `nothing_found` for `NothingFound`."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", type(self).__name__).lower()

    def message_and_remedy(self) -> tuple[str, str]:
        """What was expected and what came, and what to do: the part after the last semicolon."""
        message, _, remedy = str(self).rpartition("; ")
        return (message, remedy) if message else (str(self), "")


class InputError(StickerError):
    """The caller sent something unusable."""

    http_status = 400


class UndecodableImage(InputError):
    """Not a picture, truncated, or of an unknown format."""


class InputTooLarge(InputError):
    """Over a byte, pixel or time limit."""

    http_status = 413


class UnsupportedInput(InputError):
    """A format or option that is known but not served."""

    http_status = 415


class PromptRefused(InputError):
    """A description that breaks a rule of `safety`. `rule` is its name; the words that the rule looks for stay untold."""

    http_status = 422

    def __init__(self, message: str, *, rule: str) -> None:
        super().__init__(message)
        self.rule = rule


class NotKept(StickerError):
    """No such sticker or job: never made, deleted, or past its time."""

    http_status = 404


class NothingFound(StickerError):
    """No subject in the picture."""

    http_status = 422


class ContractViolation(StickerError):
    """Data read back breaks its contract: a bug or a damaged file."""


class Unavailable(StickerError):
    """A needed package, weight, model or server is missing; the message names the remedy."""

    http_status = 503


class FetchRefused(StickerError):
    """An address that may not be fetched: private network, scheme or redirect."""

    http_status = 400


class FetchFailed(StickerError):
    """An address that could not be fetched: time, status or size. `reason` is the short, countable form of the message."""

    http_status = 502

    def __init__(self, message: str, *, reason: str = "unreachable", status: int | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.status = status


@dataclass(frozen=True)
class Attempt:
    """One provider that made no picture: its name, the model asked, the short and countable reason, and the whole message."""

    provider: str
    model: str
    reason: str
    message: str


class CreationFailed(StickerError):
    """No provider made a picture of a description. `attempts` lists those asked, in order; `reason` is the short, countable form of the message.

    `transient`: the same request may succeed soon; `retry_after_s`: the wait that the provider asks for.
    """

    http_status = 502
    reason = "failed"

    def __init__(self, message: str, *, transient: bool = False, retry_after_s: float | None = None, attempts: tuple[Attempt, ...] = ()) -> None:
        super().__init__(message)
        self.transient = transient
        self.retry_after_s = retry_after_s
        self.attempts = attempts


class KeyRefused(CreationFailed):
    """The provider does not take our key."""

    http_status = 503
    reason = "key refused"


class CreditExhausted(CreationFailed):
    """The account at the provider has no credit left, or its plan lacks what was asked."""

    http_status = 503
    reason = "no credit"


class RateLimited(CreationFailed):
    """The provider wants fewer requests."""

    http_status = 503
    reason = "rate limited"


class Moderated(CreationFailed):
    """The provider refuses the description, or has blotted out the picture it made of it."""

    http_status = 422
    reason = "moderated"


class ProviderUnreachable(CreationFailed):
    """No answer of the provider: no connection, none in time, or an error of its own (5xx)."""

    reason = "unreachable"


class RequestRejected(CreationFailed):
    """The provider calls our request invalid."""

    reason = "request rejected"


class AnswerInvalid(CreationFailed):
    """What the provider answered is not what it documents, or is no picture."""

    reason = "answer invalid"


class NotEnoughData(StickerError):
    """A stage has too little to work on; the caller skips with this reason."""
