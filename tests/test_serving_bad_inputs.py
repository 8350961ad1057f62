"""Every bad or odd request of the corpus against the real service: refused in one shape or served, never a failure of the service itself."""

import http.client
import io
import json
import re
import select
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
import numpy as np
import psutil
import pytest
from bad_inputs import BadInput, corpus, good_png
from PIL import Image
from serving_toys import fill_cache
from test_serving_service import running

CORPUS = corpus()
MEMORY_BOUND_MB = 40
"""What may be left of a pass over the corpus after a first one: allocators keep some."""
_NOT_FOR_PEOPLE = re.compile(r"Traceback|object at 0x|<class '|File \"|site-packages|\.py\b")


@dataclass(frozen=True)
class Answer:
    """What came back; status 0 where the connection ended without an answer."""

    status: int
    content_type: str = ""
    content: bytes = b""


@dataclass(frozen=True)
class Service:
    """A running service: its address and its processes."""

    url: str
    root: psutil.Process

    def processes(self) -> list[psutil.Process]:
        return [self.root, *self.root.children(recursive=True)]

    def memory_mb(self) -> float:
        return sum(process.memory_info().rss for process in self.processes()) / 1e6


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    home = tmp_path_factory.mktemp("bad-inputs") / "var"
    fill_cache(home)
    with running(home) as (url, process):
        yield Service(url, psutil.Process(process.pid))


@pytest.fixture(scope="module")
def answers(service: Service) -> dict[tuple[str, str], Answer]:
    """The answer to each input at each of its paths, all sent once, one after the other."""
    return send_all(service.url)


def send_all(url: str) -> dict[tuple[str, str], Answer]:
    with httpx.Client(base_url=url, timeout=60) as client:
        return {(bad.name, path): send(client, bad, path) for bad in CORPUS for path in bad.paths}


def send(client: httpx.Client, bad: BadInput, path: str) -> Answer:
    if bad.wire:
        return send_as_it_stands(client.base_url.netloc.decode(), bad, path)
    headers = {**({"content-type": bad.content_type} if bad.content_type else {}), **bad.headers}
    response = client.post(path, content=bad.body, headers=headers)
    return Answer(response.status_code, response.headers.get("content-type", ""), response.content)


def send_as_it_stands(address: str, bad: BadInput, path: str, limit_s: float = 30) -> Answer:
    """Write to the socket until there is an answer to read."""
    location = urlsplit(f"//{address}")
    deadline = time.monotonic() + limit_s
    with socket.create_connection((str(location.hostname), int(location.port or 80)), timeout=limit_s) as connection:
        try:
            connection.sendall(bad.wire.replace(b"{path}", path.encode()))
            while bad.endless and time.monotonic() < deadline and not select.select([connection], [], [], 0)[0]:
                connection.sendall(bad.endless)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it closed while we were sending; what it said before can still be read
        response = http.client.HTTPResponse(connection)
        try:
            response.begin()
            return Answer(response.status, response.headers.get("content-type", ""), response.read())
        except (http.client.HTTPException, ConnectionResetError):
            return Answer(0)


def sticker_of_a_good_picture(url: str) -> np.ndarray:  # type: ignore[type-arg]
    response = httpx.post(f"{url}/sticker", files={"image": ("good.png", good_png())}, data={"platform": "png"}, timeout=30)
    assert response.status_code == 200, response.text
    return np.asarray(Image.open(io.BytesIO(response.content)))


def test_the_corpus_is_large_and_its_names_are_unique() -> None:
    names = [bad.name for bad in CORPUS]
    assert len(names) >= 150
    assert len(names) == len(set(names))


@pytest.mark.parametrize("bad", [pytest.param(bad, id=bad.name) for bad in CORPUS])
def test_a_bad_input_is_the_callers_error_and_says_so_in_words(bad: BadInput, answers: dict[tuple[str, str], Answer]) -> None:
    for path in bad.paths:
        answer = answers[bad.name, path]
        assert answer.status in bad.expected, answer
        if answer.status != 200 and not answered_below_http(answer):
            assert answer.content_type == "application/json"
            error = json.loads(answer.content)["error"]
            assert error["status"] == answer.status
            assert len(error["message"]) > 20
            assert not _NOT_FOR_PEOPLE.search(error["message"])


def answered_below_http(answer: Answer) -> bool:
    """Whether uvicorn answered, to which a request that is no HTTP never got through."""
    return answer.content_type.startswith("text/plain") and answer.content == b"Invalid HTTP request received."


def test_all_errors_have_one_shape(answers: dict[tuple[str, str], Answer]) -> None:
    refused = [answer for answer in answers.values() if answer.status >= 400 and not answered_below_http(answer)]
    assert len({tuple(sorted(json.loads(answer.content)["error"])) for answer in refused}) == 1


def test_the_service_is_none_the_worse_for_it(service: Service, answers: dict[tuple[str, str], Answer]) -> None:
    sticker, processes, before_mb = sticker_of_a_good_picture(service.url), service.processes(), service.memory_mb()
    again = send_all(service.url)
    after_mb = service.memory_mb()
    print(f"{len(again)} requests: {before_mb:.0f} MB before, {after_mb:.0f} MB after")
    assert {key: answer.status for key, answer in again.items()} == {key: answer.status for key, answer in answers.items()}
    assert service.processes() == processes
    assert np.array_equal(sticker_of_a_good_picture(service.url), sticker)
    assert after_mb - before_mb < MEMORY_BOUND_MB
