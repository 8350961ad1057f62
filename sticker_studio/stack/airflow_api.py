"""Airflow's REST API v2: what the stack asks of it. A CLI call costs 2 to 3 s, these take milliseconds."""

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

import httpx

from sticker_studio.errors import Unavailable


class AirflowApi:
    """A logged-in client of one Airflow."""

    def __init__(self, url: str, password: str, *, user: str = "admin") -> None:
        self._credentials = {"username": user, "password": password}
        self._client = httpx.Client(base_url=url, timeout=20, trust_env=False)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _log_in(self) -> None:
        answer = self._client.post("/auth/token", json=self._credentials)
        if answer.status_code != 201:
            raise Unavailable(f"Airflow refused its own admin password: {answer.status_code} {answer.text[:200]}")
        self._client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def request(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """One call below /api/v2; logs in when the token is missing or old, and rides over a restart of the api-server (60 s)."""
        deadline = time.monotonic() + 60
        while True:
            try:
                if "Authorization" not in self._client.headers:
                    self._log_in()
                answer = self._client.request(method, f"/api/v2{path}", **arguments)
            except httpx.TransportError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)
                continue
            if answer.status_code != 401 or time.monotonic() > deadline:
                return answer
            del self._client.headers["Authorization"]

    def json(self, method: str, path: str, **arguments: Any) -> Any:
        """The answer's JSON. Raises `Unavailable` with Airflow's own words for anything but 2xx."""
        answer = self.request(method, path, **arguments)
        if not answer.is_success:
            raise Unavailable(f"Airflow: {method} {path}: {answer.status_code} {answer.text[:300]}")
        return answer.json()

    def dags(self) -> set[str]:
        """Ids of the DAGs that Airflow knows."""
        return {row["dag_id"] for row in self.json("GET", "/dags", params={"limit": 100})["dags"]}

    def import_errors(self) -> list[str]:
        """What the dag-processor could not import."""
        return [f"{row['filename']}: {row['stack_trace'][-400:]}" for row in self.json("GET", "/importErrors")["import_errors"]]

    def pool(self, name: str, slots: int, description: str) -> None:
        """Make a pool, or leave the one of that name."""
        body = {"name": name, "slots": slots, "description": description, "include_deferred": False}
        answer = self.request("POST", "/pools", json=body)
        if answer.status_code not in (200, 201, 409):
            raise Unavailable(f"Airflow: pool {name}: {answer.status_code} {answer.text[:300]}")

    def unpause(self, dag: str) -> None:
        """Let the scheduler run `dag`."""
        self.json("PATCH", f"/dags/{dag}", json={"is_paused": False})

    def run_of(self, dag: str, logical_date: datetime) -> dict[str, Any] | None:
        """The run of `dag` for `logical_date`, if there is one."""
        moment = logical_date.isoformat()
        rows = self.json("GET", f"/dags/{dag}/dagRuns", params={"logical_date_gte": moment, "logical_date_lte": moment})["dag_runs"]
        return rows[0] if rows else None

    def trigger(self, dag: str, logical_date: datetime, conf: Mapping[str, Any]) -> dict[str, Any]:
        """Start `dag` for an explicit `logical_date`."""
        result: dict[str, Any] = self.json("POST", f"/dags/{dag}/dagRuns", json={"logical_date": logical_date.isoformat(), "conf": dict(conf)})
        return result

    def run(self, dag: str, run_id: str) -> dict[str, Any]:
        """State of one run."""
        result: dict[str, Any] = self.json("GET", f"/dags/{dag}/dagRuns/{quote(run_id)}")
        return result

    def runs(self, dag: str, limit: int = 20) -> list[dict[str, Any]]:
        """The newest runs of `dag`."""
        rows: list[dict[str, Any]] = self.json("GET", f"/dags/{dag}/dagRuns", params={"order_by": "-run_after", "limit": limit})["dag_runs"]
        return rows

    def drop_queued(self, dag: str) -> list[str]:
        """Delete the runs of `dag` that its schedule made and that have not begun; their ids."""
        rows = [run for run in self.runs(dag) if run["run_type"] == "scheduled" and run["state"] == "queued"]
        for run in rows:
            self.request("DELETE", f"/dags/{dag}/dagRuns/{quote(run['dag_run_id'])}")
        return [run["dag_run_id"] for run in rows]

    def source_runs(self, dag: str, run_id: str) -> set[str]:
        """Ids of the runs whose asset events started this one."""
        events = self.json("GET", f"/dags/{dag}/dagRuns/{quote(run_id)}/upstreamAssetEvents")["asset_events"]
        return {event["source_run_id"] for event in events if event["source_run_id"]}

    def tasks(self, dag: str, run_id: str) -> list[dict[str, Any]]:
        """Task instances of a run, mapped ones with their `map_index`."""
        rows: list[dict[str, Any]] = self.json("GET", f"/dags/{dag}/dagRuns/{quote(run_id)}/taskInstances", params={"limit": 200})["task_instances"]
        return rows

    def task_order(self, dag: str) -> list[str]:
        """Task ids, each after those that it waits for."""
        tasks = {row["task_id"]: row for row in self.json("GET", f"/dags/{dag}/tasks")["tasks"]}
        waits = {name: sum(name in (other["downstream_task_ids"] or []) for other in tasks.values()) for name in tasks}
        order: list[str] = []
        while len(order) < len(tasks):
            free = [name for name in tasks if name not in order and waits[name] == 0]
            for name in free or [name for name in tasks if name not in order]:
                order.append(name)
                for following in tasks[name]["downstream_task_ids"] or []:
                    waits[following] -= 1
        return order

    def result(self, dag: str, run_id: str, task: str, map_index: int = -1, *, key: str = "return_value") -> Any:
        """What a task left under `key`, or None where it left nothing."""
        path = f"/dags/{dag}/dagRuns/{quote(run_id)}/taskInstances/{task}/xcomEntries/{key}"
        answer = self.request("GET", path, params={"map_index": map_index})
        return answer.json()["value"] if answer.status_code == 200 else None

    def log_tail(self, dag: str, run_id: str, task: str, try_number: int, map_index: int = -1, lines: int = 15) -> str:
        """The last lines of a task's log."""
        path = f"/dags/{dag}/dagRuns/{quote(run_id)}/taskInstances/{task}/logs/{try_number}"
        answer = self.request("GET", path, params={"map_index": map_index}, headers={"Accept": "application/json"})
        if answer.status_code != 200:
            return f"(no log: {answer.status_code})"
        content = answer.json().get("content", [])
        texts = [str(entry.get("event", entry)) if isinstance(entry, dict) else str(entry) for entry in content]
        return "\n".join(texts[-lines:])
