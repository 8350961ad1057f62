"""The registry client, against a real MLflow server: which version is champion, its files on disk, and what stands in."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from serving_toys import forget, point, register, write_segmentor

from sticker_studio import model_card, registry
from sticker_studio.errors import ContractViolation, Unavailable
from sticker_studio.inference import Segmentor
from sticker_studio.registry import Registry, resolve
from sticker_studio.settings import Settings
from sticker_studio.types import MODEL_NAMES

NAME = "sticker-segmentor-anime"


@pytest.fixture
def settings(mlflow_server: str, tmp_path: Path) -> Iterator[Settings]:
    forget(mlflow_server, NAME)
    yield Settings(home=tmp_path / "var", mlflow_uri=mlflow_server)
    forget(mlflow_server, NAME)


def toy(tmp_path: Path, label: str, **changes: object) -> Path:
    folder = write_segmentor(tmp_path / label, NAME, version=label)
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps(card | changes))
    return folder


def test_the_champion_is_fetched_whole_and_loads(settings: Settings, tmp_path: Path) -> None:
    version = register(settings.mlflow_uri, toy(tmp_path, "a"))
    resolved = resolve(NAME, settings)
    assert (resolved.source, resolved.version) == ("registry", version)
    assert resolved.folder == settings.home / "models" / NAME / version
    assert (resolved.folder / "model.onnx").read_bytes() == (tmp_path / "a" / "model.onnx").read_bytes()
    assert Segmentor(resolved.folder).card.version == "a"


def test_a_model_logged_by_mlflow_itself_is_found_through_its_models_address(settings: Settings, tmp_path: Path) -> None:
    folder = toy(tmp_path, "logged")
    (folder / "weights.pt").write_bytes(b"state")
    code = f"""
import mlflow, onnx
mlflow.set_tracking_uri({settings.mlflow_uri!r})
with mlflow.start_run():
    info = mlflow.onnx.log_model(onnx.load({str(folder / "model.onnx")!r}), name="model", registered_model_name={NAME!r})
    for file in ("model.onnx", "card.json", "weights.pt"):
        mlflow.MlflowClient().log_model_artifact(info.model_id, {str(folder)!r} + "/" + file)
mlflow.MlflowClient().set_registered_model_alias({NAME!r}, "champion", "1")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    with Registry(settings.mlflow_uri) as source:
        champion = source.version_of(NAME)
        assert champion is not None
        assert champion.source.startswith("models:/m-")
    resolved = resolve(NAME, settings, weights=True)
    assert (resolved.source, (resolved.folder / "weights.pt").read_bytes()) == ("registry", b"state")


def test_no_alias_and_no_model_are_none_and_not_errors(settings: Settings, tmp_path: Path) -> None:
    with Registry(settings.mlflow_uri) as source:
        assert source.version_of(NAME) is None
        register(settings.mlflow_uri, toy(tmp_path, "a"), alias="challenger")
        assert source.version_of(NAME) is None
        challenger = source.version_of(NAME, "challenger")
        assert challenger is not None
        assert challenger.version == "1"


def test_an_empty_registry_gives_the_factory_model_and_says_why(settings: Settings) -> None:
    resolved = resolve(NAME, settings)
    assert (resolved.source, resolved.folder) == ("factory", registry.factory_model(NAME))
    assert "no champion" in resolved.reason


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_every_factory_model_is_there_and_checked(name: str, tmp_path: Path) -> None:
    resolved = resolve(name, Settings(home=tmp_path))
    assert (resolved.source, model_card.read(resolved.folder).name) == ("factory", name)
    assert "STICKER_MLFLOW_URI" in resolved.reason


def test_without_the_registry_the_last_good_version_serves_from_disk(settings: Settings, tmp_path: Path, free_port: int) -> None:
    register(settings.mlflow_uri, toy(tmp_path, "a"))
    first = resolve(NAME, settings)
    assert first.registered is not None
    registry.remember_good(registry.cache_folder(settings), first.registered)
    away = settings.model_copy(update={"mlflow_uri": f"http://127.0.0.1:{free_port}"})
    resolved = resolve(NAME, away)
    assert (resolved.source, resolved.version, resolved.folder) == ("cache", first.version, first.folder)
    assert str(free_port) in resolved.reason


def test_a_copy_damaged_on_disk_is_not_served(settings: Settings, tmp_path: Path) -> None:
    register(settings.mlflow_uri, toy(tmp_path, "a"))
    first = resolve(NAME, settings)
    assert first.registered is not None
    registry.remember_good(registry.cache_folder(settings), first.registered)
    model = first.folder / "model.onnx"
    whole = model.read_bytes()
    model.write_bytes(whole[:-7])
    assert resolve(NAME, settings.model_copy(update={"mlflow_uri": ""})).source == "factory"
    assert resolve(NAME, settings).source == "registry"
    assert model.read_bytes() == whole


def test_a_registry_made_anew_does_not_get_the_old_ones_version_1(settings: Settings, tmp_path: Path) -> None:
    register(settings.mlflow_uri, toy(tmp_path, "old"))
    assert model_card.read(resolve(NAME, settings).folder).version == "old"
    forget(settings.mlflow_uri, NAME)
    assert register(settings.mlflow_uri, toy(tmp_path, "new")) == "1"
    assert model_card.read(resolve(NAME, settings).folder).version == "new"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"file_sha256": "0" * 64}, "sha-256", id="another-file-than-the-card-says"),
        pytest.param({"name": "sticker-segmentor-normal"}, "expected a sticker-segmentor-anime", id="another-model-under-this-name"),
        pytest.param({"surprise": 1}, "surprise", id="a-card-of-another-contract"),
    ],
)
def test_a_version_that_is_not_what_its_card_says_is_refused_and_leaves_nothing(
    settings: Settings, tmp_path: Path, changes: dict[str, object], expected: str
) -> None:
    folder = toy(tmp_path, "a")
    version = register(settings.mlflow_uri, folder)
    card = json.loads((folder / "card.json").read_text()) | changes
    with Registry(settings.mlflow_uri) as source:
        champion = source.version_of(NAME)
        assert champion is not None
        where = source.artefact_uri(champion).removeprefix("mlflow-artifacts:/")
        httpx.put(f"{settings.mlflow_uri}/api/2.0/mlflow-artifacts/artifacts/{where}/card.json", content=json.dumps(card).encode()).raise_for_status()
        with pytest.raises(ContractViolation, match=expected):
            registry.fetch_to_cache(source, champion, tmp_path / "cache")
    assert list((tmp_path / "cache" / NAME).iterdir()) == []
    resolved = resolve(NAME, settings)
    assert (resolved.source, expected in resolved.reason) == ("factory", True)
    assert version == "1"


def test_only_the_newest_versions_stay_on_disk(settings: Settings, tmp_path: Path) -> None:
    cache = registry.cache_folder(settings)
    for label in "abcde":
        register(settings.mlflow_uri, toy(tmp_path, label))
        champion = resolve(NAME, settings).registered
        assert champion is not None
        registry.remember_good(cache, champion)
    assert sorted(path.name for path in (cache / NAME).iterdir() if path.is_dir()) == ["3", "4", "5"]
    point(settings.mlflow_uri, NAME, "1")
    assert model_card.read(resolve(NAME, settings).folder).version == "a"


def test_an_answer_that_is_no_answer_is_unavailable_and_names_the_address() -> None:
    broken = Registry("http://registry.test", transport=httpx.MockTransport(lambda request: httpx.Response(502, text="<html>bad gateway</html>")))
    with pytest.raises(Unavailable, match=r"http://registry\.test"):
        broken.version_of(NAME)


def test_artefacts_outside_the_tracking_server_are_refused_with_the_remedy(tmp_path: Path) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"artifact_uri": "s3://bucket/model"})

    version = registry.ModelVersion(name=NAME, version="1", run_id="", source="", tags={})
    with pytest.raises(Unavailable, match="--artifacts-destination"):
        Registry("http://registry.test", transport=httpx.MockTransport(answer)).fetch(version, tmp_path)
