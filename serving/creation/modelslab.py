"""ModelsLab's text-to-image API.

After https://docs.modelslab.com: /image-generation/realtime-stable-diffusion/text-to-image and /fetchimage, /image-generation/community-models/
dreambooth-text-to-image, /error-codes and /rate-limits. The request is JSON with the key in its body; the answer is JSON with a `status`: `success` (`output`
holds addresses of pictures), `processing` (`fetch_result`, to be asked again by POST with the key, in about `eta` seconds), or `error` (`message`, in older
endpoints `messege`; the status is 200 more often than the documented 4xx, so the words decide). The safety checker, off unless asked for, blanks the picture.
"""

import re
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import httpx
import numpy as np
from PIL import Image
from pydantic import SecretStr

from serving.creation import styles
from serving.creation.calls import MAX_PICTURE_BYTES, Calls, Pace, Reply, checked_key, checked_url
from serving.creation.protocol import Generated, StylePreset
from sticker_studio import fetch
from sticker_studio.errors import (
    AnswerInvalid,
    CreationFailed,
    CreditExhausted,
    FetchFailed,
    FetchRefused,
    KeyRefused,
    Moderated,
    ProviderUnreachable,
    RateLimited,
    RequestRejected,
)

REALTIME: Final = "realtime"
SIDE_PX: Final = 1024
_MAX_ANSWER_BYTES: Final = 1_000_000
_POLL_S: Final = (1.0, 10.0)
_LONGEST_WAIT_S: Final = 86_400
_BLANK_RANGE: Final = 3
_WORDS: Final = (
    (RateLimited, r"rate limit|too many requests|queue"),
    (KeyRefused, r"api[ _]?key|unauthori[sz]ed"),
    (CreditExhausted, r"credit|balance|subscri|payment|\bplan\b|limit (exceeded|reached)|exhausted"),
    (Moderated, r"nsfw|moderat|content polic|inappropriate|prohibited|flagged"),
    (ProviderUnreachable, r"try again|server error|unavailable|timed? ?out|overload"),
)


@dataclass(frozen=True, kw_only=True)
class ModelsLab:
    """A client of one model: `realtime`, or the id of a community model. `allow`: as `fetch.fetch` takes it, for the pictures' addresses."""

    key: SecretStr
    url: str = "https://modelslab.com"
    model: str = REALTIME
    allow: frozenset[str] = frozenset()
    pace: Pace = field(default=Pace(), repr=False)
    name: str = field(default="modelslab", init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", checked_key(self.key, "STICKER_MODELSLAB_KEY"))
        object.__setattr__(self, "url", checked_url(self.url, "STICKER_MODELSLAB_URL"))

    def generate(self, prompt: str, *, style: StylePreset, seed: int, timeout_s: float) -> Generated:
        """As `Generator.generate`."""
        calls = Calls(self.name, self.key, timeout_s=timeout_s, pace=self.pace)
        endpoint = f"{self.url}/api/v6/{REALTIME if self.model == REALTIME else 'images'}"
        body = request_body(prompt, style=style, seed=seed, model=self.model)
        answer = self._finished(calls, endpoint, calls.retried(partial(self._ask, calls, f"{endpoint}/text2img", body)))
        if True in _listed(answer.get("nsfw_content_detected")):
            raise calls.error(Moderated, "a picture with nsfw_content_detected")
        address = self._picture_address(calls, answer)
        data = calls.retried(partial(self._download, calls, address))
        if _is_blank(calls.picture(data)):
            raise calls.error(Moderated, "a picture of one colour, as its safety checker leaves it")
        return Generated(data, self.name, self.model, _used_seed(answer, seed))

    def _ask(self, calls: Calls, url: str, body: dict[str, Any]) -> dict[str, Any]:
        reply = calls.post(url, max_bytes=_MAX_ANSWER_BYTES, json={"key": self.key.get_secret_value(), **body})
        answer = reply.json()
        if reply.status != 200 or answer.get("status") not in ("success", "processing"):
            raise _failure(calls, reply, answer)
        return answer

    def _finished(self, calls: Calls, endpoint: str, answer: dict[str, Any]) -> dict[str, Any]:
        """The answer that is no longer `processing`, asked for until the time limit."""
        address = self._result_address(calls, endpoint, answer) if answer["status"] == "processing" else ""
        while answer["status"] == "processing":
            calls.wait(_poll_s(answer.get("eta")))
            answer = calls.retried(partial(self._ask, calls, address, {}))
        return answer

    def _result_address(self, calls: Calls, endpoint: str, answer: dict[str, Any]) -> str:
        """`fetch_result`, or the documented address with the id. The key goes there, so it must be the provider's own host."""
        address = answer.get("fetch_result") or f"{endpoint}/fetch/{answer.get('id')}"
        if not isinstance(address, str) or not _same_host(address, self.url):
            raise calls.error(AnswerInvalid, f"a fetch_result elsewhere ({calls.told(address)})")
        return address

    def _picture_address(self, calls: Calls, answer: dict[str, Any]) -> str:
        addresses = _listed(answer.get("output"))
        if not addresses or not isinstance(addresses[0], str):
            raise calls.error(AnswerInvalid, f"no picture's address in output ({calls.told(addresses)})")
        return addresses[0]

    def _download(self, calls: Calls, address: str) -> bytes:
        if calls.left_s() <= 0:
            raise calls.too_slow()
        try:
            return fetch.fetch(address, max_bytes=MAX_PICTURE_BYTES, time_limit_s=calls.left_s(), allow=self.allow).data
        except FetchRefused as error:
            raise calls.error(AnswerInvalid, calls.told(str(error))) from None
        except FetchFailed as error:
            # A picture may reach the provider's storage a moment after its address was told: 404 too is asked again.
            transient = error.status in (404, 429) or (error.status or 0) >= 500 or error.reason == "unreachable"
            kind = AnswerInvalid if error.reason == "too large" else ProviderUnreachable
            raise calls.error(kind, calls.told(str(error)), transient=transient) from None


def request_body(prompt: str, *, style: StylePreset, seed: int, model: str) -> dict[str, Any]:
    """The JSON body without the key. The prompt is not `enhanced`: that would rewrite what the cut-out needs."""
    body = {
        "prompt": styles.worded(prompt, style), "negative_prompt": styles.AVOID, "width": SIDE_PX, "height": SIDE_PX, "samples": 1, "seed": seed,
        "safety_checker": True, "enhance_prompt": False, "base64": False,
    }  # fmt: skip
    return body if model == REALTIME else body | {"model_id": model, "safety_checker_type": "black"}


def _failure(calls: Calls, reply: Reply, answer: dict[str, Any]) -> CreationFailed:
    said = answer.get("message") or answer.get("messege") or reply.body.decode(errors="replace")
    if reply.status in (200, 400) and answer.get("status") in ("error", "failed"):
        failure = calls.error(_kind(calls.told(said)), calls.told(said))
    elif reply.status == 403:  # "not available on your current plan"
        failure = calls.error(CreditExhausted, f"403 ({calls.told(said)})")
    else:
        failure = calls.failure(reply, said)
    asked = answer.get("retry_after")
    if failure.transient and isinstance(asked, int | float) and asked >= 0:
        failure.retry_after_s = float(min(asked, _LONGEST_WAIT_S))
    return failure


def _kind(said: str) -> type[CreationFailed]:
    """The kind of error that the words of a message tell."""
    return next((kind for kind, pattern in _WORDS if re.search(pattern, said, re.IGNORECASE)), RequestRejected)


def _poll_s(eta: object) -> float:
    shortest, longest = _POLL_S
    return float(min(max(eta, shortest), longest)) if isinstance(eta, int | float) else shortest


def _same_host(address: str, url: str) -> bool:
    try:
        one, other = httpx.URL(address), httpx.URL(url)
    except httpx.InvalidURL:
        return False
    return (one.scheme, one.host, one.port) == (other.scheme, other.host, other.port)


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _is_blank(picture: Image.Image) -> bool:
    """Whether it is one colour, as the safety checker leaves it; a JPEG's noise does not matter."""
    pixels = np.asarray(picture.convert("RGB"))
    return int(np.ptp(pixels, axis=(0, 1)).max()) <= _BLANK_RANGE


def _used_seed(answer: dict[str, Any], asked: int) -> int:
    meta = answer.get("meta")
    used = meta.get("seed") if isinstance(meta, dict) else None
    return used if isinstance(used, int) else asked
