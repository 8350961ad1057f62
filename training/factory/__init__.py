"""The factory: makes the models that an empty registry starts from, out of ordinary packages and, where given, real photographs with masks.

`run` renders the training pictures, trains one shared network, fine-tunes it for each style, trains the style classifier, and writes the model folders.
Everything is kept below `cache`, so that a killed run goes on where it was. docs/factory.md has the recipe and the figures.
"""

import logging
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)


def run(*, out: Path, data: Path | None, cache: Path, time_limit_s: float, seed: int) -> dict[str, Any]:
    """Make the three factory models below `out`, training for `time_limit_s` in all (rendering, about ten CPU-minutes, comes on top).

    `data` is an optional folder of real pictures: `photos/{images,masks}` and `sketches/images`. Sources that are not installed are named in the
    result's `missing` and gone without. Raises `Unavailable` without the training extra.
    """
    from training.factory import produce

    return produce.run(out=out, data=data, cache=cache, time_limit_s=time_limit_s, seed=seed)
