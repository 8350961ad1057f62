"""The one exception tree.

StickerError                  anything this project raises on purpose
├── InputError                the caller sent something unusable (HTTP 400)
│   ├── UndecodableImage      not a picture, truncated, or of an unknown format (HTTP 400)
│   ├── InputTooLarge         over a byte, pixel or time limit (HTTP 413)
│   └── UnsupportedInput      a format or option that is known but not served (HTTP 415)
├── NothingFound              no subject in the picture (HTTP 422)
├── ContractViolation         data read back breaks its contract (a bug or a damaged file)
├── Unavailable               a needed package, weight, model or server is missing; names the remedy
├── FetchRefused              an address that may not be fetched (private network, scheme, redirect)
├── FetchFailed               an address that could not be fetched (time, status, size)
└── NotEnoughData             a stage has too little to work on; the caller skips with this reason

Every message says what was expected, what came, and what to do.
"""


class StickerError(Exception):
    """Anything this project raises on purpose."""

    http_status = 500


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


class NotEnoughData(StickerError):
    """A stage has too little to work on; the caller skips with this reason."""
