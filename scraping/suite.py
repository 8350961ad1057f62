"""What a pin must be to be kept, as a Great Expectations suite; the only place of this stage that imports it."""

import importlib
import logging
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from scraping.pictures import FORMATS
from sticker_studio.errors import Unavailable
from sticker_studio.params import ValidationParams
from sticker_studio.types import STYLES

NAME: Final = "pins"
STORED: Final = "stored picture"
"""Reason of a fault of the store, not of the pin."""
MIMES: Final = tuple(sorted({mime for mime, _ in FORMATS.values()}))


@dataclass(frozen=True)
class Verdicts:
    """`faults`: id of a pin to the reasons why it may not be kept. `docs`: the Data Docs, path to bytes."""

    faults: Mapping[str, tuple[str, ...]]
    docs: Mapping[str, bytes]


def expectations(params: ValidationParams) -> list[Any]:
    """The suite's expectations, each with its `reason` for the quarantine; columns as `judge` takes them."""
    gxe: Any = importlib.import_module("great_expectations.expectations")  # its stubs do not export the names
    side = {"min_value": params.min_side_px, "max_value": params.max_side_px}
    between = f"{params.min_side_px}..{params.max_side_px} px"
    return [
        gxe.ExpectColumnValuesToBeUnique(column="id", meta={"reason": "id is not unique"}),
        gxe.ExpectColumnValuesToMatchRegex(column="id", regex="^[0-9a-f]{64}$", meta={"reason": "id is no sha-256"}),
        gxe.ExpectColumnValuesToBeNull(column="fault", meta={"reason": STORED}),
        gxe.ExpectColumnValuesToBeBetween(column="width", **side, meta={"reason": f"width outside {between}"}),
        gxe.ExpectColumnValuesToBeBetween(column="height", **side, meta={"reason": f"height outside {between}"}),
        gxe.ExpectColumnValuesToBeBetween(column="aspect", max_value=params.max_aspect, meta={"reason": f"long side over {params.max_aspect:g} short sides"}),
        gxe.ExpectColumnValuesToBeInSet(column="mime", value_set=list(MIMES), meta={"reason": "media type not allowed"}),
        gxe.ExpectColumnValuesToBeInSet(column="style", value_set=list(STYLES), meta={"reason": "unknown style"}),
        gxe.ExpectColumnValuesToBeNull(column="unsafe", meta={"reason": "unsuitable"}),
    ]


def judge(rows: Sequence[Mapping[str, Any]], params: ValidationParams, *, batch: str) -> Verdicts:
    """Hold the suite against `rows` (id, width, height, aspect, mime, style, fault, unsafe; the last two None where all is well).

    Raises `Unavailable` when Great Expectations is not installed.
    """
    gx = _great_expectations()
    import pandas as pd

    frame = pd.DataFrame(rows, columns=["id", "width", "height", "aspect", "mime", "style", "board", "alt", "fault", "unsafe"])
    with tempfile.TemporaryDirectory(prefix="sticker-docs-") as folder:
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = {"globally": False}
        context.add_data_docs_site("pins", _site(Path(folder)))
        asset = context.data_sources.add_pandas("batches").add_dataframe_asset(batch)
        suite = context.suites.add(gx.ExpectationSuite(name=NAME, expectations=expectations(params)))
        definition = gx.ValidationDefinition(name=NAME, data=asset.add_batch_definition_whole_dataframe("all pins"), suite=suite)
        checkpoint = gx.Checkpoint(
            name=NAME,
            validation_definitions=[context.validation_definitions.add(definition)],
            result_format={"result_format": "COMPLETE", "unexpected_index_column_names": ["id"]},
        )
        outcome = context.checkpoints.add(checkpoint).run(batch_parameters={"dataframe": frame})
        context.build_data_docs(site_names=["pins"])
        results = [result for run in outcome.run_results.values() for result in run.results]
        docs = {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(Path(folder).rglob("*")) if path.is_file()}
    return Verdicts(_faults(results), docs)


def _great_expectations() -> Any:
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")  # it would call home
    logging.getLogger("great_expectations").setLevel(logging.WARNING)  # before the import, which logs hundreds of lines
    try:
        import great_expectations as gx
    except ImportError as error:
        raise Unavailable(f"expected Great Expectations to validate pins: {error}; pip install 'sticker-studio[scraping]'") from error
    logging.getLogger("great_expectations").setLevel(logging.WARNING)  # the import has set its own
    return gx


def _site(folder: Path) -> dict[str, Any]:
    return {
        "class_name": "SiteBuilder",
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder)},
    }


def _faults(results: Sequence[Any]) -> dict[str, tuple[str, ...]]:
    """Reasons by id, each with the row's own value."""
    faults: dict[str, list[str]] = {}
    for result in results:
        if result.success:
            continue
        column, reason = result.expectation_config.kwargs["column"], result.expectation_config.meta["reason"]
        for row in result.result["unexpected_index_list"]:
            faults.setdefault(row["id"], []).append(f"{reason}: {row[column]}")
    return {pin: tuple(reasons) for pin, reasons in faults.items()}
