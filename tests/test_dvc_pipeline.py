"""`dvc.yaml` and the daily DAG are two ways to the same verbs."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from airflow_home import PROJECT, dags

PLACES = {"data", "dataset", "out", "runs", "batch"}
"""Options that say where, not what: the two differ in them on purpose."""


def stages() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every stage of dvc.yaml, `foreach` written out."""
    for name, stage in yaml.safe_load((PROJECT / "dvc.yaml").read_text())["stages"].items():
        if "foreach" in stage:
            for item in stage["foreach"]:
                yield f"{name}@{item}", yaml.safe_load(yaml.safe_dump(stage["do"]).replace("${item}", item))
        else:
            yield name, stage


def call(command: str) -> tuple[str, str, dict[str, str]] | None:
    """(stage, verb, options that say what) of a command line that runs a verb."""
    found = re.search(r"python -m (\w+) ([\w-]+)((?: --[\w-]+ \S+)*)", command)
    if found is None:
        return None
    options = dict(re.findall(r"--([\w-]+) (\S+)", found[3]))
    return found[1], found[2], {name: value for name, value in options.items() if name not in PLACES}


def commands(stage: dict[str, Any]) -> list[str]:
    return [stage["cmd"]] if isinstance(stage["cmd"], str) else stage["cmd"]


@pytest.fixture(scope="module")
def daily() -> Any:
    return dags().dags["sticker_daily"]


def test_dvc_and_the_dag_call_the_same_verbs_with_the_same_options(daily: Any) -> None:
    chain = ["build_dataset", "fit_classifier", "fit_segmentor_anime", "fit_segmentor_normal", "evaluate"]
    tasks = [daily.get_task(name) for name in chain]
    of_dag = [(task.stage, task.verb, {k: v for k, v in task.arguments.items() if k not in PLACES}) for task in tasks]
    of_dvc = [found for _, stage in stages() for command in commands(stage) if (found := call(command))]
    assert sorted(of_dvc, key=str) == sorted(of_dag, key=str)


def test_dvc_orders_the_verbs_as_the_dag_does(daily: Any) -> None:
    outs = {place: name for name, stage in stages() for out in stage.get("outs", []) for place in ([out] if isinstance(out, str) else out)}
    edges = {(outs[dep], name) for name, stage in stages() for dep in stage["deps"] if dep in outs}
    task = {"build-dataset": "build_dataset", "fit-classifier": "fit_classifier", "evaluate": "evaluate"}
    task |= {f"fit-segmentor@{style}": f"fit_segmentor_{style}" for style in ("anime", "normal")}
    assert {(task[a], task[b]) for a, b in edges} == {(a, b) for a in task.values() for b in daily.get_task(a).downstream_task_ids if b in task.values()}


def test_every_parameter_that_dvc_tracks_exists_and_is_what_the_verb_reads() -> None:
    values = yaml.safe_load((PROJECT / "params.yaml").read_text())
    tracked = {name: stage["params"] for name, stage in stages()}
    for names in tracked.values():
        for name in names:
            found = values
            for part in name.split("."):
                found = found[part]
    assert tracked["fit-classifier"] == ["classifier"]
    assert tracked["fit-segmentor@anime"] == tracked["fit-segmentor@normal"] == ["segmentor"]
    assert tracked["build-dataset"] == ["labeling.validation_share", "segmentor.min_pins"]
    assert "evaluation" in tracked["evaluate"]


def test_every_verb_reads_the_workspaces_own_parameters_and_fits_keep_their_checkpoints() -> None:
    for name, stage in stages():
        assert all("STICKER_PARAMS=params.yaml" in command for command in commands(stage) if call(command)), name
        if name.startswith("fit-"):
            assert [list(out.values()) for out in stage["outs"]] == [[{"persist": True}]], name


def test_dvc_itself_accepts_the_file_and_resolves_its_stages(tmp_path: Any) -> None:
    from dvc.repo import Repo

    for name in ("dvc.yaml", "params.yaml"):
        (tmp_path / name).write_bytes((PROJECT / name).read_bytes())
    with Repo.init(str(tmp_path), no_scm=True) as repo:
        assert {stage.name for stage in repo.index.stages} == {name for name, _ in stages()}
