"""A table held against a suite of expectations (Great Expectations), with its Data Docs as files.

Great Expectations is imported when a suite runs. Nothing is sent anywhere: its analytics are turned off first.
"""

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sticker_studio.errors import ContractViolation
from sticker_studio.store import ObjectStore


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """One rule. `kind` is Great Expectations' type in snake case, `options` its arguments; `reason` is what a row that breaks it is told."""

    kind: str
    options: Mapping[str, Any]
    reason: str


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a suite found. `broken` maps the key of each bad row to its reasons, in the suite's order; `docs` are Data Docs files by relative path."""

    success: bool
    broken: dict[str, list[str]]
    docs: dict[str, bytes]


def run(rows: Sequence[Mapping[str, Any]], expectations: Sequence[Expectation], *, columns: Sequence[str], key: str, name: str) -> Outcome:
    """Hold `rows` (each with `columns`, its own identity under `key`) against `expectations`, and write Data Docs under the suite's `name`.

    Raises `ContractViolation` when an expectation itself could not be computed.
    """
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import pandas as pd

    frame = pd.DataFrame([dict(row) for row in rows], columns=list(columns))
    with tempfile.TemporaryDirectory(prefix="docs-") as folder:
        result = _checkpoint(expectations, key=key, name=name, folder=folder).run(batch_parameters={"dataframe": frame})
        docs = {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(Path(folder).rglob("*")) if path.is_file()}
    (validation,) = result.run_results.values()
    return Outcome(success=bool(result.success), broken=_broken(validation.results, expectations, key, name), docs=docs)


def keep_docs(store: ObjectStore, prefix: str, docs: Mapping[str, bytes]) -> str:
    """Put Data Docs under `prefix` in place of those of an earlier run, and return the key of their index."""
    for stale in list(store.keys(prefix)):
        if stale.removeprefix(f"{prefix}/") not in docs:
            store.delete(stale)
    for path, data in docs.items():
        store.put(f"{prefix}/{path}", data)
    return f"{prefix}/index.html"


def _checkpoint(expectations: Sequence[Expectation], *, key: str, name: str, folder: str) -> Any:
    import great_expectations as gx
    from great_expectations.checkpoint.actions import UpdateDataDocsAction
    from great_expectations.data_context.types.base import ProgressBarsConfig
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    context: Any = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    context.add_data_docs_site(site_name=name, site_config=_site(folder))
    data = context.data_sources.add_pandas(name).add_dataframe_asset(name).add_batch_definition_whole_dataframe(name)
    rules = [ExpectationConfiguration(type=one.kind, kwargs=dict(one.options), meta={"notes": one.reason}).to_domain_obj() for one in expectations]
    suite = context.suites.add(gx.ExpectationSuite(name=name, expectations=rules))
    definition = context.validation_definitions.add(gx.ValidationDefinition(name=name, data=data, suite=suite))
    return context.checkpoints.add(
        gx.Checkpoint(
            name=name,
            validation_definitions=[definition],
            result_format={"result_format": "COMPLETE", "unexpected_index_column_names": [key]},
            actions=[UpdateDataDocsAction(name="docs", site_names=[name])],
        )
    )


def _site(folder: str) -> dict[str, Any]:
    return {
        "class_name": "SiteBuilder",
        "show_how_to_buttons": False,
        "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": folder},
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
    }


def _broken(results: Sequence[Any], expectations: Sequence[Expectation], key: str, name: str) -> dict[str, list[str]]:
    broken: dict[str, list[str]] = {}
    for one in expectations:
        (result,) = [r for r in results if r.expectation_config.type == one.kind and _same(r.expectation_config.kwargs, one.options)]
        if result.exception_info.get("raised_exception"):
            raise ContractViolation(f"suite {name}: {one.kind} {dict(one.options)} could not be computed: {result.exception_info['exception_message']}")
        for row in result.result.get("unexpected_index_list") or []:
            broken.setdefault(str(row[key]), []).append(one.reason)
    return broken


def _same(actual: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return all(actual.get(option) == value for option, value in wanted.items())
