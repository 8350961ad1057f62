"""Runs of both DAGs, as Airflow runs them, over recorded stand-ins of the verbs: who is called with what, and what skips what."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from airflow_home import dags, operators

STAND_IN = """
import json, sys
from pathlib import Path
here = Path(__file__).parent
stage, verb = Path(__file__).stem, sys.argv[1]
options = dict(zip((word.removeprefix("--") for word in sys.argv[2::2]), sys.argv[3::2]))
with (here / "calls.jsonl").open("a") as calls:
    calls.write(json.dumps([stage, verb, options]) + "\\n")
answers = json.loads((here / "answers.json").read_text())
answer = answers.get(" ".join([verb, *options.values()])) or answers.get(verb) or {}
print(json.dumps({"batch": options.get("batch"), **answer}))
sys.exit(99 if "skipped" in answer else 0)
"""
BOARDS = [{"source": "demo:anime", "style": "anime", "limit": 6}, {"source": "demo:normal", "style": "normal", "limit": 6}]
ANSWERS = {
    "boards": {"boards": BOARDS},
    "plan-shards": {"shards": [0, 1]},
    "gate": {"verdicts": {"sticker-segmentor-anime": {"verdict": "promote", "reasons": ["golden +0.03"]}}},
}
DAY = datetime(2026, 11, 20, tzinfo=UTC)
BATCH = "20261120T000000"


class Project:
    """A folder of stand-in stages, in place of the repository."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for stage in ("scraping", "labeling", "training"):
            (folder / f"{stage}.py").write_text(STAND_IN)

    def answer(self, **answers: Any) -> None:
        (self.folder / "answers.json").write_text(json.dumps({**ANSWERS, **{name.replace("_", "-"): value for name, value in answers.items()}}))

    def answer_to(self, call: str, answer: Any) -> None:
        (self.folder / "answers.json").write_text(json.dumps({**ANSWERS, call: answer}))

    def calls(self) -> list[list[Any]]:
        return [json.loads(line) for line in (self.folder / "calls.jsonl").read_text().splitlines()]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setattr(operators(), "PROJECT", tmp_path)
    monkeypatch.setenv("STICKER_APPROVAL", "auto")
    monkeypatch.setenv("STICKER_PARAMS", str(Path(__file__).resolve().parents[1] / "params.yaml"))
    found = Project(tmp_path)
    found.answer()
    return found


def run(dag_id: str, day: datetime | None = DAY, **conf: Any) -> tuple[str, dict[str, set[str]]]:
    """State of the run, and of every task's instances."""
    finished = dags().dags[dag_id].test(logical_date=day, run_conf=conf)
    states: dict[str, set[str]] = {}
    for instance in finished.get_task_instances():
        states.setdefault(instance.task_id, set()).add(str(instance.state))
    return str(finished.state), states


def test_a_day_calls_every_verb_once_with_its_batch_mapped_over_boards_and_shards(project: Project) -> None:
    state, states = run("sticker_daily")
    assert state == "success"
    assert set().union(*states.values()) == {"success"}
    batch = {"batch": BATCH}
    boards = [["scraping", "harvest", {**batch, **{name: str(value) for name, value in board.items()}}] for board in BOARDS]
    steps: list[list[Any]] = [  # those of one step run in any order
        [["scraping", "boards", {}]],
        boards,
        [["scraping", "validate-pins", batch]],
        [["labeling", "snapshot", batch]],
        [["labeling", "plan-shards", batch]],
        [["labeling", "label", {**batch, "shard": "0"}], ["labeling", "label", {**batch, "shard": "1"}]],
        [["labeling", "validate-labels", batch]],
        [["labeling", "build-dataset", batch]],
        [["training", "fit-classifier", batch], *[["training", "fit-segmentor", {**batch, "style": style}] for style in ("anime", "normal")]],
        [["training", "evaluate", batch]],
        [["training", "register", batch]],
    ]
    calls = iter(project.calls())
    for step in steps:
        assert sorted([next(calls) for _ in step], key=str) == sorted(step, key=str)
    assert list(calls) == []


def test_the_boards_of_a_runs_configuration_reach_the_planner_as_json(project: Project) -> None:
    boards = [{"source": "folder:/pictures/it's <here>", "style": "normal"}]
    run("sticker_daily", boards=boards)
    assert json.loads(project.calls()[0][2]["boards"]) == boards


def test_a_skipped_style_leaves_the_others_judged_and_registered(project: Project) -> None:
    project.answer_to(f"fit-segmentor {BATCH} anime", {"skipped": "3 labelled pins of style anime, 20 wanted"})
    state, states = run("sticker_daily")
    assert state == "success"
    assert states["fit_segmentor_anime"] == {"skipped"}
    assert states["evaluate"] == states["register"] == {"success"}


def test_where_every_model_is_skipped_nothing_is_registered_nor_announced(project: Project) -> None:
    before = announced()
    project.answer(fit_segmentor={"skipped": "too few"}, fit_classifier={"skipped": "one style only"})
    state, states = run("sticker_daily")
    assert state == "success"
    assert states["evaluate"] == states["register"] == {"skipped"}
    assert announced() == before


def test_the_registration_is_announced_with_its_batch(project: Project) -> None:
    before = announced()
    run("sticker_daily")
    assert announced()[len(before) :] == [{"batch": BATCH}]


def test_a_promotion_is_approved_by_policy_and_checked(project: Project) -> None:
    state, states = run("sticker_promotion", None, batch=BATCH)
    assert (state, set().union(*states.values())) == ("success", {"success"})
    batch = {"batch": BATCH}
    assert project.calls() == [
        ["training", "gate", batch],
        ["training", "promote", {**batch, "approver": "policy:auto"}],
        ["training", "verify", batch],
    ]


def test_a_verdict_to_keep_everything_asks_nobody_and_promotes_nothing(project: Project) -> None:
    project.answer(gate={"verdicts": {"sticker-segmentor-anime": {"verdict": "keep", "reasons": ["no gain"]}}})
    state, states = run("sticker_promotion", None, batch=BATCH)
    assert state == "success"
    assert states == {"gate": {"success"}, "approval": {"skipped"}, "promote": {"skipped"}, "verify": {"skipped"}}
    assert [call[1] for call in project.calls()] == ["gate"]


def test_a_promotion_takes_the_batch_of_the_newest_event_that_started_it() -> None:
    dag = dags().dags["sticker_promotion"]
    from airflow.sdk.execution_time.comms import AssetEventDagRunReferenceResult
    from airflow.sdk.execution_time.context import TriggeringAssetEventsAccessor

    asset = {"name": "sticker_challengers", "uri": "sticker://challengers/", "extra": {}}
    source = {"source_task_id": "register", "source_dag_id": "sticker_daily", "source_run_id": "r", "source_map_index": -1, "source_aliases": []}
    stamps = {"20261121T000000": "2026-11-21T01:00:00Z", BATCH: "2026-11-20T01:00:00Z"}
    events = [AssetEventDagRunReferenceResult(asset=asset, extra={"batch": b}, timestamp=t, **source) for b, t in stamps.items()]  # type: ignore[arg-type]
    template = dag.get_template_env().from_string(dag.get_task("gate").arguments["batch"])
    assert template.render(params={"batch": None}, triggering_asset_events=TriggeringAssetEventsAccessor.build(events)) == "20261121T000000"


def announced() -> list[dict[str, str]]:
    """`extra` of every event of the challengers' asset, oldest first."""
    from airflow.models.asset import AssetEvent
    from airflow.utils.session import create_session
    from sqlalchemy import select

    dags()
    with create_session() as session:
        return [event.extra for event in session.scalars(select(AssetEvent).order_by(AssetEvent.id))]
