"""Latency of the service's endpoints, one caller and several, on a drawing and a photograph: `make bench`."""

import argparse
import json
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.own_service import service
from sticker_studio.stack import endpoint, pictures

PATHS = ("/classify", "/cutout", "/sticker")


def measure(url: str, path: str, picture: tuple[str, bytes], *, requests: int, callers: int) -> dict[str, Any]:
    """p50 and p95 in ms and requests a second of `requests` calls by `callers` callers."""
    name, data = picture
    fields = {} if path == "/classify" else {"fallback": "whole"}
    endpoint.post(url, data, name, fields, path=path)
    started = time.perf_counter()
    with ThreadPoolExecutor(callers) as pool:
        answers = list(pool.map(lambda _: endpoint.post(url, data, name, fields, path=path), range(requests)))
    wall_s = time.perf_counter() - started
    good = sorted(answer.seconds * 1000 for answer in answers if answer.status == 200)
    row: dict[str, Any] = {"path": path, "picture": name, "callers": callers, "requests": requests, "failed": requests - len(good)}
    if good:
        row |= {"p50_ms": round(statistics.median(good), 1), "p95_ms": round(good[int(len(good) * 0.95) - 1], 1), "a_second": round(len(good) / wall_s, 1)}
    return row


def main() -> None:
    """Measure and print one JSON line for each endpoint, picture and number of callers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="", help="a running service; empty: the configured one where it runs, else our own")
    parser.add_argument("--requests", type=int, default=40)
    arguments = parser.parse_args()
    with service(arguments.url) as url:
        for path in PATHS:
            for picture in (pictures.drawing(), pictures.photograph()):
                for callers in (1, 4):
                    print(json.dumps(measure(url, path, picture, requests=arguments.requests, callers=callers)), flush=True)


if __name__ == "__main__":
    main()
