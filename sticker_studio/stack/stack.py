"""The stack of one installation: made, started in order, stopped."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from sticker_studio import atomic
from sticker_studio.errors import Unavailable
from sticker_studio.settings import Settings
from sticker_studio.stack import airflow_api, ports, postgres, programs, readiness
from sticker_studio.stack.layout import Layout, Secrets, secrets_of
from sticker_studio.stack.programs import Program
from sticker_studio.stack.supervisor import Supervisor

READY_S: Final = 600.0
"""How long all processes together may take to get ready (a quiet 2-core machine needs 15 s, a very busy one has needed 4 minutes)."""
Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Stack:
    """What runs, where, with which environment."""

    settings: Settings
    layout: Layout
    secrets: Secrets
    programs: Sequence[Program]
    environment: Mapping[str, str] = field(repr=False)

    @property
    def supervisor(self) -> Supervisor:
        """Its supervisord."""
        return Supervisor(self.layout)

    def addresses(self) -> dict[str, str]:
        """Where a person finds each process."""
        paths = {"service": "/docs"}
        web = [program for program in self.programs if program.port and program.ready]
        return {program.name: programs.address(self.settings, program.port) + paths.get(program.name, "") for program in web}

    def airflow(self) -> airflow_api.AirflowApi:
        """A client of its Airflow."""
        return airflow_api.AirflowApi(programs.address(self.settings, "airflow_port"), self.secrets.airflow_password)


def layout_of(settings: Settings, root: Path) -> Layout:
    """Where the stack of `settings` lives; a relative home is below `root`."""
    return Layout(home=(root / settings.home).resolve(), root=root.resolve())


def whole(settings: Settings, root: Path, inherited: Mapping[str, str]) -> Stack:
    """Everything: `make up`. Makes the secrets and the database cluster at first use."""
    layout = layout_of(settings, root)
    secrets = secrets_of(layout)
    users = json.dumps({"admin": secrets.airflow_password, "viewer": secrets.viewer_password})
    atomic.write_text(layout.secrets / "airflow_users.json", users, mode=0o600)
    user = postgres.user_for(os.geteuid())
    binary, data = postgres.prepare(layout, secrets, user=user)
    everything = (
        programs.postgres(settings, binary=binary, data=data, user=user),
        programs.mlflow(settings, layout, secrets),
        *programs.airflow(settings),
        *programs.serving(settings, records=settings.records or programs.database_url(settings, secrets, "jobs")),
        *programs.around(settings),
    )
    environment = programs.environment(settings, layout, secrets, inherited=inherited, cpus=os.cpu_count() or 1)
    return Stack(settings=settings, layout=layout, secrets=secrets, programs=everything, environment=environment)


def alone(settings: Settings, root: Path, inherited: Mapping[str, str]) -> Stack:
    """The service and the Studio page on the factory models (or on the registry that the settings name): `make serve`."""
    layout = layout_of(settings, root)
    secrets = secrets_of(layout)
    environment = programs.environment(settings, layout, secrets, inherited=inherited, cpus=os.cpu_count() or 1, registry=False)
    return Stack(settings=settings, layout=layout, secrets=secrets, programs=programs.serving(settings), environment=environment)


def start(stack: Stack, say: Say) -> None:
    """Start every program in order and wait until all work. Raises `Unavailable`; what was started is then still running."""
    supervisor = stack.supervisor
    if supervisor.running():
        raise Unavailable(f"a stack is already running from {stack.layout.home}: see `make status`, stop it with `make down`")
    supervisor.stop()  # what a killed one left behind
    ports.check(stack.settings, [program.port for program in stack.programs if program.port])
    supervisor.launch(stack.programs, stack.environment)
    waits_for_database = {"mlflow", "airflow-api", "airflow-scheduler", "airflow-dags", "exporter"}
    names = [program.name for program in stack.programs]
    for name in names:
        if name not in waits_for_database or "postgres" not in names:
            supervisor.start(name)
    if "postgres" in names:
        _database(stack, say)
        for name in names:
            supervisor.start(name)
    waited_for = [program for program in stack.programs if program.ready]
    for program, seconds in readiness.wait(waited_for, timeout_s=READY_S, still_supervised=supervisor.running):
        say(f"{program.name} is ready after {seconds:.0f} s")


def _database(stack: Stack, say: Say) -> None:
    deadline = time.monotonic() + 120
    while not postgres.answers(stack.settings, stack.secrets):
        if time.monotonic() > deadline:
            raise Unavailable(f"PostgreSQL does not answer after 120 s; see {stack.layout.logs / 'postgres.log'}")
        time.sleep(0.2)
    made = postgres.create_databases(stack.settings, stack.secrets)
    say("postgres is ready" + (f", databases made: {', '.join(made)}" if made else ""))
    stack.supervisor.start("mlflow")
    _migrate(stack, say)


def _migrate(stack: Stack, say: Say) -> None:
    """Airflow's schema, at first use and after its version changed."""
    stamp, wanted = stack.layout.airflow / ".migrated", version("apache-airflow")
    if stamp.exists() and stamp.read_text() == wanted:
        return
    say("making Airflow's database")
    run(stack, "airflow", "db", "migrate")
    atomic.write_text(stamp, wanted)


def run(stack: Stack, *arguments: str) -> str:
    """Run `python -m <arguments>` in the stack's environment and return its stdout. Raises `Unavailable` with its last words."""
    done = subprocess.run(
        [sys.executable, "-m", *arguments], env=dict(stack.environment), cwd=stack.layout.root, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        raise Unavailable(f"{' '.join(arguments)}: exit code {done.returncode}: {(done.stderr or done.stdout).strip()[-800:]}")
    return done.stdout


def prepare_pipeline(stack: Stack, dags: Sequence[str], say: Say, *, timeout_s: float = 240) -> airflow_api.AirflowApi:
    """Champions in an empty registry, Airflow's pools, and `dags` imported. Raises `Unavailable` with the import errors."""
    result = json.loads(run(stack, "training", "bootstrap-registry").strip().splitlines()[-1])
    say(f"registry: {', '.join(f'{name} version {number}' for name, number in result['models'].items())}")
    api = stack.airflow()
    for name, pool in pools(stack.layout.root).items():
        api.pool(name, pool["slots"], pool["description"])
    deadline = time.monotonic() + timeout_s
    while not api.dags().issuperset(dags):
        if time.monotonic() > deadline:
            raise Unavailable(f"Airflow does not know {', '.join(set(dags) - api.dags())} after {timeout_s:.0f} s: {api.import_errors() or 'no import error'}")
        time.sleep(0.5)
    return api


def pools(root: Path) -> dict[str, dict[str, Any]]:
    """Airflow's pools, as plugins/sticker_pools.json lists them."""
    result: dict[str, dict[str, Any]] = json.loads((root / "plugins" / "sticker_pools.json").read_text())
    return result
