"""`python -m sticker_studio.stack up|demo|serve|down|status|monitor`, run from the project's folder (the Makefile does)."""

import logging
import sys
from pathlib import Path

import typer
from rich.console import Console

from sticker_studio import cli

app = typer.Typer(help="The whole product on one machine.", no_args_is_help=True, add_completion=False)
ROOT = Path(__file__).resolve().parents[2]
WIDTH_WITHOUT_TERMINAL = 160


def console() -> Console:
    """Where a person reads; the log of each HTTP request would bury what is said."""
    logging.getLogger("httpx").setLevel(logging.WARNING)
    return Console() if sys.stdout.isatty() else Console(width=WIDTH_WITHOUT_TERMINAL)


@app.command()
def up() -> None:
    """Start everything, run the daily job once, stay up until Ctrl-C. BOARD, STYLE and DATE name another board or day."""
    from sticker_studio.stack import commands

    sys.exit(commands.up(ROOT, console(), demo=False))


@app.command()
def demo() -> None:
    """As `up`, then stop everything; leaves out/summary.json and exits 0 or 1."""
    from sticker_studio.stack import commands

    sys.exit(commands.up(ROOT, console(), demo=True))


@app.command()
def serve() -> None:
    """The sticker service and the Studio page alone, on the factory models."""
    from sticker_studio.stack import commands

    sys.exit(commands.serve(ROOT, console()))


@app.command()
def down() -> None:
    """Stop what `up` or `serve` started from this home."""
    from sticker_studio.stack import commands

    sys.exit(commands.down(ROOT, console()))


@app.command()
def status() -> None:
    """What runs: state, pid and seconds up of each program, as JSON."""
    from sticker_studio.stack import commands

    cli.emit(commands.status(ROOT))


@app.command()
def monitor() -> None:
    """Prometheus, and Alertmanager where installed, beside a running stack."""
    from sticker_studio.stack import commands

    sys.exit(commands.monitor(ROOT, console()))


if __name__ == "__main__":
    cli.main(app)
