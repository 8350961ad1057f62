"""Stability AI's stable-image API.

After the reference of the REST API v2beta, https://platform.stability.ai/docs/api-reference#tag/Generate (Core, Ultra, Stable Diffusion 3.5): the request
is a multipart form; the answer to `accept: image/*` is the picture itself, with the headers `seed` and `finish-reason`; errors are JSON
`{id, name, errors}`. A moderated description is status 403 with the name `content_moderation`; a moderated picture is status 200, blurred, with the
finish reason `CONTENT_FILTERED`. Only successes are charged. Above 150 requests in 10 seconds every one is 429 for 60 seconds.
"""

import re
from dataclasses import dataclass, field
from typing import Final, Literal

from pydantic import SecretStr

from serving.creation import styles
from serving.creation.calls import Calls, Pace, Reply, checked_key, checked_url
from serving.creation.protocol import Generated, StylePreset
from sticker_studio.errors import CreationFailed, CreditExhausted, Moderated, RateLimited

Model = Literal["core", "ultra", "sd3.5-large", "sd3.5-large-turbo", "sd3.5-medium", "sd3.5-flash"]
STYLE_PRESETS: Final[dict[StylePreset, str]] = {
    "anime": "anime", "cartoon": "comic-book", "photo": "photographic", "pixel": "pixel-art", "clay": "modeling-compound",
}  # fmt: skip
PENALTY_S: Final = 60.0
"""How long a client above the rate is turned away, by the reference; asking sooner is in vain."""
_BY_NAME: Final[dict[str, type[CreationFailed]]] = {"content_moderation": Moderated, "payment_required": CreditExhausted}


@dataclass(frozen=True, kw_only=True)
class Stability:
    """A client of one model; `key` is Stability AI's API key."""

    key: SecretStr
    url: str = "https://api.stability.ai"
    model: Model = "core"
    pace: Pace = field(default=Pace(), repr=False)
    name: str = field(default="stability", init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", checked_key(self.key, "STICKER_STABILITY_KEY"))
        object.__setattr__(self, "url", checked_url(self.url, "STICKER_STABILITY_URL"))

    def generate(self, prompt: str, *, style: StylePreset, seed: int, timeout_s: float) -> Generated:
        """As `Generator.generate`."""
        calls = Calls(self.name, self.key, timeout_s=timeout_s, pace=self.pace)
        form = request_form(prompt, style=style, seed=seed, model=self.model)
        reply = calls.retried(lambda: self._ask(calls, form))
        calls.picture(reply.body)
        used = reply.headers.get("seed", "")
        return Generated(reply.body, self.name, self.model, int(used) if re.fullmatch("[0-9]{1,10}", used) else seed)

    def _ask(self, calls: Calls, form: dict[str, str]) -> Reply:
        headers = {"authorization": f"Bearer {self.key.get_secret_value()}", "accept": "image/*"}
        parts = {name: (None, value) for name, value in form.items()}
        reply = calls.post(f"{self.url}/v2beta/stable-image/generate/{endpoint(self.model)}", files=parts, headers=headers)
        if reply.status != 200:
            raise _failure(calls, reply)
        if reply.headers.get("finish-reason") == "CONTENT_FILTERED":
            raise calls.error(Moderated, "a blurred picture")
        return reply


def endpoint(model: Model) -> str:
    """The last part of the address: the models of Stable Diffusion share one."""
    return "sd3" if model.startswith("sd3") else model


def request_form(prompt: str, *, style: StylePreset, seed: int, model: Model) -> dict[str, str]:
    """The fields of the form."""
    form = {
        "prompt": styles.worded(prompt, style), "negative_prompt": styles.AVOID, "aspect_ratio": "1:1", "seed": str(seed), "output_format": "png",
        "style_preset": STYLE_PRESETS[style],
    }  # fmt: skip
    return form | ({"model": model} if endpoint(model) == "sd3" else {})


def _failure(calls: Calls, reply: Reply) -> CreationFailed:
    answer = reply.json()
    said = answer.get("errors") or answer.get("message") or reply.body.decode(errors="replace")
    named = _BY_NAME.get(str(answer.get("name")))
    failure = calls.error(named, f"{reply.status} ({calls.told(said)})") if named else calls.failure(reply, said)
    if isinstance(failure, RateLimited) and failure.retry_after_s is None:
        failure.retry_after_s = PENALTY_S
    return failure
