"""`python -m labeling <verb>`: pins to labels, data sets and snapshots. Verbs and results: docs/pipeline.md."""

from pathlib import Path
from typing import Annotated

import typer

from sticker_studio import cli, params
from sticker_studio.settings import Settings
from sticker_studio.store import ObjectStore

app = typer.Typer(name="labeling", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

Batch = Annotated[str, typer.Option(help="The batch: its logical date, e.g. 20261120T000000.")]


def _open() -> tuple[Settings, params.Params, ObjectStore]:
    settings = Settings.from_env()
    return settings, params.load(settings.params), ObjectStore(settings.store_url)


@app.command()
def snapshot(batch: Batch) -> None:
    """Version every kept pin (DVC) and push it to the remote."""
    from labeling import snapshots

    settings, _, store = _open()
    cli.emit(snapshots.snapshot(store, snapshots.Workspace(settings.dvc_workspace, remote_url=settings.dvc_remote_url), batch=batch))


@app.command()
def plan_shards(batch: Batch) -> None:
    """Say which shards of pins the batch is labelled in."""
    from labeling import shards

    _, tuned, store = _open()
    planned = shards.plan(shards.read_pins(store, batch), tuned.labeling.shard_pins)
    cli.emit({"batch": batch, "shards": list(range(len(planned)))})


@app.command()
def label(
    batch: Batch,
    shard: Annotated[int, typer.Option(help="Number of the shard, from 0.")],
    teacher: Annotated[str, typer.Option(help="Only this teacher; empty: the first of params.yaml that is available.")] = "",
) -> None:
    """Label one shard with the best teacher there is."""
    from labeling import shards
    from labeling.teachers import selection

    settings, tuned, store = _open()
    order = [teacher] if teacher else list(tuned.labeling.teachers)
    open_one = selection.opener(tuned.labeling, settings, batch=batch)
    result = shards.label_shard(
        store, batch=batch, shard=shard, shard_pins=tuned.labeling.shard_pins, choose=lambda: selection.choose(order, open_one), wanted=teacher
    )
    cli.emit(result)


@app.command()
def validate_labels(batch: Batch) -> None:
    """Hold the labels against the suite; sort them into those to train on and those to review."""
    from labeling import validation

    _, tuned, store = _open()
    cli.emit(validation.validate(store, batch=batch, params=tuned.labeling, max_rejected_share=tuned.validation.max_quarantined_share))


@app.command()
def build_dataset(
    batch: Batch,
    data: Annotated[Path | None, typer.Option(help="A restored snapshot's data folder, used as it is; empty: the workspace, with all labels added.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where the data set goes; empty: <home>/datasets/<batch>.")] = None,
) -> None:
    """Export the labelled pins as data sets for training; labels become part of a new snapshot."""
    from labeling import dataset, snapshots

    settings, tuned, store = _open()
    if data is None:
        workspace = snapshots.Workspace(settings.dvc_workspace, remote_url=settings.dvc_remote_url)
        version, source = dataset.version_labels(store, workspace), workspace.data
    else:
        version, source = snapshots.current(data), data
    target = out or settings.dataset(batch)
    share, wanted = tuned.labeling.validation_share, tuned.segmentor.min_pins
    cli.emit(dataset.build(batch=batch, data=source, out=target, snapshot=version, validation_share=share, min_pins=wanted))


@app.command()
def restore(
    snapshot: Annotated[str, typer.Option(help="Snapshot id, as `snapshot` and `build-dataset` print it.")],
    to: Annotated[Path | None, typer.Option(help="Folder of the new workspace; empty: <home>/restored/<id>.")] = None,
) -> None:
    """Bring a snapshot back from the remote into a fresh workspace, ready for `dvc repro`."""
    from labeling import snapshots

    settings = Settings.from_env()
    snapshots.check_id(snapshot)
    target = to or settings.home / "restored" / snapshot
    files = [Path(__file__).absolute().parents[1] / "dvc.yaml", settings.params]
    cli.emit(snapshots.restore(snapshot, to=target, remote_url=settings.dvc_remote_url, files=files))


if __name__ == "__main__":
    cli.main(app)
