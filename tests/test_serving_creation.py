"""Text to sticker: descriptions, styles, and providers that answer as they document, or fail in every way they can. Real servers on loopback."""

import io
import logging
import re
import time
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from creation_servers import (
    KEY,
    Answer,
    ModelsLabServer,
    Provider,
    StabilityServer,
    drip,
    endless,
    hang,
    moved,
    picture,
    raw,
    reset,
    serving,
    told,
)
from PIL import Image
from pydantic import SecretStr

from serving.creation import calls, chain, styles
from serving.creation.calls import Pace, checked_key, checked_url, retry_after_s
from serving.creation.modelslab import ModelsLab
from serving.creation.protocol import Generated, Generator, StylePreset
from serving.creation.stability import Model, Stability
from sticker_studio import errors, fetch, safety
from sticker_studio.errors import (
    AnswerInvalid,
    CreationFailed,
    CreditExhausted,
    InputError,
    KeyRefused,
    Moderated,
    PromptRefused,
    ProviderUnreachable,
    RateLimited,
    RequestRejected,
    Unavailable,
)
from sticker_studio.settings import Settings
from sticker_studio.stack import programs
from sticker_studio.stack.layout import Layout, secrets_of


class Clock:
    """Real time plus the sleeps, which take none."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return time.monotonic() + sum(self.slept)

    def sleep(self, seconds: float, /) -> None:
        self.slept.append(seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def stability_server() -> Iterator[StabilityServer]:
    with serving(StabilityServer) as server:
        yield server


@pytest.fixture
def modelslab_server() -> Iterator[ModelsLabServer]:
    with serving(ModelsLabServer) as server:
        yield server


@pytest.fixture(params=["stability", "modelslab"])
def server(request: pytest.FixtureRequest) -> Provider:
    """Each provider in turn."""
    provider: Provider = request.getfixturevalue(f"{request.param}_server")
    return provider


@pytest.fixture(autouse=True)
def _no_log_shows_a_key(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.DEBUG)
    yield
    assert KEY not in caplog.text


def client(server: Provider, clock: Clock, *, key: str = KEY, **pace: Any) -> Generator:
    """The client of a server."""
    secret, timing = SecretStr(key), Pace(clock=clock, **pace)
    if isinstance(server, StabilityServer):
        return Stability(key=secret, url=server.url, pace=timing)
    return ModelsLab(key=secret, url=server.url, allow=frozenset({server.host}), pace=timing)


def made(generator: Generator, prompt: str = "a cat with a hat", *, style: StylePreset = "cartoon", seed: int = 11, timeout_s: float = 60.0) -> Generated:
    return generator.generate(prompt, style=style, seed=seed, timeout_s=timeout_s)


def failure(generator: Generator, *, timeout_s: float = 60.0) -> CreationFailed:
    """How the generation fails, in words that show no key, nor does the traceback."""
    with pytest.raises(CreationFailed) as caught:
        made(generator, timeout_s=timeout_s)
    assert KEY not in "".join(traceback.format_exception(caught.value))
    assert str(caught.value).startswith(f"{generator.name}: expected ")
    return caught.value


def rate_limited(server: Provider, **headers: str) -> Answer:
    if isinstance(server, StabilityServer):
        return server.error(429, "rate_limit_exceeded", "You exceeded 150 requests in 10 seconds", **headers)
    return told(429, {"status": "error", "message": "Rate limit exceeded. Maximum 5 queued requests allowed."}, **headers)


# --- every provider


def test_a_description_becomes_a_picture_that_names_its_origin(server: Provider, clock: Clock) -> None:
    generator = client(server, clock)
    assert made(generator, seed=4_294_967_294) == Generated(picture(), server.name, generator.model, 4_294_967_294)
    assert clock.slept == []


@pytest.mark.parametrize("style", list(styles.PRESETS))
def test_each_style_asks_for_a_whole_subject_on_a_plain_background(server: Provider, clock: Clock, style: StylePreset) -> None:
    made(client(server, clock), "a red fox", style=style)
    fields = server.seen[0][1]
    assert fields["prompt"].startswith("a red fox, ")
    assert styles.PRESETS[style] in fields["prompt"]
    assert "whole subject" in fields["prompt"]
    assert "plain, evenly lit background" in fields["prompt"]
    assert "cut off" in fields["negative_prompt"]
    assert "sticker" not in fields["prompt"]


def test_a_refused_key_is_not_tried_again(server: Provider, clock: Clock) -> None:
    error = failure(client(server, clock, key="sk-wrong"))
    assert type(error) is KeyRefused
    assert "check the key" in str(error)
    assert len(server.seen) == 1


def test_a_key_that_the_provider_repeats_is_hidden(server: Provider, clock: Clock) -> None:
    server.next(told(401, {"name": "unauthorized", "errors": [f"Incorrect API key: {KEY}"], "status": "error", "message": f"Invalid key {KEY}"}))
    assert "***" in str(failure(client(server, clock)))


@pytest.mark.parametrize("status", [400, 413, 422])
def test_an_invalid_request_is_told_apart_and_not_tried_again(server: Provider, clock: Clock, status: int) -> None:
    server.next(told(status, {"name": "bad_request", "errors": ["prompt: too long"], "status": "error", "message": "prompt: too long"}))
    error = failure(client(server, clock))
    assert type(error) is RequestRejected
    assert "prompt: too long" in str(error)
    assert len(server.seen) == 1


def test_missing_credit_is_told_apart_and_not_tried_again(server: Provider, clock: Clock) -> None:
    server.next(told(402, {"name": "payment_required", "errors": ["You lack sufficient credits"], "status": "error", "message": "Insufficient credits."}))
    assert type(failure(client(server, clock))) is CreditExhausted
    assert len(server.seen) == 1


def test_a_rate_limit_is_waited_for_as_long_as_the_provider_asks(server: Provider, clock: Clock) -> None:
    server.next(
        rate_limited(server, Retry_After="7"), rate_limited(server, Retry_After=format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True))
    )
    assert made(client(server, clock)).data == picture()
    assert clock.slept[0] == 7
    assert 15 < clock.slept[1] <= 20


def test_a_rate_limit_longer_than_the_time_left_is_not_waited_for(server: Provider, clock: Clock) -> None:
    server.next(rate_limited(server, Retry_After="3600"))
    error = failure(client(server, clock))
    assert type(error) is RateLimited
    assert error.retry_after_s == 3600
    assert clock.slept == []


@pytest.mark.parametrize(
    "answer", [pytest.param(told(500, {"message": "Internal server error"}), id="500"), pytest.param(raw(502, b"<h1>Bad"), id="502 html"), reset]
)
def test_what_may_pass_is_tried_again_after_growing_waits(server: Provider, clock: Clock, answer: Answer) -> None:
    server.next(answer, answer)
    assert made(client(server, clock, first_wait_s=4.0)).data == picture()
    first, second = clock.slept
    assert 2 <= first <= 4 <= second <= 8


def test_tries_are_bounded(server: Provider, clock: Clock) -> None:
    server.next(*[raw(503, b"")] * 9)
    assert type(failure(client(server, clock, tries=4))) is ProviderUnreachable
    assert len(server.seen) == 4
    assert len(clock.slept) == 3


def test_a_wait_never_passes_the_time_limit(server: Provider, clock: Clock) -> None:
    server.next(*[raw(503, b"")] * 9)
    failure(client(server, clock, first_wait_s=50.0, longest_wait_s=50.0), timeout_s=20.0)
    assert clock.slept == []


def test_a_closed_port_is_unreachable(clock: Clock) -> None:
    with serving(StabilityServer) as server:
        generator = client(server, clock)
    assert type(failure(generator)) is ProviderUnreachable
    assert len(clock.slept) == 2


@pytest.mark.parametrize("answer", [hang, drip])
def test_an_answer_that_takes_too_long_ends_at_the_time_limit_and_is_not_asked_for_again(server: Provider, clock: Clock, answer: Answer) -> None:
    server.next(answer)
    error = failure(client(server, clock), timeout_s=0.4)
    assert type(error) is ProviderUnreachable
    assert "within 0.4 s" in str(error)
    assert len(server.seen) == 1


def test_a_silent_provider_is_left_at_the_read_limit_long_before_the_whole_one(server: Provider, clock: Clock) -> None:
    server.next(hang)
    assert type(failure(client(server, clock, read_s=0.2))) is ProviderUnreachable
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(raw(200, b"<html>maintenance</html>"), id="html"),
        pytest.param(raw(200, b""), id="empty"),
        pytest.param(raw(200, b'{"status": "succ'), id="half json"),
        pytest.param(raw(200, b"[" * 100_000), id="deep json"),
        pytest.param(told(200, ["success"]), id="a list"),
        pytest.param(told(200, {"status": {"a": 1}}), id="status of another type"),
        pytest.param(raw(204, b""), id="no content"),
        endless,
    ],
)
def test_garbage_is_an_invalid_answer(server: Provider, clock: Clock, answer: Answer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "MAX_PICTURE_BYTES", 2_000_000)
    server.next(answer)
    assert type(failure(client(server, clock))) is AnswerInvalid
    assert len(server.seen) == 1


def test_a_redirect_is_not_followed_with_the_key(server: Provider, clock: Clock) -> None:
    with serving(StabilityServer) as elsewhere:
        server.next(moved(f"{elsewhere.url}/v2beta/stable-image/generate/core"))
        assert type(failure(client(server, clock))) is AnswerInvalid
        assert elsewhere.seen == []


def bomb() -> bytes:
    """A PNG of some kilobytes with 20000x2000 pixels."""
    buffer = io.BytesIO()
    Image.new("1", (20_000, 2_000)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"%PDF-1.7 no picture at all", id="not a picture"),
        pytest.param(picture()[:250], id="cut short"),
        pytest.param(bomb(), id="more pixels than allowed"),
        pytest.param(b"\x89PNG\r\n" + b"x" * 3_000_000, id="more bytes than allowed"),
    ],
)
def test_a_picture_is_believed_only_when_it_decodes_within_limits(server: Provider, clock: Clock, data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("serving.creation.calls", "serving.creation.modelslab"):
        monkeypatch.setattr(f"{module}.MAX_PICTURE_BYTES", 2_000_000)
    server.next(raw(200, data, Content_Type="image/png"), path=ModelsLabServer.stored if isinstance(server, ModelsLabServer) else "*")
    assert type(failure(client(server, clock))) is AnswerInvalid


def test_a_client_shows_no_key(server: Provider, clock: Clock) -> None:
    assert KEY not in repr(client(server, clock))
    assert server.name in repr(client(server, clock))


# --- Stability AI


@pytest.mark.parametrize(("model", "path"), [("core", "core"), ("ultra", "ultra"), ("sd3.5-large", "sd3"), ("sd3.5-flash", "sd3")])
def test_stability_has_an_address_for_each_family_of_models(stability_server: StabilityServer, model: Model, path: str) -> None:
    generator = Stability(key=SecretStr(f" {KEY}\n"), url=stability_server.url + "/", model=model)
    assert made(generator).model == model
    assert stability_server.requests() == [f"POST /v2beta/stable-image/generate/{path}"]


def test_stability_is_asked_for_its_own_presets(stability_server: StabilityServer, clock: Clock) -> None:
    for style in styles.PRESETS:
        made(client(stability_server, clock), style=style)
    assert [fields["style_preset"] for _, fields, _ in stability_server.seen] == ["anime", "comic-book", "photographic", "pixel-art", "modeling-compound"]


def test_stabilitys_moderation_of_a_description_is_final(stability_server: StabilityServer, clock: Clock) -> None:
    stability_server.next(stability_server.error(403, "content_moderation", "Your request was flagged by our content moderation system"))
    assert type(failure(client(stability_server, clock))) is Moderated
    assert len(stability_server.seen) == 1


def test_a_picture_that_stability_blurred_is_moderated(stability_server: StabilityServer, clock: Clock) -> None:
    stability_server.next(raw(200, picture(), Content_Type="image/png", finish_reason="CONTENT_FILTERED", seed="3"))
    assert type(failure(client(stability_server, clock))) is Moderated


def test_another_403_of_stability_is_about_the_key(stability_server: StabilityServer, clock: Clock) -> None:
    stability_server.next(stability_server.error(403, "permission_denied", "You lack the necessary permissions"))
    assert type(failure(client(stability_server, clock))) is KeyRefused


def test_stabilitys_documented_penalty_is_waited_for_where_no_header_tells_it(stability_server: StabilityServer, clock: Clock) -> None:
    stability_server.next(rate_limited(stability_server))
    made(client(stability_server, clock), timeout_s=100.0)
    assert clock.slept == [60]


@pytest.mark.parametrize("odd", ["", "seven", "9" * 5_000])
def test_an_odd_seed_header_leaves_the_seed_that_was_asked(stability_server: StabilityServer, clock: Clock, odd: str) -> None:
    stability_server.next(raw(200, picture(), seed=odd))
    assert made(client(stability_server, clock), seed=12).seed == 12


# --- ModelsLab


def test_a_picture_in_work_is_asked_for_until_it_is_done(modelslab_server: ModelsLabServer, clock: Clock) -> None:
    busy = modelslab_server.processing
    modelslab_server.next(busy(eta=4.5), path=modelslab_server.realtime)
    modelslab_server.next(busy(eta=900), busy(eta="soon"), busy(eta=10**400), path=modelslab_server.result)
    assert made(client(modelslab_server, clock)).data == picture()
    assert clock.slept == [4.5, 10, 1, 10]
    assert modelslab_server.requests("POST") == [f"POST {modelslab_server.realtime}", *[f"POST {modelslab_server.result}"] * 4]


def test_a_picture_that_stays_in_work_ends_at_the_time_limit(modelslab_server: ModelsLabServer, clock: Clock) -> None:
    modelslab_server.next(*[modelslab_server.processing(eta=10)] * 20)
    assert type(failure(client(modelslab_server, clock), timeout_s=35.0)) is ProviderUnreachable
    assert clock.slept == [10, 10, 10]


def test_a_failure_while_asking_again_is_tried_again(modelslab_server: ModelsLabServer, clock: Clock) -> None:
    modelslab_server.next(modelslab_server.processing(), path=modelslab_server.realtime)
    modelslab_server.next(reset, raw(500, b""), path=modelslab_server.result)
    assert made(client(modelslab_server, clock)).data == picture()


def test_without_fetch_result_the_documented_address_is_asked(modelslab_server: ModelsLabServer, clock: Clock) -> None:
    modelslab_server.next(modelslab_server.processing(fetch_result=None), path=modelslab_server.realtime)
    assert made(client(modelslab_server, clock)).data == picture()


@pytest.mark.parametrize("address", ["http://127.0.0.1:{port}/steal", "http://modelslab.example/steal", "//[", 7])
def test_the_key_is_not_carried_to_another_host(modelslab_server: ModelsLabServer, clock: Clock, address: object) -> None:
    with serving(ModelsLabServer) as thief:
        elsewhere = address.format(port=thief.server_port) if isinstance(address, str) else address
        modelslab_server.next(modelslab_server.processing(fetch_result=elsewhere))
        assert type(failure(client(modelslab_server, clock))) is AnswerInvalid
        assert thief.seen == []


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("Rate limit exceeded", RateLimited),
        ("Rate limit exceeded. Maximum 5 queued requests allowed.", RateLimited),
        ("Invalid Api Key", KeyRefused),
        ("Insufficient credits. Please add more credits to continue.", CreditExhausted),
        ("This feature requires a premium subscription", CreditExhausted),
        ("Monthly limit exceeded, upgrade your plan", CreditExhausted),
        ("NSFW prompt detected", Moderated),
        ("The prompt was flagged by moderation", Moderated),
        ("Internal server error. Please try again.", ProviderUnreachable),
        ("Failed, Try Again", ProviderUnreachable),
        ("Model not found: x", RequestRejected),
        ({"prompt": ["The prompt field is required."]}, RequestRejected),
        (None, RequestRejected),
    ],
)
def test_modelslabs_errors_with_status_200_are_told_apart_by_their_words(
    modelslab_server: ModelsLabServer, clock: Clock, message: object, kind: type[CreationFailed]
) -> None:
    modelslab_server.next(*[modelslab_server.error(message)] * 3)
    assert type(failure(client(modelslab_server, clock))) is kind
    assert len(modelslab_server.seen) == (3 if kind in (RateLimited, ProviderUnreachable) else 1)


def test_the_wait_in_modelslabs_body_is_honoured(modelslab_server: ModelsLabServer, clock: Clock) -> None:
    modelslab_server.next(modelslab_server.error("Rate limit exceeded.", status=429, retry_after=30))
    made(client(modelslab_server, clock))
    assert clock.slept == [30]


def test_the_misspelt_message_of_older_endpoints_is_read(modelslab_server: ModelsLabServer, clock: Clock) -> None:
    modelslab_server.next(told(200, {"status": "failed", "messege": "Invalid Api Key"}))
    assert type(failure(client(modelslab_server, clock))) is KeyRefused


def test_a_feature_that_the_plan_lacks_is_a_matter_of_credit(modelslab_server: ModelsLabServer, clock: Clock) -> None:
    modelslab_server.next(modelslab_server.error("This feature is not for you", status=403))
    assert type(failure(client(modelslab_server, clock))) is CreditExhausted


@pytest.mark.parametrize("flag", [True, [True]])
def test_a_flagged_picture_is_moderated(modelslab_server: ModelsLabServer, clock: Clock, flag: object) -> None:
    modelslab_server.next(told(200, modelslab_server.finished() | {"nsfw_content_detected": flag}))
    assert type(failure(client(modelslab_server, clock))) is Moderated


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_picture_that_the_safety_checker_blanked_is_moderated(modelslab_server: ModelsLabServer, clock: Clock, kind: str) -> None:
    modelslab_server.next(raw(200, picture(kind=kind, blank=True)), path=modelslab_server.stored)
    assert type(failure(client(modelslab_server, clock))) is Moderated
    assert modelslab_server.seen[0][1]["safety_checker"] is True


@pytest.mark.parametrize(
    "output", [[], None, [7], [{"url": "x"}], ["no address"], ["file:///etc/passwd"], ["http://10.0.0.1/x.png"], ["http://169.254.169.254/"]]
)
def test_an_output_that_is_no_public_address_is_invalid(modelslab_server: ModelsLabServer, clock: Clock, output: object) -> None:
    modelslab_server.next(told(200, modelslab_server.finished() | {"output": output}))
    assert type(failure(client(modelslab_server, clock))) is AnswerInvalid


def test_a_picture_is_not_fetched_from_a_private_address_that_a_redirect_names(modelslab_server: ModelsLabServer, clock: Clock) -> None:
    with serving(ModelsLabServer) as private:
        modelslab_server.next(raw(302, b"", Location=f"{private.url}{private.stored}"), path=modelslab_server.stored)
        error = failure(client(modelslab_server, clock))
        assert private.seen == []
    assert type(error) is AnswerInvalid
    assert "public internet" in str(error)


def test_a_picture_that_is_stored_a_moment_later_is_waited_for(modelslab_server: ModelsLabServer, clock: Clock) -> None:
    modelslab_server.next(raw(404, b""), raw(503, b""), path=modelslab_server.stored)
    assert made(client(modelslab_server, clock)).data == picture()
    assert len(clock.slept) == 2


def test_an_endless_picture_is_left_at_the_limit(modelslab_server: ModelsLabServer, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.creation.modelslab.MAX_PICTURE_BYTES", 200_000)
    modelslab_server.next(endless, path=modelslab_server.stored)
    error = failure(client(modelslab_server, clock))
    assert type(error) is AnswerInvalid
    assert "at most 200000 bytes" in str(error)


def test_a_picture_that_never_comes_is_unreachable(modelslab_server: ModelsLabServer, clock: Clock) -> None:
    modelslab_server.next(hang, path=modelslab_server.stored)
    assert type(failure(client(modelslab_server, clock), timeout_s=0.6)) is ProviderUnreachable
    assert len(modelslab_server.requests("GET")) == 1


def test_a_community_model_has_its_own_address_and_names_itself(modelslab_server: ModelsLabServer) -> None:
    generator = ModelsLab(key=SecretStr(KEY), url=modelslab_server.url, model="flux", allow=frozenset({modelslab_server.host}))
    assert made(generator).model == "flux"
    line, fields, _ = modelslab_server.seen[0]
    assert line == f"POST {modelslab_server.community}"
    assert fields["model_id"] == "flux"


# --- in turn


@pytest.fixture
def both(stability_server: StabilityServer, modelslab_server: ModelsLabServer, clock: Clock) -> list[Generator]:
    return [client(stability_server, clock), client(modelslab_server, clock)]


def create(generators: list[Generator], clock: Clock, prompt: str = "a cat with a hat", **options: Any) -> chain.Created:
    return chain.create(prompt, "anime", generators=generators, clock=clock, **options)


def test_the_first_provider_makes_the_picture(both: list[Generator], clock: Clock, modelslab_server: ModelsLabServer) -> None:
    assert create(both, clock, seed=5) == chain.Created(picture(), "stability", "core", 5, ())
    assert modelslab_server.seen == []


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        pytest.param(StabilityServer.error(401, "unauthorized", "no"), "key refused", id="key"),
        pytest.param(StabilityServer.error(402, "payment_required", "You lack sufficient credits"), "no credit", id="credit"),
        pytest.param(StabilityServer.error(429, "rate_limit_exceeded", "slower"), "rate limited", id="rate"),
        pytest.param(StabilityServer.error(422, "invalid", "no"), "request rejected", id="invalid"),
        pytest.param(StabilityServer.error(500, "internal_error", "oops"), "unreachable", id="500"),
        pytest.param(reset, "unreachable", id="network"),
        pytest.param(raw(200, b"no picture"), "answer invalid", id="garbage"),
    ],
)
def test_whatever_fails_the_next_provider_makes_the_picture_and_the_failure_is_told(
    both: list[Generator], clock: Clock, stability_server: StabilityServer, answer: Answer, reason: str
) -> None:
    stability_server.next(*[answer] * 3)
    created = create(both, clock, seed=9)
    assert (created.provider, created.model, created.seed) == ("modelslab", "realtime", 9)
    assert [(attempt.provider, attempt.model, attempt.reason) for attempt in created.attempts] == [("stability", "core", reason)]
    assert created.attempts[0].message.startswith("stability: expected ")


def test_a_provider_that_hangs_leaves_the_next_its_share_of_the_time(both: list[Generator], clock: Clock, stability_server: StabilityServer) -> None:
    stability_server.next(hang)
    created = create(both, clock, timeout_s=3.0)
    assert created.provider == "modelslab"
    assert "within 1.5 s" in created.attempts[0].message


def test_a_description_that_moderation_refuses_is_not_carried_to_the_next(
    both: list[Generator], clock: Clock, stability_server: StabilityServer, modelslab_server: ModelsLabServer
) -> None:
    stability_server.next(stability_server.error(403, "content_moderation", "flagged"))
    with pytest.raises(Moderated) as caught:
        create(both, clock)
    assert modelslab_server.seen == []
    assert [attempt.reason for attempt in caught.value.attempts] == ["moderated"]
    assert caught.value.http_status == 422


def test_moderation_after_another_failure_names_both(
    both: list[Generator], clock: Clock, stability_server: StabilityServer, modelslab_server: ModelsLabServer
) -> None:
    stability_server.next(stability_server.error(402, "payment_required", "no"))
    modelslab_server.next(modelslab_server.error("NSFW prompt"))
    with pytest.raises(Moderated) as caught:
        create(both, clock)
    assert [attempt.reason for attempt in caught.value.attempts] == ["no credit", "moderated"]


def test_when_all_fail_each_is_named_with_its_reason(
    both: list[Generator], clock: Clock, stability_server: StabilityServer, modelslab_server: ModelsLabServer
) -> None:
    stability_server.next(stability_server.error(402, "payment_required", "You lack sufficient credits"))
    modelslab_server.next(modelslab_server.error("Invalid Api Key"))
    with pytest.raises(CreationFailed, match=r"stability: expected credit.*\| modelslab: expected the key") as caught:
        create(both, clock)
    assert [attempt.reason for attempt in caught.value.attempts] == ["no credit", "key refused"]


def test_the_only_providers_own_error_is_raised(clock: Clock, stability_server: StabilityServer) -> None:
    stability_server.next(stability_server.error(429, "rate_limit_exceeded", "slower", Retry_After="900"))
    with pytest.raises(RateLimited) as caught:
        create([client(stability_server, clock)], clock)
    assert caught.value.retry_after_s == 900
    assert [attempt.provider for attempt in caught.value.attempts] == ["stability"]


def test_a_client_that_breaks_costs_no_picture(clock: Clock, modelslab_server: ModelsLabServer) -> None:
    class Broken:
        name = model = "broken"

        def generate(self, prompt: str, *, style: StylePreset, seed: int, timeout_s: float) -> Generated:
            raise ZeroDivisionError

    created = create([Broken(), client(modelslab_server, clock)], clock)
    assert created.provider == "modelslab"
    assert "ZeroDivisionError" in created.attempts[0].message


def test_without_a_key_one_sentence_tells_what_to_set() -> None:
    with pytest.raises(Unavailable, match=r"^text to sticker needs a provider's key; set STICKER_STABILITY_KEY .* or STICKER_MODELSLAB_KEY \S+$"):
        chain.create("a cat", "anime", generators=chain.generators(Settings()))


def test_a_refused_description_reaches_no_provider(both: list[Generator], clock: Clock, stability_server: StabilityServer) -> None:
    with pytest.raises(PromptRefused):
        create(both, clock, "gore")
    with pytest.raises(PromptRefused, match="'blocked terms'"):
        create(both, clock, "a frobnicator", blocked_terms=["frobnicator"])
    assert stability_server.seen == []


def test_a_seed_is_drawn_where_none_is_given(both: list[Generator], clock: Clock) -> None:
    seeds = {create(both, clock).seed for _ in range(3)}
    assert len(seeds) == 3
    for seed in (0, -1, 4_294_967_295):
        with pytest.raises(InputError, match="seed: expected 1 to"):
            create(both, clock, seed=seed)


# --- keys, addresses and settings


def test_the_providers_whose_key_is_set_are_asked() -> None:
    assert chain.generators(Settings()) == ()
    environment = {"STICKER_STABILITY_KEY": KEY, "STICKER_MODELSLAB_KEY": f"{KEY}-2", "STICKER_FETCH_ALLOW": "127.0.0.1:1"}
    stability, modelslab = chain.generators(Settings.from_env(environment))
    assert isinstance(stability, Stability)
    assert isinstance(modelslab, ModelsLab)
    assert (stability.url, modelslab.url) == ("https://api.stability.ai", "https://modelslab.com")
    assert modelslab.allow == fetch.allow_list("127.0.0.1:1")
    assert [type(one) for one in chain.generators(Settings(modelslab_key=SecretStr(KEY)))] == [ModelsLab]


@pytest.mark.parametrize("key", ["two words", "line\nbreak", "clé", '"', " "])
def test_a_key_that_is_none_is_refused_unseen(key: str) -> None:
    with pytest.raises(InputError, match="STICKER_X: expected a key") as caught:
        checked_key(SecretStr(key), "STICKER_X")
    assert key.strip() == "" or key not in str(caught.value).split("got")[1]


@pytest.mark.parametrize("url", ["", "api.stability.ai", "ftp://x", "https://", "https://me:secret@x", "http://x:port", "https://x\x00"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="STICKER_X: expected an address") as caught:
        checked_url(url, "STICKER_X")
    assert "secret" not in str(caught.value)


def test_settings_show_no_key_and_a_misspelt_one_stays_untold() -> None:
    assert KEY not in repr(Settings(stability_key=SecretStr(KEY), modelslab_key=SecretStr(KEY)))
    with pytest.raises(InputError, match="STICKER_STABILTY_KEY") as caught:
        Settings.from_env({"STICKER_STABILTY_KEY": KEY})
    assert KEY not in "".join(traceback.format_exception(caught.value))


def test_the_stacks_processes_get_the_keys_and_not_their_masks(tmp_path: Path) -> None:
    layout = Layout(home=tmp_path / "var", root=Path(__file__).parent.parent)
    inherited = {"STICKER_STABILITY_KEY": KEY}
    environment = programs.environment(Settings.from_env(inherited), layout, secrets_of(layout), inherited=inherited, cpus=2)
    assert environment["STICKER_STABILITY_KEY"] == KEY
    assert [name for name, value in environment.items() if "**" in value] == []


@pytest.mark.parametrize(
    ("header", "seconds"), [("12", 12), (" 0 ", 0), (None, None), ("", None), ("soon", None), ("-3", None), ("Wed, 21 Oct 2015 07:28:00 GMT", 0)]
)
def test_retry_after_is_read_as_seconds_or_as_a_date(header: str | None, seconds: float | None) -> None:
    assert retry_after_s(header) == seconds


def test_every_kind_of_failure_has_words_a_reason_and_a_status() -> None:
    kinds = set(CreationFailed.__subclasses__())
    assert kinds == set(calls._WORDS)
    assert len({kind.reason for kind in kinds}) == len(kinds)
    assert all(re.search(rf"─ {kind.__name__} .*HTTP {kind.http_status}\)", str(errors.__doc__)) for kind in kinds)


# --- descriptions


@pytest.mark.parametrize(
    "text",
    [
        "a cat with a hat", "Gorey's category", "a naked mole rat", "a killer whale", "Sussex", "blood orange", "a child eating an ice cream", "кот в шляпе",
        "टोपी में बिल्ली", "می‌خواهم", "🏳️‍🌈 a flag", "👨‍👩‍👧", "x" * 600,
    ],
)  # fmt: skip
def test_a_harmless_description_passes_as_it_is(text: str) -> None:
    assert safety.checked_prompt(text) == text


def test_a_description_is_brought_on_one_line() -> None:
    assert safety.checked_prompt("  a cat\n\twith   a hat ") == "a cat with a hat"


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "length"), (" \n ", "length"), ("x" * 601, "length"), ("a\x00cat", "hidden characters"), ("a \u202ecat", "hidden characters"),
        ("a cat\U000e0041", "hidden characters"), ("\ud800", "hidden characters"), ("a NUDE statue", "sexual content"), ("n\u200dude", "sexual content"),
        ("ｎｕｄｅ", "sexual content"), ("nüde", "sexual content"), ("a naked man", "sexual content"), ("a sexy schoolgirl", "sexual content with minors"),
        ("gore", "gore"), ("commit\nsuicide", "self-harm"), ("a neo-nazi", "hate"), ("my rival", "blocked terms"),
    ],
)  # fmt: skip
def test_a_refused_description_names_the_rule_and_no_word_of_its_list(text: str, rule: str) -> None:
    with pytest.raises(PromptRefused) as caught:
        safety.checked_prompt(text, terms=["rival"])
    assert caught.value.rule == rule
    assert caught.value.http_status == 422
    lists = {word for one in safety.PROMPT_RULES for word in one.terms} | {"rival"}
    assert safety.check(str(caught.value).replace(f"'{rule}'", ""), lists) is None
