"""Each factory run as an MLflow run: what it was asked for, the losses of its stages, and what came out."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

log = logging.getLogger(__name__)

EXPERIMENT: Final = "sticker-factory"


def tracking_uri(cache: Path, registry_uri: str) -> str:
    """The registry's server where one is configured, else a database beside the factory's files."""
    return registry_uri or f"sqlite:///{(cache / 'mlflow.db').absolute()}"


def record(uri: str, *, asked: Mapping[str, Any], stages: Mapping[str, Path], metrics: Mapping[str, Mapping[str, float]]) -> str:
    """Log one run; `stages` are the stages' weights, beside which their histories lie. Returns the run's id. Raises what MLflow raises."""
    import torch
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param

    client = MlflowClient(tracking_uri=uri)
    known = client.get_experiment_by_name(EXPERIMENT)
    run = client.create_run(known.experiment_id if known else client.create_experiment(EXPERIMENT))
    params = [Param(key, str(value)[:500]) for key, value in asked.items()]
    values = [Metric(_key(f"{model}/{key}"), float(value), run.info.start_time, 0) for model, found in metrics.items() for key, value in found.items()]
    for name, weights in stages.items():
        history = torch.load(weights.with_suffix(".history"), weights_only=True)
        values += [Metric(f"{name}/{key}", float(row[key]), run.info.start_time, int(row["step"])) for row in history for key in ("loss", "seg", "rate")]
    for first in range(0, len(values), 900):  # MLflow takes a thousand at once
        client.log_batch(run.info.run_id, metrics=values[first : first + 900], params=params if first == 0 else [])
    client.set_terminated(run.info.run_id)
    log.info("experiment %s in %s", run.info.run_id, uri)
    return str(run.info.run_id)


def _key(text: str) -> str:
    """A metric's name as MLflow allows it."""
    return "".join(sign if sign.isalnum() or sign in "_-./ " else "_" for sign in text)
