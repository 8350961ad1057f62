"""What every stage's CLI shares: logging to stderr, the result as one JSON line on stdout, errors as exit codes.

Exit codes: 0 done; 2 a `StickerError`, its message on stderr; 99 skipped for a reason (`NotEnoughData`), which Airflow shows as skipped.
"""

import json
import logging
import sys
from collections.abc import Mapping
from typing import Any, Final

import typer

from sticker_studio.errors import NotEnoughData, StickerError

SKIPPED: Final = 99


def emit(result: Mapping[str, Any]) -> None:
    """Print a verb's result: one JSON object, the last line of stdout (an Airflow task hands it on)."""
    print(json.dumps(result, default=str, sort_keys=True), flush=True)


def main(app: typer.Typer) -> None:
    """Run a stage's verbs; a `StickerError` becomes a message and an exit code instead of a traceback."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        app()
    except NotEnoughData as reason:
        emit({"skipped": str(reason)})
        sys.exit(SKIPPED)
    except StickerError as error:
        logging.getLogger(app.info.name or "sticker").error("%s", error)
        sys.exit(2)
