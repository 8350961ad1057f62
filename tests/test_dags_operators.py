"""The operators run verbs as real processes: results, skips, failures, kills; approvals by policy and by person."""

import os
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow_home import operators

VERBS = """
import json, os, subprocess, sys, time
verb, *options = sys.argv[1:]
print("log line of", verb, file=sys.stderr)
if verb == "fine":
    airflow = [key for key in os.environ if key.startswith("AIRFLOW__")]
    print("some output"); print(json.dumps({"batch": "B", "options": options, "cwd": os.getcwd(), "airflow": airflow}))
elif verb == "progress":
    sys.stderr.write("10 %\\r50 %\\r100 %"); sys.stderr.flush(); print(json.dumps({"batch": "B"}))
elif verb == "skips":
    print(json.dumps({"skipped": "3 pins, 20 wanted"})); sys.exit(99)
elif verb == "fails":
    print("expected 20 pins, got 3; harvest more", file=sys.stderr); sys.exit(2)
elif verb == "chats":
    print("not JSON")
elif verb == "leaves":
    subprocess.Popen(["sleep", "60"]); print(json.dumps({"batch": "B"}))
elif verb == "hangs":
    child = subprocess.Popen(["sleep", "60"]); print(child.pid, flush=True); time.sleep(60)
"""


class Events(dict[Any, Any]):
    def __missing__(self, key: Any) -> Any:
        return self.setdefault(key, SimpleNamespace(extra={}))


@pytest.fixture(autouse=True)
def verbs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "someverbs.py").write_text(VERBS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


def verb(name: str, **kwargs: Any) -> Any:
    return operators().VerbOperator(task_id=name, stage="someverbs", verb=name, **kwargs)


def execute(operator: Any) -> tuple[Any, dict[str, Any], Events]:
    from airflow.sdk.bases.operator import ExecutorSafeguard

    pushed: dict[str, Any] = {}
    events = Events()
    context = {"ti": SimpleNamespace(xcom_push=lambda key, value: pushed.update({key: value})), "outlet_events": events}
    operator.pushed = pushed
    sentinel = {f"{type(operator).__name__}__sentinel": ExecutorSafeguard.sentinel_value}
    return operator.execute(context=context, **sentinel), pushed, events


def logged(capsys: pytest.CaptureFixture[str]) -> set[str]:
    """What the operator logged: Airflow's logger prints `time [level] text [logger] ...`."""
    return {line.split("] ", 1)[-1].split("[airflow.task")[0].strip() for line in capsys.readouterr().out.splitlines()}


def test_options_become_an_argument_list_and_empty_ones_are_left_out() -> None:
    words = operators().command("scraping", "harvest", {"batch": "B", "limit": None, "style": "", "time_limit": 3, "boards": [{"source": "a b"}]})
    assert words[1:] == ["-m", "scraping", "harvest", "--batch", "B", "--time-limit", "3", "--boards", '[{"source": "a b"}]']


def test_the_last_line_of_stdout_is_the_result_and_its_batch_goes_with_the_asset_event() -> None:
    from airflow.sdk import Asset

    asset = Asset(name="a", uri="sticker://a")
    result, _, events = execute(verb("fine", arguments={"batch": "B"}, each={"style": "anime; rm -rf $HOME"}, outlets=[asset]))
    assert result["options"] == ["--batch", "B", "--style", "anime; rm -rf $HOME"]
    assert events[asset].extra == {"batch": "B"}


def test_a_verb_runs_in_the_project_without_airflows_own_configuration() -> None:
    result, _, _ = execute(verb("fine"))
    assert result["cwd"] == str(operators().PROJECT)
    assert result["airflow"] == []
    assert "AIRFLOW__CORE__DAGS_FOLDER" in os.environ


def test_one_member_of_the_result_can_be_picked_to_map_over() -> None:
    assert execute(verb("fine", each={"n": 1}, pick="options"))[0] == ["--n", "1"]


def test_both_streams_reach_the_tasks_log_and_a_progress_bar_becomes_lines(capsys: pytest.CaptureFixture[str]) -> None:
    execute(verb("progress"))
    assert {"log line of progress", "10 %", "50 %", "100 %", '{"batch": "B"}'} <= logged(capsys)


def test_exit_code_99_skips_the_task_and_keeps_the_reason() -> None:
    from airflow.sdk.exceptions import AirflowSkipException

    operator = verb("skips")
    with pytest.raises(AirflowSkipException, match="3 pins, 20 wanted"):
        execute(operator)
    assert operator.pushed == {"skipped": "3 pins, 20 wanted"}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("fails", r"someverbs fails: exit code 2: expected 20 pins, got 3; harvest more", id="an error with its remedy"),
        pytest.param("chats", r"expected a JSON object as the last line of stdout, got 'not JSON'", id="no result"),
    ],
)
def test_a_failed_verb_fails_the_task_with_the_verbs_own_words(name: str, message: str) -> None:
    from airflow.sdk.exceptions import AirflowException

    with pytest.raises(AirflowException, match=message):
        execute(verb(name))


def test_a_verb_that_leaves_a_process_behind_does_not_hold_the_task_up() -> None:
    started = time.monotonic()
    assert execute(verb("leaves"))[0] == {"batch": "B"}
    assert time.monotonic() - started < 10


def test_a_killed_task_takes_its_verb_and_the_verbs_children_with_it(capsys: pytest.CaptureFixture[str]) -> None:
    from airflow.sdk.exceptions import AirflowException

    operator = verb("hangs")
    threading.Timer(1.5, operator.on_kill).start()
    with pytest.raises(AirflowException, match="someverbs hangs: ended by SIGTERM"):
        execute(operator)
    child = next(int(line) for line in logged(capsys) if line.isdigit())
    for _ in range(50):
        if not _runs(child):
            return
        time.sleep(0.1)
    pytest.fail(f"process {child} outlived its task")


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


GATE = {
    "batch": "B",
    "verdicts": {"sticker-segmentor-anime": {"verdict": "promote", "reasons": ["golden +0.03"]}, "x": {"verdict": "keep", "reasons": ["no gain"]}},
}


def approval(gate: dict[str, Any]) -> Any:
    return operators().PolicyApprovalOperator(task_id="approval", subject="Promote?", verdicts=gate)


def test_the_policy_auto_approves_at_once_and_says_who(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STICKER_APPROVAL", "auto")
    assert execute(approval(GATE))[0] == {"chosen_options": ["Approve"], "approver": "policy:auto"}


def test_nothing_to_promote_skips_with_the_gates_reasons(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.sdk.exceptions import AirflowSkipException

    monkeypatch.setenv("STICKER_APPROVAL", "auto")
    with pytest.raises(AirflowSkipException, match="no gain"):
        execute(approval({"batch": "B", "verdicts": {"x": GATE["verdicts"]["x"]}}))  # type: ignore[index]


def test_a_person_is_asked_with_the_evidence_and_the_parameters_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.providers.standard.operators import hitl
    from airflow.sdk.exceptions import TaskAwaitingInput

    asked: dict[str, Any] = {}
    monkeypatch.setenv("STICKER_APPROVAL", "human")
    monkeypatch.setattr(hitl, "upsert_hitl_detail", lambda **kwargs: asked.update(kwargs))
    operator = approval(GATE)
    context = {"ti": None, "task_instance": SimpleNamespace(id="ti")}
    from airflow.sdk.bases.operator import ExecutorSafeguard

    with pytest.raises(TaskAwaitingInput) as parked:
        operator.execute(context=context, PolicyApprovalOperator__sentinel=ExecutorSafeguard.sentinel_value)
    assert "**sticker-segmentor-anime**: promote\n    - golden +0.03" in asked["body"]
    assert asked["defaults"] == ["Reject"]
    assert parked.value.timeout.total_seconds() == 86400


@pytest.mark.parametrize(
    ("person", "approver"),
    [pytest.param({"id": "1", "name": "admin"}, "admin", id="a person"), pytest.param(None, "policy:timeout", id="nobody answered")],
)
def test_the_answer_names_who_approved(person: dict[str, str] | None, approver: str) -> None:
    from airflow.sdk import timezone

    event = {"chosen_options": ["Approve"], "params_input": {}, "responded_at": timezone.utcnow(), "responded_by_user": person}
    assert approval(GATE).execute_complete({}, event) == {"chosen_options": ["Approve"], "approver": approver}


def test_a_failed_run_is_logged_with_its_name_and_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setattr(operators().log, "error", lambda text, *values: lines.append(text % values))  # Airflow owns the handlers
    run = SimpleNamespace(run_id="manual__2026-11-20", dag_id="sticker_daily")
    operators().log_failed_run({"dag_run": run, "reason": "task_failure"})
    assert lines == ["run manual__2026-11-20 of sticker_daily failed: task_failure"]
