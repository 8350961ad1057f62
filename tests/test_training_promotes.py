"""A deliberately spoilt champion must be beaten and replaced; a killed training goes on where it was."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from training_samples import untrained_factory, write_dataset, write_students

from sticker_studio import params, registry, scenes
from sticker_studio.params import Params
from sticker_studio.settings import Settings
from sticker_studio.types import CLASSIFIER, SEGMENTORS, STYLES
from training import checkpoints, data, lifecycle, promotion, segmentor, students, tracking

ROOT = Path(__file__).parent.parent
BATCH = "20260103T000000"
ANIME = SEGMENTORS["anime"]
NOISE = 0.1
"""Standard deviation of the spoilt champion's weights relative to each layer's own: it finds little, and unlearns quickly."""


def tuned(**changes: object) -> Params:
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    values["segmentor"] |= {"batch": 8, "replay_scenes": 0, "min_pins": 8} | changes
    values["evaluation"] |= {"golden_scenes": 12, "audit_scenes": 1, "bootstrap_samples": 200}
    values["gate"]["max_p95_ratio"] = 10.0  # what else runs on the machine is not this test's matter
    return params.Params.model_validate(values)


def spoilt_factory(folder: Path, *, input_px: int) -> Path:
    """The repository's factory models, the segmentors with noise on their weights: the named champion "spoilt-1"."""
    source = registry.factory_model(ANIME) / "weights.pt"
    if not source.is_file():
        pytest.skip(f"no factory model in {source.parent}: run `make factory`")
    network = students.load(source, "yolov8n-seg", {}, [])
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim > 1:
                parameter += torch.randn(parameter.shape, generator=generator) * parameter.std() * NOISE
    write_students(folder, network, input_px=input_px, version="spoilt-1")
    shutil.copytree(registry.factory_model(CLASSIFIER), folder / CLASSIFIER)
    return folder


def test_a_spoilt_champion_is_beaten_on_a_day_of_exact_labels_and_replaced(
    tmp_path: Path, offline_settings: Settings, mlflow_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = tuned(input_px=160, epochs=4, learning_rate=0.0005, time_limit_s=200)
    monkeypatch.setattr(registry, "FACTORY", spoilt_factory(tmp_path / "factory", input_px=160))
    settings = offline_settings.model_copy(update={"mlflow_uri": mlflow_server})
    client = tracking.client(settings)
    for model in client.search_registered_models():
        client.delete_registered_model(model.name)
    champion = lifecycle.bootstrap(settings)["models"][ANIME]
    dataset = write_dataset(tmp_path / "dataset", styles=("anime",), train=32, val=8)

    folder = settings.runs(BATCH)
    fitted = segmentor.fit(batch=BATCH, style="anime", dataset=dataset, out=folder / ANIME, settings=settings, params=wanted)
    assert fitted["metrics"]["val_iou"] > fitted["metrics"]["base_val_iou"]
    lifecycle.evaluate(BATCH, folder, settings, wanted)
    version = lifecycle.register(BATCH, folder, settings, wanted)["models"][ANIME]["version"]
    verdict = lifecycle.judge(BATCH, folder, settings, wanted)["verdicts"][ANIME]
    assert verdict["verdict"] == "promote", verdict["reasons"]
    assert any("all: mean mask IoU rises" in reason for reason in verdict["reasons"])
    assert promotion.promote(BATCH, "test", settings)["promoted"] == {ANIME: version}
    served = tracking.alias(client, ANIME, "champion")
    assert served is not None
    assert (str(served.version), served.tags[tracking.TAG_PREVIOUS]) == (version, champion)


KILLED = """
import sys
from pathlib import Path
from sticker_studio import params, registry
from sticker_studio.settings import Settings
from training import segmentor
registry.FACTORY = Path(sys.argv[1])
loaded = params.load(Path(sys.argv[4]))
segmentor.fit(batch=sys.argv[5], style="anime", dataset=Path(sys.argv[2]), out=Path(sys.argv[3]), settings=Settings.from_env(), params=loaded)
"""


def test_a_training_killed_outright_goes_on_from_its_checkpoint(
    tmp_path: Path, settings_env: dict[str, str], offline_settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    wanted = tuned(input_px=64, epochs=400, time_limit_s=8)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(wanted.model_dump(mode="json")))
    factory, out = untrained_factory(tmp_path / "factory"), tmp_path / "run"
    dataset = write_dataset(tmp_path / "dataset", styles=("anime",), train=8, val=2, size_wh=(96, 64))
    arguments = [factory, dataset, out, tmp_path / "params.yaml", BATCH]
    process = subprocess.Popen([sys.executable, "-c", KILLED, *map(str, arguments)], cwd=ROOT, env=os.environ | settings_env)
    try:
        deadline = time.monotonic() + 200
        while not (out / checkpoints.NAME).exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert (out / checkpoints.NAME).exists()
    assert not (out / "run.json").exists()

    monkeypatch.setattr(registry, "FACTORY", factory)
    caplog.set_level("INFO")
    result = segmentor.fit(batch=BATCH, style="anime", dataset=dataset, out=out, settings=offline_settings, params=wanted)
    resumed = next(record for record in caplog.records if "going on at step" in record.message)
    assert resumed.args is not None
    assert result["metrics"]["steps"] > resumed.args[1] > 0  # type: ignore[index]
    assert json.loads((out / "run.json").read_text())["metrics"] == result["metrics"]
    assert not (out / checkpoints.NAME).exists()


def test_a_checkpoint_of_other_inputs_or_a_broken_one_is_not_gone_on_from(tmp_path: Path) -> None:
    checkpoints.save(tmp_path, "one", {"step": 3, "model": {"w": torch.ones(2)}})
    loaded = checkpoints.load(tmp_path, "one")
    assert loaded is not None
    assert loaded["step"] == 3
    assert checkpoints.load(tmp_path, "two") is None
    (tmp_path / checkpoints.NAME).write_bytes(b"half a file")
    assert checkpoints.load(tmp_path, "one") is None


def test_batches_are_the_same_from_any_step_on() -> None:
    pictures = [data._from_scene(scene, 64) for scene in scenes.draw_many(5, seed=1, style=STYLES[0], size_wh=(90, 60))]
    whole, late = (data.sample_batches(pictures, batch=2, side_px=64, seed=3, first_step=step) for step in (0, 4))
    for _ in range(4):
        next(whole)
    for one, other in zip(next(whole), next(late), strict=True):
        assert (one.image == other.image).all()
        assert (one.objects == other.objects).all()


def test_weights_that_never_beat_the_start_are_not_kept() -> None:
    best = segmentor.Best(base=0.7, value=0.7)
    best.offer(0.69, 10, {"w": torch.zeros(1)})
    assert (best.state, best.value) == (None, 0.7)
    best.offer(0.71, 20, {"w": torch.ones(1)})
    assert best.state is not None
    assert (best.step, float(best.state["w"])) == (20, 1.0)
