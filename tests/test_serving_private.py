"""The private-mode page in a real browser that can reach nothing but this machine, on the factory models; every request is written down."""

import io
import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import uvicorn
from conftest import ROOT, unused_port
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from serving import pipeline
from serving.models import ModelSet, load_all
from serving.options import CutoutOptions
from serving.private.pages import HEADERS, RUNTIME_FILES, installed_runtime, routes
from sticker_studio import images, masks, refine, registry, scenes
from sticker_studio.inference import StyleClassifier, letterbox
from sticker_studio.settings import Settings
from sticker_studio.types import CLASSIFIER, RGB


@dataclass
class Recorded:
    """A server's address, and (method, path, body bytes) of each request it got."""

    url: str
    requests: list[tuple[str, str, int]]


def written_down(app: ASGIApp, requests: list[tuple[str, str, int]]) -> ASGIApp:
    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        size = 0
        while (message := await receive()).get("more_body"):
            size += len(message["body"])
        requests.append((scope["method"], scope["path"], size + len(message.get("body", b""))))
        await app(scope, receive, send)

    return wrapped


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> ModelSet:
    return load_all(Settings(home=tmp_path_factory.mktemp("private") / "var", offline=True), None)


@pytest.fixture(scope="module")
def server(models: ModelSet) -> Iterator[Recorded]:
    if not all((installed_runtime() / name).is_file() for name in RUNTIME_FILES):
        pytest.skip("onnxruntime-web is not installed (scripts/browser_runtime.sh)")
    recorded = Recorded(f"http://127.0.0.1:{(port := unused_port())}", [])
    app = written_down(Starlette(routes=routes(lambda: models)), recorded.requests)
    running = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning"))
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not running.started and time.monotonic() < deadline:
        time.sleep(0.05)
    yield recorded
    running.should_exit = True
    thread.join(20)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    driver = shutil.which("chromedriver")
    if not driver:
        pytest.skip("chromedriver is not on the PATH")
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--window-size=1240,980", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
    opened = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    opened.downloads = tmp_path_factory.mktemp("downloads")
    opened.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(opened.downloads)})
    yield opened
    opened.quit()


@pytest.fixture(scope="module")
def page(browser: Any, server: Recorded) -> Any:
    """The browser with the page opened and its models loaded."""
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    browser.get(f"{server.url}/private")
    WebDriverWait(browser, 60).until(lambda it: it.find_elements(By.CSS_SELECTOR, "#file:enabled, #told .problem"))
    assert browser.find_element(By.ID, "told").text == ""
    return browser


def told(browser: Any) -> str:
    """What the page tells when it has done what was asked."""
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    return str(WebDriverWait(browser, 60).until(lambda it: it.find_elements(By.CSS_SELECTOR, "#told .done, #told .problem"))[0].text)


def upload(browser: Any, picture: Path) -> str:
    from selenium.webdriver.common.by import By

    browser.find_element(By.ID, "file").send_keys(str(picture))
    return told(browser)


def downloaded(browser: Any, button: str, name: str) -> bytes:
    """Press a download button; the file that the browser saves."""
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    (browser.downloads / name).unlink(missing_ok=True)
    browser.execute_script("document.getElementById('told').replaceChildren()")
    browser.find_element(By.ID, button).click()
    assert "was made in this browser" in told(browser)
    WebDriverWait(browser, 20).until(lambda _: (browser.downloads / name).is_file())
    return bytes((browser.downloads / name).read_bytes())


def requested(browser: Any) -> list[dict[str, Any]]:
    """The requests in the browser's log since it was last read."""
    events = (json.loads(entry["message"])["message"] for entry in browser.get_log("performance"))
    return [event["params"]["request"] for event in events if event["method"] == "Network.requestWillBeSent"]


def saved_sideways(image: RGB, path: Path) -> Path:
    """A JPEG that lies on its side and says so in its EXIF block."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(image).copy()).save(path, "JPEG", quality=95, exif=exif)
    return path


# --- the browser


def test_the_browser_cuts_as_the_service_does_and_asks_the_server_for_nothing(page: Any, server: Recorded, models: ModelSet, tmp_path: Path) -> None:
    options = CutoutOptions(crop=False, format="png")
    assert f"{server.url}/private/" in [request["url"] for request in requested(page)]  # the log does log
    assert {(method, size) for method, _, size in server.requests} == {("GET", 0)}
    server.requests.clear()
    picture = saved_sideways(scenes.draw(seed=11, style="anime", size_wh=(1400, 900)).image, tmp_path / "scene.jpg")
    made = pipeline.make_cutout(pipeline.decode(data := picture.read_bytes(), max_bytes=len(data), max_pixels=10**7), models.for_pipeline(), options)
    expected = np.asarray(Image.open(io.BytesIO(made.exported.data)))[..., 3]
    assert f"sticker-segmentor-{made.found.style}, version factory-" in upload(page, picture)
    cut = np.asarray(Image.open(io.BytesIO(downloaded(page, "cutout", "cutout.png"))))
    assert cut.shape == (900, 1400, 4)
    assert masks.iou(cut[..., 3] >= 128, expected >= 128) > 0.95
    sticker = Image.open(io.BytesIO(webp := downloaded(page, "webp", "sticker.webp")))
    assert (sticker.format, sticker.size, len(webp) <= 100_000) == ("WEBP", (512, 512), True)
    assert server.requests == []
    assert [request["url"] for request in requested(page) if not request["url"].startswith(("blob:", "data:"))] == []


def test_the_outline_is_as_wide_as_asked_and_of_the_chosen_colour(page: Any, tmp_path: Path) -> None:
    picture = tmp_path / "disc.png"
    y, x = np.mgrid[:300, :400]
    disc = (np.hypot(x - 200, y - 150) < 120)[..., None]
    Image.fromarray(np.where(disc, np.uint8([30, 90, 200, 255]), np.uint8(0)).astype(np.uint8)).save(picture)
    assert "own transparency was kept" in upload(page, picture)
    set_value = "const it = document.getElementById(arguments[0]); it.value = arguments[1]; it.dispatchEvent(new Event('change'))"
    for field, value in (("colour", "#ff0000"), ("outline", "20")):
        page.execute_script("document.getElementById('told').replaceChildren()")
        page.execute_script(set_value, field, value)
        told(page)
    row = np.asarray(Image.open(io.BytesIO(downloaded(page, "png", "sticker.png"))))[256].astype(int)
    solid, red = row[:, 3] > 127, (row[:, 0] > 127) & (row[:, 3] > 127)
    assert min(solid.argmax(), solid[::-1].argmax()) >= 16  # the margin
    assert abs(int(red[:256].sum()) - 20) <= 1
    page.execute_script(set_value, "outline", "8")
    page.execute_script(set_value, "colour", "#ffffff")


def test_where_nothing_is_found_it_says_so_until_the_whole_picture_is_allowed(page: Any, tmp_path: Path) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    (tmp_path / "empty.png").write_bytes(images.encode_png(np.full((200, 300, 3), 90, np.uint8)))
    assert "Nothing that stands out was found" in upload(page, tmp_path / "empty.png")
    assert not page.find_element(By.ID, "webp").is_enabled()
    page.find_element(By.ID, "whole").click()
    WebDriverWait(page, 30).until(lambda it: "whole picture became the sticker" in it.find_element(By.ID, "told").text)
    page.find_element(By.ID, "whole").click()


def test_a_broken_picture_is_told_in_words_and_the_next_one_works(page: Any, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    assert "cannot read broken.png" in upload(page, tmp_path / "broken.png")
    (tmp_path / "scene.png").write_bytes(images.encode_png(scenes.draw(seed=3, style="anime", size_wh=(450, 300)).image))
    assert "Cut out by" in upload(page, tmp_path / "scene.png")


PASTE = "new ClipboardEvent('paste', { clipboardData: data })"
DROP = "new DragEvent('drop', { dataTransfer: data })"


@pytest.mark.parametrize("event", [pytest.param(PASTE, id="pasted"), pytest.param(DROP, id="dropped")])
def test_a_picture_may_be(page: Any, event: str) -> None:
    script = """
        document.getElementById('told').replaceChildren();
        const data = new DataTransfer();
        data.items.add(new File([Uint8Array.from(arguments[0])], 'clip.png', { type: 'image/png' }));
        document.dispatchEvent(EVENT);
    """
    scene = images.encode_png(scenes.draw(seed=11, style="anime", size_wh=(300, 220)).image)
    page.execute_script(script.replace("EVENT", event), list(scene))
    assert "Cut out by" in told(page)


def test_the_parts_compute_what_the_kernel_computes(page: Any) -> None:
    picture = scenes.draw(seed=5, style="normal", size_wh=(150, 110)).image
    y, x = np.mgrid[:110, :150]
    probability = (1 / (1 + np.exp((np.hypot(x - 70, y - 60) - 35) / 4))).astype(np.float32)
    card = StyleClassifier(registry.factory_model(CLASSIFIER)).card
    script = """
        const [rgba, values, card, done] = arguments;
        const picture = { width: 150, height: 110, data: Uint8ClampedArray.from(rgba) };
        Promise.all([import('/private/pixels.js'), import('/private/refine.js'), import('/private/colours.js')]).then(([pixels, refine, { byColour }]) => {
            const coarse = { width: 150, height: 110, data: Float32Array.from(values) };
            const [alpha, guided] = [refine.refined(picture, coarse), refine.guidedFilter(picture, coarse, 9, 1e-3)];
            const [settled, unmixed] = [byColour(picture, coarse).data, refine.unmixed(picture, alpha).data];
            const boxed = pixels.tensorOf(pixels.letterbox(picture, card.input_px).square, card).values;
            const colours = refine.foregroundColours(picture, alpha).data;
            const smaller = pixels.resized(picture, 64, 41).data;
            done([smaller, boxed, guided, alpha.data, colours, settled, unmixed].map((values) => [...values]));
        });
    """
    rgba = np.dstack([picture, np.full((110, 150), 255, np.uint8)])
    smaller, boxed, guided, alpha, colours, settled, unmixed = page.execute_async_script(
        script, rgba.ravel().tolist(), probability.ravel().tolist(), json.loads(card.model_dump_json())
    )
    assert off(smaller, cv2.resize(rgba, (64, 41), interpolation=cv2.INTER_AREA)).max() <= 1
    assert off(boxed, letterbox(picture, card)[0]).max() < 0.03
    assert off(guided, refine.guided_filter(picture.astype(np.float32) / 255, probability, radius_px=9, eps=1e-3)).max() < 0.001
    assert off(alpha, refine.refine(picture, probability)).mean() < 0.005  # the band around the border is a rounder one
    led = np.reshape(alpha, (110, 150)).astype(np.float32)
    assert off(colours, np.dstack([refine.foreground_colours(picture, led), rgba[..., 3]])).max() <= 1
    assert off(unmixed, refine.unmixed(picture, led)).max() < 0.001
    assert off(settled, refine.by_colour(picture, probability)).mean() < 0.005


def off(values: list[float], expected: Any) -> Any:
    """How far the browser's numbers are from the kernel's."""
    return np.abs(np.reshape(values, np.shape(expected)) - np.asarray(expected, np.float64))


def test_the_browser_itself_refuses_every_other_origin(page: Any) -> None:
    script = """
        const done = arguments[0];
        document.addEventListener('securitypolicyviolation', (event) => done(event.effectiveDirective), { once: true });
        fetch('https://example.org/', { method: 'POST', body: 'x' }).catch(() => {});
    """
    assert page.execute_async_script(script) == "connect-src"


def test_every_control_has_a_name_and_a_phone_needs_no_sideways_scrolling(page: Any) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    controls = page.find_elements(By.CSS_SELECTOR, "input, button, canvas, progress, summary")
    assert len(controls) > 10
    assert [control.get_attribute("id") for control in controls if control.is_displayed() and not control.accessible_name] == []
    page.find_element(By.TAG_NAME, "h1").click()
    ActionChains(page).send_keys(Keys.TAB).perform()
    assert page.switch_to.active_element.get_attribute("id") == "file"
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True})
    assert page.execute_script("return document.documentElement.scrollWidth") == 390
    page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


# --- the routes


@pytest.fixture
def runtime(tmp_path: Path) -> Path:
    """A folder that holds files of the runtime's names."""
    for name in RUNTIME_FILES:
        (tmp_path / name).write_bytes(b"export default 1")
    return tmp_path


def test_without_onnxruntime_web_the_page_names_the_command_that_installs_it(models: ModelSet, runtime: Path) -> None:
    client = TestClient(Starlette(routes=routes(lambda: models, runtime=runtime)))
    assert client.get("/private").status_code == 200
    (runtime / RUNTIME_FILES[1]).unlink()
    answer = client.get("/private")
    assert (answer.status_code, "run scripts/browser_runtime.sh" in answer.text, RUNTIME_FILES[1] in answer.text) == (503, True, True)


def test_onnxruntime_web_with_other_bytes_than_the_published_ones_is_not_installed(tmp_path: Path) -> None:
    pack = '[ "$1" = pack ] || exit 0; while [ "$1" != --pack-destination ]; do shift; done; echo other >"$2/onnxruntime-web-1.30.0.tgz"'
    programs = {"python": f"echo {tmp_path / 'prefix'}", "npm": pack}
    for name, line in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{line}\n")
        (tmp_path / name).chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run([ROOT / "scripts" / "browser_runtime.sh", tmp_path / "python"], env=environment, capture_output=True, text=True)
    assert (done.returncode, "got other bytes" in done.stderr) == (2, True), done.stderr
    assert not (tmp_path / "prefix").exists()


def test_the_models_that_serve_come_with_their_cards(models: ModelSet, runtime: Path) -> None:
    served = models.by_name[CLASSIFIER]
    registered = models.with_model(replace(served, resolved=replace(served.resolved, version="12")))
    client = TestClient(Starlette(routes=routes(lambda: registered, runtime=runtime)))
    card = client.get(f"/private/models/{CLASSIFIER}/card.json").json()
    assert (card["version"], card["input_px"], card["file_sha256"]) == ("12", served.predictor.card.input_px, served.sha256)
    model = client.get(f"/private/models/{CLASSIFIER}/model.onnx", params={"sha256": card["file_sha256"]})
    assert model.content == (served.resolved.folder / "model.onnx").read_bytes()
    assert "immutable" in model.headers["cache-control"]


def test_a_model_that_serves_no_longer_and_an_unknown_one_are_refused(models: ModelSet, runtime: Path) -> None:
    client = TestClient(Starlette(routes=routes(lambda: models, runtime=runtime)))
    gone = client.get(f"/private/models/{CLASSIFIER}/model.onnx", params={"sha256": "0" * 64})
    assert (gone.status_code, "reload the page" in gone.text) == (409, True)
    assert client.get("/private/models/nobody/card.json").status_code == 404
    assert client.get("/private/%2e%2e/pages.py").status_code == 404


def test_a_file_that_is_no_longer_what_was_loaded_is_not_handed_out(models: ModelSet, runtime: Path) -> None:
    served = models.by_name[CLASSIFIER]
    (runtime / "model.onnx").write_bytes(b"another model")
    changed = models.with_model(replace(served, resolved=replace(served.resolved, folder=runtime)))
    answer = TestClient(Starlette(routes=routes(lambda: changed, runtime=runtime))).get(f"/private/models/{CLASSIFIER}/model.onnx")
    assert (answer.status_code, "restart the service" in answer.text) == (409, True)


def test_every_answer_is_guarded_and_nothing_takes_a_body(models: ModelSet, runtime: Path) -> None:
    client = TestClient(Starlette(routes=routes(lambda: models, runtime=runtime)))
    paths = ["/private/", "/private/app.js", "/private/worker.js", f"/private/runtime/{RUNTIME_FILES[0]}", f"/private/models/{CLASSIFIER}/card.json"]
    for path in paths:
        answer = client.get(path)
        assert answer.status_code == 200
        assert HEADERS.items() <= {name: answer.headers.get(name) for name in HEADERS}.items(), path
        assert client.post(path, content=b"a picture").status_code == 405, path
    assert "unsafe-inline" not in HEADERS["Content-Security-Policy"]
