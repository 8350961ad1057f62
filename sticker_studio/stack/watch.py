"""Follow one daily run and the promotion it starts, live."""

import time
from collections.abc import Callable
from typing import Any, Final

from rich.console import Console
from rich.live import Live

from sticker_studio.errors import Unavailable
from sticker_studio.stack.airflow_api import AirflowApi
from sticker_studio.stack.summary import RunOutcome, TaskOutcome, brief, task_table

DAILY: Final = "sticker_daily"
PROMOTION: Final = "sticker_promotion"
ENDED: Final = frozenset({"success", "failed"})
_TASK_ENDED: Final = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})


class Watcher:
    """Reads runs over REST; a finished task's result is asked for once."""

    def __init__(self, api: AirflowApi) -> None:
        self._api = api
        self._order: dict[str, dict[str, int]] = {}
        self._results: dict[tuple[str, str, str, int, int], tuple[Any, str]] = {}

    def outcome(self, dag: str, run_id: str) -> RunOutcome:
        """One run as it is now, tasks in the order they depend on each other."""
        if dag not in self._order:
            self._order[dag] = {name: index for index, name in enumerate(self._api.task_order(dag))}
        order = self._order[dag]
        run = self._api.run(dag, run_id)
        rows = sorted(self._api.tasks(dag, run_id), key=lambda row: (order.get(row["task_id"], 99), row["map_index"]))
        tasks = tuple(self._task(dag, run_id, row) for row in rows)
        return RunOutcome(dag=dag, run_id=run_id, state=run["state"], logical_date=str(run.get("logical_date") or "")[:10], tasks=tasks)

    def _task(self, dag: str, run_id: str, row: dict[str, Any]) -> TaskOutcome:
        task, index, state = row["task_id"], row["map_index"], row["state"]
        result, skipped = (None, "")
        if state in ("success", "skipped"):
            key = (dag, run_id, task, index, row["try_number"])
            if key not in self._results:
                value = self._api.result(dag, run_id, task, index) if state == "success" else None
                reason = self._api.result(dag, run_id, task, index, key="skipped") if state == "skipped" else None
                self._results[key] = (value, str(reason or ""))
            result, skipped = self._results[key]
        seconds = row["duration"] or 0.0
        return TaskOutcome(task=task, map_index=index, state=state, seconds=seconds, tries=max(1, row["try_number"]), result=result, skipped=skipped)

    def promotion_of(self, run_id: str) -> str | None:
        """Id of the promotion run that the assets of daily run `run_id` started."""
        for run in self._api.runs(PROMOTION):
            if run["run_type"] == "asset_triggered" and run_id in self._api.source_runs(PROMOTION, run["dag_run_id"]):
                return str(run["dag_run_id"])
        return None


def announces(daily: RunOutcome) -> bool:
    """Whether the run registered something, so that a promotion follows."""
    return any(task.task == "register" and task.state == "success" for task in daily.tasks)


def awaits_person(run: RunOutcome | None) -> bool:
    """Whether the approval waits for somebody's answer."""
    return run is not None and any(task.task == "approval" and task.state in ("awaiting_input", "deferred") for task in run.tasks)


def follow(
    api: AirflowApi, run_id: str, console: Console, *, timeout_s: float, wait_for_person: bool,
    each_look: Callable[[], None] = lambda: None, supervised: Callable[[], bool] = lambda: True,
) -> tuple[RunOutcome, RunOutcome | None]:  # fmt: skip
    """Show both runs until they end, and return them as they then are; also after `timeout_s`, or where the approval awaits a
    person and `wait_for_person` is false. `each_look` is called at every look. Raises `Unavailable` when the stack is gone.
    """
    watcher, deadline, promotion_id = Watcher(api), time.monotonic() + timeout_s, None
    grace_until = 0.0
    with _display(console) as show:
        while True:
            daily = watcher.outcome(DAILY, run_id)
            if daily.state == "success" and announces(daily):
                promotion_id = promotion_id or watcher.promotion_of(run_id)
                grace_until = grace_until or time.monotonic() + 60
            promotion = watcher.outcome(PROMOTION, promotion_id) if promotion_id else None
            show([run for run in (daily, promotion) if run])
            each_look()
            awaited = daily.state == "success" and announces(daily) and promotion is None and time.monotonic() < grace_until
            if daily.state in ENDED and not awaited and (promotion is None or promotion.state in ENDED):
                return daily, promotion
            if time.monotonic() > deadline or (awaits_person(promotion) and not wait_for_person):
                return daily, promotion
            if not supervised():
                raise Unavailable("the stack was stopped while its run was under way; the next `make up` continues it")
            time.sleep(1.0)


class _display:
    """A live table on a terminal; elsewhere one line for each task that ends."""

    def __init__(self, console: Console) -> None:
        self._console, self._said = console, set[tuple[str, str, int, str]]()
        self._live = Live(console=console, refresh_per_second=4, transient=False, vertical_overflow="visible") if console.is_terminal else None

    def __enter__(self) -> Callable[[list[RunOutcome]], None]:
        if self._live:
            self._live.__enter__()
        return self._show

    def __exit__(self, *exception: Any) -> None:
        if self._live:
            self._live.__exit__(*exception)

    def _show(self, runs: list[RunOutcome]) -> None:
        if self._live:
            self._live.update(task_table(runs))
            return
        for run in runs:
            for task in run.tasks:
                self._say(run, task)

    def _say(self, run: RunOutcome, task: TaskOutcome) -> None:
        key = (run.run_id, task.task, task.map_index, task.state or "")
        if task.state in (_TASK_ENDED | {"running", "up_for_retry", "awaiting_input"}) and key not in self._said:
            self._said.add(key)
            name = task.task if task.map_index < 0 else f"{task.task}[{task.map_index}]"
            took = f"{task.seconds:.0f} s  {brief(task)}" if task.state in _TASK_ENDED else ""
            self._console.print(f"{time.strftime('%H:%M:%S')}  {run.dag}  {name:24} {task.state:10} {took}", highlight=False, soft_wrap=True)
