"""The factory: makes the models that an empty registry starts from, out of ordinary packages and, where given, real photographs with masks.

`run` renders the training pictures, trains one shared network, fine-tunes it for each style, trains the style classifier, and writes the model folders.
Everything is kept below `cache`, so that a killed run goes on where it was. docs/factory.md has the recipe and the figures.
"""

import logging
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)


def run(*, out: Path, data: Path | None, cache: Path, budget_s: float, seed: int, start: Path | None = None, registry_uri: str = "") -> dict[str, Any]:
    """Make the three factory models below `out` in about `budget_s`, rendering included.

    `data` is an optional folder of the caller's pictures (`training.factory.data_folder`); `start` a folder of factory models whose segmentors are trained
    further, instead of new ones from nothing. The run is recorded in the MLflow server at `registry_uri`, else in a database in `cache`. Sources that are
    not installed are named in the result's `missing` and gone without. Raises `Unavailable` without the training extra.
    """
    from training.factory import produce

    return produce.run(out=out, data=data, cache=cache, budget_s=budget_s, seed=seed, start=start, registry_uri=registry_uri)
