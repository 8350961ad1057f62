"""Fixtures that several areas share: free ports, an environment of settings, a real MLflow."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from sticker_studio.settings import PREFIX, Settings

os.environ.setdefault("OMP_NUM_THREADS", "1")  # torch's second thread spins at barriers: on a busy machine a test of 2 s takes minutes

ROOT = Path(__file__).parent.parent


def unused_port() -> int:
    """A TCP port of the loopback that nobody listens on now."""
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture
def free_port() -> int:
    """A TCP port of the loopback that nobody listens on now."""
    return unused_port()


@pytest.fixture
def settings_env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of an offline installation in `tmp_path`, set for this process; extend the dict's copy for subprocesses."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    values = {"STICKER_HOME": str(tmp_path / "var"), "STICKER_PARAMS": str(ROOT / "params.yaml"), "STICKER_OFFLINE": "true", "STICKER_TRAIN_THREADS": "1"}
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return values


@pytest.fixture
def offline_settings(settings_env: dict[str, str]) -> Settings:
    """`Settings` of `settings_env`."""
    return Settings.from_env(settings_env)


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a real MLflow server (SQLite, one worker) that lives as long as the test session."""
    folder = tmp_path_factory.mktemp("mlflow")
    port = unused_port()
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", (folder / "artifacts").as_uri(),
    ]  # fmt: skip
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (folder / "server.log").open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            _wait_until_healthy(f"http://127.0.0.1:{port}/health", process, folder / "server.log")
            yield f"http://127.0.0.1:{port}"
        finally:
            _stop(process)


def _wait_until_healthy(url: str, process: "subprocess.Popen[bytes]", log: Path, timeout_s: float = 240) -> None:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(url, timeout=2).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.2)
    raise RuntimeError(f"MLflow did not answer at {url} within {timeout_s:g} s:\n{log.read_text()[-3000:]}")


def _stop(process: "subprocess.Popen[Any]") -> None:
    """End the server and the workers of its own process group."""
    if process.poll() is None:
        os.killpg(process.pid, 15)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()
