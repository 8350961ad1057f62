"""From a batch's runs to judged versions: the verbs evaluate, register, gate and bootstrap-registry."""

import logging
from pathlib import Path
from typing import Any, Final

from sticker_studio import model_card, registry
from sticker_studio.params import Params
from sticker_studio.settings import Settings
from sticker_studio.types import MODEL_NAMES
from training import champions, evaluation, evaluation_sets, gate, reports, runs, tracking
from training.evaluation import Audit, Evaluation
from training.gate import Verdict
from training.runs import Run
from training.tracking import Registration

log = logging.getLogger(__name__)

METRICS_NAME: Final = "metrics.json"


def evaluate(batch: str, folder: Path, settings: Settings, params: Params) -> dict[str, Any]:
    """Examine each trained model beside its champion; writes `evaluation.json`, `audit.json` and pictures in each run folder, `metrics.json` in `folder`."""
    trained, skipped = runs.models(folder)
    golden, audit = (evaluation_sets.load(name, settings, params.evaluation) for name in ("golden", "audit"))
    models: dict[str, Any] = {}
    for name, run in trained.items():
        champion = champions.current(name, settings)
        examined = evaluation.examine(
            name, batch=batch, champion=champion.folder, challenger=run, version=champion.version, golden=golden, audit=audit, params=params.evaluation
        )
        runs.write_json(run / runs.EVALUATION_NAME, examined.evaluation)
        runs.write_json(run / runs.AUDIT_NAME, examined.audit)
        reports.write(run, examined)
        models[name] = evaluation.summary(examined.evaluation, examined.audit)
        _tell(examined.evaluation, examined.audit)
    result = {"batch": batch, "models": models, "skipped": skipped}
    runs.write_json(folder / METRICS_NAME, result)
    return result


def _tell(found: Evaluation, audit: Audit) -> None:
    for name, champion, challenger in (("golden", found.champion.golden, found.challenger.golden), ("audit", audit.champion, audit.challenger)):
        log.info("%s, %s: champion %.3f, challenger %.3f (%s)", found.model, name, champion["all"].mean, challenger["all"].mean, found.challenger.metric)


def register(batch: str, folder: Path, settings: Settings, params: Params) -> dict[str, Any]:
    """Register each evaluated run as a version with the alias `challenger`. A batch's same file is registered once."""
    trained, skipped = runs.models(folder)
    client = tracking.client(settings)
    models: dict[str, Any] = {}
    for name, run_folder in trained.items():
        with tracking.told(f"registering {name}", settings):
            version = tracking.register(client, _registration(name, batch, run_folder, params), settings)
            client.set_registered_model_alias(name, "challenger", str(version.version))
        models[name] = {"version": str(version.version), "run_id": version.run_id}
    return {"batch": batch, "models": models, "skipped": skipped}


def _registration(name: str, batch: str, folder: Path, params: Params) -> Registration:
    run = runs.read_json(folder / runs.RUN_NAME, Run, verb="fit-*")
    found = runs.read_json(folder / runs.EVALUATION_NAME, Evaluation, verb="evaluate")
    audit = runs.read_json(folder / runs.AUDIT_NAME, Audit, verb="evaluate")
    files = [folder / item for item in (runs.RUN_NAME, runs.EVALUATION_NAME, runs.AUDIT_NAME, reports.COMPARISON_NAME, reports.WORST_NAME)]
    return Registration(
        name=name,
        batch=batch,
        folder=folder,
        tags=_tags(run),
        parameters=run.parameters | {f"data.{key}": value for key, value in run.data.items()} | {"golden_scenes": params.evaluation.golden_scenes},
        metrics=run.metrics | _metrics(found, audit),
        history=tuple({key: value for key, value in row.items() if key != "epoch"} for row in run.history),
        files=tuple(path for path in files if path.is_file()),
        description=f"Batch {batch}, from {run.base.text}. " + " ".join(f"{note}." for note in run.notes),
    )


def _tags(run: Run) -> dict[str, str]:
    return {
        "sticker.base": run.base.text,
        "sticker.snapshot": run.snapshot,
        "sticker.teacher": run.teacher,
        "sticker.git_commit": run.git_commit,
        "sticker.lock_sha256": run.lock_sha256,
    }


def _metrics(found: Evaluation, audit: Audit) -> dict[str, float]:
    """Flat names that MLflow allows: `golden.all`, `golden.class_person`, ..., of the challenger, and the champion's as `champion.golden.all`."""
    sets = {"golden": found.challenger.golden, "audit": audit.challenger, "champion.golden": found.champion.golden, "champion.audit": audit.champion}
    flat = {f"{prefix}.{name.replace(':', '_')}": score.mean for prefix, slices in sets.items() for name, score in slices.items()}
    return flat | {"p50_ms": found.challenger.p50_ms, "p95_ms": found.challenger.p95_ms, "champion.p95_ms": found.champion.p95_ms}


def judge(batch: str, folder: Path, settings: Settings, params: Params) -> dict[str, Any]:
    """The gate: decide each model from its `evaluation.json` alone, and write verdict, reasons and evidence to its version."""
    trained, skipped = runs.models(folder)
    client = tracking.client(settings)
    verdicts: dict[str, Any] = {}
    for name, run in trained.items():
        found = runs.read_json(run / runs.EVALUATION_NAME, Evaluation, verb="evaluate")
        verdict = gate.decide(found.champion, found.challenger, params.gate)
        runs.write_json(run / runs.VERDICT_NAME, verdict)
        with tracking.told(f"writing the verdict on {name}", settings):
            _write_verdict(client, found, verdict)
        log.info("%s: %s: %s", name, verdict.verdict, "; ".join(verdict.reasons))
        verdicts[name] = verdict.model_dump()
    return {"batch": batch, "verdicts": verdicts, "skipped": skipped}


def _write_verdict(client: Any, found: Evaluation, verdict: Verdict) -> None:
    for version in tracking.versions(client, found.model, found.batch):
        if version.tags.get(tracking.TAG_SHA256) == found.challenger.file_sha256:
            tracking.tag(client, version, {tracking.TAG_VERDICT: verdict.verdict, tracking.TAG_REASONS: "; ".join(verdict.reasons)})
            origin = (version.description or "").split("\n\n## ")[0]
            report = gate.report(found.champion, found.challenger, verdict)
            client.update_model_version(version.name, str(version.version), description=f"{origin}\n\n{report}")
            return
    log.warning("%s: batch %s has registered no version with the evaluated file; the verdict stays in the run folder only", found.model, found.batch)


def bootstrap(settings: Settings) -> dict[str, Any]:
    """Register the factory models where the registry has no champion; the champions' versions."""
    client = tracking.client(settings)
    found: dict[str, str] = {}
    for name in MODEL_NAMES:
        with tracking.told(f"bootstrapping {name}", settings):
            version = tracking.alias(client, name, "champion")
            if version is None:
                version = tracking.register(client, _factory_registration(name), settings)
                client.set_registered_model_alias(name, "champion", str(version.version))
                log.info("%s: the factory model is champion, version %s", name, version.version)
        found[name] = str(version.version)
    return {"models": found}


def _factory_registration(name: str) -> Registration:
    folder = champions.factory(name).folder
    card = model_card.read(folder)
    numbers = {key: float(value) for key, value in card.metrics.items() if isinstance(value, int | float)}
    return Registration(
        name=name,
        batch=tracking.FACTORY_BATCH,
        folder=registry.factory_model(name),
        tags={"sticker.base": card.base, "sticker.git_commit": card.git_commit, "sticker.teacher": card.teacher, "sticker.factory_version": card.version},
        parameters={"architecture": card.architecture, "input_px": card.input_px},
        metrics=numbers,
        description=f"Factory model {card.version}, trained by the project from scratch and kept in the repository.",
    )
