"""A batch's challengers before the gate, a person (or the policy `auto`) and the service: champion, or not.

Started by the challengers' asset; the batch comes from the event's `extra` (or `{"batch": ...}` as the run's configuration, by hand).
"""

from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import DAG, Asset, Param
from sticker_verbs import PolicyApprovalOperator, VerbOperator, log_failed_run

NEWEST = "(triggering_asset_events.values() | first | sort(attribute='timestamp') | last).extra.batch"
BATCH = {"batch": "{{ params.batch or " + NEWEST + " }}"}
APPROVER = "{{ ti.xcom_pull(task_ids='approval')['approver'] }}"

with DAG(
    dag_id="sticker_promotion",
    description="Gate, approval, promotion and its check over HTTP.",
    doc_md=__doc__,
    schedule=[Asset(name="sticker_challengers", uri="sticker://challengers")],
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    tags=["sticker"],
    params={"batch": Param(None, type=["null", "string"], description="Batch to promote; empty: the batch of the asset event.")},
    on_failure_callback=log_failed_run,
    default_args={"retries": 2, "retry_delay": timedelta(seconds=10), "retry_exponential_backoff": 2.0, "max_retry_delay": timedelta(minutes=5)},
):
    limit: dict[str, Any] = {"stage": "training", "execution_timeout": timedelta(minutes=30)}
    gate = VerbOperator(task_id="gate", verb="gate", arguments=BATCH, **limit)
    approval = PolicyApprovalOperator(task_id="approval", subject="Promote the challengers?", body="The gate's verdicts.", verdicts=gate.output)
    promote = VerbOperator(task_id="promote", verb="promote", arguments={**BATCH, "approver": APPROVER}, **limit)
    # Tried once: it takes the promotion back where the service does not follow, and a second try would then find all well.
    verify = VerbOperator(task_id="verify", verb="verify", arguments=BATCH, retries=0, **limit)

    gate >> approval >> promote >> verify
