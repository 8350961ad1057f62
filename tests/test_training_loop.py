"""From a data set to registered, judged and promoted models: every verb in its turn, with real trainings of a few seconds."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from training_samples import untrained_factory, write_dataset

from sticker_studio import model_card, params, registry
from sticker_studio.errors import NotEnoughData, Unavailable
from sticker_studio.inference import Segmentor, StyleClassifier
from sticker_studio.params import Params
from sticker_studio.settings import Settings
from sticker_studio.types import CLASSIFIER, SEGMENTORS, STYLES
from training import classifier, lifecycle, promotion, runs, segmentor, tracking

ROOT = Path(__file__).parent.parent
BATCH = "20260102T000000"
ANIME = SEGMENTORS["anime"]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set whose normal style is missing for the segmentors' sake, and factory models of random weights."""
    folder = tmp_path_factory.mktemp("training")
    untrained_factory(folder / "factory")
    write_dataset(folder / "dataset")
    write_dataset(folder / "anime_only", styles=("anime",), train=8, val=2)
    return folder


@pytest.fixture
def factory(shared: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The repository's factory models replaced by random ones."""
    monkeypatch.setattr(registry, "FACTORY", shared / "factory")
    return shared / "factory"


def small(**segmentor_changes: Any) -> Params:
    """The repository's parameters, made small."""
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    values["segmentor"] |= {"input_px": 64, "epochs": 1, "batch": 8, "replay_scenes": 4, "time_limit_s": 20, "min_pins": 20} | segmentor_changes
    values["classifier"] |= {"input_px": 64, "epochs": 2, "batch": 8, "replay_scenes": 8, "time_limit_s": 20, "min_pins_a_style": 20}
    values["evaluation"] |= {"golden_scenes": 9, "audit_scenes": 4, "bootstrap_samples": 100}
    return params.Params.model_validate(values)


def test_a_batch_goes_from_data_set_to_verdicts_and_aliases(shared: Path, factory: Path, offline_settings: Settings, mlflow_server: str) -> None:
    settings, tuned = offline_settings.model_copy(update={"mlflow_uri": mlflow_server}), small()
    folder = settings.runs(BATCH)
    client = tracking.client(settings)
    for model in client.search_registered_models():
        client.delete_registered_model(model.name)

    first = lifecycle.bootstrap(settings)
    assert lifecycle.bootstrap(settings) == first == {"models": dict.fromkeys((CLASSIFIER, *SEGMENTORS.values()), "1")}
    fitted = segmentor.fit(batch=BATCH, style="anime", dataset=shared / "dataset", out=folder / ANIME, settings=settings, params=tuned)
    assert "factory" in fitted["base"]
    assert "STICKER_OFFLINE" in fitted["base"]
    classifier.fit(batch=BATCH, dataset=shared / "dataset", out=folder / CLASSIFIER, settings=settings, params=tuned)
    with pytest.raises(NotEnoughData):
        segmentor.fit(batch=BATCH, style="normal", dataset=shared / "anime_only", out=folder / SEGMENTORS["normal"], settings=settings, params=tuned)

    metrics = lifecycle.evaluate(BATCH, folder, settings, tuned)
    assert set(metrics["models"]) == {ANIME, CLASSIFIER}
    assert "3 labelled pins" in metrics["skipped"][SEGMENTORS["normal"]]
    assert metrics["models"][ANIME]["golden"]["challenger"]["all"]["pictures"] == 9
    assert metrics["models"][CLASSIFIER]["audit"]["champion"]["all"]["pictures"] == 8
    assert json.loads((folder / "metrics.json").read_text()) == json.loads(json.dumps(metrics))
    assert (folder / ANIME / "worst.png").stat().st_size > 10_000
    assert (folder / CLASSIFIER / "comparison.png").stat().st_size > 10_000

    registered = lifecycle.register(BATCH, folder, settings, tuned)
    assert lifecycle.register(BATCH, folder, settings, tuned) == registered
    assert registered["models"][ANIME]["version"] == "2"
    (folder / ANIME / runs.AUDIT_NAME).unlink()  # the gate has no use for it
    verdicts = lifecycle.judge(BATCH, folder, settings, tuned)["verdicts"]
    version = client.get_model_version(ANIME, "2")
    assert version.tags[tracking.TAG_VERDICT] == verdicts[ANIME]["verdict"]
    assert "| golden slice |" in version.description
    assert version.tags["sticker.snapshot"] == "a" * 32 + ".dir"
    run = client.get_run(version.run_id)
    assert run.data.metrics["golden.all"] == metrics["models"][ANIME]["golden"]["challenger"]["all"]["mean"]
    assert {item.path for item in client.list_artifacts(version.run_id, "evidence")} >= {"evidence/worst.png", "evidence/comparison.png", "evidence/audit.json"}

    moved = promotion.promote(BATCH, "test", settings)
    for name, verdict in verdicts.items():
        assert (name in moved["promoted"]) == (verdict["verdict"] == "promote")
    assert moved["kept"][SEGMENTORS["normal"]] == "the batch registered no version"


def test_what_a_fit_leaves_can_be_served_and_a_second_fit_costs_nothing(shared: Path, factory: Path, offline_settings: Settings, tmp_path: Path) -> None:
    tuned, out = small(), tmp_path / "run"
    first = segmentor.fit(batch=BATCH, style="normal", dataset=shared / "dataset", out=out, settings=offline_settings, params=tuned)
    student = Segmentor(out)
    assert (student.card.version, student.card.style, student.card.input_px) == (BATCH, "normal", 64)
    stamp = (out / "model.onnx").stat().st_mtime_ns
    assert segmentor.fit(batch=BATCH, style="normal", dataset=shared / "dataset", out=out, settings=offline_settings, params=tuned) == first
    assert (out / "model.onnx").stat().st_mtime_ns == stamp
    run = json.loads((out / "run.json").read_text())
    assert run["history"][0]["epoch"] == 1
    assert run["base"]["sha256"] == model_card.sha256(factory / SEGMENTORS["normal"] / "weights.pt")
    state = torch.load(out / "weights.pt", weights_only=True)
    assert state["model.0.conv.weight"].dtype == torch.float16


def test_a_day_without_validation_pins_keeps_the_last_weights_and_its_run_can_be_read_back(
    shared: Path, factory: Path, offline_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segmentor, "CHECKPOINT_S", 0.0)
    write_dataset(tmp_path / "dataset", styles=("anime",), train=20, val=0)
    out = tmp_path / "run"
    segmentor.fit(batch=BATCH, style="anime", dataset=tmp_path / "dataset", out=out, settings=offline_settings, params=small())
    run = runs.read_json(out / runs.RUN_NAME, runs.Run, verb="fit-segmentor")
    assert "no validation pins: the last averaged weights are kept unseen" in run.notes
    assert run.history
    assert "val_iou" not in run.history[0] | run.metrics
    start, end = (torch.load(folder / "weights.pt", weights_only=True) for folder in (factory / ANIME, out))
    assert any((start[key] != end[key]).any() for key in start)


def test_the_classifier_that_a_fit_leaves_serves_probabilities_and_a_dozen_pins_do_not_set_its_temperature(
    shared: Path, factory: Path, offline_settings: Settings, tmp_path: Path
) -> None:
    result = classifier.fit(batch=BATCH, dataset=shared / "dataset", out=tmp_path / "run", settings=offline_settings, params=small())
    assert "temperature 1.00: the start's, 12 validation pins are too few to calibrate on" in result["notes"]
    judge = StyleClassifier(tmp_path / "run")
    assert judge.card.temperature == pytest.approx(result["metrics"]["temperature"], abs=1e-3)
    probabilities = judge.probabilities(torch.zeros(40, 60, 3, dtype=torch.uint8).numpy())
    assert set(probabilities) == set(STYLES)
    assert sum(probabilities.values()) == pytest.approx(1.0)


def test_a_single_style_day_skips_the_classifier_and_the_other_segmentor_with_reasons(
    shared: Path, factory: Path, offline_settings: Settings, tmp_path: Path
) -> None:
    with pytest.raises(NotEnoughData, match="found 10 of style anime and 0 of style normal"):
        classifier.fit(batch=BATCH, dataset=shared / "anime_only", out=tmp_path / CLASSIFIER, settings=offline_settings, params=small())
    with pytest.raises(NotEnoughData, match="anime: 10 labelled pins, at least 20 wanted"):
        segmentor.fit(batch=BATCH, style="anime", dataset=shared / "anime_only", out=tmp_path / ANIME, settings=offline_settings, params=small())
    assert "0 of style normal" in json.loads((tmp_path / CLASSIFIER / "skipped.json").read_text())["reason"]
    with pytest.raises(NotEnoughData, match="the model was not trained"):
        lifecycle.evaluate(BATCH, tmp_path, offline_settings, small())


def test_registering_without_a_registry_names_the_setting(shared: Path, factory: Path, offline_settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="STICKER_MLFLOW_URI"):
        lifecycle.bootstrap(offline_settings)


def test_calibration_finds_the_temperature_that_made_the_logits_too_sure() -> None:
    generator = np.random.default_rng(2)
    honest = generator.normal(0, 1.5, (4000, 2))
    chance = 1 / (1 + np.exp(honest[:, 0] - honest[:, 1]))
    labels = (generator.random(4000) < chance).astype(np.int64)
    assert classifier.calibrate(honest * 2.5, labels) == pytest.approx(2.5, rel=0.12)
