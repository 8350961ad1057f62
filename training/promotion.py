"""Aliases moved and verified: bootstrap, promote, verify, roll back. Every move is tagged on the version it concerns."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sticker_studio import images
from sticker_studio.errors import InputError, NotEnoughData
from sticker_studio.settings import Settings
from sticker_studio.types import MODEL_NAMES, RGB
from training import tracking

if TYPE_CHECKING:
    import httpx
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

log = logging.getLogger(__name__)

POLL_S: Final = 1.0


@dataclass(frozen=True)
class Step:
    """What to do with one model: move the champion alias (`promote`), or leave it and say why."""

    name: str
    promote: bool
    reason: str


def plan(name: str, tags: Mapping[str, str] | None, *, is_champion: bool) -> Step:
    """Decide from the tags of the batch's version whether it becomes champion. Pure."""
    if tags is None:
        return Step(name, False, "the batch registered no version")
    if tracking.TAG_ROLLED_BACK in tags:
        return Step(name, False, f"was rolled back: {tags[tracking.TAG_ROLLED_BACK]}")
    if is_champion:
        return Step(name, True, "is champion already")
    verdict = tags.get(tracking.TAG_VERDICT)
    if verdict is None:
        return Step(name, False, "the gate has not judged it; run `python -m training gate`")
    return Step(name, verdict == "promote", tags.get(tracking.TAG_REASONS, verdict))


def promote(batch: str, approver: str, settings: Settings) -> dict[str, Any]:
    """Move `champion` to each version of `batch` with the verdict 'promote'. Doing it again changes nothing."""
    client = tracking.client(settings)
    promoted: dict[str, str] = {}
    kept: dict[str, str] = {}
    with tracking.told("promoting", settings):
        for name in MODEL_NAMES:
            version, champion = _newest(client, name, batch), tracking.alias(client, name, "champion")
            is_champion = version is not None and champion is not None and champion.version == version.version
            step = plan(name, version.tags if version else None, is_champion=is_champion)
            if version is None or not step.promote:
                kept[name] = step.reason
                continue
            if not is_champion:
                _move(client, version, champion, approver)
            promoted[name] = str(version.version)
    return {"batch": batch, "promoted": promoted, "kept": kept}


def _newest(client: "MlflowClient", name: str, batch: str) -> "ModelVersion | None":
    found = tracking.versions(client, name, batch)
    return found[0] if found else None


def _move(client: "MlflowClient", version: "ModelVersion", champion: "ModelVersion | None", approver: str) -> None:
    tags = {tracking.TAG_APPROVER: approver, tracking.TAG_PREVIOUS: str(champion.version) if champion else ""}
    tracking.tag(client, version, tags)
    client.set_registered_model_alias(version.name, "champion", str(version.version))
    log.info("%s: champion is version %s, approved by %s (before: %s)", version.name, version.version, approver, tags[tracking.TAG_PREVIOUS] or "none")


def rollback(name: str, to: str, settings: Settings) -> dict[str, Any]:
    """Make version `to` champion again. Raises `InputError` for a model or version that is not there."""
    client = tracking.client(settings)
    with tracking.told("rolling back", settings):
        known = {str(version.version) for version in client.search_model_versions(f"name='{name}'")}
        if to not in known:
            raise InputError(f"{name}: expected one of its versions {', '.join(sorted(known, key=int)) or '(none registered)'}, got {to!r}")
        champion = tracking.alias(client, name, "champion")
        if champion is not None and str(champion.version) != to:
            tracking.tag(client, champion, {tracking.TAG_ROLLED_BACK: f"by hand, to version {to}"})
        client.set_registered_model_alias(name, "champion", to)
        if tracking.TAG_ROLLED_BACK in client.get_model_version(name, to).tags:
            client.delete_model_version_tag(name, to, tracking.TAG_ROLLED_BACK)
    log.info("%s: champion is version %s again", name, to)
    return {"model": name, "version": to}


# --- does the service follow?


def verify(batch: str, settings: Settings, *, timeout_s: float, smoke: Sequence[RGB]) -> dict[str, Any]:
    """Wait until the service names the champions, then have it cut out a picture; where it does not follow, what `batch` promoted goes back.

    `smoke` are HxWx3 pictures, of which one must come back cut out. Returns {"batch", "serving", "rolled_back"}.
    """
    client = tracking.client(settings)
    with tracking.told("verifying", settings):
        wanted = {name: str(version.version) for name in MODEL_NAMES if (version := tracking.alias(client, name, "champion")) is not None}
        moved = {name: version for name in wanted if (version := _promoted_by(client, name, batch, wanted[name])) is not None}
    served = wait_for(wanted, lambda: served_versions(settings.service_url), timeout_s=timeout_s)
    reasons = {name: _not_followed(served.get(name), wanted[name], timeout_s) for name in moved if served.get(name) != wanted[name]}
    if moved and not reasons and (problem := smoke_test(settings.service_url, smoke)):
        reasons = dict.fromkeys(moved, problem)
    with tracking.told("rolling back", settings):
        for name, reason in reasons.items():
            _restore(client, moved[name], reason)
    return {"batch": batch, "serving": served, "rolled_back": reasons}


def _not_followed(served: str | None, wanted: str, timeout_s: float) -> str:
    return f"the service serves version {served or '(none)'} after {timeout_s:g} s, not {wanted}"


def _promoted_by(client: "MlflowClient", name: str, batch: str, champion: str) -> "ModelVersion | None":
    found = [version for version in tracking.versions(client, name, batch) if str(version.version) == champion]
    return found[0] if found and tracking.TAG_APPROVER in found[0].tags else None


def _restore(client: "MlflowClient", version: "ModelVersion", reason: str) -> None:
    tracking.tag(client, version, {tracking.TAG_ROLLED_BACK: reason})
    previous = version.tags.get(tracking.TAG_PREVIOUS, "")
    if previous:
        client.set_registered_model_alias(version.name, "champion", previous)
    else:
        client.delete_registered_model_alias(version.name, "champion")
    log.error("%s: version %s rolled back to %s: %s", version.name, version.version, previous or "no champion", reason)


def wait_for(wanted: Mapping[str, str], served: Callable[[], dict[str, str]], *, timeout_s: float, poll_s: float = POLL_S) -> dict[str, str]:
    """Ask until what is served equals `wanted` or the time is over; the last answer."""
    deadline = time.monotonic() + timeout_s
    while True:
        answer = served()
        if all(answer.get(name) == version for name, version in wanted.items()) or time.monotonic() >= deadline:
            return answer
        time.sleep(min(poll_s, max(0.0, deadline - time.monotonic())))


def served_versions(service_url: str) -> dict[str, str]:
    """Versions by registry name as GET /models tells; empty (and said so) while the service does not answer."""
    import httpx

    try:
        response = httpx.get(f"{service_url.rstrip('/')}/models", timeout=5)
        response.raise_for_status()
        models = response.json()["models"]
        return {str(name): str(model["version"]) for name, model in models.items()}
    except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError) as error:
        log.warning("%s/models does not answer as expected: %s", service_url, error)
        return {}


def smoke_test(service_url: str, pictures: Sequence[RGB]) -> str | None:
    """Have the service cut out `pictures` until one works; None when it did, else what came instead. Raises `NotEnoughData` without a picture."""
    import httpx

    if not pictures:
        raise NotEnoughData("the smoke test needs at least one picture")
    problems = []
    for picture in pictures:
        try:
            files = {"image": ("smoke.png", images.encode_png(picture), "image/png")}
            response = httpx.post(f"{service_url.rstrip('/')}/cutout", data={"crop": "false"}, files=files, timeout=30)
            problem = _cutout_problem(response, picture)
        except httpx.HTTPError as error:
            problem = f"no answer: {error}"
        if problem is None:
            return None
        problems.append(problem)
    return "POST /cutout: " + "; ".join(problems)


def _cutout_problem(response: "httpx.Response", picture: RGB) -> str | None:
    """None for a picture of the same size that is neither all there nor all gone."""
    if response.status_code != 200:
        return f"HTTP {response.status_code} {response.text[:200]}"
    cut = images.open_upright(response.content)
    height, width = picture.shape[:2]
    if cut.mode != "RGBA" or cut.size != (width, height):
        return f"expected RGBA {width}x{height}, got {cut.mode} {cut.width}x{cut.height}"
    low, high = cut.getchannel("A").getextrema()
    return None if low != high else f"alpha is {low} everywhere"
