"""The service's Prometheus metrics; docs/metrics.md explains each.

Made by the service's `__init__`: `prometheus_client` must be imported after BentoML's workers have set PROMETHEUS_MULTIPROC_DIR, or the
counts of several workers are not added up.
"""

import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sticker_studio.registry import ResolvedModel

LATENCY_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class ServiceMetrics:
    """All metrics of one worker. Labels are bounded: endpoints, stages and models are fixed lists; unknown paths are `other`."""

    def __init__(self) -> None:
        import prometheus_client as prometheus

        _forget_dead_workers()
        self._requests = prometheus.Counter("sticker_requests_total", "Requests by endpoint and status code.", ["endpoint", "code"])
        self._request_s = prometheus.Histogram(
            "sticker_request_duration_seconds", "Time from the first byte in to the last byte out.", ["endpoint"], buckets=LATENCY_BUCKETS_S
        )
        self._stage_s = prometheus.Histogram("sticker_stage_duration_seconds", "Time of one stage of the pipeline.", ["stage"], buckets=LATENCY_BUCKETS_S)
        self._nothing = prometheus.Counter("sticker_nothing_found_total", "Pictures in which no subject was found.", ["endpoint"])
        self._styles = prometheus.Counter("sticker_style_total", "Pictures by the style the classifier gave them.", ["style"])
        self._cuts = prometheus.Counter("sticker_cutouts_total", "Cut-outs by how they were made: segmentor, alpha, strokes, saliency or whole.", ["how"])
        self._bytes = prometheus.Histogram(
            "sticker_output_bytes", "Size of finished files.", ["endpoint"], buckets=(10e3, 25e3, 50e3, 75e3, 100e3, 250e3, 1e6, 5e6)
        )
        self._cache = prometheus.Counter("sticker_cache_total", "Finished files by whether they were in the cache.", ["outcome"])
        self._not_kept = prometheus.Counter("sticker_not_kept_total", "Stickers given out without an id because the records or the store did not answer.")
        self._feedback = prometheus.Counter("sticker_feedback_total", "Verdicts and corrected masks.", ["verdict", "consent"])
        self._swaps = prometheus.Counter("sticker_model_swaps_total", "Champions swapped in while serving.", ["model"])
        self._champion = prometheus.Gauge(
            "sticker_model_info", "1 for the version of each model that serves.", ["model", "version", "source"], multiprocess_mode="livemax"
        )
        self._registry_up = prometheus.Gauge("sticker_registry_up", "1 when the last look at the registry was answered.", multiprocess_mode="livemin")
        self._serving: dict[str, ResolvedModel] = {}

    def request(self, endpoint: str, code: int, duration_s: float) -> None:
        """Count a request."""
        self._requests.labels(endpoint, str(code)).inc()
        self._request_s.labels(endpoint).observe(duration_s)

    @contextmanager
    def stage(self, stage: str) -> Iterator[None]:
        """Time a stage."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self._stage_s.labels(stage).observe(time.perf_counter() - started)

    def nothing_found(self, endpoint: str) -> None:
        """Count a picture without a subject."""
        self._nothing.labels(endpoint).inc()

    def made(self, endpoint: str, facts: Mapping[str, Any], *, cached: bool) -> None:
        """Count a finished file."""
        self._cache.labels("hit" if cached else "miss").inc()
        self._styles.labels(facts["style"]).inc()
        self._cuts.labels(facts["cut"]).inc()
        self._bytes.labels(endpoint).observe(facts["bytes"])

    def not_kept(self) -> None:
        """Count a sticker that could not be kept."""
        self._not_kept.inc()

    def feedback(self, verdict: str, *, consent: bool) -> None:
        """Count what somebody said of a sticker."""
        self._feedback.labels(verdict, str(consent).lower()).inc()

    def serving(self, model: ResolvedModel) -> None:
        """Note which version serves; the one before it goes to 0."""
        before = self._serving.get(model.name)
        if before:
            self._champion.labels(before.name, before.version, before.source).set(0)
        self._champion.labels(model.name, model.version, model.source).set(1)
        self._serving[model.name] = model

    def swapped(self, model: ResolvedModel) -> None:
        """Count a swap."""
        self._swaps.labels(model.name).inc()
        self.serving(model)

    def registry_up(self, reached: bool) -> None:
        """Note whether the registry answered."""
        self._registry_up.set(float(reached))


def _forget_dead_workers() -> None:
    """Drop the live gauges that a killed worker could not take back."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR", "")
    if not folder:
        return
    from prometheus_client import multiprocess

    forget: Any = multiprocess.mark_process_dead
    for file in Path(folder).glob("gauge_live*_*.db"):
        match = re.search(r"_(\d+)\.db$", file.name)
        if match and not Path(f"/proc/{match[1]}").exists():
            forget(int(match[1]), folder)
