"""supervisord: started, asked over its control socket, stopped, and nothing left behind."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import psutil

from sticker_studio import atomic
from sticker_studio.errors import Unavailable
from sticker_studio.stack.layout import Layout, private_folder
from sticker_studio.stack.programs import MARKER, Program, supervisord_config

_PR_SET_PDEATHSIG: Final = 1
_LAST: Final = "postgres"
"""Stopped after everything that is connected to it."""


class Supervisor:
    """The supervisord of one `Layout`."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    def rpc(self, method: str, *arguments: Any) -> Any:
        """Call `supervisor.<method>` (XML-RPC over the control socket)."""
        from supervisor.xmlrpc import SupervisorTransport

        transport = SupervisorTransport(None, None, f"unix://{self.layout.socket}")
        try:
            return getattr(xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport), f"supervisor.{method}")(*arguments)
        finally:
            transport.close()

    def running(self) -> bool:
        """Whether it answers."""
        try:
            return bool(self.rpc("getState")["statecode"] == 1)
        except (OSError, xmlrpc.client.Error):
            return False

    def states(self) -> dict[str, dict[str, Any]]:
        """What supervisord knows of each program (`statename`, `pid`, `start`, ...)."""
        return {row["name"]: row for row in self.rpc("getAllProcessInfo")}

    def launch(self, programs: Iterable[Program], environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
        """Start supervisord as our child with no program started yet. It gets TERM when we die, whatever we die of.

        Raises `Unavailable` when it does not answer within 15 s.
        """
        private_folder(self.layout.supervisor)
        private_folder(self.layout.socket.parent)
        for folder in (self.layout.logs, self.layout.airflow, self.layout.artifacts):
            folder.mkdir(parents=True, exist_ok=True)
        user = "root" if os.geteuid() == 0 else ""
        atomic.write_text(self.layout.config, supervisord_config(programs, self.layout, user=user), mode=0o600)
        command = [sys.executable, "-m", "supervisor.supervisord", "-n", "-c", str(self.layout.config)]
        with (self.layout.logs / "supervisord.out").open("wb") as output:
            child = subprocess.Popen(
                command, env=dict(environment), cwd=self.layout.root, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                start_new_session=True, preexec_fn=die_with(os.getpid()),
            )  # fmt: skip
        self._await(child)
        return child

    def _await(self, child: "subprocess.Popen[bytes]") -> None:
        deadline = time.monotonic() + 15
        while not self.running():
            if child.poll() is not None or time.monotonic() > deadline:
                child.kill()
                said = (self.layout.logs / "supervisord.out").read_text(errors="replace").strip()[-400:]
                raise Unavailable(f"supervisord did not start: {said or 'no output'}; its configuration is {self.layout.config}")
            time.sleep(0.1)

    def start(self, name: str) -> None:
        """Start one program; one that runs already is fine."""
        try:
            self.rpc("startProcess", name, False)
        except xmlrpc.client.Fault as fault:
            if "ALREADY_STARTED" not in fault.faultString:
                raise

    def stop(self, *, timeout_s: float = 45) -> None:
        """Stop every program, the database last, then supervisord, then whatever still carries our marker."""
        with contextlib.suppress(OSError, xmlrpc.client.Error):
            self._stop_programs(timeout_s)
            self.rpc("shutdown")
        pid = self._pid()
        if pid is not None:
            _end(pid, timeout_s=15)
        sweep(self.layout)

    def _stop_programs(self, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        for group in ([name for name in self.states() if name != _LAST], [_LAST]):
            for name in group:
                with contextlib.suppress(xmlrpc.client.Fault):
                    self.rpc("stopProcess", name, False)
            while time.monotonic() < deadline and any(self.states().get(name, {}).get("pid") for name in group):
                time.sleep(0.1)

    def _pid(self) -> int | None:
        try:
            pid = int((self.layout.supervisor / "supervisord.pid").read_text())
            return pid if "supervisord" in " ".join(psutil.Process(pid).cmdline()) else None
        except (OSError, ValueError, psutil.Error):
            return None

    def tree(self) -> list[psutil.Process]:
        """supervisord and everything below it, ourselves left out."""
        pid = self._pid()
        if pid is None:
            return []
        try:
            parent = psutil.Process(pid)
            return [parent, *parent.children(recursive=True)]
        except psutil.Error:
            return []


def die_with(parent: int) -> Any:
    """A hook for the forked child: TERM it when `parent` dies (Linux; elsewhere `make down` is needed after a kill)."""
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None

    def hook() -> None:
        if libc is not None:
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != parent:
                os._exit(1)

    return hook


def _end(pid: int, *, timeout_s: float) -> None:
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        process.terminate()
        try:
            process.wait(timeout_s)
        except psutil.TimeoutExpired:
            process.kill()


def marked(stack_id: str) -> list[psutil.Process]:
    """Processes that carry the stack's marker, ourselves left out."""
    return [process for process in psutil.process_iter() if process.pid != os.getpid() and _marker(process) == stack_id]


def _marker(process: psutil.Process) -> str:
    try:
        return process.environ().get(MARKER, "")
    except (psutil.Error, OSError):
        return ""


def _postmaster(data: Path) -> list[psutil.Process]:
    """PostgreSQL overwrites its environment, so its pid file names it."""
    try:
        process = psutil.Process(int((data / "postmaster.pid").read_text().splitlines()[0]))
        return [process] if str(data) in " ".join(process.cmdline()) else []
    except (OSError, ValueError, IndexError, psutil.Error):
        return []


def sweep(layout: Layout, *, grace_s: float = 5) -> int:
    """End what a killed supervisor or scheduler left behind; returns how many processes that were."""
    try:
        stack_id = (layout.secrets / "stack_id").read_text().strip()
    except OSError:
        return 0
    data_folders = [layout.postgres, Path("/var/lib") / f"sticker-studio-{stack_id}" / "data"]
    servers = [process for data in data_folders for process in _postmaster(data)]
    left = [process for process in marked(stack_id) if process not in servers]
    for process in left:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    for process in servers:
        with contextlib.suppress(psutil.Error):
            process.send_signal(signal.SIGINT)
    _, alive = psutil.wait_procs([*left, *servers], timeout=grace_s)
    for process in alive:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(alive, timeout=grace_s)
    return len(left) + len(servers)


def resident_mb(processes: Iterable[psutil.Process]) -> float:
    """Memory of `processes` in MB, each shared page counted once where the kernel tells (PSS), else the sum of resident sizes."""
    total = 0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            try:
                total += process.memory_full_info().pss
            except (psutil.AccessDenied, AttributeError):
                total += process.memory_info().rss
    return round(total / 1e6, 1)
