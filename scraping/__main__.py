"""`python -m scraping`: boards to validated pins."""

import json
import logging
import signal
import sys
from types import FrameType
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError

from sticker_studio import cli, params
from sticker_studio.errors import InputError
from sticker_studio.params import BoardParams
from sticker_studio.settings import Settings
from sticker_studio.types import STYLES, Style

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help="Boards to validated pins.")
_log = logging.getLogger(__name__)
Batch = Annotated[str, typer.Option(help="The batch: its logical date, e.g. 20261120T000000.")]


@app.command()
def boards(boards: Annotated[str, typer.Option(help='JSON list of {"source", "style", "limit"} in place of params.yaml\'s.')] = "") -> None:
    """List the boards that a daily run harvests."""
    chosen = _parse_boards(boards) if boards else params.load(Settings.from_env().params).scraping.boards
    cli.emit({"boards": [board.model_dump() for board in chosen]})


@app.command()
def harvest(
    batch: Batch,
    source: Annotated[str, typer.Option(help="demo:<style>, pinterest:<query or board path>, board:<url>, folder:<path> or urls:<file>")],
    style: Annotated[str, typer.Option(help="The board's declared style: anime or normal.")],
    limit: Annotated[int, typer.Option(min=0, help="New pins wanted; 0: what params.yaml says of this board, else the default of a board.")] = 0,
    again: Annotated[bool, typer.Option(help="Harvest again although this batch holds a complete harvest of the same request.")] = False,
) -> None:
    """Bring a board's new pins into the store."""
    from scraping import harvest as job

    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for each address says nothing that the counts do not
    signal.signal(signal.SIGTERM, _end)
    settings = Settings.from_env()
    scraping = params.load(settings.params).scraping
    declared = _style(style)
    wanted = limit or next((board.limit for board in scraping.boards if board.source == source), BoardParams(source=source, style=declared).limit)
    request = job.Request(_batch(batch), source, declared, wanted)
    cli.emit(job.run(request, settings=settings, params=scraping, again=again))


@app.command()
def validate_pins(batch: Batch) -> None:
    """Judge a batch's pins with Great Expectations: keep or quarantine, or stop the batch."""
    from scraping import validate

    settings = Settings.from_env()
    result = validate.run(_batch(batch), settings=settings, params=params.load(settings.params))
    cli.emit(result)
    if result["verdict"] == "stop":
        _log.error("batch %s stopped: %s", batch, "; ".join(result["reasons"]))
        raise typer.Exit(2)


@app.command()
def demo_board(
    port: Annotated[int, typer.Option(min=0, help="0: STICKER_BOARD_PORT.")] = 0,
    anime: Annotated[int, typer.Option(min=1, help="Different pins on /anime; the unfit ones come on top.")] = 165,
    normal: Annotated[int, typer.Option(min=1, help="Different pins on /normal; the unfit ones come on top.")] = 165,
    seed: Annotated[int, typer.Option(min=0)] = 1,
    host: Annotated[str, typer.Option(help="Address to listen on; containers need 0.0.0.0.")] = "127.0.0.1",
) -> None:
    """Serve the demo board until ended."""
    from scraping.demo_board.app import serve

    settings = Settings.from_env()
    numbers: dict[Style, int] = {"anime": anime, "normal": normal}
    serve(numbers, seed=seed, cache=settings.home.absolute() / "demo_board", port=port or settings.board_port, host=host)


def _end(number: int, _: FrameType | None) -> None:
    """A task that is ended closes its browser on the way out."""
    sys.exit(128 + number)


def _parse_boards(text: str) -> list[BoardParams]:
    try:
        return TypeAdapter(list[BoardParams]).validate_python(json.loads(text))
    except (ValueError, ValidationError) as error:
        raise InputError(f'--boards: expected a JSON list of {{"source", "style", "limit"}}, got {text!r}: {error}') from error


def _style(text: str) -> Style:
    for style in STYLES:
        if text == style:
            return style
    raise InputError(f"--style: expected one of {', '.join(STYLES)}, got {text!r}")


def _batch(text: str) -> str:
    if text.replace("T", "").replace("-", "").replace("_", "").isalnum():
        return text
    raise InputError(f"--batch: expected a logical date such as 20261120T000000, got {text!r}")


if __name__ == "__main__":
    cli.main(app)
