"""What the exporter exports: every metric by name, and one measured value of one."""

from dataclasses import dataclass, field
from typing import Final, Literal

Kind = Literal["gauge", "counter"]


@dataclass(frozen=True)
class Metric:
    """A metric family; `help` names the unit."""

    kind: Kind
    labels: tuple[str, ...]
    help: str


@dataclass(frozen=True)
class Sample:
    """One value of the metric `name`, labels by name."""

    name: str
    value: float
    labels: dict[str, str] = field(default_factory=dict)


METRICS: Final[dict[str, Metric]] = {
    "sticker_source_up": Metric("gauge", ("source",), "1 where the exporter could read the source at this scrape, else 0"),
    "sticker_source_read_seconds": Metric("gauge", ("source",), "Seconds that reading the source took at this scrape"),
    # the object store
    "sticker_batch_timestamp_seconds": Metric("gauge", ("batch",), "Logical date of the newest batch, Unix seconds"),
    "sticker_batch_pins": Metric("gauge", ("board", "style", "state"), "Pins of the newest batch: found, kept, duplicates, failed, quarantined"),
    "sticker_batch_labels": Metric("gauge", ("state",), "Labels of the newest batch: labeled (to train on), review (low confidence)"),
    "sticker_batch_teacher_pins": Metric("gauge", ("teacher", "version"), "Pins of the newest batch that this teacher labelled"),
    "sticker_batch_teacher_missing_shards": Metric("gauge", ("teacher",), "Shards of the newest batch for which a preferred teacher was not there"),
    "sticker_index_pins": Metric("gauge", (), "Pins ever kept"),
    # the registry and the runs
    "sticker_model_version": Metric("gauge", ("model", "alias"), "Registered version that the alias points at"),
    "sticker_model_quality": Metric("gauge", ("model", "role", "set", "slice"), "Mean score of the newest evaluation: mask IoU or balanced accuracy, 0 to 1"),
    "sticker_model_latency_p95_ms": Metric("gauge", ("model", "role"), "p95 of one prediction at the newest evaluation, milliseconds"),
    # Airflow
    "sticker_dag_run_state": Metric("gauge", ("dag", "state"), "1 for the state of the DAG's newest run"),
    "sticker_dag_run_duration_seconds": Metric("gauge", ("dag",), "Duration of the DAG's newest finished run, seconds"),
    "sticker_dag_last_success_timestamp_seconds": Metric("gauge", ("dag",), "End of the DAG's newest successful run, Unix seconds"),
    "sticker_dag_since_last_success_seconds": Metric("gauge", ("dag",), "Seconds since the end of the DAG's newest successful run"),
    "sticker_dag_runs": Metric("gauge", ("dag", "state"), "Runs among the DAG's newest 25, by state"),
    "sticker_task_duration_seconds": Metric("gauge", ("dag", "task"), "Duration of the task in the DAG's newest run, seconds; mapped instances added up"),
    # the machine
    "sticker_disk_bytes": Metric("gauge", ("state",), "File system of STICKER_HOME: used, free, total bytes"),
    "sticker_host_cpu_seconds_total": Metric("counter", ("mode",), "CPU time of the host, seconds"),
    "sticker_host_load1": Metric("gauge", (), "Load average of the last minute, processes"),
    "sticker_host_memory_bytes": Metric("gauge", ("state",), "Memory of the host: total, available, used bytes"),
    "sticker_host_disk_io_bytes_total": Metric("counter", ("direction",), "Bytes read from and written to the host's disks"),
    "sticker_host_network_bytes_total": Metric("counter", ("direction",), "Bytes received and sent by the host"),
}
