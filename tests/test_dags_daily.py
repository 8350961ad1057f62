"""One real day on a board of 12 pins: a real browser, Great Expectations, DVC, the embedded teacher, training, MLflow; then its promotion's gate."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from airflow_home import PROJECT, dags
from conftest import unused_port

from sticker_studio import manifests
from sticker_studio.registry import Registry
from sticker_studio.settings import PREFIX
from sticker_studio.store import ObjectStore
from sticker_studio.types import MODEL_NAMES

DAY = datetime(2026, 11, 20, tzinfo=UTC)
BATCH = "20261120T000000"
SMALL: dict[str, dict[str, Any]] = {
    "validation": {"min_pins": 4},
    "labeling": {"shard_pins": 8, "teachers": ["embedded"], "review_score": 0.0},
    "segmentor": {"epochs": 1, "min_pins": 2, "replay_scenes": 4, "time_limit_s": 20},
    "classifier": {"epochs": 1, "min_pins_a_style": 2, "replay_scenes": 4, "time_limit_s": 20},
    "evaluation": {"golden_scenes": 4, "audit_scenes": 4, "bootstrap_samples": 50},
}

pytestmark = pytest.mark.skipif(
    not (shutil.which("chromedriver") and any(map(shutil.which, ("chromium", "google-chrome", "chrome")))), reason="no Chrome or Chromium with its driver"
)


@dataclass(frozen=True)
class Day:
    """What a day left: the states of both runs' tasks, and where its files and its registry are."""

    home: Path
    mlflow: str
    daily: dict[str, set[str]]
    promotion: dict[str, set[str]]

    @property
    def store(self) -> ObjectStore:
        return ObjectStore((self.home / "store").as_uri())

    def json(self, path: str) -> Any:
        return json.loads((self.home / path).read_bytes())


@contextmanager
def board(port: int, log: Path) -> Iterator[None]:
    """The demo board with six pins of each style, and the few unfit ones that it always has."""
    command = [sys.executable, "-m", "scraping", "demo-board", "--port", str(port), "--anime", "6", "--normal", "6"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=PROJECT, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline and not _answers(f"http://127.0.0.1:{port}/anime"):
            time.sleep(0.2)
        yield
    finally:
        process.terminate()
        process.wait(10)


def _answers(address: str) -> bool:
    try:
        return httpx.get(address, timeout=5).is_success
    except httpx.HTTPError:
        return False


@pytest.fixture(scope="module")
def day(mlflow_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    """One run of the daily DAG, and of the promotion's gate; the settings stay until the module's end."""
    folder, port = tmp_path_factory.mktemp("day"), unused_port()
    values = yaml.safe_load((PROJECT / "params.yaml").read_text())
    for section, changes in SMALL.items():
        values[section] |= changes
    (folder / "params.yaml").write_text(yaml.safe_dump(values))
    settings = {
        "HOME": folder / "var", "PARAMS": folder / "params.yaml", "OFFLINE": "true", "MLFLOW_URI": mlflow_server, "BOARD_PORT": port,
        "FETCH_ALLOW": f"127.0.0.1:{port}", "APPROVAL": "auto",
    }  # fmt: skip
    bag = dags()
    with pytest.MonkeyPatch.context() as patch, board(port, folder / "board.log"):
        for name in [name for name in os.environ if name.startswith(PREFIX)]:
            patch.delenv(name)
        for name, value in settings.items():
            patch.setenv(f"{PREFIX}{name}", str(value))
        daily = bag.dags["sticker_daily"].test(logical_date=DAY)
        # No service runs here: what would be promoted stays as it is.
        promotion = bag.dags["sticker_promotion"].test(logical_date=None, run_conf={"batch": BATCH}, mark_success_pattern="promote|verify")
        yield Day(home=folder / "var", mlflow=mlflow_server, daily=states(daily), promotion=states(promotion))


def states(run: Any) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for instance in run.get_task_instances():
        found.setdefault(instance.task_id, set()).add(str(instance.state))
    return found


@pytest.mark.timeout(600)
def test_every_task_of_a_day_on_a_board_of_twelve_pins_succeeds(day: Day) -> None:
    assert day.daily == {task.task_id: {"success"} for task in dags().dags["sticker_daily"].tasks}


def test_the_days_pins_are_of_both_styles_and_most_are_labelled(day: Day) -> None:
    pins = manifests.from_parquet(day.store.get(f"batches/{BATCH}/pins.parquet"))
    assert 8 <= len(pins) <= 12
    assert {pin.style for pin in pins} == {"anime", "normal"}
    assert day.store.get(f"batches/{BATCH}/labels.jsonl").count(b"\n") >= len(pins) / 2


def test_the_day_ends_with_challengers_that_the_gate_judges_for_a_reason(day: Day) -> None:
    with Registry(day.mlflow) as registry:
        tags = {name: found.tags for name in MODEL_NAMES if (found := registry.version_of(name, "challenger"))}
    assert set(tags) == set(MODEL_NAMES)
    assert {found["sticker.batch"] for found in tags.values()} == {BATCH}
    assert {found["sticker.verdict"] for found in tags.values()} <= {"promote", "keep"}
    assert all(found["sticker.reasons"] for found in tags.values())
    promoted = any(found["sticker.verdict"] == "promote" for found in tags.values())
    assert day.promotion["gate"] == {"success"}
    assert day.promotion["approval"] == {"success" if promoted else "skipped"}


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_a_restored_snapshot_gives_the_days_metrics_again_within_their_interval(day: Day, tmp_path: Path) -> None:
    snapshot = day.json(f"datasets/{BATCH}/dataset.json")["snapshot"]
    path = {"PYTHONPATH": str(PROJECT), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    restore = [sys.executable, "-m", "labeling", "restore", "--snapshot", snapshot, "--to", str(tmp_path / "back")]
    subprocess.run(restore, cwd=PROJECT, check=True)
    ran = subprocess.run([sys.executable, "-m", "dvc", "repro"], cwd=tmp_path / "back", env=os.environ | path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-3000:]
    again = json.loads((tmp_path / "back" / "evaluated" / "metrics.json").read_bytes())["models"]
    before = day.json(f"runs/{BATCH}/metrics.json")["models"]
    assert set(again) == set(before)
    for name, model in before.items():
        interval = model["golden"]["challenger"]["all"]
        assert interval["low"] - 1e-6 <= again[name]["golden"]["challenger"]["all"]["mean"] <= interval["high"] + 1e-6, name
