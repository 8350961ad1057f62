"""What the person at the shell asked for: `.env`, BOARD, STYLE and DATE."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from sticker_studio.errors import InputError
from sticker_studio.types import STYLES

SOURCES: Final = ("demo", "pinterest:", "board:", "folder:", "urls:")


def read_env_file(text: str) -> dict[str, str]:
    """KEY=VALUE lines; comments, empty lines, `export` and one pair of quotes are understood, nothing is expanded.

    Raises `InputError` naming the line that is none of these.
    """
    values = {}
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip().removeprefix("export ")
        if not stripped or stripped.startswith("#"):
            continue
        key, equals, value = stripped.partition("=")
        if not equals or not key.strip().isidentifier():
            raise InputError(f".env, line {number}: expected KEY=VALUE, got {line[:60]!r}")
        values[key.strip()] = _unquoted(value.strip())
    return values


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"" else value


def merged(environ: Mapping[str, str], env_file: Path) -> dict[str, str]:
    """The environment over the `.env` file; variables set to nothing count as unset."""
    below = read_env_file(env_file.read_text()) if env_file.is_file() else {}
    return {**below, **{key: value for key, value in environ.items() if value != "" or not key.startswith("STICKER_")}}


def boards(environ: Mapping[str, str]) -> list[dict[str, Any]]:
    """The boards that BOARD and STYLE name; empty where `params.yaml` decides. Raises `InputError` for what is no board."""
    source, style = environ.get("BOARD", ""), environ.get("STYLE", "")
    if not source:
        if style:
            raise InputError("STYLE: expected together with BOARD=<source>, got it alone")
        return []
    if not source.startswith(SOURCES):
        raise InputError(f"BOARD: expected one of {', '.join(SOURCES)}..., got {source!r}")
    if style not in STYLES:
        raise InputError(f"STYLE: expected {' or '.join(STYLES)} for BOARD={source}, got {style!r}; it is the classifier's weak label")
    return [{"source": _absolute(source), "style": style}]


def _absolute(source: str) -> str:
    kind, _, rest = source.partition(":")
    return f"{kind}:{Path(rest).expanduser().resolve()}" if kind in ("folder", "urls") and not rest.startswith("/") else source


def logical_date(environ: Mapping[str, str], *, today: datetime) -> datetime:
    """Midnight UTC of DATE (ISO), else of `today`. Raises `InputError`, for a day to come too: Airflow would never start its run."""
    given = environ.get("DATE", "")
    try:
        day = datetime.fromisoformat(given) if given else today
    except ValueError as error:
        raise InputError(f"DATE: expected a day like 2026-01-31, got {given!r}") from error
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    if midnight > today:
        raise InputError(f"DATE: expected a day up to {today:%Y-%m-%d} (UTC), got {given}; Airflow runs no day before it has begun")
    return midnight
