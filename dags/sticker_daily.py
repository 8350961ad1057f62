"""The daily loop: boards -> pins -> snapshot -> labels -> data set -> models -> judged challengers in the registry.

A run belongs to its logical date, given explicitly when it is triggered by hand; its batch is that date's `ts_nodash`. Every task is one CLI
verb (docs/pipeline.md). Pools: `dvc` and `train`, one slot each. `register` announces its challengers to `sticker_promotion`.
"""

from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import DAG, Asset, Param
from sticker_verbs import VerbOperator, log_failed_run

BATCH = {"batch": "{{ ts_nodash }}"}
BOARDS = {"boards": "{{ params.boards | tojson if params.boards else '' }}"}

with DAG(
    dag_id="sticker_daily",
    description="Harvest, label, train and judge: one batch a day.",
    doc_md=__doc__,
    schedule="@daily",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    tags=["sticker"],
    params={"boards": Param(None, type=["null", "array"], description="Boards of this run: {source, style, limit?}; empty: scraping.boards of params.yaml.")},
    on_failure_callback=log_failed_run,
    default_args={
        "retries": 2,
        "retry_delay": timedelta(seconds=10),
        "retry_exponential_backoff": 2.0,
        "max_retry_delay": timedelta(minutes=5),
        "execution_timeout": timedelta(minutes=30),
    },
):
    plan_boards = VerbOperator(task_id="plan_boards", stage="scraping", verb="boards", arguments=BOARDS, pick="boards")
    harvest = VerbOperator.partial(task_id="harvest", stage="scraping", verb="harvest", arguments=BATCH, map_index_template="{{ task.each.source }}").expand(
        each=plan_boards.output
    )
    validate_pins = VerbOperator(task_id="validate_pins", stage="scraping", verb="validate-pins", arguments=BATCH, trigger_rule="none_failed_min_one_success")
    snapshot = VerbOperator(task_id="snapshot", stage="labeling", verb="snapshot", arguments=BATCH, pool="dvc")
    plan_shards = VerbOperator(task_id="plan_shards", stage="labeling", verb="plan-shards", arguments=BATCH, pick="shards")
    label = VerbOperator.partial(
        task_id="label", stage="labeling", verb="label", arguments=BATCH, execution_timeout=timedelta(hours=2), map_index_template="shard {{ task.each.shard }}"
    ).expand(each=plan_shards.output.map(lambda shard: {"shard": shard}))
    validate_labels = VerbOperator(task_id="validate_labels", stage="labeling", verb="validate-labels", arguments=BATCH)
    build_dataset = VerbOperator(task_id="build_dataset", stage="labeling", verb="build-dataset", arguments=BATCH, pool="dvc")
    fit: dict[str, Any] = {"stage": "training", "pool": "train", "execution_timeout": timedelta(hours=6)}
    fit_classifier = VerbOperator(task_id="fit_classifier", verb="fit-classifier", arguments=BATCH, **fit)
    fit_segmentor_anime = VerbOperator(task_id="fit_segmentor_anime", verb="fit-segmentor", arguments={**BATCH, "style": "anime"}, **fit)
    fit_segmentor_normal = VerbOperator(task_id="fit_segmentor_normal", verb="fit-segmentor", arguments={**BATCH, "style": "normal"}, **fit)
    evaluate = VerbOperator(task_id="evaluate", stage="training", verb="evaluate", arguments=BATCH, trigger_rule="none_failed_min_one_success")
    register = VerbOperator(
        task_id="register", stage="training", verb="register", arguments=BATCH, outlets=[Asset(name="sticker_challengers", uri="sticker://challengers")]
    )

    plan_boards >> harvest >> validate_pins >> snapshot >> plan_shards >> label >> validate_labels >> build_dataset
    build_dataset >> [fit_classifier, fit_segmentor_anime, fit_segmentor_normal] >> evaluate >> register
