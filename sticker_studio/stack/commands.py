"""`up`, `demo`, `serve`, `down`, `status`, `monitor`: the shells around the stack."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx
from rich.console import Console

from sticker_studio import atomic
from sticker_studio.errors import StickerError, Unavailable
from sticker_studio.settings import Settings
from sticker_studio.stack import browser, endpoint, network, options, pictures, ports, programs, registry_view, stack, summary, watch
from sticker_studio.stack.airflow_api import AirflowApi
from sticker_studio.stack.programs import Program
from sticker_studio.stack.stack import Stack
from sticker_studio.stack.supervisor import Supervisor, die_with, resident_mb

DAGS: Final = (watch.DAILY, watch.PROMOTION)
RUN_TIMEOUT_S: Final = 3600.0
INTERRUPTED: Final = 130
SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(Exception):
    """Ctrl-C, TERM or a closed terminal."""


@dataclass
class Memory:
    """The stack's memory, looked at every few seconds."""

    supervisor: Supervisor
    peak_mb: float = 0.0
    _next: float = field(default=0.0, repr=False)

    def look(self) -> None:
        """Measure, if the last measurement is older than 5 s."""
        if time.monotonic() >= self._next:
            self.peak_mb = max(self.peak_mb, resident_mb(self.supervisor.tree()))
            self._next = time.monotonic() + 5


def up(root: Path, console: Console, *, demo: bool) -> int:
    """Start everything, run the day, print what happened. `demo` stops then; `up` stays until Ctrl-C. Returns the exit code."""
    started = time.monotonic()
    inherited = options.merged(os.environ, root / ".env")
    boards, date = options.boards(inherited), options.logical_date(inherited, today=datetime.now(UTC))
    settings = Settings.from_env(inherited)
    say = _sayer(console, started)
    facts: dict[str, Any] = {"network": _network(settings, say), "browser": browser.ensure(say)}
    say(f"browser: {facts['browser']}")
    changes = {"offline": facts["network"]["offline"], **({"approval": settings.approval or "auto"} if demo else {})}
    running = stack.whole(settings.model_copy(update=changes), root, inherited)
    with _stopping(running, say) as stopper:
        stack.start(running, say)
        _say_addresses(running, console)
        told, good = _day(running, boards, date, console, say, facts=facts, started=started, demo=demo)
        console.print(f"summary: {told}", highlight=False)
        if demo:
            return 0 if good else 1
        console.print("\n[bold]Everything runs. Ctrl-C (or `make down` elsewhere) stops it.[/bold]")
        stopper.wait()
    return INTERRUPTED if demo else 0


def _day(
    running: Stack, boards: Sequence[Mapping[str, Any]], date: datetime, console: Console, say: Callable[[str], None],
    *, facts: Mapping[str, Any], started: float, demo: bool,
) -> tuple[Path, bool]:  # fmt: skip
    """Trigger the daily run and follow it; the path of the summary, and whether all went well.

    A demo of another day than today runs that day alone: the run that the schedule adds for today is dropped before it begins.
    """
    api = stack.prepare_pipeline(running, DAGS, say)
    run_id = trigger(api, date, boards, say)
    memory = Memory(running.supervisor)
    alone = demo and date.date() != datetime.now(UTC).date()

    def each_look() -> None:
        memory.look()
        if alone:
            api.drop_queued(watch.DAILY)

    daily, promotion = watch.follow(
        api, run_id, console, timeout_s=RUN_TIMEOUT_S, each_look=each_look, wait_for_person=demo, supervised=running.supervisor.running
    )
    if watch.awaits_person(promotion):
        say(f"the approval awaits your answer: {programs.address(running.settings, 'airflow_port')}/required_actions")
    problems = failures(api, [run for run in (daily, promotion) if run])
    for problem in problems:
        console.print(problem, highlight=False, markup=False)
    told = {**summary.summarise(daily, promotion), **facts, **_serving(running), **_where(running), "problems": problems}
    memory.look()
    told |= {"resident_mb": memory.peak_mb, "wall_s": round(time.monotonic() - started, 1)}
    path = running.layout.out / "summary.json"
    atomic.write_text(path, json.dumps(told, indent=2, sort_keys=True, default=str) + "\n")
    summary.report(told, console)
    api.close()
    return path, not problems and succeeded(daily, promotion)


def trigger(api: AirflowApi, date: datetime, boards: Sequence[Mapping[str, Any]], say: Callable[[str], None]) -> str:
    """Id of the daily run of `date`, started now unless there is one.

    The run is made before its DAG is unpaused: the scheduler would else make the one of today by itself, without our boards.
    """
    known = api.run_of(watch.DAILY, date)
    if known:
        say(f"{watch.DAILY} has a run for {date:%Y-%m-%d} already ({known['state']}): showing that one; DATE=<day> starts another")
    run = known or api.trigger(watch.DAILY, date, {"boards": list(boards)} if boards else {})
    for dag in DAGS:
        api.unpause(dag)
    return str(run["dag_run_id"])


def failures(api: AirflowApi, runs: Sequence[summary.RunOutcome]) -> list[str]:
    """For each failed task its name and the end of its log."""
    failed = [(run, task) for run in runs for task in run.tasks if task.state == "failed"]
    return [
        f"{run.dag}.{task.task}[{task.map_index}] failed (try {task.tries}):\n{api.log_tail(run.dag, run.run_id, task.task, task.tries, task.map_index)}"
        for run, task in failed
    ]


def succeeded(daily: summary.RunOutcome, promotion: summary.RunOutcome | None) -> bool:
    """Whether the day ended well: either verdict is fine, and so is a day on which nothing could be registered, with reasons."""
    if daily.state != "success":
        return False
    return promotion.state == "success" if promotion else not watch.announces(daily)


def _serving(running: Stack) -> dict[str, Any]:
    """Stickers of a drawing and of a photograph, the endpoint's latency, and what the registry and the service say they serve."""
    url = programs.address(running.settings, "service_port")
    chosen = {"drawing": pictures.drawing(), "photograph": pictures.photograph()}
    stickers = [endpoint.sticker(url, data, name, running.layout.out / f"{kind}.webp") for kind, (name, data) in chosen.items()]
    name, data = chosen["photograph"]
    told: dict[str, Any] = {"stickers": stickers, "endpoint": endpoint.latency_ms(url, data, name)}
    if any(program.name == "mlflow" for program in running.programs):
        told["models"] = registry_view.models(programs.address(running.settings, "mlflow_port"))
    told["service_models"] = httpx.get(f"{url}/models", timeout=20, trust_env=False).json()
    return told


def _where(running: Stack) -> dict[str, Any]:
    password = f"user admin, in {running.layout.secrets / 'airflow_password'}"
    return {"addresses": running.addresses(), "password": password, "logs": str(running.layout.logs)}


def serve(root: Path, console: Console) -> int:
    """The sticker service and the Studio page until Ctrl-C."""
    inherited = options.merged(os.environ, root / ".env")
    settings = Settings.from_env(inherited)
    say = _sayer(console, time.monotonic())
    running = stack.alone(settings, root, inherited)
    with _stopping(running, say) as stopper:
        stack.start(running, say)
        _say_addresses(running, console)
        console.print("[bold]Ctrl-C (or `make down` elsewhere) stops it.[/bold]")
        stopper.wait()
    return 0


def down(root: Path, console: Console) -> int:
    """Stop what runs from this home, and sweep what a killed one left."""
    supervisor = _supervisor(root)
    ran = supervisor.running()
    supervisor.stop()
    console.print("stopped" if ran else "nothing was running")
    return 0


def status(root: Path) -> dict[str, Any]:
    """State, pid and seconds up of each program; empty when nothing runs."""
    supervisor = _supervisor(root)
    if not supervisor.running():
        return {"running": False, "programs": {}}
    rows = supervisor.states().values()
    states = {row["name"]: {"state": row["statename"], "pid": row["pid"], "up_s": max(0, row["now"] - row["start"])} for row in rows}
    return {"running": True, "programs": states, "resident_mb": resident_mb(supervisor.tree())}


def _supervisor(root: Path) -> Supervisor:
    inherited = options.merged(os.environ, root / ".env")
    return Supervisor(stack.layout_of(Settings.from_env(inherited), root))


def _network(settings: Settings, say: Callable[[str], None]) -> dict[str, Any]:
    """Probe once for everybody; the processes get the answer and do not probe again."""
    if settings.offline:
        say("network: STICKER_OFFLINE is set: embedded defaults")
        return {"offline": True, "reachable": []}
    found = network.probe()
    say(f"network: {'reached ' + ', '.join(found) if found else 'offline, nothing answers: embedded defaults'}")
    return {"offline": not found, "reachable": found}


def _say_addresses(running: Stack, console: Console) -> None:
    for name, address in running.addresses().items():
        console.print(f"  {name:18} {address}", highlight=False)
    if any(program.name == "airflow-api" for program in running.programs):
        console.print(f"  {'airflow login':18} admin, password in {running.layout.secrets / 'airflow_password'}", highlight=False)


def _sayer(console: Console, started: float) -> Callable[[str], None]:
    def say(text: str) -> None:
        console.print(f"[dim]{time.monotonic() - started:6.1f} s[/dim]  {text}", highlight=False, soft_wrap=True)

    return say


class Stopper:
    """Waits for Ctrl-C, TERM, a closed terminal, or for a stack that somebody else stopped."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor

    def wait(self) -> None:
        """Return when the stack is gone; raises `Stopped` when this process is asked to end."""
        while self._supervisor.running():
            time.sleep(1)


def _raise_stopped(number: int, frame: object) -> None:
    raise Stopped(signal.Signals(number).name)


@contextmanager
def _stopping(running: Stack, say: Callable[[str], None]) -> Iterator[Stopper]:
    """Whatever ends the block, the stack is stopped after it. A second Ctrl-C does not interrupt the stopping."""
    previous = {number: signal.signal(number, _raise_stopped) for number in SIGNALS}
    mine = not running.supervisor.running()
    try:
        yield Stopper(running.supervisor)
    except Stopped as reason:
        say(f"{reason}: stopping everything")
    except StickerError:
        raise
    except (httpx.HTTPError, OSError) as error:
        if running.supervisor.running():
            raise
        raise Unavailable(f"the stack was stopped while it was in use ({error})") from error
    finally:
        for number in previous:
            signal.signal(number, signal.SIG_IGN)
        if mine:
            running.supervisor.stop()
            say("everything is stopped")
        for number, handler in previous.items():
            signal.signal(number, handler)


def monitor(root: Path, console: Console) -> int:
    """Prometheus, and Alertmanager where it is installed, in the foreground until Ctrl-C."""
    settings = Settings.from_env(options.merged(os.environ, root / ".env"))
    layout = stack.layout_of(settings, root)
    commands = programs.monitors(settings, layout)
    ports.check(settings, [program.port for program in commands])
    config = (layout.root / "monitoring" / "prometheus.yml").read_text()
    atomic.write_text(programs.prometheus_config(layout), programs.with_ports(config, settings))
    children = [_spawn(program, layout.logs) for program in commands]
    for program in commands:
        console.print(f"  {program.name:18} {programs.address(settings, program.port)}", highlight=False)
    for number in SIGNALS:
        signal.signal(number, _raise_stopped)
    try:
        while all(child.poll() is None for child in children):
            time.sleep(0.5)
        raise Unavailable(f"a monitor ended; see {layout.logs}")
    except Stopped:
        return 0
    finally:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        for child in children:
            child.terminate()
        for child in children:
            child.wait(10)


def _spawn(program: Program, logs: Path) -> "subprocess.Popen[bytes]":
    logs.mkdir(parents=True, exist_ok=True)
    with (logs / f"{program.name}.log").open("ab") as log:
        return subprocess.Popen(
            program.command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=die_with(os.getpid())
        )
