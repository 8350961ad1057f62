"""The DAGs load, and are wired exactly as documented."""

import json
from typing import Any

import pytest
from airflow_home import PROJECT, dags

DAILY = {
    "plan_boards": {"harvest"},
    "harvest": {"validate_pins"},
    "validate_pins": {"snapshot"},
    "snapshot": {"plan_shards"},
    "plan_shards": {"label"},
    "label": {"validate_labels"},
    "validate_labels": {"build_dataset"},
    "build_dataset": {"fit_classifier", "fit_segmentor_anime", "fit_segmentor_normal"},
    "fit_classifier": {"evaluate"},
    "fit_segmentor_anime": {"evaluate"},
    "fit_segmentor_normal": {"evaluate"},
    "evaluate": {"register"},
    "register": set(),
}
PROMOTION = {"gate": {"approval"}, "approval": {"promote"}, "promote": {"verify"}, "verify": set()}


@pytest.fixture(scope="module")
def bag() -> Any:
    return dags()


def test_every_dag_file_loads_without_an_error(bag: Any) -> None:
    assert bag.import_errors == {}
    assert set(bag.dags) == {path.stem for path in (PROJECT / "dags").glob("*.py")}
    assert all(path.stem.startswith("sticker_") for path in (PROJECT / "dags").glob("*.py"))


@pytest.mark.parametrize(
    ("dag_id", "expected"), [pytest.param("sticker_daily", DAILY, id="daily"), pytest.param("sticker_promotion", PROMOTION, id="promotion")]
)
def test_a_dag_has_exactly_the_documented_tasks_and_edges(bag: Any, dag_id: str, expected: dict[str, set[str]]) -> None:
    assert {task.task_id: set(task.downstream_task_ids) for task in bag.dags[dag_id].tasks} == expected


def test_one_daily_run_at_a_time_and_none_for_the_past(bag: Any) -> None:
    daily = bag.dags["sticker_daily"]
    assert (daily.schedule, daily.catchup, daily.max_active_runs) == ("@daily", False, 1)


def test_boards_and_shards_are_what_is_mapped(bag: Any) -> None:
    mapped = {task.task_id for task in bag.dags["sticker_daily"].tasks if task.is_mapped}
    assert mapped == {"harvest", "label"}


def test_tasks_that_share_a_resource_queue_for_it_in_pools_that_the_project_lists(bag: Any) -> None:
    pools = {task.task_id: task.pool for dag in bag.dags.values() for task in dag.tasks if task.pool != "default_pool"}
    assert pools == {
        "snapshot": "dvc",
        "build_dataset": "dvc",
        "fit_classifier": "train",
        "fit_segmentor_anime": "train",
        "fit_segmentor_normal": "train",
    }
    listed = json.loads((PROJECT / "plugins/sticker_pools.json").read_text())
    assert {name: pool["slots"] for name, pool in listed.items()} == {"dvc": 1, "train": 1}


def test_one_skipped_style_stops_neither_the_judgement_nor_the_registration(bag: Any) -> None:
    daily = bag.dags["sticker_daily"]
    assert daily.get_task("evaluate").trigger_rule == "none_failed_min_one_success"
    assert daily.get_task("register").trigger_rule == "all_success"


def test_every_verb_task_ends_by_itself_and_is_tried_again(bag: Any) -> None:
    for dag in bag.dags.values():
        for task in dag.tasks:
            assert task.retries == (0 if task.task_id == "verify" else 2), task.task_id
            assert task.retry_exponential_backoff == 2.0, task.task_id
            if task.task_id != "approval":
                assert task.execution_timeout is not None, task.task_id


def test_the_registration_starts_the_promotion(bag: Any) -> None:
    outlets = bag.dags["sticker_daily"].get_task("register").outlets
    assert [(asset.name, asset.uri) for asset in outlets] == [("sticker_challengers", "sticker://challengers/")]
    assert list(bag.dags["sticker_promotion"].timetable.asset_condition.objects) == outlets


def test_every_verb_of_the_dags_is_documented(bag: Any) -> None:
    documented = (PROJECT / "docs/pipeline.md").read_text()
    for dag in bag.dags.values():
        for task in dag.tasks:
            if task.task_id == "approval":
                continue
            fields = task.partial_kwargs if task.is_mapped else vars(task)
            assert f"`python -m {fields['stage']} {fields['verb']} " in documented, task.task_id
            for option in fields["arguments"]:
                assert f"--{option}" in documented, option
