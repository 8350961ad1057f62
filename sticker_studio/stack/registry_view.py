"""What MLflow's registry holds, over REST."""

from typing import Any

import httpx


def models(url: str) -> dict[str, dict[str, Any]]:
    """For each registered model: its newest version and what its aliases name."""
    answer = httpx.get(f"{url}/api/2.0/mlflow/registered-models/search", timeout=20, trust_env=False)
    answer.raise_for_status()
    rows = answer.json().get("registered_models", [])
    return {row["name"]: {"newest": _newest(row), **{entry["alias"]: entry["version"] for entry in row.get("aliases", [])}} for row in rows}


def _newest(row: dict[str, Any]) -> str:
    return str(max((int(entry["version"]) for entry in row.get("latest_versions", [])), default=0))
