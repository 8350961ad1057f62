"""What the Airflow UI gains: *Sticker batches*, the pins of a batch with their labels, and the gate's verdicts.

Airflow does not guard a plugin's routes: every one here depends on a logged-in user who may see the runs of `sticker_daily`. The application is
built at its first request, because Airflow imports plugins in every process, tasks too.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from airflow.plugins_manager import AirflowPlugin

if TYPE_CHECKING:
    from fastapi import FastAPI
    from sticker_batch_page import Batch

    from sticker_studio.annotations import Instances
    from sticker_studio.manifests import PinRecord, QuarantinedPin
    from sticker_studio.store import ObjectStore

PREFIX: Final = "/sticker"
PROJECT: Final = Path(__file__).resolve().parents[1]
# The pages hold no script and nothing from elsewhere.
HEADERS: Final = {"Content-Security-Policy": "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'self'"}


class LazyApplication:
    """An ASGI application that is built at the first request."""

    def __init__(self) -> None:
        self._application: FastAPI | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request."""
        self._application = self._application or application()
        await self._application(scope, receive, send)


def application() -> "FastAPI":
    """The pages' routes, all of them behind Airflow's own log-in."""
    from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
    from airflow.api_fastapi.core_api.security import requires_access_dag
    from fastapi import Depends, FastAPI, HTTPException, Response
    from fastapi.responses import HTMLResponse
    from sticker_batch_page import batch_page, index_page, thumbnail

    allowed = Depends(requires_access_dag("GET", DagAccessEntity.RUN, param_dag_id="sticker_daily"))
    app = FastAPI(title="Sticker batches", dependencies=[allowed], docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/batches")
    def batches() -> HTMLResponse:
        store = _store()
        names = {key.split("/")[1] for key in store.keys("batches") if key.count("/") > 1}
        return HTMLResponse(index_page(sorted(names), PREFIX), headers=HEADERS)

    @app.get("/batches/{name}")
    def batch(name: str) -> HTMLResponse:
        _found(name)
        return HTMLResponse(batch_page(read_batch(_store(), name, _home() / "runs"), PREFIX), headers=HEADERS)

    @app.get("/batches/{name}/pins/{pin_id}")
    def picture(name: str, pin_id: str) -> Response:
        _found(name)
        store = _store()
        pin = next((pin for pins in read_pins(store, name) for pin in pins if pin.id == pin_id), None)
        if pin is None or not store.exists(pin.store_key):
            raise HTTPException(404, f"batch {name} has no pin {pin_id}")
        headers = HEADERS | {"Cache-Control": "private, max-age=3600"}
        label = read_labels(store, name, only=pin_id).get(pin_id)
        return Response(thumbnail(store.get(pin.store_key), label), media_type="image/webp", headers=headers)

    def _found(name: str) -> None:
        if not name.isalnum() or next(_store().keys(f"batches/{name}"), None) is None:
            raise HTTPException(404, f"there is no batch {name}")

    return app


def read_batch(store: "ObjectStore", name: str, runs: Path) -> "Batch":
    """What the verbs have left of batch `name` so far, the gate's verdicts from below `runs`."""
    from sticker_batch_page import Batch

    kept, quarantined = read_pins(store, name)
    return Batch(
        name=name,
        boards=[store.get_json(key) for key in store.keys(f"batches/{name}/boards") if key.endswith(".json")],
        kept=kept,
        quarantined=quarantined,
        labels=read_labels(store, name),
        verdicts={path.parent.name: json.loads(path.read_bytes()) for path in (runs / name).glob("*/verdict.json")},
    )


def read_pins(store: "ObjectStore", name: str) -> "tuple[list[PinRecord], list[QuarantinedPin]]":
    """Kept and quarantined pins of a batch; none before their validation."""
    from sticker_studio import manifests

    kept, away = (store.get(key) if store.exists(key) else b"" for key in (f"batches/{name}/pins.parquet", f"batches/{name}/quarantine.parquet"))
    return manifests.from_parquet(kept) if kept else [], manifests.quarantine_from_parquet(away) if away else []


def read_labels(store: "ObjectStore", name: str, *, only: str = "") -> "dict[str, Instances]":
    """Labels of a batch by pin (of the pin `only`, where given): what validation left, else the shards as they are."""
    from sticker_studio.annotations import Instances

    folder = f"batches/{name}"
    judged = [key for key in (f"{folder}/labels.jsonl", f"{folder}/review.jsonl") if store.exists(key)]
    keys = judged or [key for key in store.keys(f"{folder}/labels") if key.endswith(".jsonl")]
    lines = [line for key in keys for line in store.get(key).splitlines() if line and only.encode() in line]
    labels = [Instances.model_validate_json(line) for line in lines]
    return {label.pin_id: label for label in labels}


def _home() -> Path:
    from sticker_studio.settings import Settings

    return PROJECT / Settings.from_env().home


def _store() -> "ObjectStore":
    from sticker_studio.settings import Settings
    from sticker_studio.store import ObjectStore

    settings = Settings.from_env()
    return ObjectStore(settings.store or (PROJECT / settings.home / "store").as_uri())


class StickerPages(AirflowPlugin):
    """Registers the pages with Airflow."""

    name = "sticker_pages"
    fastapi_apps = [{"app": LazyApplication(), "url_prefix": PREFIX, "name": "Sticker batches"}]  # noqa: RUF012  # Airflow's own interface
    external_views = [  # noqa: RUF012
        {"name": "Sticker batches", "href": f"{PREFIX}/batches", "url_route": "sticker-batches", "destination": "nav", "category": "browse"}
    ]
