"""The page *Sticker batches* in Airflow's own api-server: closed to strangers, and true to the batch's files."""

import io
import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from airflow_home import PASSWORD, prepare
from PIL import Image

from sticker_studio import images, manifests
from sticker_studio.annotations import Instance, Instances
from sticker_studio.manifests import PinRecord, QuarantinedPin
from sticker_studio.settings import Settings
from sticker_studio.store import ObjectStore

BATCH = "20261120T000000"
KEPT, AWAY = "a" * 64, "b" * 64


@pytest.fixture(scope="module")
def client() -> Any:
    prepare()
    from airflow.api_fastapi.app import create_app
    from fastapi.testclient import TestClient

    return TestClient(create_app(apps="core"))


@pytest.fixture
def logged_in(client: Any) -> dict[str, str]:
    token = client.post("/auth/token", json={"username": "admin", "password": PASSWORD}).json()["access_token"]
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def batch(offline_settings: Settings) -> None:
    """One kept pin, labelled on its left half, one quarantined, and a verdict; names that want to be markup."""
    store = ObjectStore(offline_settings.store_url)
    fields = {
        "phash": "0" * 16, "width": 640, "height": 480, "bytes": 9, "mime": "image/png", "board": "demo:anime", "style": "anime", "page_url": "http://b/",
        "image_url": "http://b/1.png", "alt": '"><script>alert(1)</script>', "fetched_at": datetime(2026, 11, 20, tzinfo=UTC),
    }  # fmt: skip
    kept = PinRecord.model_validate(fields | {"id": KEPT, "store_key": f"pins/aa/{KEPT}.png"})
    away = QuarantinedPin.model_validate(fields | {"id": AWAY, "store_key": f"pins/bb/{AWAY}.png", "reason": "aspect 9 > 4"})
    store.put(kept.store_key, images.encode_png(np.full((480, 640, 3), 255, np.uint8)))
    store.put(f"batches/{BATCH}/pins.parquet", manifests.to_parquet([kept]))
    store.put(f"batches/{BATCH}/quarantine.parquet", manifests.to_parquet([away]))
    half = Instance(polygons=[[(0, 0), (320, 0), (320, 480), (0, 480)]], subject_class="animal", score=0.91)
    label = Instances(pin_id=KEPT, width=640, height=480, objects=[half], teacher="embedded")
    store.put(f"batches/{BATCH}/labels.jsonl", label.model_dump_json().encode() + b"\n")
    store.put_json(f"batches/{BATCH}/boards/x.json", {"board": "demo:anime", "style": "anime", "found": 5, "kept": 2, "duplicates": 2, "failed": 1})
    verdict = offline_settings.home / "runs" / BATCH / "sticker-segmentor-anime" / "verdict.json"
    verdict.parent.mkdir(parents=True)
    verdict.write_text(json.dumps({"verdict": "keep", "reasons": ["no slice gains <0.002>"]}))


@pytest.mark.parametrize("path", ["/sticker/batches", f"/sticker/batches/{BATCH}", f"/sticker/batches/{BATCH}/pins/{KEPT}"])
def test_a_stranger_sees_nothing(client: Any, batch: None, path: str) -> None:
    assert client.get(path).status_code == 401


def test_a_batchs_page_tells_its_pins_labels_and_verdicts_and_runs_no_foreign_markup(client: Any, logged_in: dict[str, str], batch: None) -> None:
    assert f'href="/sticker/batches/{BATCH}"' in client.get("/sticker/batches", headers=logged_in).text
    page = client.get(f"/sticker/batches/{BATCH}", headers=logged_in)
    assert page.status_code == 200
    for text in ("5 pins found, 1 kept, 1 quarantined, something labelled on 1.", "anime: animal 0.91", "aspect 9 &gt; 4", "no slice gains &lt;0.002&gt;"):
        assert text in page.text
    assert "<script" not in page.text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]


def test_a_pins_thumbnail_keeps_its_shape_and_shows_what_is_labelled(client: Any, logged_in: dict[str, str], batch: None) -> None:
    answer = client.get(f"/sticker/batches/{BATCH}/pins/{KEPT}", headers=logged_in)
    picture = np.asarray(Image.open(io.BytesIO(answer.content)).convert("RGB")).astype(int)
    assert picture.shape == (126, 168, 3)
    assert picture[63, 140].min() > 240, "the unlabelled half stays white"
    assert picture[63, 30, 1] < 190, "the labelled half is tinted"


@pytest.mark.parametrize(
    "path", [f"/sticker/batches/{BATCH}/pins/{'c' * 64}", "/sticker/batches/none", "/sticker/batches/..%2f..", f"/sticker/batches/{BATCH}/pins/{AWAY}"]
)
def test_what_is_not_there_is_not_found(client: Any, logged_in: dict[str, str], batch: None, path: str) -> None:
    assert client.get(path, headers=logged_in).status_code == 404


def test_the_page_is_in_airflows_menu(client: Any, logged_in: dict[str, str]) -> None:
    plugins = client.get("/api/v2/plugins", headers=logged_in)
    views = [view for plugin in plugins.json()["plugins"] for view in plugin["external_views"]] if plugins.status_code == 200 else [plugins.text]
    assert [view["href"] for view in views] == ["/sticker/batches"]
