"""The Studio page in a real browser that can reach nothing but this machine, in front of a real service."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import unused_port
from serving_toys import fill_cache
from test_serving_service import ROOT, encoded, running, scene

from serving import studio
from serving.client import StickerClient


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = tmp_path_factory.mktemp("studio-service") / "var"
    fill_cache(home, version="7")
    with running(home) as (url, _):
        yield url


@pytest.fixture(scope="module")
def page(service: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pytest.importorskip("gradio", reason="the extra ui (gradio) is not installed")
    home, port = tmp_path_factory.mktemp("studio"), unused_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STICKER_")}
    environment |= {"STICKER_HOME": str(home), "STICKER_STUDIO_PORT": str(port), "STICKER_SERVICE_URL": service}
    with (home / "studio.log").open("wb") as output:
        process = subprocess.Popen([sys.executable, "-m", "serving", "studio"], cwd=ROOT, env=environment, stdout=output, stderr=output)
        try:
            deadline = time.monotonic() + 120
            while not _answers(f"http://127.0.0.1:{port}"):
                if process.poll() is not None or time.monotonic() > deadline:
                    pytest.fail((home / "studio.log").read_text()[-2000:])
                time.sleep(0.3)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    driver = shutil.which("chromedriver")
    if not driver:
        pytest.skip("chromedriver is not on the PATH")
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--window-size=1240,980", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"):
        options.add_argument(argument)
    opened = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield opened
    opened.quit()


def press(browser: Any, page: str, picture: Path) -> str:
    """Upload `picture`, press the button, and return what the page tells."""
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    wait = WebDriverWait(browser, 60)
    browser.get(page)
    wait.until(lambda it: it.find_elements(By.CSS_SELECTOR, "#picture input[type=file]"))[0].send_keys(str(picture))
    wait.until(lambda it: it.find_elements(By.CSS_SELECTOR, "#picture img"))
    browser.find_element(By.CSS_SELECTOR, "#caption textarea, #caption input").send_keys("Hello")
    browser.find_element(By.CSS_SELECTOR, "button#make, #make button").click()
    return str(wait.until(lambda it: it.find_elements(By.CSS_SELECTOR, "#told .done, #told .problem"))[0].text)


def test_a_picture_becomes_a_sticker_on_the_page_and_an_empty_one_a_plain_message(browser: Any, page: str, tmp_path: Path) -> None:
    from selenium.webdriver.common.by import By

    (tmp_path / "red.png").write_bytes(encoded(scene()))
    (tmp_path / "empty.png").write_bytes(encoded(scene(subject=False)))
    told = press(browser, page, tmp_path / "red.png")
    assert "version 7" in told
    assert "512 x 512" in told
    address = browser.find_element(By.CSS_SELECTOR, "#sticker img").get_attribute("src")
    assert httpx.get(address).content[8:12] == b"WEBP"
    assert address.startswith(page)
    assert "crop the picture closer" in press(browser, page, tmp_path / "empty.png")


def test_the_button_tells_what_is_missing(tmp_path: Path, free_port: int) -> None:
    away = StickerClient(f"http://127.0.0.1:{free_port}")
    assert studio.make(away, tmp_path, None, "", "whatsapp", "all", False) == (None, studio.problem("Choose a picture first."))
    (tmp_path / "red.png").write_bytes(encoded(scene()))
    file, told = studio.make(away, tmp_path, str(tmp_path / "red.png"), "", "whatsapp", "all", False)
    assert (file, "is it running?" in told) == (None, True)


def test_what_the_service_says_cannot_break_the_page() -> None:
    assert "<script>" not in studio.problem("<script>alert(1)</script>")
