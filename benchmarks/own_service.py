"""A running sticker service, or one of our own for as long as a benchmark runs."""

import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from sticker_studio.settings import Settings
from sticker_studio.stack import programs, stack
from sticker_studio.stack.stack import Stack

ROOT = Path(__file__).resolve().parents[1]


def free_port() -> int:
    """A loopback port that is free now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def answers(url: str) -> bool:
    """Whether a ready service is at `url`."""
    try:
        return httpx.get(f"{url}/readyz", timeout=3, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


@contextmanager
def service(url: str = "") -> Iterator[str]:
    """`url` when given; else the service that the settings name, when it runs; else one of our own on the factory models."""
    configured = url or Settings.from_env().service_url
    if url or answers(configured):
        yield configured
        return
    with tempfile.TemporaryDirectory(prefix="sticker-bench-") as home:
        settings = Settings(home=Path(home), service_port=free_port())
        whole = stack.alone(settings, ROOT, os.environ)
        only = [program for program in whole.programs if program.name == "service"]
        own = Stack(settings=settings, layout=whole.layout, secrets=whole.secrets, programs=only, environment=whole.environment)
        try:
            stack.start(own, lambda text: print(text, flush=True))
            yield programs.address(settings, "service_port")
        finally:
            own.supervisor.stop()
