"""A throw-away Airflow for the tests: SQLite, this repository's DAGs and plugins, no examples."""

import atexit
import functools
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
PASSWORD = "of the tests' Airflow"


@functools.cache
def prepare() -> Path:
    """Point Airflow at a temporary home before its first import and make its database; once a process."""
    if "airflow" in sys.modules:
        raise RuntimeError("airflow was imported before its temporary home was made: import it inside tests, after prepare()")
    home = Path(tempfile.mkdtemp(prefix="sticker-airflow-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    (home / "users.json").write_text(json.dumps({"admin": PASSWORD}))
    settings = {
        "DAGS_FOLDER": PROJECT / "dags", "PLUGINS_FOLDER": PROJECT / "plugins", "LOAD_EXAMPLES": "False",
        "SIMPLE_AUTH_MANAGER_USERS": "admin:admin", "SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": home / "users.json",
    }  # fmt: skip
    os.environ.update({"AIRFLOW_HOME": str(home), **{f"AIRFLOW__CORE__{key}": str(value) for key, value in settings.items()}})
    os.environ["AIRFLOW__API_AUTH__JWT_SECRET"] = "of the tests' Airflow, as long as it likes its keys: sixty-four b."
    from airflow.utils.db import initdb

    initdb()
    return home


def dags() -> Any:
    """The bag of the repository's DAGs."""
    prepare()
    from airflow.dag_processing.dagbag import DagBag

    return DagBag()


def operators() -> ModuleType:
    """The plugins' module of operators, as DAG files import it."""
    prepare()
    import sticker_verbs

    return sticker_verbs
