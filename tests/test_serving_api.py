"""What an app developer builds on: JSON and addresses in, ids and links out, jobs, feedback, keys, rates and pages of other origins."""

import base64
import hashlib
import io
import json
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import creation_servers
import httpx
import numpy as np
import pytest
from PIL import Image
from serving_toys import fill_cache
from test_serving_service import ROOT, encoded, opened, post, refusal, running, scene

from serving import pack_check
from serving.edge import Gate
from sticker_studio.store import ObjectStore

KEY = "a-key-of-the-operator"


class _Files(BaseHTTPRequestHandler):
    """A picture, an endless one, and a redirect to the machine's own network."""

    def do_GET(self) -> None:
        if self.path == "/away":
            self.send_response(302)
            self.send_header("Location", "http://169.254.169.254/latest/meta-data")
            self.end_headers()
            return
        body = b"\xff\xd8" * 2_000_000 if self.path == "/large" else PICTURE
        self.send_response(404 if self.path == "/gone" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


PICTURE = encoded(scene())


@pytest.fixture(scope="module")
def files() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Files)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("api") / "var"
    fill_cache(folder)
    return folder


@pytest.fixture(scope="module")
def service(home: Path, files: str) -> Iterator[str]:
    with running(home, STICKER_FETCH_ALLOW=files, STICKER_UPLOAD_MAX_BYTES="1500000", STICKER_UPLOAD_MAX_PICTURES="5") as (url, _):
        yield url


def store(home: Path) -> ObjectStore:
    return ObjectStore((home / "store").as_uri())


# --- ways in


def test_a_picture_may_come_as_base64_in_json_and_gives_the_same_sticker(service: str) -> None:
    by_form = post(service, "/sticker", PICTURE, platform="png", caption="hi")
    for text in (base64.b64encode(PICTURE).decode(), "data:image/png;base64," + base64.b64encode(PICTURE).decode()):
        by_json = httpx.post(f"{service}/sticker", json={"image": text, "platform": "png", "caption": "hi"}, timeout=60)
        assert by_json.content == by_form.content


def test_a_picture_may_come_from_an_address(service: str, files: str) -> None:
    by_address = httpx.post(f"{service}/sticker", json={"url": f"http://{files}/picture.png"}, timeout=60)
    assert by_address.content == post(service, "/sticker", PICTURE).content
    by_form = httpx.post(f"{service}/cutout", files={"url": (None, f"http://{files}/picture.png")}, timeout=60)
    assert opened(by_form).format == "PNG"


@pytest.mark.parametrize(
    ("address", "status", "told"),
    [
        pytest.param("http://127.0.0.1:9/x", 400, "public internet", id="loopback"),
        pytest.param("http://10.0.0.1/x", 400, "public internet", id="private"),
        pytest.param("http://[::1]:9/x", 400, "public internet", id="loopback-v6"),
        pytest.param("file:///etc/passwd", 400, "http or https", id="file"),
        pytest.param("http://{files}/away", 400, "public internet", id="redirect-to-a-private-address"),
        pytest.param("http://{files}/gone", 400, "404", id="dead-link"),
        pytest.param("http://{files}/large", 413, "1500000", id="larger-than-the-limit"),
        pytest.param("http://user:secret@{files}/x", 400, "user name", id="with-a-password"),
        pytest.param(7, 400, "as text", id="a-number"),
    ],
)
def test_an_address_that_may_not_or_cannot_be_fetched_is_the_callers_error(service: str, files: str, address: object, status: int, told: str) -> None:
    sent = address.format(files=files) if isinstance(address, str) else address
    response = httpx.post(f"{service}/sticker", json={"url": sent}, timeout=60)
    assert response.status_code == status
    assert told in refusal(response)
    assert "secret" not in response.text


# --- ways out


def test_the_json_answer_holds_the_same_file_and_says_what_was_found(service: str) -> None:
    plain = post(service, "/sticker", PICTURE)
    answer = httpx.post(f"{service}/sticker", files={"image": ("p", PICTURE)}, headers={"accept": "application/json"}, timeout=60).json()
    assert base64.b64decode(answer["file"]) == plain.content
    assert (answer["style"], answer["segmentor_version"], answer["cut"]) == ("normal", "7", "segmentor")
    (found,) = answer["found"]
    outline = np.array(found["polygons"][0])
    assert np.abs((outline.min(axis=0) + outline.max(axis=0)) / 2 - (0.4, 0.5)).max() < 0.02
    assert {"decode", "classify", "segment", "compose", "encode", "keep"} <= set(answer["stages_ms"])
    assert httpx.get(service + answer["link"]).content == plain.content


def test_segment_tells_the_subjects_without_a_file(service: str) -> None:
    answer = post(service, "/segment", PICTURE).json()
    assert [one["class"] for one in answer["found"]] == ["person"]
    assert 0 <= min(answer["found"][0]["box"]) <= max(answer["found"][0]["box"]) <= 1


def test_a_tap_on_nothing_is_a_422_that_offers_what_may_stand_in(service: str) -> None:
    response = post(service, "/sticker", PICTURE, subject="0.95,0.1")
    assert (response.status_code, response.json()["error"]["code"]) == (422, "nothing_found")
    assert "fallback=saliency" in refusal(response)


def test_the_brush_erases_and_restores(service: str) -> None:
    brush = np.zeros((100, 150), np.uint8)
    brush[:, :60] = 255
    response = httpx.post(f"{service}/cutout", files={"image": ("p", PICTURE), "erase": ("b", encoded(brush))}, data={"crop": "false"}, timeout=60)
    alpha = np.asarray(opened(response))[..., 3]
    assert not alpha[:, :118].any()
    assert alpha[100, 140] == 255


# --- what is kept


def test_a_sticker_is_kept_under_an_id_that_nobody_guesses_until_it_is_deleted(service: str, home: Path) -> None:
    _, one, other = (post(service, "/sticker", PICTURE) for _ in range(3))
    anew = httpx.post(f"{service}/sticker", files={"image": ("p", PICTURE)}, headers={"cache-control": "no-cache"}, timeout=60)
    assert [response.headers["x-sticker-cache"] for response in (one, other, anew)] == ["hit", "hit", "miss"]
    ids = [response.headers["x-sticker-id"] for response in (one, other)]
    assert ids[0] != ids[1]
    assert min(map(len, ids)) >= 22
    record = httpx.get(f"{service}/stickers/{ids[0]}", headers={"accept": "application/json"}).json()
    assert record["picture_sha256"] == hashlib.sha256(PICTURE).hexdigest()
    assert record["options"]["platform"] == "whatsapp"
    assert httpx.delete(f"{service}/stickers/{ids[0]}").status_code == 204
    gone = httpx.get(f"{service}/stickers/{ids[0]}")
    assert (gone.status_code, gone.json()["error"]["code"]) == (404, "not_kept")
    assert "make it again" in refusal(gone)
    assert httpx.get(f"{service}/stickers/{ids[1]}").content == other.content
    assert not store(home).exists(f"stickers/{ids[0][:2]}/{ids[0]}")


def test_no_picture_is_kept_without_consent(service: str, home: Path) -> None:
    post(service, "/sticker", PICTURE)
    assert PICTURE not in [store(home).get(key) for folder in ("stickers", "jobs", "feedback") for key in store(home).keys(folder)]


def sticker_id(service: str, picture: bytes = PICTURE) -> str:
    return str(post(service, "/sticker", picture).headers["x-sticker-id"])


def mask(width: int = 300, height: int = 200) -> bytes:
    return encoded(np.where(np.mgrid[:height, :width][1] < width / 2, 255, 0).astype(np.uint8))


def folder_of(home: Path, feedback_id: str) -> dict[str, bytes]:
    return {key.rpartition("/")[2]: store(home).get(key) for key in store(home).keys("feedback") if f"/{feedback_id}/" in key}


def test_a_corrected_mask_is_kept_with_its_picture_where_the_owner_consents(service: str, home: Path) -> None:
    exif = Image.Exif()
    exif[0x010F] = "a camera's maker"
    picture = encoded(scene(), "JPEG", exif=exif)
    files = {"mask": ("m", mask(150, 100)), "image": ("p", picture)}
    response = httpx.post(f"{service}/feedback", data={"sticker": sticker_id(service, picture), "consent": "true"}, files=files, timeout=60)
    assert response.status_code == 201
    kept = folder_of(home, response.json()["id"])
    assert sorted(kept) == ["feedback.json", "mask.png", "picture.jpg"]
    assert Image.open(io.BytesIO(kept["mask.png"])).size == Image.open(io.BytesIO(kept["picture.jpg"])).size == (300, 200)
    assert b"a camera's maker" not in kept["picture.jpg"]
    said = json.loads(kept["feedback.json"])
    assert (said["verdict"], said["consent"], said["made_by"]["style"]) == ("corrected", True, "normal")


def test_without_consent_the_verdict_alone_is_kept(service: str, home: Path) -> None:
    files = {"image": ("p", PICTURE)}
    response = httpx.post(f"{service}/feedback", data={"sticker": sticker_id(service), "verdict": "bad"}, files=files, timeout=60)
    assert sorted(folder_of(home, response.json()["id"])) == ["feedback.json"]


@pytest.mark.parametrize(
    ("fields", "sent", "told"),
    [
        pytest.param({}, {}, "a verdict", id="nothing-said"),
        pytest.param({"verdict": "bad", "consent": "true"}, {}, "send it again", id="consent-without-the-picture"),
        pytest.param({"verdict": "bad", "consent": "true"}, {"image": encoded(scene(310, 200))}, "got another", id="another-picture"),
        pytest.param({"consent": "true"}, {"image": PICTURE, "mask": mask(200, 200)}, "300x200", id="a-mask-of-another-shape"),
        pytest.param({}, {"mask": b"no picture"}, "expected", id="a-broken-mask"),
        pytest.param({"verdict": "awful"}, {}, "'good', 'bad' or 'corrected'", id="an-unknown-verdict"),
    ],
)
def test_feedback_that_cannot_be_used_is_refused_and_leaves_nothing(
    service: str, home: Path, fields: dict[str, str], sent: dict[str, bytes], told: str
) -> None:
    before = list(store(home).keys("feedback"))
    parts = {
        "sticker": (None, sticker_id(service)),
        **{name: (None, value) for name, value in fields.items()},
        **{name: (name, data) for name, data in sent.items()},
    }
    response = httpx.post(f"{service}/feedback", files=parts, timeout=60)
    assert response.status_code == 400
    assert told in refusal(response)
    assert list(store(home).keys("feedback")) == before


# --- jobs


def finished(service: str, link: str, timeout_s: float = 30) -> dict[str, object]:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        job: dict[str, object] = httpx.get(service + link).json()
        if job["state"] != "running":
            return job
        time.sleep(0.1)
    raise AssertionError(f"the job is still running: {job}")


def test_many_pictures_are_a_job_in_which_one_failure_does_not_end_the_others(service: str, home: Path) -> None:
    pictures = [("a.png", PICTURE), ("broken.png", b"no picture"), ("empty.png", encoded(scene(subject=False))), ("b.png", encoded(scene(200, 300)))]
    response = httpx.post(f"{service}/stickers", files=[("images", picture) for picture in pictures], data={"platform": "telegram"}, timeout=60)
    assert response.status_code == 202
    job = finished(service, response.json()["link"])
    assert (job["state"], job["total"], job["finished"], job["failed"]) == ("done", 4, 4, 2)
    items = job["items"]
    assert isinstance(items, list)
    assert [(item["name"], item["state"]) for item in items] == [("a.png", "done"), ("broken.png", "failed"), ("empty.png", "failed"), ("b.png", "done")]
    assert [items[1]["error"]["code"], items[2]["error"]["code"]] == ["undecodable_image", "nothing_found"]
    assert max(opened(httpx.get(service + items[3]["link"])).size) == 512
    assert list(store(home).keys("jobs")) == []


def test_a_job_may_be_cancelled_and_takes_addresses(service: str, files: str) -> None:
    response = httpx.post(f"{service}/stickers", json={"urls": [f"http://{files}/{n}.png" for n in range(5)]}, timeout=60)
    job = httpx.delete(service + response.json()["link"]).json()
    ended = finished(service, job["link"])
    assert ended["state"] in ("cancelled", "done")
    assert {item["state"] for item in ended["items"]} <= {"done", "cancelled"}  # type: ignore[attr-defined]


@pytest.mark.parametrize(("count", "status"), [(0, 400), (6, 413)])
def test_a_job_of_no_picture_or_too_many_is_refused(service: str, count: int, status: int) -> None:
    response = httpx.post(f"{service}/stickers", json={"images": [base64.b64encode(PICTURE).decode()] * count}, timeout=60)
    assert response.status_code == status
    assert "picture" in refusal(response)


def test_unknown_ids_are_told(service: str) -> None:
    for method, path in (("GET", "/jobs/none"), ("DELETE", "/jobs/none"), ("GET", "/stickers/none"), ("DELETE", "/stickers/none")):
        response = httpx.request(method, service + path)
        assert (response.status_code, response.json()["error"]["code"]) == (404, "not_kept")


# --- who may


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("guarded") / "var"
    fill_cache(folder)
    settings = {"API_KEYS": f"{KEY}, another", "RATE_PER_MINUTE": "6", "CORS_ORIGINS": "https://app.example", "STICKER_TTL_S": "0", "CACHE_MAX_BYTES": "0"}
    with running(folder, **{f"STICKER_{name}": value for name, value in settings.items()}) as (url, _):
        yield url


def test_only_who_has_a_key_may_send_pictures(guarded: str) -> None:
    for headers in ({}, {"x-api-key": "guess"}, {"authorization": f"Bearer {KEY}x"}):
        response = httpx.post(f"{guarded}/classify", files={"image": ("p", PICTURE)}, headers=headers, timeout=60)
        assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")
        assert "Authorization: Bearer" in refusal(response)
    for headers in ({"x-api-key": "another"}, {"authorization": "Bearer another"}):
        assert httpx.post(f"{guarded}/classify", files={"image": ("p", PICTURE)}, headers=headers, timeout=60).status_code == 200
    assert httpx.get(f"{guarded}/models").status_code == 200


def test_a_bucket_of_six_a_minute_fills_by_one_every_ten_seconds_for_each_caller() -> None:
    now = [100.0]
    gate = Gate([KEY, "another"], per_minute=6, clock=lambda: now[0])

    def refused_for_s(key: str) -> int | None:
        refusal = gate.refuses({"headers": [(b"x-api-key", key.encode())]})
        return None if refusal is None else int(dict(refusal.headers)[b"retry-after"])

    assert [refused_for_s(KEY) for _ in range(7)] == [None] * 6 + [10]
    now[0] += 7.5
    assert refused_for_s(KEY) == 3
    now[0] += 2.5
    assert [refused_for_s(KEY), refused_for_s(KEY), refused_for_s("another")] == [None, 10, None]
    now[0] += 3600
    assert [refused_for_s(KEY) for _ in range(7)] == [None] * 6 + [10]


def test_a_caller_over_its_rate_is_told_when_to_come_back_and_others_are_not_held_up(guarded: str) -> None:
    codes = [httpx.post(f"{guarded}/classify", files={"image": ("p", PICTURE)}, headers={"x-api-key": KEY}, timeout=60) for _ in range(8)]
    assert [response.status_code for response in codes].count(200) in (6, 7)
    assert codes[-1].status_code == 429
    assert 1 <= int(codes[-1].headers["retry-after"]) <= 10
    assert "6 requests a minute" in refusal(codes[-1])
    assert httpx.post(f"{guarded}/classify", files={"image": ("p", PICTURE)}, headers={"x-api-key": "another"}, timeout=60).status_code == 200


def test_pages_of_a_named_origin_may_call_and_read_the_headers(guarded: str) -> None:
    asked = {"origin": "https://app.example", "access-control-request-method": "POST", "access-control-request-headers": "authorization"}
    preflight = httpx.options(f"{guarded}/sticker", headers=asked)
    assert preflight.headers["access-control-allow-origin"] == "https://app.example"
    stranger = httpx.get(f"{guarded}/models", headers={"origin": "https://other.example"})
    assert "access-control-allow-origin" not in stranger.headers
    friend = httpx.get(f"{guarded}/models", headers={"origin": "https://app.example"})
    assert "X-Sticker-Id" in friend.headers["access-control-expose-headers"]


def test_with_no_time_to_live_nothing_is_kept_and_jobs_are_refused(guarded: str) -> None:
    headers = {"x-api-key": "another"}
    made = httpx.post(f"{guarded}/sticker", files={"image": ("p", PICTURE)}, headers=headers, timeout=60)
    assert made.status_code == 200
    assert "x-sticker-id" not in made.headers
    job = httpx.post(f"{guarded}/stickers", files=[("images", ("p", PICTURE))], headers=headers, timeout=60)
    assert job.status_code == 503
    assert "STICKER_STICKER_TTL_S" in refusal(job)


# --- from words, moving pictures, and what lies behind


@pytest.fixture(scope="module")
def provider() -> Iterator[creation_servers.StabilityServer]:
    with creation_servers.serving(creation_servers.StabilityServer) as server:
        yield server


@pytest.fixture(scope="module")
def creating(tmp_path_factory: pytest.TempPathFactory, provider: creation_servers.StabilityServer) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("creating") / "var"
    fill_cache(folder)
    settings = {"STABILITY_KEY": creation_servers.KEY, "STABILITY_URL": provider.url, "FETCH_ALLOW": provider.host, "PARAMS": str(ROOT / "params.yaml")}
    with running(folder, **{f"STICKER_{name}": value for name, value in settings.items()}) as (url, _):
        yield url


def test_a_description_becomes_a_kept_sticker_that_names_who_drew_it(creating: str, provider: creation_servers.StabilityServer) -> None:
    provider.next(creation_servers.raw(200, PICTURE, Content_Type="image/png", seed="5", finish_reason="SUCCESS"))
    asked = {"prompt": "a red balloon", "preset": "anime", "seed": 5, "caption": "up", "platform": "png"}
    response = httpx.post(f"{creating}/generate", json=asked, timeout=60)
    assert response.status_code == 202
    job = finished(creating, response.json()["link"])
    (item,) = job["items"]  # type: ignore[misc]
    assert (item["state"], item["name"], item["provider"], item["seed"]) == ("done", "a red balloon", "stability", 5)
    assert opened(httpx.get(creating + item["link"])).size == (512, 512)
    record = httpx.get(creating + item["link"], headers={"accept": "application/json"}).json()
    assert (record["provider"], record["options"]["prompt"]) == ("stability", "a red balloon")
    assert "a red balloon" in provider.seen[-1][1]["prompt"]


def test_a_description_that_breaks_a_rule_is_refused_before_anything_is_sent(creating: str, provider: creation_servers.StabilityServer) -> None:
    before = len(provider.seen)
    response = httpx.post(f"{creating}/generate", json={"prompt": "gory cat"}, timeout=60)
    assert (response.status_code, response.json()["error"]["code"]) == (422, "prompt_refused")
    assert len(provider.seen) == before


def test_a_providers_failure_is_told_in_the_job(creating: str, provider: creation_servers.StabilityServer) -> None:
    provider.next(creation_servers.StabilityServer.error(402, "payment_required", "no credits"))
    response = httpx.post(f"{creating}/generate", json={"prompt": "a red kite"}, timeout=60)
    (item,) = finished(creating, response.json()["link"])["items"]  # type: ignore[misc]
    assert (item["state"], item["error"]["code"]) == ("failed", "credit_exhausted")
    assert creation_servers.KEY not in json.dumps(item)


def test_without_a_key_one_sentence_says_what_to_set(service: str) -> None:
    response = httpx.post(f"{service}/generate", json={"prompt": "a red kite"}, timeout=60)
    assert response.status_code == 503
    assert "STICKER_STABILITY_KEY" in refusal(response)


def moving() -> bytes:
    """Three frames of a red disc that goes right."""
    frames = []
    for x in (0.3, 0.4, 0.5):
        pixels = np.full((120, 160, 3), 90, np.uint8)
        rows, columns = np.mgrid[:120, :160]
        pixels[((columns - 160 * x) / 30) ** 2 + ((rows - 60) / 40) ** 2 < 1] = (230, 40, 30)
        frames.append(Image.fromarray(pixels))
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=200, loop=0)
    return buffer.getvalue()


@pytest.mark.parametrize(("fields", "frames"), [({}, 3), ({"animated": "false"}, 1), ({"platform": "png"}, 3), ({"layout": "avatar"}, 1)])
def test_a_moving_picture_moves_where_the_platform_can_and_the_caller_does_not_mind(service: str, fields: dict[str, str], frames: int) -> None:
    response = post(service, "/sticker", moving(), **fields)
    assert getattr(opened(response), "n_frames", 1) == frames


def test_a_picture_may_fill_the_sticker_behind_the_subject(service: str) -> None:
    blue = encoded(np.full((40, 80, 3), (20, 30, 200), np.uint8))
    files = {"image": ("p", PICTURE), "background_picture": ("b", blue)}
    made = opened(httpx.post(f"{service}/sticker", files=files, data={"platform": "png"}, timeout=60)).convert("RGBA")
    assert made.getpixel((20, 20)) == (20, 30, 200, 255)
    refused = httpx.post(f"{service}/sticker", files=files, data={"layout": "banner"}, timeout=60)
    assert refused.status_code == 400
    assert "layout=sticker" in refusal(refused)


def test_a_database_that_is_away_keeps_nobody_from_a_sticker(tmp_path: Path) -> None:
    fill_cache(tmp_path / "var")
    with running(tmp_path / "var", STICKER_RECORDS=f"sqlite:///{tmp_path}/no/such/folder/serving.db") as (url, _):
        response = post(url, "/sticker", PICTURE)
        assert opened(response).size == (512, 512)
        assert "x-sticker-id" not in response.headers
        assert "sticker_not_kept_total 1.0" in httpx.get(f"{url}/metrics").text
        job = httpx.post(f"{url}/stickers", files=[("images", ("p", PICTURE))], timeout=60)
        assert job.status_code == 503
        assert "STICKER_RECORDS" in refusal(job)


# --- packs


def test_pictures_become_a_pack_that_complies(service: str) -> None:
    pictures = [("images", (f"{n}.png", encoded(scene(300 + 10 * n, 200)))) for n in range(3)]
    fields = {"title": "Red things", "author": "Ann", "words": json.dumps([{"emoji": ["🎈"], "alt": "a red balloon"}]), "outline_colour": "#00ff00"}
    response = httpx.post(f"{service}/pack", files=pictures, data=fields, timeout=60)
    assert response.status_code == 200, response.text
    assert "Red-things" in response.headers["content-disposition"] or "red-things" in response.headers["content-disposition"]
    assert pack_check.problems(response.content, "whatsapp") == []
    contents = json.loads(zipfile.ZipFile(io.BytesIO(response.content)).read("contents.json"))
    first, second = contents["sticker_packs"][0]["stickers"][:2]
    assert (first["emojis"], first["accessibility_text"]) == (["🎈"], "a red balloon")
    assert second["emojis"]


def test_kept_stickers_become_packs_of_several_platforms_with_a_report(service: str) -> None:
    ids = [str(post(service, "/sticker", encoded(scene(300 + n, 210)), platform="png", caption="hello").headers["x-sticker-id"]) for n in range(3)]
    answer = httpx.post(f"{service}/pack", json={"stickers": ids, "platforms": ["whatsapp", "signal"]}, headers={"accept": "application/json"}, timeout=60)
    assert answer.status_code == 200, answer.text
    assert {target: report["complies"] for target, report in answer.json()["reports"].items()} == {"whatsapp": True, "signal": True}
    names = zipfile.ZipFile(io.BytesIO(base64.b64decode(answer.json()["file"]))).namelist()
    assert len([name for name in names if "whatsapp" in name or "signal" in name]) == 2


@pytest.mark.parametrize(
    ("sent", "status", "told"),
    [
        pytest.param({"stickers": []}, 400, "pictures or ids", id="nothing"),
        pytest.param({"stickers": ["unknown"]}, 404, "make it again", id="an-unknown-id"),
        pytest.param({"images": [base64.b64encode(PICTURE).decode()]}, 400, "3", id="too-few-for-whatsapp"),
        pytest.param({"images": [base64.b64encode(PICTURE).decode(), "AAAA"], "platforms": ["telegram"]}, 400, "picture 2", id="a-broken-picture"),
        pytest.param({"images": [base64.b64encode(PICTURE).decode()], "platforms": ["fax"]}, 400, "'whatsapp'", id="an-unknown-platform"),
        pytest.param({"images": [base64.b64encode(PICTURE).decode()], "words": "[{"}, 400, "JSON list", id="broken-words"),
        pytest.param({"images": [base64.b64encode(PICTURE).decode()] * 3, "words": [{"emoji": ["no emoji"]}]}, 400, "one emoji", id="a-word-for-an-emoji"),
        pytest.param({"images": [base64.b64encode(PICTURE).decode()] * 3, "cover": 9}, 400, "cover", id="a-cover-that-is-not-there"),
    ],
)
def test_a_pack_that_cannot_be_made_says_why(service: str, sent: dict[str, object], status: int, told: str) -> None:
    response = httpx.post(f"{service}/pack", json=sent, timeout=60)
    assert response.status_code == status
    assert told in refusal(response)


def test_a_file_field_in_which_nothing_was_chosen_is_no_file(service: str) -> None:
    parts = [("image", ("p", PICTURE)), ("erase", ("", b"")), ("restore", (None, "")), ("platform", (None, "png"))]
    assert opened(httpx.post(f"{service}/sticker", files=parts, timeout=60)).format == "PNG"


def test_the_documentation_lists_each_endpoint_with_its_fields_and_calls_no_file_required(service: str) -> None:
    docs = httpx.get(f"{service}/docs.json").json()
    fields = {}
    for path in ("/sticker", "/cutout", "/segment", "/classify", "/stickers", "/pack", "/feedback", "/generate"):
        (content,) = docs["paths"][path]["post"]["requestBody"]["content"].values()
        schema = content["schema"]
        fields[path] = docs["components"]["schemas"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    assert {"image", "erase", "restore", "background_picture", "caption", "platform", "subject"} <= set(fields["/sticker"]["properties"])
    assert not any("intake" in schema["properties"] for schema in fields.values())
    assert fields["/sticker"].get("required", []) == []
    assert fields["/generate"]["required"] == ["prompt"]


def test_the_log_tells_each_request_and_nothing_personal(tmp_path: Path, files: str) -> None:
    fill_cache(tmp_path / "var")
    with running(tmp_path / "var", STICKER_FETCH_ALLOW=files, STICKER_API_KEYS=KEY) as (url, _):
        headers = {"x-api-key": KEY}
        made = httpx.post(f"{url}/sticker", json={"url": f"http://{files}/my-holiday.png", "caption": "for Ann"}, headers=headers, timeout=60)
        kept = made.headers["x-sticker-id"]
        httpx.get(f"{url}/stickers/{kept}")
        httpx.post(f"{url}/sticker", json={"url": "http://10.0.0.1/my-holiday.png", "caption": "for Ann"}, headers=headers, timeout=60)
        httpx.post(f"{url}/sticker", files={"image": ("my-holiday.png", b"no picture")}, data={"caption": "for Ann"}, headers=headers, timeout=60)
        httpx.post(f"{url}/stickers", files=[("images", ("my-holiday.png", b"no picture"))], headers=headers, timeout=60)
    told = (tmp_path / "var" / "service.log").read_text()
    assert "/sticker 200" in told
    assert "/sticker 400" in told
    assert "/stickers/{id} 200" in told
    for personal in ("my-holiday", "for Ann", kept, KEY, files.partition(":")[2]):
        assert personal not in told
