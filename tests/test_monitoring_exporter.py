"""The exporter: what it reads, that one broken source blinds no other, and that every metric is documented."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from monitoring.collector import SourcesCollector
from monitoring.samples import METRICS, Sample
from monitoring.sources import (
    AirflowSource,
    DiskSource,
    EvaluationSource,
    HostSource,
    RegistrySource,
    StoreSource,
    airflow_password,
    newest_batch,
    run_samples,
    task_samples,
)
from sticker_studio import manifests
from sticker_studio.errors import Unavailable
from sticker_studio.manifests import PinRecord, QuarantinedPin
from sticker_studio.settings import Settings
from sticker_studio.store import ObjectStore

PROJECT = Path(__file__).resolve().parents[1]
BATCH = "20261120T000000"


def values(samples: Iterator[Sample] | list[Sample]) -> dict[tuple[str, ...], float]:
    return {(sample.name, *sample.labels.values()): sample.value for sample in samples}


def pin(number: int, **changes: Any) -> dict[str, Any]:
    fields = {
        "id": f"{number:064x}", "phash": f"{number:016x}", "width": 640, "height": 480, "bytes": 1000, "mime": "image/png",
        "board": "demo:anime", "style": "anime", "page_url": "http://127.0.0.1/anime", "image_url": f"http://127.0.0.1/{number}.png", "alt": "a fox",
        "fetched_at": datetime(2026, 11, 20, tzinfo=UTC), "store_key": f"pins/00/{number:064x}.png",
    }  # fmt: skip
    return fields | changes


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    store = ObjectStore(tmp_path.as_uri())
    folder = f"batches/{BATCH}"
    pins = [PinRecord.model_validate(pin(number)) for number in range(3)]
    store.put("index/pins.parquet", manifests.to_parquet(pins))
    store.put("batches/20261119T000000/review.jsonl", b"{}\n" * 9)
    board = {
        "batch": BATCH,
        "board": "demo:anime",
        "style": "anime",
        "found": 7,
        "kept": 4,
        "duplicates": 2,
        "failed": 1,
        "failures": {"404": 1},
        "manifest": "m",
    }
    store.put_json(f"{folder}/boards/demo-anime.json", board)
    store.put(f"{folder}/quarantine.parquet", manifests.to_parquet([QuarantinedPin.model_validate(pin(9, reason="too small"))]))
    store.put(f"{folder}/labels.jsonl", b"{}\n{}\n")
    store.put(f"{folder}/review.jsonl", b"{}\n")
    missing = [{"teacher": "detectron2", "reason": "not installed"}]
    for shard, pins_of_it in enumerate((2, 1)):
        result = {"batch": BATCH, "shard": shard, "pins": pins_of_it, "labels": 3, "teacher": "embedded", "teacher_version": "1", "stood_in": missing}
        store.put_json(f"{folder}/labels/shard-{shard}.json", result)
    return store


def test_the_store_tells_the_newest_batchs_pins_labels_and_teacher(store: ObjectStore) -> None:
    found = values(StoreSource(store).read())
    pins = {state: found["sticker_batch_pins", "demo:anime", "anime", state] for state in ("found", "kept", "duplicates", "failed", "quarantined")}
    assert pins == {"found": 7, "kept": 4, "duplicates": 2, "failed": 1, "quarantined": 1}
    assert found["sticker_batch_labels", "labeled"] == 2
    assert found["sticker_batch_labels", "review"] == 1
    assert found["sticker_batch_teacher_pins", "embedded", "1"] == 3
    assert found["sticker_batch_teacher_missing_shards", "detectron2"] == 2
    assert found["sticker_index_pins",] == 3
    assert found["sticker_batch_timestamp_seconds", BATCH] == datetime(2026, 11, 20, tzinfo=UTC).timestamp()


def test_a_batch_that_is_no_date_is_not_the_newest(store: ObjectStore) -> None:
    store.put("batches/zz-experiment/labels.jsonl", b"")
    assert newest_batch(store) == BATCH


def test_an_empty_store_has_nothing_to_tell_and_is_no_failure(tmp_path: Path) -> None:
    assert list(StoreSource(ObjectStore(tmp_path.as_uri())).read()) == []
    assert list(EvaluationSource(tmp_path / "runs").read()) == []
    assert list(RegistrySource("").read()) == []


RUNS = [
    {"dag_run_id": "r3", "state": "running", "end_date": None, "duration": None},
    {"dag_run_id": "r2", "state": "failed", "end_date": "2026-11-20T10:00:00Z", "duration": 60.0},
    {"dag_run_id": "r1", "state": "success", "end_date": "2026-11-20T09:00:00Z", "duration": 90.5},
]
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp()


def test_a_dags_runs_become_its_state_its_duration_and_the_time_since_it_succeeded() -> None:
    found = values(run_samples("sticker_daily", RUNS, now=NOON))
    assert found["sticker_dag_run_state", "sticker_daily", "running"] == 1
    assert found["sticker_dag_run_state", "sticker_daily", "success"] == 0
    assert found["sticker_dag_run_duration_seconds", "sticker_daily"] == 60
    assert found["sticker_dag_since_last_success_seconds", "sticker_daily"] == 3 * 3600
    assert found["sticker_dag_runs", "sticker_daily", "failed"] == 1


def test_mapped_instances_of_a_task_are_added_up() -> None:
    tasks = [{"task_id": "label", "duration": 2.0}, {"task_id": "label", "duration": 3.0}, {"task_id": "evaluate", "duration": None}]
    assert values(task_samples("d", tasks)) == {("sticker_task_duration_seconds", "d", "label"): 5.0}


class FakeAirflow(BaseHTTPRequestHandler):
    """Airflow's REST API as far as the exporter asks; a token lasts for two requests."""

    tokens: dict[str, int]
    logins: int

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        ok = self.path == "/auth/token" and body == {"username": "admin", "password": "right"}
        type(self).logins += ok
        self.tokens[f"t{self.logins}"] = 2
        self._answer(201 if ok else 401, {"access_token": f"t{self.logins}"})

    def do_GET(self) -> None:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if self.tokens.get(token, 0) < 1:
            self._answer(401, {})
            return
        self.tokens[token] -= 1
        path = urlsplit(self.path).path.removeprefix("/api/v2")
        answers = {
            "/dags": {"dags": [{"dag_id": "sticker_daily"}]},
            "/dags/sticker_daily/dagRuns": {"dag_runs": RUNS},
            "/dags/sticker_daily/dagRuns/r3/taskInstances": {"task_instances": [{"task_id": "harvest", "duration": 1.5}]},
        }
        self._answer(200, answers[path])

    def _answer(self, status: int, body: Any) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def airflow() -> Iterator[str]:
    handler = type("Handler", (FakeAirflow,), {"tokens": {}, "logins": 0})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


def test_airflow_is_read_over_rest_with_a_token_renewed_when_refused(airflow: str) -> None:
    source = AirflowSource(airflow, lambda: "right", now=lambda: NOON)
    for _ in range(2):
        found = values(source.read())
        assert found["sticker_dag_run_state", "sticker_daily", "running"] == 1
        assert found["sticker_task_duration_seconds", "sticker_daily", "harvest"] == 1.5


def test_a_wrong_password_is_a_failure_of_the_source(airflow: str) -> None:
    with pytest.raises(httpx.HTTPStatusError):
        list(AirflowSource(airflow, lambda: "wrong").read())


def test_the_password_comes_from_the_setting_else_from_the_stacks_secret(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="STICKER_AIRFLOW_PASSWORD"):
        airflow_password(Settings(home=tmp_path))
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "airflow_password").write_text("made\n")
    assert airflow_password(Settings(home=tmp_path)) == "made"
    assert airflow_password(Settings.from_env({"STICKER_HOME": str(tmp_path), "STICKER_AIRFLOW_PASSWORD": "given"})) == "given"


def evaluated() -> dict[str, Any]:
    """A model's part of metrics.json, by the code that writes it."""
    from training.evaluation import Audit, Evaluation, summary
    from training.gate import Evidence
    from training.scores import SliceScore

    def evidence(version: str, mean: float) -> Evidence:
        golden = {"all": SliceScore(pictures=60, mean=mean, median=mean, low=mean - 0.02, high=mean + 0.02)}
        return Evidence(name="m", version=version, file_sha256="0" * 64, metric="mask IoU", golden=golden, p50_ms=8.0, p95_ms=12.5)

    before, after = evidence("3", 0.8), evidence(BATCH, 0.82)
    audit = Audit(model="m", batch=BATCH, champion=before.golden, challenger={"all": SliceScore(pictures=60, mean=0.7, median=0.7, low=0.6, high=0.8)})
    return summary(Evaluation(model="m", batch=BATCH, champion=before, challenger=after, pictures={}), audit)


def test_the_newest_evaluations_scores_are_told_by_role_set_and_slice(tmp_path: Path) -> None:
    for batch, models in ((BATCH, {"sticker-segmentor-anime": evaluated()}), ("20261119T000000", {})):
        (tmp_path / batch).mkdir()
        (tmp_path / batch / "metrics.json").write_text(json.dumps({"batch": batch, "models": models}))
    found = values(EvaluationSource(tmp_path).read())
    assert found["sticker_model_quality", "sticker-segmentor-anime", "champion", "golden", "all"] == 0.8
    assert found["sticker_model_quality", "sticker-segmentor-anime", "challenger", "audit", "all"] == 0.7
    assert found["sticker_model_latency_p95_ms", "sticker-segmentor-anime", "challenger"] == 12.5


class Broken:
    name = "broken"

    def read(self) -> Iterator[Sample]:
        yield Sample("sticker_index_pins", 1)
        raise ConnectionError("gone")


def test_a_source_that_breaks_is_told_apart_and_leaves_no_half_figures(store: ObjectStore, tmp_path: Path) -> None:
    registry = CollectorRegistry()
    registry.register(SourcesCollector([Broken(), HostSource(), DiskSource(tmp_path)]))
    text = generate_latest(registry).decode()
    assert 'sticker_source_up{source="broken"} 0.0' in text
    assert 'sticker_source_up{source="host"} 1.0' in text
    assert not re.search(r"^sticker_index_pins", text, re.MULTILINE)
    samples = {sample.name: sample for family in text_string_to_metric_families(text) for sample in family.samples}
    assert samples["sticker_disk_bytes"].value > 0
    assert samples["sticker_host_memory_bytes"].value > 0


def test_registering_the_collector_reads_no_source() -> None:
    class Forbidden:
        name = "forbidden"

        def read(self) -> Iterator[Sample]:
            raise AssertionError("read before a scrape")

    CollectorRegistry().register(SourcesCollector([Forbidden()]))


def test_every_metric_of_the_exporter_is_documented_with_its_type_and_labels() -> None:
    rows = {}
    for line in (PROJECT / "docs/metrics.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) == 4 and cells[0].startswith("`"):
            rows[cells[0].strip("`")] = (cells[1], tuple(re.findall(r"`(\w+)`", cells[2])))
    assert {name: rows.get(name) for name in METRICS} == {name: (metric.kind, metric.labels) for name, metric in METRICS.items()}


def test_the_exporter_serves_on_loopback_with_everything_else_down_and_stops_when_told(tmp_path: Path, free_port: int) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STICKER_")}
    environment |= {"STICKER_HOME": str(tmp_path), "STICKER_EXPORTER_PORT": str(free_port), "STICKER_MLFLOW_URI": "http://127.0.0.1:9"}
    environment |= {"STICKER_AIRFLOW_URL": "http://127.0.0.1:9"}
    process = subprocess.Popen([sys.executable, "-m", "monitoring", "export"], cwd=PROJECT, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        text = _scraped(f"http://127.0.0.1:{free_port}/metrics")
        up = dict(re.findall(r'sticker_source_up{source="(\w+)"} (\d)', text))
        assert up == {"store": "1", "registry": "0", "runs": "1", "airflow": "0", "disk": "1", "host": "1"}
    finally:
        process.send_signal(signal.SIGTERM)
        log = process.communicate(timeout=10)[1]
    assert process.returncode == 0, log


def _scraped(address: str, timeout_s: float = 20) -> str:
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return httpx.get(address, timeout=10).raise_for_status().text
        except httpx.TransportError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
