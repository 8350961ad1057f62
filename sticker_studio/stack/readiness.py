"""When each process works: it answers 200 where its `Program.ready` says."""

import time
from collections.abc import Callable, Iterator, Sequence
from urllib.parse import urldefrag

import httpx

from sticker_studio.errors import Unavailable
from sticker_studio.stack.programs import Program


def ready(program: Program) -> bool:
    """Whether `program` works now. An address with a fragment asks Airflow's health report for that part."""
    address, part = urldefrag(program.ready)
    try:
        answer = httpx.get(address, timeout=3, trust_env=False, follow_redirects=True)
    except httpx.HTTPError:
        return False
    if answer.status_code != 200:
        return False
    return not part or (answer.json().get(part) or {}).get("status") == "healthy"


def wait(programs: Sequence[Program], *, timeout_s: float, still_supervised: Callable[[], bool]) -> Iterator[tuple[Program, float]]:
    """Yield each program with the seconds it took, as it gets ready.

    Raises `Unavailable` naming those that are not ready after `timeout_s`, or when supervisord is gone.
    """
    started, waiting = time.monotonic(), list(programs)
    while waiting:
        for program in [program for program in waiting if ready(program)]:
            waiting.remove(program)
            yield program, time.monotonic() - started
        if not waiting:
            return
        if not still_supervised():
            raise Unavailable("supervisord ended while the processes were starting; see supervisord.log in the log folder")
        if time.monotonic() - started > timeout_s:
            raise Unavailable(f"not ready after {timeout_s:.0f} s: {', '.join(f'{p.name} ({p.ready})' for p in waiting)}; see their logs")
        time.sleep(0.5)
