"""The sticker service over HTTP, as two real worker processes with small models whose answers are known."""

import io
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest
from conftest import unused_port
from PIL import Image
from serving_toys import fill_cache

from sticker_studio.types import MODEL_NAMES, SEGMENTORS

ROOT = Path(__file__).parent.parent
LIMIT = 1_500_000


@contextmanager
def running(home: Path, **settings: str) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """`python -m serving serve` on a free port until it is ready; its address and process."""
    port = unused_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STICKER_")}
    environment |= {"STICKER_HOME": str(home), "STICKER_SERVICE_PORT": str(port), "OMP_NUM_THREADS": "1"} | settings
    home.mkdir(parents=True, exist_ok=True)
    log = home / "service.log"
    with log.open("wb") as output:
        process = subprocess.Popen([sys.executable, "-m", "serving", "serve"], cwd=ROOT, env=environment, stdout=output, stderr=output, start_new_session=True)
        try:
            wait_until_ready(f"http://127.0.0.1:{port}", process, log)
            yield f"http://127.0.0.1:{port}", process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait(20)


def wait_until_ready(url: str, process: "subprocess.Popen[bytes]", log: Path, timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/readyz", timeout=2).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.1)
    raise RuntimeError(f"the service did not get ready at {url}:\n{log.read_text()[-3000:]}")


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = tmp_path_factory.mktemp("serving") / "var"
    fill_cache(home, version="7")
    with running(home, STICKER_SERVICE_WORKERS="2", STICKER_UPLOAD_MAX_BYTES=str(LIMIT)) as (url, _):
        yield url


def encoded(pixels: np.ndarray, kind: str = "PNG", **options: object) -> bytes:  # type: ignore[type-arg]
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def scene(width: int = 300, height: int = 200, *, subject: bool = True) -> np.ndarray:  # type: ignore[type-arg]
    """A red ellipse left of the middle of a grey picture."""
    pixels = np.full((height, width, 3), 90, np.uint8)
    y, x = np.mgrid[:height, :width]
    if subject:
        pixels[((x - width * 0.4) / (width * 0.22)) ** 2 + ((y - height * 0.5) / (height * 0.35)) ** 2 < 1] = (230, 40, 30)
    return pixels


def post(url: str, path: str, data: bytes, **fields: str) -> httpx.Response:
    return httpx.post(url + path, files={"image": ("picture", data)}, data=fields, timeout=60)


def opened(response: httpx.Response) -> Image.Image:
    assert response.status_code == 200, response.text
    return Image.open(io.BytesIO(response.content))


def refusal(response: httpx.Response) -> str:
    """The message of an error, its one shape checked."""
    assert list(response.json()) == ["error"]
    error = response.json()["error"]
    assert sorted(error) == ["code", "message", "remedy", "status"]
    assert error["status"] == response.status_code
    assert all(error.values())
    return f"{error['message']}; {error['remedy']}"


# --- what comes out


def test_a_picture_becomes_a_512_px_webp_sticker_of_at_most_100_kb(service: str) -> None:
    response = post(service, "/sticker", encoded(scene()))
    sticker = opened(response)
    assert (sticker.format, sticker.size, sticker.mode) == ("WEBP", (512, 512), "RGBA")
    assert len(response.content) <= 100_000
    alpha = np.asarray(sticker)[..., 3]
    assert alpha[256, 256] == 255
    assert not alpha[:15].any()
    assert not alpha[:, :15].any()


def test_the_headers_tell_style_models_and_size(service: str) -> None:
    response = post(service, "/sticker", encoded(scene()))
    headers = response.headers
    assert (headers["x-sticker-style"], headers["x-sticker-segmentor"]) == ("normal", SEGMENTORS["normal"])
    assert (headers["x-sticker-segmentor-version"], headers["x-sticker-classifier-version"]) == ("7", "7")
    assert float(headers["x-sticker-style-probability"]) > 0.5
    assert int(headers["x-sticker-bytes"]) == len(response.content)
    assert headers["x-sticker-cut"] == "segmentor"


def test_the_style_picks_the_segmentor(service: str) -> None:
    bright = np.where(scene()[..., :1] > 200, np.uint8([255, 110, 110]), np.uint8([235, 235, 235])).astype(np.uint8)
    assert post(service, "/classify", encoded(bright)).json()["style"] == "anime"
    assert post(service, "/cutout", encoded(bright)).headers["x-sticker-segmentor"] == SEGMENTORS["anime"]


def test_a_sticker_can_be_a_png_with_a_caption(service: str) -> None:
    plain = opened(post(service, "/sticker", encoded(scene()), platform="png"))
    captioned = opened(post(service, "/sticker", encoded(scene()), platform="png", caption="1234"))
    assert (plain.format, plain.size, captioned.size) == ("PNG", (512, 512), (512, 512))
    assert np.abs(np.asarray(plain).astype(int) - np.asarray(captioned)).mean() > 1


def test_an_uncropped_cutout_has_the_size_of_the_upright_picture_and_the_subject_alone(service: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    sideways = np.rot90(scene()).copy()  # 200 wide, 300 high; turned clockwise to view it is 300 x 200
    cutout = opened(post(service, "/cutout", encoded(sideways, "JPEG", exif=exif, quality=95), crop="false", subject="largest"))
    assert (cutout.size, cutout.mode) == ((300, 200), "RGBA")
    found, truth = np.asarray(cutout)[..., 3] >= 128, scene()[..., 0] > 200
    assert (found & truth).sum() / (found | truth).sum() > 0.9


@pytest.mark.parametrize(("kind", "mime"), [("png", "image/png"), ("webp", "image/webp")])
def test_a_cropped_cutout_is_cut_to_its_subject(service: str, kind: str, mime: str) -> None:
    response = post(service, "/cutout", encoded(scene()), format=kind)
    width, height = opened(response).size
    assert response.headers["content-type"] == mime
    assert 125 <= width <= 155
    assert 130 <= height <= 165


def test_classify_names_style_probability_and_version(service: str) -> None:
    answer = post(service, "/classify", encoded(scene())).json()
    assert (answer["style"], answer["version"], sorted(answer)) == ("normal", "7", ["probability", "style", "version"])
    assert 0.5 < answer["probability"] <= 1


def test_transparency_that_a_picture_brings_is_its_cutout(service: str) -> None:
    alpha = np.zeros((200, 300), np.uint8)
    alpha[50:150, 180:280] = 255  # not where the red is
    response = post(service, "/cutout", encoded(np.dstack([scene(), alpha])), crop="false")
    assert response.headers["x-sticker-cut"] == "alpha"
    assert np.array_equal(np.asarray(opened(response))[..., 3], alpha)


def test_nothing_found_is_a_422_with_a_remedy_and_the_whole_picture_on_request(service: str) -> None:
    empty = encoded(scene(subject=False))
    response = post(service, "/sticker", empty)
    assert response.status_code == 422
    assert "fallback=whole" in refusal(response)
    assert post(service, "/cutout", empty).status_code == 422
    whole = post(service, "/sticker", empty, fallback="whole")
    assert opened(whole).size == (512, 512)
    assert whole.headers["x-sticker-cut"] == "whole"


# --- what is refused


@pytest.mark.parametrize(
    ("data", "status"),
    [
        pytest.param(b"", 400, id="empty"),
        pytest.param(b"this is no picture", 400, id="garbage"),
        pytest.param(encoded(np.random.default_rng(0).integers(0, 255, (90, 130, 3), np.uint8))[:9000], 400, id="truncated-png"),
        pytest.param(encoded(scene(), "JPEG")[:1500], 400, id="truncated-jpeg"),
        pytest.param(encoded(np.zeros((7000, 6000), np.uint8)), 413, id="42-megapixels-in-a-few-bytes"),
    ],
)
@pytest.mark.parametrize("path", ["/sticker", "/cutout", "/classify"])
def test_a_broken_picture_is_the_callers_error(service: str, path: str, data: bytes, status: int) -> None:
    response = post(service, path, data)
    assert response.status_code == status
    assert "expected" in refusal(response)


@pytest.mark.parametrize("chunked", [pytest.param(False, id="announced"), pytest.param(True, id="chunked")])
def test_a_body_over_the_limit_is_refused(service: str, chunked: bool) -> None:
    request = httpx.Request("POST", f"{service}/sticker", files={"image": ("big", bytes(LIMIT + 100_000))})
    body = request.read()
    headers = {"content-type": request.headers["content-type"]}
    pieces = (body[start : start + 50_000] for start in range(0, len(body), 50_000))
    response = httpx.post(f"{service}/sticker", headers=headers, content=pieces if chunked else body, timeout=60)
    assert response.status_code == 413
    assert str(LIMIT) in refusal(response)
    assert post(service, "/classify", encoded(scene())).status_code == 200


def test_an_address_in_place_of_the_file_is_refused_and_never_fetched(service: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(1)
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/x.png"
        response = httpx.post(f"{service}/sticker", files={"caption": (None, "x"), "image": (None, address)}, timeout=30)
        assert response.status_code == 400
        assert "expected a file" in refusal(response)
        with pytest.raises(TimeoutError):
            listener.accept()


@pytest.mark.parametrize(
    ("path", "fields", "expected"),
    [
        pytest.param("/sticker", {"platform": "telegraph"}, "'whatsapp', 'telegram', 'signal', 'discord', 'webp', 'png' or 'svg'", id="platform"),
        pytest.param("/sticker", {"subject": "none"}, "all, largest, a point x,y or a box", id="subject"),
        pytest.param("/sticker", {"outline_px": "900"}, "outline_px", id="outline-too-wide"),
        pytest.param("/sticker", {"outline_colour": "red"}, "outline_colour", id="colour"),
        pytest.param("/sticker", {"caption": "x" * 121}, "caption", id="caption-too-long"),
        pytest.param("/sticker", {"caption": "\ue000"}, "caption", id="caption-that-no-font-draws"),
        pytest.param("/sticker", {"colour": "#ffffff"}, "the options are caption, subject", id="unknown-option"),
        pytest.param("/cutout", {"crop": "perhaps"}, "crop", id="crop"),
        pytest.param("/cutout", {"format": "gif"}, "'png' or 'webp'", id="format"),
    ],
)
def test_an_option_that_is_not_served_is_named(service: str, path: str, fields: dict[str, str], expected: str) -> None:
    response = post(service, path, encoded(scene()), **fields)
    assert response.status_code == 400
    assert expected in refusal(response)


@pytest.mark.parametrize(
    ("method", "path", "options", "status"),
    [
        pytest.param("POST", "/sticker", {"json": {"image": "x"}}, 400, id="json-without-base64"),
        pytest.param("POST", "/sticker", {"content": b"x", "headers": {"content-type": "text/plain"}}, 415, id="text"),
        pytest.param("POST", "/sticker", {"content": b"x", "headers": {"content-type": "application/vnd.bentoml+pickle"}}, 415, id="pickle"),
        pytest.param("POST", "/sticker", {"content": b"x", "headers": {"content-type": "multipart/form-data"}}, 400, id="no-boundary"),
        pytest.param("POST", "/sticker", {"files": {"caption": (None, "x")}}, 400, id="no-file"),
        pytest.param("POST", "/sticker", {"files": [("image", b"1"), ("image", b"2")]}, 400, id="two-files"),
        pytest.param("GET", "/sticker", {}, 405, id="get"),
        pytest.param("POST", "/models", {}, 405, id="post-to-models"),
        pytest.param("GET", "/nothing/here", {}, 404, id="unknown-path"),
    ],
)
def test_every_refusal_has_the_same_shape(service: str, method: str, path: str, options: dict[str, object], status: int) -> None:
    response = httpx.request(method, service + path, timeout=30, **options)  # type: ignore[arg-type]
    assert response.status_code == status
    assert refusal(response)


# --- what it tells of itself


def test_a_start_without_a_registry_serves_the_last_good_copies_and_says_so(service: str) -> None:
    models = httpx.get(f"{service}/models").json()["models"]
    assert sorted(models) == sorted(MODEL_NAMES)
    for model in models.values():
        assert (model["version"], model["source"], len(model["sha256"])) == ("7", "cache", 64)
        assert "STICKER_MLFLOW_URI" in model["reason"]


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz", "/health", "/metrics", "/docs.json", "/schema.json"])
def test_a_page_of_the_service_answers(service: str, path: str) -> None:
    assert httpx.get(service + path).status_code == 200


def test_the_docs_need_nothing_from_elsewhere_and_list_the_endpoints(service: str) -> None:
    page = httpx.get(f"{service}/docs").text
    assert "://" not in page
    for address in re.findall(r'(?:src|href)="\./([^"]+)"', page):
        assert httpx.get(f"{service}/{address}").status_code == 200
    paths = httpx.get(f"{service}/docs.json").json()["paths"]
    assert {"/sticker", "/cutout", "/classify"} <= set(paths)


def metrics(url: str) -> dict[str, float]:
    lines = [line for line in httpx.get(f"{url}/metrics").text.splitlines() if line and not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_the_workers_counts_add_up_and_unknown_paths_share_one_label(service: str) -> None:
    name, unknown = 'sticker_requests_total{code="200",endpoint="/classify"}', 'sticker_requests_total{code="404",endpoint="other"}'
    before = metrics(service)
    for number in range(12):  # a connection each, so that both workers take some
        assert post(service, "/classify", encoded(scene())).status_code == 200
        assert httpx.get(f"{service}/made/up/{number}").status_code == 404
    after = metrics(service)
    assert after[name] - before.get(name, 0) == 12
    assert after[unknown] - before.get(unknown, 0) == 12
    assert not [line for line in after if "made/up" in line]
    assert after[f'sticker_model_info{{model="{MODEL_NAMES[0]}",source="cache",version="7"}}'] == 1


def test_every_metric_of_the_service_is_documented(service: str) -> None:
    post(service, "/sticker", encoded(scene()))
    post(service, "/sticker", encoded(scene(subject=False)))
    told = {re.sub(r"_(bucket|count|sum)$", "", re.split(r"[{ ]", line)[0]) for line in metrics(service) if line.startswith("sticker_")}
    documented = (ROOT / "docs" / "metrics.md").read_text()
    assert len(told) >= 8
    assert [name for name in sorted(told) if f"`{name}`" not in documented] == []


def test_the_service_needs_no_training_stack() -> None:
    code = "import sys, serving.service, serving.models; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"torch", "mlflow", "ultralytics", "pandas", "prometheus_client", "gradio", "airflow"} & set(done.stdout.split())


def test_a_killed_service_leaves_no_worker_on_its_port(tmp_path: Path) -> None:
    fill_cache(tmp_path / "var")
    with running(tmp_path / "var") as (url, process):
        process.kill()
        process.wait(5)
        deadline = time.monotonic() + 8
        port = int(url.rpartition(":")[2])
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) != 0:
                    break
            time.sleep(0.2)
        else:
            pytest.fail("an orphaned worker still listens 8 s after the kill")
