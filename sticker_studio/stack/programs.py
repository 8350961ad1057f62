"""What runs on one machine, as data, and as the text of a supervisord configuration."""

import re
import shlex
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote

from pydantic import SecretStr

from sticker_studio.errors import Unavailable
from sticker_studio.settings import PREFIX, Settings
from sticker_studio.stack.layout import Layout, Secrets

MARKER: Final = "STUDIO_STACK_ID"
"""Environment variable that every process of a stack carries, so that none is left behind."""
HOST: Final = "127.0.0.1"
DATABASES: Final = ("airflow", "mlflow", "jobs")
DATABASE_USER: Final = "sticker"


@dataclass(frozen=True, kw_only=True)
class Program:
    """One supervised process. `ready` is the address that answers 200 once it works; `port` the `Settings` field of its port."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    port: str = ""
    ready: str = ""
    signal: str = "TERM"
    as_group: bool = True
    stop_wait_s: int = 20


def address(settings: Settings, port: str) -> str:
    """Loopback address of the process whose port is the field `port`."""
    return f"http://{HOST}:{getattr(settings, port)}"


def database_url(settings: Settings, secrets: Secrets, name: str, *, driver: str = "postgresql+psycopg2") -> str:
    """SQLAlchemy URL of one of the embedded databases."""
    return f"{driver}://{DATABASE_USER}:{quote(secrets.postgres_password)}@{HOST}:{settings.postgres_port}/{name}"


def _python(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", *arguments)


def postgres(settings: Settings, *, binary: Path, data: Path, user: str) -> Program:
    """PostgreSQL on loopback TCP only; INT is its fast shutdown, and its children must not be signalled past it."""
    options = {
        "listen_addresses": HOST, "port": str(settings.postgres_port), "unix_socket_directories": "",
        "shared_buffers": "64MB", "max_connections": "120", "log_min_messages": "warning",
    }  # fmt: skip
    flags = [part for key, value in options.items() for part in ("-c", f"{key}={value}")]
    command = (str(binary), "-D", str(data), *flags)
    return Program(name="postgres", command=command, user=user, port="postgres_port", signal="INT", as_group=False)


def mlflow(settings: Settings, layout: Layout, secrets: Secrets) -> Program:
    """The tracking server and registry; without the variable it would start eight job processes (1.6 GB)."""
    flags = ("--host", HOST, "--port", str(settings.mlflow_port), "--workers", "1", "--artifacts-destination", layout.artifacts.as_uri())
    environment = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_BACKEND_STORE_URI": database_url(settings, secrets, "mlflow")}
    ready = address(settings, "mlflow_port") + "/health"
    return Program(name="mlflow", command=_python("mlflow", "server", *flags), environment=environment, port="mlflow_port", ready=ready)


def airflow(settings: Settings) -> tuple[Program, ...]:
    """The three processes of Airflow 3; the scheduler's log server would listen on every interface and is left out."""
    health = address(settings, "airflow_port") + "/api/v2/monitor/health"
    port = str(settings.airflow_port)
    return (
        Program(
            name="airflow-api", port="airflow_port", ready=health,
            command=_python("airflow", "api-server", "--host", HOST, "--port", port, "--workers", "1"),
        ),
        Program(name="airflow-scheduler", command=_python("airflow", "scheduler", "--skip-serve-logs"), ready=f"{health}#scheduler", stop_wait_s=30),
        Program(name="airflow-dags", command=_python("airflow", "dag-processor"), ready=f"{health}#dag_processor"),
    )  # fmt: skip


def serving(settings: Settings, *, records: str = "") -> tuple[Program, ...]:
    """The sticker service and the Studio page: what `make serve` runs. `records` is the address of the service's database; by default its own file."""
    one_thread = {"OMP_NUM_THREADS": "1"}
    kept = {"STICKER_RECORDS": records} if records else {}
    return (
        Program(
            name="service", command=_python("serving", "serve"), environment=one_thread | kept, port="service_port",
            ready=address(settings, "service_port") + "/readyz",
        ),
        Program(name="studio", command=_python("serving", "studio"), environment=one_thread, port="studio_port", ready=address(settings, "studio_port") + "/"),
    )  # fmt: skip


def around(settings: Settings) -> tuple[Program, ...]:
    """The demo board and the exporter."""
    board = _python("scraping", "demo-board", "--port", str(settings.board_port))
    exporter = address(settings, "exporter_port") + "/metrics"
    return (
        Program(name="demo-board", command=board, port="board_port", ready=address(settings, "board_port") + "/anime"),
        Program(name="exporter", command=_python("monitoring", "export"), port="exporter_port", ready=exporter),
    )


def monitors(settings: Settings, layout: Layout) -> tuple[Program, ...]:
    """Prometheus, and Alertmanager where it and monitoring/alertmanager.yml are there: `make monitor`. Raises `Unavailable` without Prometheus."""
    if not shutil.which("prometheus"):
        raise Unavailable("expected prometheus on the PATH (Debian: apt install prometheus), found none")
    flags = (f"--config.file={prometheus_config(layout)}", f"--storage.tsdb.path={layout.home / 'prometheus' / 'data'}")
    listen = f"--web.listen-address={HOST}:{settings.prometheus_port}"
    found = [Program(name="prometheus", command=("prometheus", *flags, listen), port="prometheus_port")]
    alertmanager = shutil.which("alertmanager") or shutil.which("prometheus-alertmanager")
    config = layout.root / "monitoring" / "alertmanager.yml"
    if alertmanager and config.exists():
        alerts = (f"--config.file={config}", f"--storage.path={layout.home / 'alertmanager'}", "--cluster.listen-address=")
        listen = f"--web.listen-address={HOST}:{settings.alertmanager_port}"
        found.append(Program(name="alertmanager", command=(alertmanager, *alerts, listen), port="alertmanager_port"))
    return tuple(found)


def prometheus_config(layout: Layout) -> Path:
    """Where `make monitor` writes monitoring/prometheus.yml with this installation's ports."""
    return layout.home / "prometheus" / "prometheus.yml"


def with_ports(text: str, settings: Settings) -> str:
    """A configuration that names the default loopback ports, with the ports of `settings` instead."""
    ports = {str(field.default): str(getattr(settings, name)) for name, field in Settings.model_fields.items() if name.endswith("_port")}
    return re.sub(rf"\b{re.escape(HOST)}:(\d+)\b", lambda found: f"{HOST}:{ports.get(found[1], found[1])}", text)


def environment(settings: Settings, layout: Layout, secrets: Secrets, *, inherited: Mapping[str, str], cpus: int, registry: bool = True) -> dict[str, str]:
    """The environment of every process: `inherited`, the settings made absolute, and Airflow's configuration.

    `cpus` decides how many tasks run side by side and how many threads a training has (trainings run one at a time, in the pool
    `train`). `registry=False` leaves the service on the factory models.
    """
    tasks = max(2, min(4, cpus))
    # A supervised process that writes no bytecode starts twice as slowly; Airflow starts one for each task.
    kept = {key: value for key, value in inherited.items() if key != "PYTHONDONTWRITEBYTECODE"}
    return {
        **kept, **_settings_environment(settings, layout, registry=registry), **_airflow_environment(settings, layout, secrets, tasks=tasks),
        MARKER: secrets.stack_id, "PYTHONPATH": _joined(layout.root, inherited.get("PYTHONPATH", "")), "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": str(tasks), "YOLO_AUTOINSTALL": "false", "NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost",
    }  # fmt: skip


def _joined(root: Path, path: str) -> str:
    return ":".join(dict.fromkeys([str(root), *(part for part in path.split(":") if part)]))


def _settings_environment(settings: Settings, layout: Layout, *, registry: bool) -> dict[str, str]:
    # Secrets come with the inherited environment; dumped, they would be their masks.
    given = settings.model_dump(exclude={name for name, value in settings if isinstance(value, SecretStr)})
    values = {f"{PREFIX}{name.upper()}": str(value).lower() if isinstance(value, bool) else str(value) for name, value in given.items() if value != ""}
    absolute = {
        f"{PREFIX}HOME": str(layout.home),
        f"{PREFIX}PARAMS": str(layout.root / settings.params),
        f"{PREFIX}STORE": settings.store or (layout.home / "store").as_uri(),
        f"{PREFIX}DVC_REMOTE": settings.dvc_remote or str(layout.home / "dvc-remote"),
        f"{PREFIX}SERVICE_URL": address(settings, "service_port"),
        f"{PREFIX}AIRFLOW_URL": address(settings, "airflow_port"),
        # Pictures may be fetched from public addresses only; the demo board is ours.
        f"{PREFIX}FETCH_ALLOW": ",".join(filter(None, [settings.fetch_allow, f"{HOST}:{settings.board_port}"])),
    }
    mlflow_uri = settings.mlflow_uri or (address(settings, "mlflow_port") if registry else "")
    return {**values, **absolute, **({f"{PREFIX}MLFLOW_URI": mlflow_uri} if mlflow_uri else {})}


def _airflow_environment(settings: Settings, layout: Layout, secrets: Secrets, *, tasks: int) -> dict[str, str]:
    url = address(settings, "airflow_port")
    options = {
        "CORE__DAGS_FOLDER": str(layout.root / "dags"), "CORE__PLUGINS_FOLDER": str(layout.root / "plugins"), "CORE__LOAD_EXAMPLES": "False",
        "CORE__EXECUTOR": "LocalExecutor", "CORE__PARALLELISM": str(tasks), "CORE__FERNET_KEY": secrets.airflow_fernet_key,
        "CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin,viewer:viewer",
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(layout.secrets / "airflow_users.json"),
        "DATABASE__SQL_ALCHEMY_CONN": database_url(settings, secrets, "airflow"),
        "API__HOST": HOST, "API__PORT": str(settings.airflow_port), "API__BASE_URL": url, "API__SECRET_KEY": secrets.airflow_secret_key,
        "CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "API_AUTH__JWT_SECRET": secrets.airflow_jwt,
        "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2", "WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
        # tasks of a killed scheduler are taken up again within two minutes instead of five
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "90", "SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "30",
        "DAG_PROCESSOR__REFRESH_INTERVAL": "5", "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "5",
    }  # fmt: skip
    return {"AIRFLOW_HOME": str(layout.airflow), **{f"AIRFLOW__{key}": value for key, value in options.items()}}


def supervisord_config(programs: Iterable[Program], layout: Layout, *, user: str = "") -> str:
    """supervisord's configuration: a control socket (0700) instead of a port, nothing started by itself, everything restarted.

    Percent signs are doubled, as supervisord expands them.
    """
    head = f"""\
[unix_http_server]
file={_escaped(layout.socket)}
chmod=0700

[supervisord]
logfile={_escaped(layout.logs / "supervisord.log")}
logfile_maxbytes=5MB
logfile_backups=1
pidfile={_escaped(layout.supervisor / "supervisord.pid")}
childlogdir={_escaped(layout.logs)}
directory={_escaped(layout.root)}
{f"user={user}" if user else ""}

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
"""
    return "\n".join([head, *(_section(program, layout) for program in programs)])


def _section(program: Program, layout: Layout) -> str:
    group = str(program.as_group).lower()
    environment = ",".join(f'{key}="{_escaped(value)}"' for key, value in program.environment.items())
    lines = [
        f"[program:{program.name}]", f"command={_escaped(shlex.join(program.command))}", f"directory={_escaped(layout.root)}",
        "autostart=false", "autorestart=true", "startsecs=1", "startretries=1000000",
        f"stopsignal={program.signal}", f"stopwaitsecs={program.stop_wait_s}", f"stopasgroup={group}", f"killasgroup={group}",
        f"stdout_logfile={_escaped(layout.logs / program.name)}.log", "stdout_logfile_maxbytes=10MB", "stdout_logfile_backups=2", "redirect_stderr=true",
        *([f"user={program.user}"] if program.user else []), *([f"environment={environment}"] if environment else []),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _escaped(value: object) -> str:
    return str(value).replace("%", "%%")
