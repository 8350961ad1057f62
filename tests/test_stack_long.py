"""The whole stack on its own ports: one small day, while its parts are killed. Minutes; `make long`."""

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import yaml
from rich.console import Console

from sticker_studio import manifests
from sticker_studio.settings import Settings
from sticker_studio.stack import commands, endpoint, pictures, programs, stack, summary, watch
from sticker_studio.stack.stack import Stack
from sticker_studio.stack.supervisor import marked
from sticker_studio.store import ObjectStore

pytestmark = [pytest.mark.long, pytest.mark.timeout(2400)]
ROOT = Path(__file__).resolve().parents[1]


def free_ports(names: list[str]) -> dict[str, int]:
    sockets = [socket.socket() for _ in names]
    for listener in sockets:
        listener.bind(("127.0.0.1", 0))
    ports = {name: listener.getsockname()[1] for name, listener in zip(names, sockets, strict=True)}
    for listener in sockets:
        listener.close()
    return ports


def small_day(path: Path) -> Path:
    """Parameters of a day of minutes: some pins, one epoch, few golden pictures."""
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    for board in values["scraping"]["boards"]:
        board["limit"] = 30
    values["labeling"]["shard_pins"] = 15
    values["segmentor"] |= {"epochs": 1, "min_pins": 10, "replay_scenes": 10, "time_limit_s": 40}
    values["classifier"] |= {"epochs": 1, "min_pins_a_style": 10, "replay_scenes": 10, "time_limit_s": 30}
    values["evaluation"] |= {"golden_scenes": 10, "audit_scenes": 10, "bootstrap_samples": 50}
    path.write_text(yaml.safe_dump(values))
    return path


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("stack")
    ports = free_ports([name for name in Settings.model_fields if name.endswith("_port")])
    settings = Settings(home=folder / "home", params=small_day(folder / "params.yaml"), offline=True, approval="auto", **ports)
    made = stack.whole(settings, ROOT, os.environ)
    try:
        stack.start(made, print)
        yield made
    finally:
        made.supervisor.stop()
        assert marked(made.secrets.stack_id) == []


def test_a_killed_service_is_back_within_ten_seconds_of_a_burst(running: Stack) -> None:
    url, (name, picture) = programs.address(running.settings, "service_port"), pictures.photograph()
    answered: list[float] = []
    stop = threading.Event()

    def burst() -> None:
        while not stop.is_set():
            try:
                if endpoint.post(url, picture, name, {"fallback": "whole"}).status == 200:
                    answered.append(time.monotonic())
            except (OSError, httpx.HTTPError):
                time.sleep(0.05)

    callers = [threading.Thread(target=burst) for _ in range(3)]
    for caller in callers:
        caller.start()
    time.sleep(3)
    before = len(answered)
    assert before > 0
    pid = running.supervisor.states()["service"]["pid"]
    os.kill(pid, signal.SIGKILL)
    killed = time.monotonic()
    time.sleep(15)
    stop.set()
    for caller in callers:
        caller.join()
    back = [moment - killed for moment in answered if moment > killed + 0.5]
    assert running.supervisor.states()["service"]["pid"] != pid
    assert back, "the service did not come back"
    assert min(back) < 10


def test_a_day_survives_the_kill_of_its_scheduler_during_labelling(running: Stack) -> None:
    api = stack.prepare_pipeline(running, commands.DAGS, print)
    run_id = commands.trigger(api, datetime(2026, 2, 3, tzinfo=UTC), [], print)
    killed: list[int] = []

    def kill_once() -> None:
        if not killed and any(task["task_id"] == "label" and task["state"] == "running" for task in api.tasks(watch.DAILY, run_id)):
            pid = running.supervisor.states()["airflow-scheduler"]["pid"]
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)

    daily, promotion = watch.follow(api, run_id, Console(), timeout_s=1500, wait_for_person=True, each_look=kill_once, supervised=running.supervisor.running)

    assert killed, "labelling ended before the scheduler could be killed"
    assert running.supervisor.states()["airflow-scheduler"]["pid"] not in killed
    assert commands.failures(api, [daily]) == []
    assert commands.succeeded(daily, promotion)
    told = summary.summarise(daily, promotion)
    assert told["pins"]["kept"] >= 40
    assert set(told["registered"]) <= {"sticker-style-classifier", "sticker-segmentor-anime", "sticker-segmentor-normal"}
    assert {verdict["verdict"] for verdict in told["verdicts"].values()} <= {"promote", "keep"}


def test_a_second_day_brings_only_new_pins(running: Stack) -> None:
    api = stack.prepare_pipeline(running, commands.DAGS, print)
    run_id = commands.trigger(api, datetime(2026, 2, 4, tzinfo=UTC), [], print)
    daily, promotion = watch.follow(api, run_id, Console(), timeout_s=1500, wait_for_person=True, supervised=running.supervisor.running)
    assert commands.failures(api, [daily]) == []
    assert commands.succeeded(daily, promotion)
    store = ObjectStore((running.layout.home / "store").as_uri())
    first, second = ({pin.id for pin in manifests.from_parquet(store.get(f"batches/202602{day}T000000/pins.parquet"))} for day in ("03", "04"))
    assert second
    assert not first & second
