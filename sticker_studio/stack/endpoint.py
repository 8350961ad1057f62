"""The service as a user meets it: a picture in, a sticker out, and how long that takes."""

import json
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from sticker_studio.errors import Unavailable


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What `/sticker` said to one picture."""

    status: int
    content: bytes
    headers: dict[str, str]
    seconds: float


def post(url: str, picture: bytes, name: str, fields: Mapping[str, str] | None = None, *, path: str = "/sticker") -> Answer:
    """Send one picture as the multipart field `image`, to be worked on anew even if the service remembers it."""
    started = time.perf_counter()
    answer = httpx.post(
        f"{url}{path}", files={"image": (name, picture)}, data=dict(fields or {}), headers={"cache-control": "no-cache"}, timeout=60, trust_env=False
    )
    return Answer(status=answer.status_code, content=answer.content, headers=dict(answer.headers), seconds=time.perf_counter() - started)


def said(answer: Answer) -> str:
    """The message of a refusal."""
    try:
        return str(json.loads(answer.content)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return answer.content.decode(errors="replace")[:300]


def sticker(url: str, picture: bytes, name: str, out: Path) -> dict[str, Any]:
    """Make a sticker of `picture`, write it to `out`, and tell what the answer said. Raises `Unavailable` when none came back.

    A picture in which nothing is found is sent again with `fallback=whole`, and the result says so.
    """
    answer, fallback = post(url, picture, name), ""
    if answer.status == 422:
        fallback = said(answer)
        answer = post(url, picture, name, {"fallback": "whole"})
    if answer.status != 200:
        raise Unavailable(f"{url}/sticker: expected a sticker of {name}, got {answer.status}: {answer.content[:300]!r}")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(answer.content)
    told = {key: value for key, value in answer.headers.items() if key.startswith("x-sticker")}
    return {"picture": name, "file": str(out), "bytes": len(answer.content), "ms": round(answer.seconds * 1000, 1), "headers": told, "nothing_found": fallback}


def latency_ms(url: str, picture: bytes, name: str, *, requests: int = 20) -> dict[str, float]:
    """p50 and p95 in ms over `requests` requests, one after the other, the first one left out."""
    answers = [post(url, picture, name, {"fallback": "whole"}) for _ in range(requests + 1)][1:]
    failed = [answer.status for answer in answers if answer.status != 200]
    if failed:
        raise Unavailable(f"{url}/sticker: {len(failed)} of {requests} requests failed with {sorted(set(failed))}")
    seconds = sorted(answer.seconds for answer in answers)
    return {"p50_ms": round(statistics.median(seconds) * 1000, 1), "p95_ms": round(seconds[int(len(seconds) * 0.95) - 1] * 1000, 1), "requests": requests}
