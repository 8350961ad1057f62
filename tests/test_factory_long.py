"""The whole factory in a minute or two, as `make factory BUDGET=60s` runs it: from nothing, and on from what it made. `make long`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient

from sticker_studio import model_card
from sticker_studio.inference import Segmentor, StyleClassifier
from sticker_studio.types import CLASSIFIER, MODEL_NAMES, SEGMENTORS
from training.factory import cutouts, experiments, produce

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]
ROOT = Path(__file__).resolve().parents[1]


def make(home: Path, out: Path, *arguments: str) -> dict:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STICKER_")} | {"STICKER_HOME": str(home)}
    command = [sys.executable, "-m", "training", "factory", "--out", str(out), *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_a_short_budget_makes_three_models_that_load_and_a_run_that_tells_of_them(tmp_path: Path) -> None:
    if not cutouts.STAMPS.is_dir():
        pytest.skip("Debian tuxpaint-stamps-default is not installed")
    result = make(tmp_path / "home", tmp_path / "models", "--budget", "60s")
    assert set(result["metrics"]) == set(MODEL_NAMES)
    for name in SEGMENTORS.values():
        assert Segmentor(tmp_path / "models" / name).card.version == produce.VERSION
    assert StyleClassifier(tmp_path / "models" / CLASSIFIER).card.licences
    client = MlflowClient(tracking_uri=result["experiment"]["tracking_uri"])
    run = client.get_run(result["experiment"]["run_id"])
    assert run.data.params["budget_s"] == "60.0"
    assert client.get_experiment(run.info.experiment_id).name == experiments.EXPERIMENT
    assert any(key.startswith("shared-160/loss") for key in run.data.metrics)

    first = model_card.read(tmp_path / "models" / SEGMENTORS["normal"]).file_sha256
    again = make(tmp_path / "home", tmp_path / "again", "--budget", "60s")
    assert again["metrics"][SEGMENTORS["normal"]] == result["metrics"][SEGMENTORS["normal"]]
    assert model_card.read(tmp_path / "again" / SEGMENTORS["normal"]).file_sha256 == first
