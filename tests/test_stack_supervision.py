"""The supervisor at work, with real processes."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import psutil
import pytest

from sticker_studio.errors import Unavailable
from sticker_studio.settings import Settings
from sticker_studio.stack import postgres, programs, readiness, stack
from sticker_studio.stack.layout import Layout, secrets_of
from sticker_studio.stack.stack import Stack
from sticker_studio.stack.supervisor import marked, sweep

ROOT = Path(__file__).resolve().parents[1]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def eventually(check: Callable[[], bool], *, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while not check():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


@pytest.fixture
def board_stack(tmp_path: Path) -> Iterator[Stack]:
    """A stack of the demo board alone."""
    settings = Settings(home=tmp_path / "home", board_port=free_port())
    layout = stack.layout_of(settings, ROOT)
    secrets = secrets_of(layout)
    environment = programs.environment(settings, layout, secrets, inherited=os.environ, cpus=2)
    board = replace(programs.around(settings)[0], command=(*programs.around(settings)[0].command, "--anime", "4", "--normal", "4"))
    made = Stack(settings=settings, layout=layout, secrets=secrets, programs=(board,), environment=environment)
    yield made
    made.supervisor.stop()


def test_a_killed_process_comes_back_and_nothing_is_left_after_stopping(board_stack: Stack) -> None:
    said: list[str] = []
    stack.start(board_stack, said.append)
    assert any(line.startswith("demo-board is ready") for line in said)
    supervisor, board = board_stack.supervisor, board_stack.programs[0]
    first = supervisor.states()["demo-board"]["pid"]

    os.kill(first, signal.SIGKILL)

    assert eventually(lambda: supervisor.states()["demo-board"]["pid"] not in (0, first), within_s=10)
    assert eventually(lambda: readiness.ready(board), within_s=20)
    with pytest.raises(Unavailable, match="already running"):
        stack.start(board_stack, said.append)
    addresses = [connection.laddr.ip for process in supervisor.tree() for connection in process.net_connections("inet") if connection.status == "LISTEN"]
    assert set(addresses) == {"127.0.0.1"}

    supervisor.stop()

    assert not supervisor.running()
    assert marked(board_stack.secrets.stack_id) == []
    assert not readiness.ready(board)


def test_what_a_killed_supervisor_leaves_is_swept(board_stack: Stack) -> None:
    stack.start(board_stack, lambda text: None)
    tree = board_stack.supervisor.tree()
    assert len(tree) >= 2
    tree[0].kill()
    assert sweep(board_stack.layout) >= 1
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in tree)


def test_the_stack_dies_with_the_command_that_started_it(tmp_path: Path, board_stack: Stack) -> None:
    script = (
        "import os, sys, time; from sticker_studio.stack.programs import Program; from sticker_studio.stack.layout import Layout;"
        "from sticker_studio.stack.supervisor import Supervisor; from pathlib import Path;"
        f"s = Supervisor(Layout(home=Path({str(board_stack.layout.home)!r}), root=Path({str(ROOT)!r})));"
        "s.launch([Program(name='sleeper', command=('sleep', '600'))], {**os.environ, 'STUDIO_STACK_ID': sys.argv[1]}); s.start('sleeper');"
        "print('up', flush=True); time.sleep(600)"
    )
    command = [sys.executable, "-c", script, board_stack.secrets.stack_id]
    parent = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "up\n"
    assert eventually(lambda: len(marked(board_stack.secrets.stack_id)) >= 2, within_s=15)
    parent.kill()
    parent.wait()
    assert eventually(lambda: marked(board_stack.secrets.stack_id) == [], within_s=15)


def test_the_embedded_database_starts_as_somebody_else_and_keeps_its_folder_private(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", postgres_port=free_port())
    layout = Layout(home=tmp_path / "home", root=ROOT)
    secrets = secrets_of(layout)
    user = postgres.user_for(os.geteuid())
    binary, data = postgres.prepare(layout, secrets, user=user)
    made = Stack(
        settings=settings,
        layout=layout,
        secrets=secrets,
        programs=(programs.postgres(settings, binary=binary, data=data, user=user),),
        environment={**os.environ, programs.MARKER: secrets.stack_id},
    )
    try:
        made.supervisor.launch(made.programs, made.environment)
        made.supervisor.start("postgres")
        assert eventually(lambda: postgres.answers(settings, secrets), within_s=20)
        assert sorted(postgres.create_databases(settings, secrets)) == ["airflow", "jobs", "mlflow"]
        assert postgres.create_databases(settings, secrets) == []
        assert not postgres.answers(settings, replace(secrets, postgres_password="wrong"))
        process = psutil.Process(made.supervisor.states()["postgres"]["pid"])
        assert process.uids().effective != 0
        assert data.stat().st_mode & 0o777 == 0o700
        assert secrets.postgres_password not in " ".join(process.cmdline())
    finally:
        made.supervisor.stop()
        if data.parent != layout.home:  # the temporary folder was closed to the database's user
            import shutil

            shutil.rmtree(data.parent)


def test_readiness_reads_one_part_of_a_health_report(tmp_path: Path) -> None:
    import http.server
    import threading

    class Health(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"scheduler": {"status": "healthy"}, "dag_processor": {"status": null}}')

        def log_message(self, *arguments: object) -> None:
            """Quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Health)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/health"
    try:
        assert httpx.get(url).status_code == 200
        assert readiness.ready(programs.Program(name="a", command=(), ready=f"{url}#scheduler"))
        assert not readiness.ready(programs.Program(name="b", command=(), ready=f"{url}#dag_processor"))
        with pytest.raises(Unavailable, match="not ready after 0 s: b"):
            list(readiness.wait([programs.Program(name="b", command=(), ready=f"{url}#dag_processor")], timeout_s=0.0, still_supervised=lambda: True))
    finally:
        server.shutdown()
