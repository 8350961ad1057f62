"""What a run did, gathered from its tasks' results (pure), and said (rich)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

Result = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class TaskOutcome:
    """One task instance: how it ended, and its verb's result or the reason it was skipped."""

    task: str
    map_index: int = -1
    state: str | None = None
    seconds: float = 0.0
    tries: int = 1
    result: Any = None
    skipped: str = ""


@dataclass(frozen=True, kw_only=True)
class RunOutcome:
    """One DAG run and its task instances."""

    dag: str
    run_id: str
    state: str
    logical_date: str = ""
    tasks: Sequence[TaskOutcome] = field(default_factory=tuple)

    def results(self, task: str) -> list[Result]:
        """Results of `task`, one for each mapped instance that left one."""
        return [outcome.result for outcome in self.tasks if outcome.task == task and isinstance(outcome.result, Mapping)]

    def result(self, task: str) -> Result:
        """Result of an unmapped `task`, empty when there is none."""
        return next(iter(self.results(task)), {})

    def skipped(self) -> dict[str, str]:
        """Reason for each skipped task that gave one."""
        return {outcome.task: " ".join(outcome.skipped.split()) for outcome in self.tasks if outcome.skipped}


def pins(daily: RunOutcome) -> dict[str, Any]:
    """Counts of the batch: found and failed by the harvest; kept, quarantined and duplicate by the validation."""
    harvests, checked = daily.results("harvest"), daily.result("validate_pins")
    counts = {name: checked.get(name, _total(harvests, name)) for name in ("found", "kept", "quarantined", "duplicates")}
    failures: dict[str, int] = {}
    for harvest in harvests:
        for reason, number in (harvest.get("failures") or {}).items():
            failures[reason] = failures.get(reason, 0) + number
    boards = [{key: harvest.get(key) for key in ("board", "style", "found", "kept", "duplicates", "failed")} for harvest in harvests]
    return {**counts, "failed": _total(harvests, "failed"), "failures": failures, "reasons": checked.get("reasons"), "boards": boards}


def labels(daily: RunOutcome) -> dict[str, Any]:
    """Who labelled, why not a better one, and how many labels came out."""
    shards, checked = daily.results("label"), daily.result("validate_labels")
    stood_in = {entry.get("teacher"): entry.get("reason") for shard in shards for entry in shard.get("stood_in") or []}
    teachers = sorted({f"{shard.get('teacher')} {shard.get('teacher_version', '')}".strip() for shard in shards})
    counts = {name: checked.get(name) for name in ("labeled", "review", "rejected", "reasons")}
    return {"teacher": ", ".join(teachers), "not_used": stood_in, "labels": _total(shards, "labels"), "shards": len(shards), **counts}


def trainings(daily: RunOutcome) -> dict[str, Any]:
    """Base weights (and why those) and the run's own metrics, by model; skipped ones with their reason."""
    found: dict[str, Any] = {}
    for task in ("fit_classifier", "fit_segmentor_anime", "fit_segmentor_normal"):
        for result in daily.results(task):
            found[str(result.get("model", task))] = {"base": result.get("base"), "metrics": result.get("metrics")}
    return {**found, **{task: {"skipped": reason} for task, reason in daily.skipped().items() if task.startswith("fit_")}}


def _total(results: Iterable[Result], name: str) -> int:
    return sum(int(result.get(name) or 0) for result in results)


def summarise(daily: RunOutcome, promotion: RunOutcome | None) -> dict[str, Any]:
    """Everything that the two runs' results tell."""
    verdicts = promotion.result("gate").get("verdicts", {}) if promotion else {}
    return {
        "batch": daily.result("validate_pins").get("batch") or daily.result("register").get("batch"),
        "logical_date": daily.logical_date,
        "pins": pins(daily),
        "snapshot": daily.result("build_dataset").get("snapshot") or daily.result("snapshot").get("snapshot"),
        "labels": labels(daily),
        "dataset": {key: daily.result("build_dataset").get(key) for key in ("train", "val", "skipped")},
        "training": trainings(daily),
        "evaluation": daily.result("evaluate").get("models", {}),
        "registered": daily.result("register").get("models", {}),
        "not_registered": daily.result("register").get("skipped", {}),
        "verdicts": verdicts,
        "approval": promotion.result("approval") if promotion else {},
        "promoted": promotion.result("promote").get("promoted", {}) if promotion else {},
        "kept": {name: "; ".join(map(str, each.get("reasons", []))) for name, each in verdicts.items() if each.get("verdict") == "keep"},
        "serving": promotion.result("verify").get("serving", {}) if promotion else {},
        "rolled_back": promotion.result("verify").get("rolled_back", {}) if promotion else {},
        "skipped": {**daily.skipped(), **(promotion.skipped() if promotion else {})},
        "runs": [_run_row(run) for run in (daily, promotion) if run],
    }


def _run_row(run: RunOutcome) -> dict[str, Any]:
    tasks = [{"task": t.task, "map_index": t.map_index, "state": t.state, "seconds": round(t.seconds, 1), "tries": t.tries} for t in run.tasks]
    return {"dag": run.dag, "run_id": run.run_id, "state": run.state, "tasks": tasks}


_COLOURS = {"success": "green", "failed": "red", "upstream_failed": "red", "running": "cyan", "skipped": "yellow", "up_for_retry": "magenta"}


def task_table(runs: Sequence[RunOutcome]) -> RenderableType:
    """The live table: one line for each task instance."""
    tables = []
    for run in runs:
        table = Table(title=f"{run.dag}  {run.logical_date or run.run_id}  [{run.state}]", title_justify="left", show_edge=False, pad_edge=False)
        for column in ("task", "state", "s", "result"):
            table.add_column(column, justify="right" if column == "s" else "left", no_wrap=column != "result")
        for task in run.tasks:
            name = task.task if task.map_index < 0 else f"{task.task}[{task.map_index}]"
            state = Text(task.state or "-", style=_COLOURS.get(task.state or "", "dim"))
            retried = f" (try {task.tries})" if task.tries > 1 else ""
            table.add_row(name, state + retried, f"{task.seconds:.0f}" if task.seconds else "", Text(brief(task), overflow="ellipsis", no_wrap=True))
        tables.append(table)
    return Group(*tables)


def brief(task: TaskOutcome) -> str:
    """A result in a few words: its counts, or why it was skipped."""
    if task.skipped:
        return " ".join(task.skipped.split())
    if isinstance(task.result, list):
        return f"{len(task.result)} items"
    if not isinstance(task.result, Mapping):
        return ""
    words = [f"{key} {value}" for key, value in task.result.items() if key != "batch" and isinstance(value, int | str) and len(str(value)) <= 40]
    return ", ".join(words[:6])


def report(summary: Mapping[str, Any], console: Console) -> None:
    """Print a summary as a table of two columns."""
    table = Table(title="What happened", title_justify="left", show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _lines(summary):
        table.add_row(name, Text(value))
    console.print(table)


def _lines(summary: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    pin, label = summary["pins"], summary["labels"]
    yield "pins", ", ".join(f"{pin[key]} {key}" for key in ("found", "kept", "quarantined", "duplicates", "failed"))
    if pin["reasons"]:
        yield "quarantine", str(pin["reasons"])
    yield "teacher", f"{label['teacher']}: {label['labeled']} labels to train on, {label['review']} for review, {label['rejected']} rejected"
    for teacher, reason in label["not_used"].items():
        yield f"not {teacher}", str(reason)
    for model, training in summary["training"].items():
        yield f"base of {model}", str(training.get("base") or f"skipped: {training.get('skipped')}")
    for model, told in summary["evaluation"].items():
        for name in ("golden", "audit"):
            yield f"{model}, {name}", judged(told.get(name, {}), told.get("metric", "score"))
        if told.get("latency"):
            yield f"{model}, latency", flat(told["latency"])
    for model, verdict in summary["verdicts"].items():
        yield f"verdict on {model}", f"{verdict.get('verdict')}: {'; '.join(map(str, verdict.get('reasons', [])))}"
    for name in ("registered", "promoted", "kept", "serving", "rolled_back", "models", "skipped"):
        if summary.get(name):
            yield name.replace("_", " "), flat(summary[name])
    for sticker in summary.get("stickers", []):
        whole = f" (whole picture: {sticker['nothing_found']})" if sticker["nothing_found"] else ""
        yield "sticker", f"{sticker['file']}  {sticker['bytes']} bytes, {sticker['ms']} ms{whole}; {flat(sticker['headers'])}"
    if summary.get("endpoint"):
        yield "endpoint", flat(summary["endpoint"])
    for name in ("network", "browser", "addresses", "password", "resident_mb", "wall_s"):
        if name in summary:
            yield name.replace("_", " "), flat(summary[name])


def judged(roles: Mapping[str, Any], metric: str) -> str:
    """One set's scores: each role's mean with its interval, then the slices' means, champion before challenger."""
    order = [role for role in ("champion", "challenger") if roles.get(role)]
    whole = [f"{role} {_interval(roles[role].get('all', {}))}" for role in order]
    names = sorted({name for role in order for name in roles[role]} - {"all"})
    slices = [f"{name} " + " -> ".join(f"{roles[role].get(name, {}).get('mean', float('nan')):.3f}" for role in order) for name in names]
    return f"{metric}: {', '.join(whole)}" + (f"; {', '.join(slices)}" if slices else "")


def _interval(scores: Mapping[str, Any]) -> str:
    if scores.get("mean") is None:
        return "without scores"
    return f"{scores['mean']:.3f} ({scores['low']:.3f} to {scores['high']:.3f}, {scores['pictures']} pictures)"


def flat(value: Any, *, digits: int = 3) -> str:
    """A nested value on one line: `a 0.812, b.c 3`."""
    if isinstance(value, Mapping):
        parts = [
            f"{key} {flat(inner, digits=digits)}" if not isinstance(inner, Mapping) else f"{key} ({flat(inner, digits=digits)})" for key, inner in value.items()
        ]
        return ", ".join(parts)
    if isinstance(value, list | tuple):
        return "; ".join(flat(item, digits=digits) for item in value)
    return f"{value:.{digits}g}" if isinstance(value, float) and abs(value) < 100 else str(value)
