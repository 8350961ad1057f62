"""Champions come and go while the service works: a real MLflow, a real service, and callers that never see a failure."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from serving_toys import forget, point, register, write_classifier, write_segmentor
from test_serving_service import encoded, metrics, post, running, scene

from sticker_studio import registry
from sticker_studio.types import CLASSIFIER, SEGMENTORS

NAME = SEGMENTORS["normal"]


def until(condition: Callable[[], object], timeout_s: float = 40) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def champions(mlflow_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A registry whose three champions are toys; the folder they were registered from."""
    folder = tmp_path_factory.mktemp("champions")
    for name in (CLASSIFIER, *SEGMENTORS.values()):
        forget(mlflow_server, name)
        register(mlflow_server, write_classifier(folder / name) if name == CLASSIFIER else write_segmentor(folder / name, name))
    yield folder
    for name in (CLASSIFIER, *SEGMENTORS.values()):
        forget(mlflow_server, name)


@pytest.fixture(scope="module")
def service(mlflow_server: str, champions: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = tmp_path_factory.mktemp("swap") / "var"
    with running(home, STICKER_MLFLOW_URI=mlflow_server, STICKER_REGISTRY_POLL_S="0.3") as (url, _):
        yield url


def model(url: str, name: str = NAME) -> dict[str, str]:
    return dict(httpx.get(f"{url}/models", timeout=10).json()["models"][name])


class Callers:
    """Three callers who ask for stickers until told to stop, and write down what they got."""

    def __init__(self, url: str) -> None:
        self.answers: list[tuple[int, str]] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._call, args=(url,)) for _ in range(3)]

    def _call(self, url: str) -> None:
        picture = encoded(scene())
        while not self._stop.is_set():
            response = post(url, "/sticker", picture)
            self.answers.append((response.status_code, response.headers.get("x-sticker-segmentor-version", "")))

    def __enter__(self) -> "Callers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)


def test_the_champions_of_the_registry_serve_from_the_start(service: str) -> None:
    assert {(name, model(service, name)["source"], model(service, name)["version"]) for name in (CLASSIFIER, NAME)} == {
        (CLASSIFIER, "registry", "1"),
        (NAME, "registry", "1"),
    }
    until(lambda: metrics(service)["sticker_registry_up"] == 1)


def test_a_new_champion_is_swapped_in_under_load_without_a_failed_request(service: str, mlflow_server: str, tmp_path: Path) -> None:
    with Callers(service) as callers:
        until(lambda: len(callers.answers) >= 10)
        versions = [register(mlflow_server, write_segmentor(tmp_path / str(score), NAME, score=score)) for score in (0.8, 0.7)]
        until(lambda: callers.answers[-1][1] == versions[-1])
        point(mlflow_server, NAME, "1")  # and back
        until(lambda: callers.answers[-1][1] == "1")
    assert {status for status, _ in callers.answers} == {200}
    assert {version for _, version in callers.answers} >= {"1", versions[-1]}
    assert metrics(service)[f'sticker_model_swaps_total{{model="{NAME}"}}'] >= 2


def test_a_champion_that_is_not_what_its_card_says_is_refused_and_what_serves_keeps_serving(
    service: str, mlflow_server: str, champions: Path, tmp_path: Path
) -> None:
    before = model(service)["version"]
    bad = write_segmentor(tmp_path / "bad", NAME, score=0.6)
    (bad / "model.onnx").write_bytes((bad / "model.onnx").read_bytes()[:-9])
    register(mlflow_server, bad)
    time.sleep(1.5)
    assert model(service)["version"] == before
    assert post(service, "/sticker", encoded(scene())).status_code == 200
    good = register(mlflow_server, write_segmentor(tmp_path / "good", NAME, score=0.55))
    until(lambda: model(service)["version"] == good)


def test_a_start_while_the_registry_is_away_serves_and_follows_it_once_it_is_back(mlflow_server: str, champions: Path, tmp_path: Path) -> None:
    with Relay(mlflow_server) as relay, running(tmp_path / "var", STICKER_MLFLOW_URI=relay.url, STICKER_REGISTRY_POLL_S="0.3") as (url, _):
        first = model(url)
        assert first["source"] == "factory"
        assert relay.url in first["reason"]
        assert first["version"] == registry.factory(NAME, "").version
        relay.connected = True
        until(lambda: model(url)["source"] == "registry")
        relay.connected = False
        until(lambda: metrics(url)["sticker_registry_up"] == 0)
        assert model(url)["source"] == "registry"
        assert post(url, "/classify", encoded(scene())).status_code == 200


class Relay:
    """An address of our own for the registry, which can be cut off: an HTTP relay that answers 503 while not `connected`."""

    def __init__(self, target: str) -> None:
        self.connected = False
        self._target = target

    def __enter__(self) -> "Relay":
        from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

        relay = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answer = httpx.get(relay._target + self.path, timeout=30) if relay.connected else httpx.Response(503, text="away")
                self.send_response(answer.status_code)
                self.send_header("content-length", str(len(answer.content)))
                self.end_headers()
                self.wfile.write(answer.content)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
