"""The Prometheus collector: every scrape reads every source, and a source that fails takes only its own figures away."""

import logging
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from monitoring.samples import METRICS, Sample
from monitoring.sources import Source

log = logging.getLogger(__name__)


class SourcesCollector(Collector):
    """Reads `sources` at each scrape."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources

    def describe(self) -> Iterator[Metric]:
        """The metric families, so that registering reads no source."""
        return families([])

    def collect(self) -> Iterator[Metric]:
        """Every family with its samples of now."""
        with ThreadPoolExecutor(len(self._sources)) as pool:  # a scrape then takes as long as its slowest source
            return families([sample for samples in pool.map(guarded, self._sources) for sample in samples])


def guarded(source: Source) -> list[Sample]:
    """A source's samples with `sticker_source_up`; all of its samples or none."""
    started = time.perf_counter()
    try:
        samples, up = list(source.read()), 1.0
    except Exception as error:  # whatever breaks in one source must not blind the others: it is logged and visible as 0
        log.warning("source %s could not be read: %r", source.name, error)
        samples, up = [], 0.0
    took = time.perf_counter() - started
    labels = {"source": source.name}
    return [Sample("sticker_source_up", up, labels), Sample("sticker_source_read_seconds", took, labels), *samples]


def families(samples: Sequence[Sample]) -> Iterator[Metric]:
    """All metric families, each with those of `samples` that are its own. A name that `METRICS` lacks raises `KeyError`."""
    found: dict[str, Metric] = {}
    for name, metric in METRICS.items():
        kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
        found[name] = kind(name, metric.help, labels=metric.labels)
    for sample in samples:
        found[sample.name].add_metric([sample.labels[label] for label in METRICS[sample.name].labels], sample.value)  # type: ignore[attr-defined]
    return iter(found.values())
