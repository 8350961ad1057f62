"""Where the exporter's figures come from: the store, the registry, the runs, Airflow and the machine; each is read at a scrape.

A source raises whatever goes wrong; the collector turns that into `sticker_source_up 0` and scrapes the others.
"""

import io
import json
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol, get_args

import httpx
import psutil
import pyarrow.parquet as pq

from monitoring.samples import Sample
from sticker_studio import manifests
from sticker_studio.errors import Unavailable
from sticker_studio.registry import Alias, Registry
from sticker_studio.settings import Settings
from sticker_studio.store import ObjectStore
from sticker_studio.types import MODEL_NAMES

TIMEOUT_S: Final = 3.0
BATCH_FORMAT: Final = "%Y%m%dT%H%M%S"
RUNS_LOOKED_AT: Final = 25
RUN_STATES: Final = ("queued", "running", "success", "failed")


class Source(Protocol):
    """Something to read at a scrape."""

    @property
    def name(self) -> str:
        """The `source` label."""

    def read(self) -> Iterator[Sample]:
        """Its values now. May raise anything."""


@dataclass(frozen=True)
class StoreSource:
    """The newest batch's counts, from the files that the verbs leave (docs/pipeline.md)."""

    store: ObjectStore
    name: str = "store"

    def read(self) -> Iterator[Sample]:
        """Pins, labels and teachers of the newest batch, and the size of the index."""
        if self.store.exists("index/pins.parquet"):
            yield Sample("sticker_index_pins", _rows(self.store.get("index/pins.parquet")))
        batch = newest_batch(self.store)
        if batch is None:
            return
        yield Sample("sticker_batch_timestamp_seconds", batch_time(batch), {"batch": batch})
        yield from self._pins(batch)
        yield from self._labels(batch)

    def _pins(self, batch: str) -> Iterator[Sample]:
        folder = f"batches/{batch}"
        for result in self._json(f"{folder}/boards"):
            labels = {"board": str(result["board"]), "style": str(result["style"])}
            for state in ("found", "kept", "duplicates", "failed"):
                yield Sample("sticker_batch_pins", result[state], {**labels, "state": state})
        if self.store.exists(f"{folder}/quarantine.parquet"):
            quarantined = manifests.quarantine_from_parquet(self.store.get(f"{folder}/quarantine.parquet"))
            for (board, style), count in Counter((pin.board, pin.style) for pin in quarantined).items():
                yield Sample("sticker_batch_pins", count, {"board": board, "style": style, "state": "quarantined"})

    def _labels(self, batch: str) -> Iterator[Sample]:
        folder = f"batches/{batch}"
        for state, file in (("labeled", "labels.jsonl"), ("review", "review.jsonl")):
            if self.store.exists(f"{folder}/{file}"):
                yield Sample("sticker_batch_labels", self.store.get(f"{folder}/{file}").count(b"\n"), {"state": state})
        shards = list(self._json(f"{folder}/labels"))
        by_teacher = Counter[tuple[str, str]]()
        for shard in shards:
            by_teacher[str(shard["teacher"]), str(shard["teacher_version"])] += int(shard["pins"])
        for (teacher, version), pins in by_teacher.items():
            yield Sample("sticker_batch_teacher_pins", pins, {"teacher": teacher, "version": version})
        for teacher, count in Counter(str(missing["teacher"]) for shard in shards for missing in shard["stood_in"]).items():
            yield Sample("sticker_batch_teacher_missing_shards", count, {"teacher": teacher})

    def _json(self, folder: str) -> Iterator[dict[str, Any]]:
        yield from (self.store.get_json(key) for key in self.store.keys(folder) if key.endswith(".json"))


def newest_batch(store: ObjectStore) -> str | None:
    """The batch with the latest logical date; folders of another name (experiments) do not count."""
    names = {key.split("/")[1] for key in store.keys("batches") if key.count("/") > 1}
    dated = [name for name in names if batch_time(name) > 0]
    return max(dated, default=None)


def batch_time(batch: str) -> float:
    """Unix seconds of a batch's logical date; 0 for a name that is none."""
    try:
        return datetime.strptime(batch, BATCH_FORMAT).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return 0.0


def _rows(parquet: bytes) -> int:
    return int(pq.read_metadata(io.BytesIO(parquet)).num_rows)


@dataclass(frozen=True)
class RegistrySource:
    """Which versions the aliases point at."""

    uri: str
    name: str = "registry"

    def read(self) -> Iterator[Sample]:
        """Champion and challenger of each model; nothing where no registry is set."""
        if not self.uri:
            return
        with Registry(self.uri, timeout_s=TIMEOUT_S) as registry:
            for model in MODEL_NAMES:
                for alias in get_args(Alias):
                    found = registry.version_of(model, alias)
                    if found:
                        yield Sample("sticker_model_version", float(found.version), {"model": model, "alias": alias})


@dataclass(frozen=True)
class EvaluationSource:
    """Golden and audit scores of the newest evaluated batch."""

    runs: Path
    name: str = "runs"

    def read(self) -> Iterator[Sample]:
        """Scores of champion and challenger by model, set and slice; nothing before the first evaluation."""
        files = [path for path in self.runs.glob("*/metrics.json") if batch_time(path.parent.name) > 0]
        if files:
            yield from evaluation_samples(json.loads(max(files).read_bytes()))


def evaluation_samples(metrics: Mapping[str, Any]) -> Iterator[Sample]:
    """Samples of a `metrics.json` (docs/pipeline.md)."""
    for model, found in metrics["models"].items():
        for name in ("golden", "audit"):
            for role, slices in found[name].items():
                for part, score in slices.items():
                    yield Sample("sticker_model_quality", score["mean"], {"model": model, "role": role, "set": name, "slice": part})
        for role, latency in found["latency"].items():
            yield Sample("sticker_model_latency_p95_ms", latency["p95_ms"], {"model": model, "role": role})


@dataclass(frozen=True)
class DiskSource:
    """Room where this installation keeps its state."""

    home: Path
    name: str = "disk"

    def read(self) -> Iterator[Sample]:
        """Bytes of the file system of `home`."""
        usage = shutil.disk_usage(self.home)
        yield from (Sample("sticker_disk_bytes", getattr(usage, state), {"state": state}) for state in ("used", "free", "total"))


@dataclass(frozen=True)
class HostSource:
    """CPU, memory and input-output of the machine."""

    name: str = "host"

    def read(self) -> Iterator[Sample]:
        """What psutil counts since the machine started."""
        for mode, seconds in psutil.cpu_times()._asdict().items():
            yield Sample("sticker_host_cpu_seconds_total", seconds, {"mode": mode})
        yield Sample("sticker_host_load1", psutil.getloadavg()[0])
        memory = psutil.virtual_memory()
        yield from (Sample("sticker_host_memory_bytes", getattr(memory, state), {"state": state}) for state in ("total", "available", "used"))
        if disk := psutil.disk_io_counters():
            yield Sample("sticker_host_disk_io_bytes_total", disk.read_bytes, {"direction": "read"})
            yield Sample("sticker_host_disk_io_bytes_total", disk.write_bytes, {"direction": "write"})
        network = psutil.net_io_counters()
        yield Sample("sticker_host_network_bytes_total", network.bytes_recv, {"direction": "received"})
        yield Sample("sticker_host_network_bytes_total", network.bytes_sent, {"direction": "sent"})


class AirflowSource:
    """States and durations of the DAGs' runs, over REST; the token is kept until it is refused."""

    name = "airflow"

    def __init__(self, url: str, password: Callable[[], str], *, now: Callable[[], float] = time.time, user: str = "admin") -> None:
        self._password = password
        self._user = user
        self._now = now
        self._http = httpx.Client(base_url=url, timeout=TIMEOUT_S, trust_env=False)

    def read(self) -> Iterator[Sample]:
        """Newest runs of every DAG of this project."""
        for dag in self._get("/dags", {"tags": "sticker", "limit": 100})["dags"]:
            runs = self._get(f"/dags/{dag['dag_id']}/dagRuns", {"order_by": "-run_after", "limit": RUNS_LOOKED_AT})["dag_runs"]
            yield from run_samples(dag["dag_id"], runs, now=self._now())
            if runs:
                tasks = self._get(f"/dags/{dag['dag_id']}/dagRuns/{runs[0]['dag_run_id']}/taskInstances", {"limit": 200})["task_instances"]
                yield from task_samples(dag["dag_id"], tasks)

    def _get(self, path: str, query: Mapping[str, str | int]) -> Any:
        if "Authorization" not in self._http.headers:
            self._log_in()
        answer = self._http.get(f"/api/v2{path}", params=dict(query))
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            self._log_in()
            answer = self._http.get(f"/api/v2{path}", params=dict(query))
        return answer.raise_for_status().json()

    def _log_in(self) -> None:
        answer = self._http.post("/auth/token", json={"username": self._user, "password": self._password()})
        self._http.headers["Authorization"] = f"Bearer {answer.raise_for_status().json()['access_token']}"


def run_samples(dag: str, runs: list[dict[str, Any]], *, now: float) -> Iterator[Sample]:
    """Samples of a DAG's `runs` (REST rows, newest first) at Unix time `now`."""
    if not runs:
        return
    counts = Counter(run["state"] for run in runs)
    for state in RUN_STATES:
        yield Sample("sticker_dag_run_state", float(runs[0]["state"] == state), {"dag": dag, "state": state})
        yield Sample("sticker_dag_runs", counts[state], {"dag": dag, "state": state})
    finished = next((run for run in runs if run["end_date"]), None)
    if finished and finished["duration"] is not None:
        yield Sample("sticker_dag_run_duration_seconds", finished["duration"], {"dag": dag})
    succeeded = [_seconds(run["end_date"]) for run in runs if run["state"] == "success" and run["end_date"]]
    if succeeded:
        yield Sample("sticker_dag_last_success_timestamp_seconds", max(succeeded), {"dag": dag})
        yield Sample("sticker_dag_since_last_success_seconds", now - max(succeeded), {"dag": dag})


def task_samples(dag: str, tasks: list[dict[str, Any]]) -> Iterator[Sample]:
    """Durations of a run's task instances (REST rows), mapped ones added up."""
    seconds = Counter[str]()
    for task in tasks:
        if task["duration"] is not None:
            seconds[task["task_id"]] += task["duration"]
    yield from (Sample("sticker_task_duration_seconds", value, {"dag": dag, "task": task}) for task, value in seconds.items())


def _seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()


def airflow_password(settings: Settings) -> str:
    """The admin's password: the setting, or what the stack made. Raises `Unavailable` where there is neither."""
    given = settings.airflow_password.get_secret_value()
    file = settings.home / "secrets" / "airflow_password"
    try:
        return given or file.read_text().strip()
    except OSError as error:
        raise Unavailable(f"Airflow's password: expected STICKER_AIRFLOW_PASSWORD or {file}: {error}") from error


def all_sources(settings: Settings) -> list[Source]:
    """Every source of an installation."""
    airflow_url = settings.airflow_url or f"http://127.0.0.1:{settings.airflow_port}"
    return [
        StoreSource(ObjectStore(settings.store_url)),
        RegistrySource(settings.mlflow_uri),
        EvaluationSource(settings.home / "runs"),
        AirflowSource(airflow_url, lambda: airflow_password(settings)),
        DiskSource(settings.home),
        HostSource(),
    ]
