"""`python -m training <verb>`: data set to judged, registered, promoted models (docs/pipeline.md, docs/training.md)."""

import re
from pathlib import Path
from typing import Annotated

import typer

from sticker_studio import cli, params
from sticker_studio.errors import InputError
from sticker_studio.settings import Settings
from sticker_studio.types import CLASSIFIER, MODEL_NAMES, SEGMENTORS, STYLES

app = typer.Typer(name="training", help="Fine-tune, judge, register and promote models.", no_args_is_help=True, pretty_exceptions_enable=False)

BatchOption = Annotated[str, typer.Option("--batch", help="The batch: its logical date as Airflow's ts_nodash.")]
DatasetOption = Annotated[Path | None, typer.Option("--dataset", help="Data set folder; default <home>/datasets/<batch>/.")]
OutOption = Annotated[Path | None, typer.Option("--out", help="Run folder; default <home>/runs/<batch>/<model>/.")]
RunsOption = Annotated[Path | None, typer.Option("--runs", help="Folder of run folders; default <home>/runs/<batch>/.")]


@app.command("bootstrap-registry")
def bootstrap_registry() -> None:
    """Register the factory models as champions where there are none."""
    from training import lifecycle

    cli.emit(lifecycle.bootstrap(Settings.from_env()))


@app.command("fit-classifier")
def fit_classifier(batch: BatchOption, dataset: DatasetOption = None, out: OutOption = None) -> None:
    """Fine-tune the style classifier on the boards' declared styles."""
    from training import classifier

    settings = Settings.from_env()
    folder = out or settings.runs(batch) / CLASSIFIER
    cli.emit(classifier.fit(batch=batch, dataset=dataset or settings.dataset(batch), out=folder, settings=settings, params=params.load(settings.params)))


@app.command("fit-segmentor")
def fit_segmentor(
    batch: BatchOption,
    style: Annotated[str, typer.Option("--style", help="anime or normal.")],
    dataset: DatasetOption = None,
    out: OutOption = None,
) -> None:
    """Fine-tune the student of one style."""
    from training import segmentor

    settings = Settings.from_env()
    chosen = next((known for known in STYLES if known == style), None)
    if chosen is None:
        raise InputError(f"--style: expected one of {', '.join(STYLES)}, got {style!r}")
    folder = out or settings.runs(batch) / SEGMENTORS[chosen]
    source = dataset or settings.dataset(batch)
    cli.emit(segmentor.fit(batch=batch, style=chosen, dataset=source, out=folder, settings=settings, params=params.load(settings.params)))


@app.command()
def evaluate(batch: BatchOption, runs: RunsOption = None) -> None:
    """Examine challengers and champions on the golden and the audit set."""
    from training import lifecycle

    settings = Settings.from_env()
    cli.emit(lifecycle.evaluate(batch, runs or settings.runs(batch), settings, params.load(settings.params)))


@app.command()
def register(batch: BatchOption) -> None:
    """Register the batch's models with the alias challenger."""
    from training import lifecycle

    settings = Settings.from_env()
    cli.emit(lifecycle.register(batch, settings.runs(batch), settings, params.load(settings.params)))


@app.command()
def gate(batch: BatchOption) -> None:
    """Decide whether each challenger may become champion."""
    from training import lifecycle

    settings = Settings.from_env()
    cli.emit(lifecycle.judge(batch, settings.runs(batch), settings, params.load(settings.params)))


@app.command()
def promote(batch: BatchOption, approver: Annotated[str, typer.Option("--approver", help="Who approved: a person, or auto.")]) -> None:
    """Make the approved challengers champions."""
    from training import promotion

    cli.emit(promotion.promote(batch, approver, Settings.from_env()))


@app.command()
def verify(batch: BatchOption) -> None:
    """Check that the service serves the champions; where it does not, the alias goes back and the exit code is 2."""
    from training import evaluation_sets, promotion

    settings = Settings.from_env()
    tuned = params.load(settings.params)
    smoke = [exam.image for exam in evaluation_sets.load("golden", settings, tuned.evaluation) if exam.mask.any()]
    result = promotion.verify(batch, settings, timeout_s=tuned.promotion.verify_timeout_s, smoke=smoke[:: max(1, len(smoke) // 4)])
    cli.emit(result)
    if result["rolled_back"]:
        raise typer.Exit(2)


@app.command()
def rollback(
    model: Annotated[str, typer.Option("--model", help="Registry name.")], to: Annotated[str, typer.Option("--to", help="The version to serve again.")]
) -> None:
    """Make an earlier version champion again."""
    from training import promotion

    if model not in MODEL_NAMES:
        raise InputError(f"--model: expected one of {', '.join(MODEL_NAMES)}, got {model!r}")
    cli.emit(promotion.rollback(model, to, Settings.from_env()))


@app.command()
def factory(
    data: Annotated[Path | None, typer.Option("--data", help="Folder of your own pictures, a sub-folder a group (docs/factory.md).")] = None,
    budget: Annotated[str, typer.Option("--budget", help="Time in all, rendering included: 90s, 10m or 2h.")] = "1h",
    go_on: Annotated[bool, typer.Option("--go-on", help="Train the shipped segmentors further instead of new ones from nothing.")] = False,
    out: Annotated[Path | None, typer.Option("--out", help="Where the model folders go; the package's factory_models by default.")] = None,
) -> None:
    """Train the factory models and write them into the package."""
    from sticker_studio.registry import FACTORY
    from training.factory import run

    settings = Settings.from_env()
    start = FACTORY if go_on else None
    cli.emit(
        run(
            out=out or FACTORY,
            data=data,
            cache=settings.home.resolve() / "factory",
            budget_s=seconds(budget),
            start=start,
            seed=3,
            registry_uri=settings.mlflow_uri,
        )
    )


def seconds(budget: str) -> float:
    """Seconds of a time like 90s, 10m or 2h. Raises `InputError`."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", budget.strip())
    if not match:
        raise InputError(f"--budget: expected a time like 90s, 10m or 2h, got {budget!r}")
    return float(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2]]


if __name__ == "__main__":
    cli.main(app)
