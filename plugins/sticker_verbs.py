"""Operators that run the project's CLI verbs: a DAG file names verbs and wires them, the work is in the stages.

The project is the folder above this one; `python -m <stage> <verb>` runs there, by the interpreter that runs Airflow, with the
environment's `STICKER_*` settings (and none of Airflow's own, which hold secrets).
"""

import contextlib
import json
import logging
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowException, AirflowSkipException

PROJECT: Final = Path(__file__).resolve().parents[1]
SKIPPED: Final = 99
"""Exit code of a verb that skipped for a reason (sticker_studio.cli)."""
KILL_GRACE_S: Final = 3.0
"""Airflow kills a task for good 5 s after it asked it to end; its verb must be gone by then."""
DRAIN_S: Final = 2.0
"""How long a finished verb's pipes are still read when something it started keeps them open."""

log = logging.getLogger(__name__)


def command(stage: str, verb: str, options: Mapping[str, Any]) -> list[str]:
    """The argument list of a verb; an option that is None or empty is left out, a list or mapping becomes JSON."""
    words = [sys.executable, "-m", stage, verb]
    for name, value in options.items():
        if value not in (None, ""):
            words += [f"--{name.replace('_', '-')}", json.dumps(value) if isinstance(value, dict | list) else str(value)]
    return words


def environment(source: Mapping[str, str]) -> dict[str, str]:
    """The environment of a verb: everything but Airflow's configuration."""
    return {key: value for key, value in source.items() if not key.startswith("AIRFLOW__")}


class VerbOperator(BaseOperator):
    """Runs one verb and hands its result on.

    `arguments` are the verb's options; `each` holds the options that differ between mapped instances. Both are templated. With exit
    code 0 the last line of stdout, a JSON object, is the XCom (or its member `pick`: only a whole XCom can be mapped over), and outlets
    get the result's `batch` as their event's `extra`. Exit code 99 skips the task, its reason under the XCom key `skipped`. Anything
    else raises `AirflowException` with the last line of the log.
    """

    template_fields: Sequence[str] = ("arguments", "each")
    ui_color = "#e8f4ea"

    def __init__(
        self,
        *,
        stage: str,
        verb: str,
        arguments: Mapping[str, Any] | None = None,
        each: Mapping[str, Any] | None = None,
        pick: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.pick = pick
        self.stage = stage
        self.verb = verb
        self.arguments = arguments or {}
        self.each = each or {}
        self._process: subprocess.Popen[bytes] | None = None

    def execute(self, context: Context) -> Any:
        """Run the verb. Raises `AirflowSkipException` or `AirflowException` as the class says."""
        words = command(self.stage, self.verb, {**self.arguments, **self.each})
        self.log.info("running %s", " ".join(words[1:]))
        code, out, problem = self._run(words)
        result = _parsed(out)
        if code == SKIPPED:
            reason = str((result or {}).get("skipped") or "no reason given")
            context["ti"].xcom_push(key="skipped", value=reason)
            raise AirflowSkipException(reason)
        if code != 0:
            how = f"exit code {code}" if code > 0 else f"ended by {signal.Signals(-code).name}"
            raise AirflowException(f"{self.stage} {self.verb}: {how}: {problem or out or 'it printed nothing'}")
        if result is None:
            raise AirflowException(f"{self.stage} {self.verb}: expected a JSON object as the last line of stdout, got {out[:200]!r}")
        for outlet in self.outlets:
            context["outlet_events"][outlet].extra = {"batch": result["batch"]}
        return result[self.pick] if self.pick else result

    def on_kill(self) -> None:
        """End the verb and everything it started."""
        if self._process is not None:
            _end(self._process, grace_s=KILL_GRACE_S)

    def _run(self, words: Sequence[str]) -> tuple[int, str, str]:
        """Run to the end, both streams copied to the task's log; returns exit code, last line of stdout and of stderr."""
        last = {"out": "", "err": ""}
        self._process = subprocess.Popen(
            words, cwd=PROJECT, env=environment(os.environ), stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )
        try:
            for stream, line in _lines(self._process):
                last[stream] = line
                self.log.info("%s", line)
            return self._process.wait(), last["out"], last["err"]
        finally:
            _end(self._process, grace_s=KILL_GRACE_S)


class PolicyApprovalOperator(ApprovalOperator):
    """Asks a person to approve the promotion of a batch, with the gate's verdicts as evidence.

    `verdicts` is the result of `training gate`. Nothing to promote: skipped with the gate's reasons. Where the policy (`STICKER_APPROVAL`, or else
    `promotion.policy` of the parameters) is `auto`, it approves at once as `policy:auto`. How long a person has and what
    happens then are `promotion.response_timeout_s` and `promotion.on_timeout`.
    """

    template_fields: Sequence[str] = (*ApprovalOperator.template_fields, "verdicts")

    def __init__(self, *, verdicts: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.verdicts = verdicts

    def execute(self, context: Context) -> Any:
        """Skip, approve by policy, or park the task until somebody answers."""
        from sticker_studio import params
        from sticker_studio.settings import Settings

        self.body = evidence(self.verdicts)
        self.log.info("%s", self.body)
        if not any(verdict["verdict"] == "promote" for verdict in self.verdicts["verdicts"].values()):
            context["ti"].xcom_push(key="skipped", value=self.body)
            raise AirflowSkipException(self.body)
        settings = Settings.from_env()
        promotion = params.load(_from_project(settings.params)).promotion
        if (settings.approval or promotion.policy) == "auto":
            return {"chosen_options": [self.APPROVE], "approver": "policy:auto"}
        self.response_timeout = timedelta(seconds=promotion.response_timeout_s)
        self.defaults = [promotion.on_timeout]
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """The answer, with `approver` named: the person, or `policy:timeout` where nobody answered."""
        answer = super().execute_complete(context, event)
        person = answer.get("responded_by_user") or {}
        return {"chosen_options": answer["chosen_options"], "approver": person.get("name") or person.get("id") or "policy:timeout"}


def evidence(gate: Mapping[str, Any]) -> str:
    """Markdown of the gate's verdicts: a line for each model, its reasons below."""
    lines = [f"Batch `{gate['batch']}`"]
    for model, verdict in sorted(gate["verdicts"].items()):
        lines.append(f"- **{model}**: {verdict['verdict']}")
        lines += [f"    - {reason}" for reason in verdict["reasons"]]
    return "\n".join(lines if gate["verdicts"] else [*lines, "- no model was judged"])


def log_failed_run(context: Context) -> None:
    """Callback of a failed DAG run: one line that names it and why."""
    run = context["dag_run"]
    log.error("run %s of %s failed: %s", run.run_id, run.dag_id, context.get("reason", "no reason given"))


def _from_project(path: Path) -> Path:
    return path if path.is_absolute() else PROJECT / path


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _lines(process: subprocess.Popen[bytes]) -> Iterator[tuple[str, str]]:
    """Lines of both streams as they come, `("out"|"err", text)`; a progress bar's carriage returns end lines too."""
    rest = {"out": b"", "err": b""}
    ended_at = None
    with selectors.DefaultSelector() as selector:
        selector.register(_pipe(process.stdout), selectors.EVENT_READ, "out")
        selector.register(_pipe(process.stderr), selectors.EVENT_READ, "err")
        while selector.get_map() and not (ended_at and time.monotonic() - ended_at > DRAIN_S):
            for key, _ in selector.select(timeout=0.5):
                data = os.read(key.fd, 65536)
                if not data:
                    selector.unregister(key.fileobj)
                *lines, rest[key.data] = (rest[key.data] + data).replace(b"\r", b"\n").split(b"\n")
                yield from ((key.data, text) for text in map(_text, lines) if text)
            ended_at = ended_at or (time.monotonic() if process.poll() is not None else None)
    yield from ((stream, _text(data)) for stream, data in rest.items() if data.strip())


def _text(data: bytes) -> str:
    return data.decode(errors="replace").rstrip()


def _pipe(stream: Any) -> Any:
    if stream is None:
        raise AirflowException("the verb was started without pipes; this is a bug of the operator")
    return stream


def _end(process: subprocess.Popen[bytes], *, grace_s: float) -> None:
    """Ask a running verb's process group to end, then kill what is left of it; a group that is gone is fine."""
    with contextlib.suppress(ProcessLookupError):
        deadline = time.monotonic() + grace_s
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
