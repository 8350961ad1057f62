"""Whether the internet is there: one short probe for the whole stack."""

import concurrent.futures
import socket
from collections.abc import Sequence
from typing import Final

HOSTS: Final = ("github.com", "download.pytorch.org", "dl.fbaipublicfiles.com", "www.pinterest.com")
"""Where official weights and pictures come from."""


def reachable(host: str, port: int = 443, *, timeout_s: float = 4.0) -> bool:
    """Whether a TCP connection to `host` opens in time."""
    try:
        with socket.create_connection((host, port), timeout=timeout_s):
            return True
    except OSError:
        return False


def probe(hosts: Sequence[str] = HOSTS, *, budget_s: float = 5.0) -> list[str]:
    """The hosts that answer, all asked at once, within `budget_s` in all (name resolution included)."""
    pool = concurrent.futures.ThreadPoolExecutor(len(hosts))
    futures = {pool.submit(reachable, host, timeout_s=budget_s - 1): host for host in hosts}
    done, _ = concurrent.futures.wait(futures, timeout=budget_s)
    pool.shutdown(wait=False, cancel_futures=True)
    return [host for future, host in futures.items() if future in done and future.result()]
