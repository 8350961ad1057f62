"""The Studio page in a real browser that can reach nothing but this machine, in front of a real service."""

import base64
import copy
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from conftest import unused_port
from creation_servers import KEY, StabilityServer, serving
from PIL import Image
from serving_toys import fill_cache
from test_serving_service import ROOT, encoded, running, scene

from serving import pack_check
from serving.client import StickerClient
from serving.studio import told
from serving.studio.desk import Desk, remembered
from sticker_studio.errors import InputError, Unavailable
from sticker_studio.store import ObjectStore

CAMERA = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
"""Chromium's own: green, with a yellow circle that turns."""
LEFT, RIGHT, CONTROL = "\ue012", "\ue014", "\ue009"
"""Keys, as WebDriver names them."""
LOOK = {"caption": "", "platform": "whatsapp"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("studio-service") / "var"
    fill_cache(folder, version="7")
    return folder


@pytest.fixture(scope="module")
def service(home: Path) -> Iterator[str]:
    with running(home) as (url, _):
        yield url


@contextmanager
def page_of(service: str, home: Path) -> Iterator[str]:
    """`python -m serving studio` on a free port until it answers; its address."""
    pytest.importorskip("gradio", reason="the extra ui (gradio) is not installed")
    port = unused_port()
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
def page(service: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with page_of(service, tmp_path_factory.mktemp("studio")) as url:
        yield url


def _unfinished(path: Path) -> bool:
    """Whether Chromium still writes it: `.org.chromium.Chromium.abc`, then `<name>.crdownload`."""
    return path.name.startswith(".") or path.name.endswith((".crdownload", ".tmp"))


class Visitor:
    """A person at a browser."""

    def __init__(self, driver: Any, folder: Path) -> None:
        self.driver = driver
        self.folder = folder
        """Where downloads go."""

    def opens(self, page: str) -> None:
        self.driver.get(page)
        self.sees("#pictures input[type=file]")

    def brings(self, *pictures: Path) -> None:
        """Chooses pictures and waits until each has become a sticker or failed."""
        known = len(self.all("#cards li"))
        self.sees("#pictures input[type=file]").send_keys("\n".join(map(str, pictures)))
        self.waits(lambda: len(self.all("#cards li.done, #cards li.failed")) == known + len(pictures))

    def all(self, css: str) -> list[Any]:
        return list(self.driver.find_elements("css selector", css))

    def sees(self, css: str) -> Any:
        return self.waits(lambda: self.all(css))[0]

    def waits(self, until: Callable[[], Any], timeout_s: float = 30) -> Any:
        """What `until` gives once it is true; asked again while the page is being redrawn."""
        from selenium.common.exceptions import StaleElementReferenceException

        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            with suppress(StaleElementReferenceException):
                if found := until():
                    return found
            time.sleep(0.05)
        pytest.fail(f"the page did not get there; it says: {self.sees('body').text[-1500:]}")

    def presses(self, css: str) -> None:
        self.driver.execute_script("arguments[0].click()", self.sees(css))

    def chooses_tab(self, name: str) -> None:
        self.driver.execute_script("[...document.querySelectorAll('[role=tab]')].find(tab => tab.textContent.includes(arguments[0])).click()", name)

    def unfolds(self, name: str) -> None:
        if self.sees(f"#{name} > button, #{name} button.label-wrap").get_attribute("aria-expanded") != "true":
            self.presses(f"#{name} button.label-wrap")

    def reads(self, css: str) -> str:
        return str(self.waits(lambda: self.all(css) and self.all(css)[0].text))

    def downloads(self, css: str) -> Path:
        """Presses a button that downloads, and gives the whole file."""
        known = set(self.folder.iterdir())
        self.waits(lambda: self.sees(css).is_enabled())
        self.presses(css)
        return Path(self.waits(lambda: self._whole(set(self.folder.iterdir()) - known)))

    @staticmethod
    def _whole(new: set[Path]) -> Path | None:
        """The new file, once Chromium has put it in place of the empty one that holds its name."""
        if len(new) != 1 or any(_unfinished(path) for path in new):
            return None
        (path,) = new
        return path if path.stat().st_size else None

    def sticker(self) -> str:
        """Address of the sticker on view."""
        return str(self.sees("#sticker .stage img").get_attribute("src"))

    def gets_another_sticker(self, than: str) -> Image.Image:
        self.waits(lambda: self.all("#sticker .stage img") and self.sticker() != than)
        return opened(self.sticker())

    def draws(self, *moves: tuple[int, int], by: str = "mouse") -> None:
        """A stroke from the picture's middle by mouse or touch, in px of the screen."""
        from selenium.webdriver.common.actions.action_builder import ActionBuilder
        from selenium.webdriver.common.actions.pointer_input import PointerInput

        actions = ActionBuilder(self.driver, mouse=PointerInput(by, by), duration=20)
        actions.pointer_action.move_to(self.sees("#editor canvas")).pointer_down()
        for move in moves:
            actions.pointer_action.move_by(*move)
        actions.pointer_action.pointer_up()
        actions.perform()

    def types_on_picture(self, *keys: str) -> None:
        self.driver.execute_script("arguments[0].focus()", self.sees("#editor canvas"))
        self.driver.switch_to.active_element.send_keys(*keys)


def opened(address: str) -> Image.Image:
    return Image.open(io.BytesIO(httpx.get(address).raise_for_status().content))


def solid(sticker: Image.Image) -> int:
    """How many pixels are the red of the subject."""
    rgba = np.asarray(sticker.convert("RGBA")).astype(int)
    return int(((rgba[..., 3] > 128) & (rgba[..., 0] > 180) & (rgba[..., 1] < 120)).sum())


@pytest.fixture(scope="module")
def visitor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    driver = shutil.which("chromedriver")
    if not driver:
        pytest.skip("chromedriver is not on the PATH")
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--window-size=1240,1400", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", *CAMERA):
        options.add_argument(argument)
    folder = tmp_path_factory.mktemp("downloads")
    options.add_experimental_option("prefs", {"download.default_directory": str(folder)})
    found = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield Visitor(found, folder)
    found.quit()


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "red.png"
    path.write_bytes(encoded(scene()))
    return path


@pytest.fixture
def blank(tmp_path: Path) -> Path:
    path = tmp_path / "blank.png"
    path.write_bytes(encoded(scene(subject=False)))
    return path


# --- one sticker


def test_a_picture_becomes_a_sticker_that_is_downloaded_as_it_is_seen(visitor: Visitor, page: str, picture: Path) -> None:
    visitor.opens(page)
    visitor.brings(picture)
    assert "512 x 512" in visitor.reads("#sticker .told")
    address = visitor.sticker()
    assert address.startswith(page)
    seen = httpx.get(address).content
    assert seen[8:12] == b"WEBP"
    file = visitor.downloads("#download")
    assert (file.name, file.read_bytes()) == ("red-whatsapp.webp", seen)
    visitor.presses("#sticker summary")
    assert "version 7" in visitor.reads("#sticker .told")


def test_a_picture_may_be_pasted(visitor: Visitor, page: str) -> None:
    visitor.opens(page)
    script = """
        const bytes = Uint8Array.from(atob(arguments[0]), character => character.charCodeAt(0));
        const carried = new DataTransfer();
        carried.items.add(new File([bytes], 'pasted.png', {type: 'image/png'}));
        document.body.dispatchEvent(new ClipboardEvent('paste', {clipboardData: carried, bubbles: true}));"""
    visitor.driver.execute_script(script, base64.b64encode(encoded(scene())).decode())
    assert "pasted.png" in visitor.sees("#cards li.done").text


def test_a_picture_may_be_photographed(visitor: Visitor, page: str) -> None:
    visitor.opens(page)
    visitor.chooses_tab("Camera")
    visitor.waits(lambda: [button for button in visitor.all("#camera button") if "Webcam" in button.text])[0].click()
    visitor.waits(lambda: visitor.driver.execute_script("return document.querySelector('#camera video')?.videoWidth"))
    visitor.sees("#camera [aria-label='capture photo']").click()
    visitor.sees("#cards li.done, #cards li.failed")  # whether something red is on it is no matter here
    assert visitor.waits(lambda: visitor.sees("#editor canvas").get_attribute("data-card"))


@pytest.mark.parametrize(("platform", "tag", "suffix"), [("signal", "img", ".png"), ("telegram", "video", ".webm"), ("svg", "img", ".svg")])
def test_a_moving_picture_is_shown_as_each_platform_takes_it(visitor: Visitor, page: str, tmp_path: Path, platform: str, tag: str, suffix: str) -> None:
    frames = [Image.fromarray(scene(200 + 2 * step, 150).copy()[:, :200]) for step in range(4)]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:], duration=100, loop=0)
    visitor.opens(page)
    visitor.presses(f"#platform input[value={platform}]")
    visitor.brings(tmp_path / "moving.gif")
    shown = visitor.sees(f"#sticker .stage {tag}")
    assert str(shown.get_attribute("src")).endswith(f"-{platform}{suffix}")
    visitor.waits(lambda: visitor.driver.execute_script("return arguments[0].naturalWidth || arguments[0].videoWidth", shown))


def test_caption_font_and_colours_are_seen_at_once(visitor: Visitor, page: str, picture: Path) -> None:
    visitor.opens(page)
    visitor.brings(picture)
    plain = visitor.sticker()
    alone = solid(opened(plain))
    visitor.sees("#caption textarea, #caption input").send_keys("Hi")
    captioned = visitor.gets_another_sticker(plain)
    assert solid(captioned) < 0.9 * alone  # the caption takes its room
    visitor.unfolds("look")
    for css in ("#font input[value=bangers]", "#caption_at input[value=top]", "#shadow input"):
        before = visitor.sticker()
        visitor.presses(css)
        visitor.gets_another_sticker(before)
    before = visitor.sticker()
    field = visitor.sees("#background input[type=color]")
    visitor.driver.execute_script("arguments[0].value = '#00ff00'; arguments[0].dispatchEvent(new Event('input', {bubbles: true}))", field)
    green = np.asarray(visitor.gets_another_sticker(before).convert("RGBA"))[4, 4]
    assert green[1] > 200 > 60 > green[0]
    assert green[3] == 255


def test_each_font_is_shown_in_its_own_face(visitor: Visitor, page: str) -> None:
    visitor.opens(page)
    visitor.unfolds("look")
    visitor.sees("#font label")
    script = "return [...document.querySelectorAll('#font label span')].map(span => getComputedStyle(span).fontFamily)"
    faces = visitor.driver.execute_script(script)
    assert len(set(faces)) == len(faces) == 11
    loaded = "return document.fonts.ready.then(() => [...document.fonts].filter(face => face.status === 'loaded').length)"
    visitor.waits(lambda: visitor.driver.execute_script(loaded) == 11)


def test_where_nothing_is_found_the_page_says_so_and_offers_what_may_stand_in(visitor: Visitor, page: str, blank: Path) -> None:
    visitor.opens(page)
    visitor.brings(blank)
    assert "crop the picture closer" in visitor.reads("#sticker .problem")
    visitor.presses("[data-with=whole]")
    visitor.waits(lambda: visitor.all("#sticker .done"))
    visitor.presses("#sticker summary")
    assert "the whole picture became the sticker" in visitor.reads("#sticker .told")


def test_where_nothing_is_found_what_the_brush_restores_becomes_the_sticker(visitor: Visitor, page: str, blank: Path) -> None:
    visitor.opens(page)
    visitor.brings(blank)
    visitor.waits(lambda: visitor.sees("#editor canvas").size["width"] > 100)
    visitor.presses("[name=tool][value=restore]")
    visitor.draws((60, 0), (0, 40))
    visitor.presses("[data-do=apply]")
    visitor.waits(lambda: visitor.all("#sticker .done"))
    assert opened(visitor.sticker()).getchannel("A").getextrema() == (0, 255)


def test_a_caption_is_for_one_picture_and_the_rest_of_the_look_for_the_next_too(visitor: Visitor, page: str, picture: Path) -> None:
    visitor.opens(page)
    visitor.presses("#platform input[value=telegram]")
    caption = visitor.sees("#caption textarea, #caption input")
    caption.send_keys("Hi")
    visitor.brings(picture)
    visitor.brings(picture, picture)
    visitor.waits(lambda: caption.get_attribute("value") == "")
    assert "-telegram.webp" in visitor.sticker()
    visitor.presses("#cards li:first-child [data-do=choose]")
    visitor.waits(lambda: caption.get_attribute("value") == "Hi")


def test_what_is_no_picture_fails_alone(visitor: Visitor, page: str, picture: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    visitor.opens(page)
    visitor.brings(tmp_path / "broken.png", picture)
    assert [card.get_attribute("class") for card in visitor.all("#cards li")] == ["failed", "done"]
    assert "Expected" in visitor.reads("#sticker .problem")
    visitor.presses("#cards li.done [data-do=choose]")
    visitor.waits(lambda: visitor.all("#sticker .done"))
    visitor.presses("#cards li.failed [data-do=remove]")
    visitor.waits(lambda: len(visitor.all("#cards li")) == 1)


def test_a_tap_chooses_the_subject(visitor: Visitor, page: str, picture: Path) -> None:
    visitor.opens(page)
    visitor.brings(picture)
    visitor.waits(lambda: visitor.sees("#editor canvas").size["width"] > 100)
    visitor.types_on_picture(*[RIGHT] * 18, " ")  # to the grey, and a tap
    assert "at that point" in visitor.reads("#sticker .problem")
    visitor.presses("[data-do=everything]")
    visitor.waits(lambda: visitor.all("#sticker .done"))


# --- the mask editor


@pytest.mark.parametrize("by", ["mouse", "touch", "keyboard"])
def test_a_stroke_erases_what_it_goes_over_and_is_taken_back(visitor: Visitor, page: str, picture: Path, by: str) -> None:
    visitor.opens(page)
    visitor.brings(picture)
    visitor.waits(lambda: visitor.sees("#editor canvas").size["width"] > 100)
    whole = visitor.sticker()
    red = solid(opened(whole))
    if by == "keyboard":
        visitor.types_on_picture("e", "]", "]", LEFT, " ")
    else:
        visitor.presses("[name=tool][value=erase]")
        visitor.draws((-40, 0), (-120, 0), by=by)
    visitor.presses("[data-do=apply]")
    assert red - solid(visitor.gets_another_sticker(whole)) > 2000
    before = visitor.sticker()
    if by == "keyboard":
        visitor.types_on_picture(CONTROL + "z")
    else:
        visitor.presses("[data-do=undo]")
    visitor.presses("[data-do=apply]")
    assert solid(visitor.gets_another_sticker(before)) == red


@pytest.mark.parametrize("consent", [False, True])
def test_a_correction_arrives_and_the_picture_only_with_consent(visitor: Visitor, page: str, home: Path, picture: Path, consent: bool) -> None:
    store = ObjectStore((home / "store").as_uri())
    known = set(store.keys("feedback"))
    visitor.opens(page)
    visitor.brings(picture)
    visitor.waits(lambda: visitor.sees("#editor canvas").size["width"] > 100)
    before = visitor.sticker()
    visitor.presses("[name=tool][value=erase]")
    visitor.draws((-30, 0), (-200, 0))
    visitor.presses("[data-do=apply]")
    visitor.gets_another_sticker(before)
    visitor.unfolds("correction")
    if consent:
        visitor.presses("#consent input")
        visitor.waits(lambda: "and my picture" in visitor.reads("#send"))
    visitor.presses("#send")
    assert ("not your picture" in visitor.reads("#sent .told")) is not consent
    kept = {key.rpartition("/")[2]: store.get(key) for key in set(store.keys("feedback")) - known}
    assert sorted(kept) == ["feedback.json", "mask.png", *(["picture.jpg"] if consent else [])]
    assert json.loads(kept["feedback.json"])["verdict"] == "corrected"
    mask = np.asarray(Image.open(io.BytesIO(kept["mask.png"])))
    assert mask.shape == (200, 300)
    assert (mask[100, 90], mask[60, 120]) == (0, 255)  # under the stroke, and beside it


# --- packs and history


def test_chosen_stickers_become_a_pack_that_complies(visitor: Visitor, page: str, tmp_path: Path) -> None:
    pictures = [tmp_path / f"{number}.png" for number in range(4)]
    for number, path in enumerate(pictures):
        path.write_bytes(encoded(scene(300 + 10 * number, 200)))
    visitor.opens(page)
    visitor.brings(*pictures)
    visitor.unfolds("pack")
    visitor.waits(lambda: len(visitor.all("#pack_list li")) == 4)
    visitor.presses("#pack_list li:nth-child(2) [type=checkbox]")
    emoji = visitor.sees("#pack_list li:nth-child(1) .emoji")
    visitor.driver.execute_script("arguments[0].value = '🦊'; arguments[0].dispatchEvent(new Event('change', {bubbles: true}))", emoji)
    visitor.presses("#build")
    assert "WhatsApp: keeps all its rules" in visitor.reads("#packed .told")
    data = visitor.downloads("#pack_file").read_bytes()
    assert pack_check.problems(data, "whatsapp") == []
    (pack,) = json.loads(pack_check.unzipped(data)["contents.json"])["sticker_packs"]
    assert [len(pack["stickers"]), pack["stickers"][0]["emojis"]] == [3, ["🦊"]]


def test_the_history_lasts_in_this_browser_until_it_is_forgotten_here_and_at_the_service(visitor: Visitor, page: str, service: str, picture: Path) -> None:
    visitor.opens(page)
    visitor.brings(picture)
    visitor.opens(page)
    visitor.unfolds("history")
    addresses = [image.get_attribute("src") for image in visitor.waits(lambda: visitor.all("#remembered img"))]
    assert opened(addresses[0]).size == (512, 512)
    visitor.presses("#forget")
    visitor.waits(lambda: not visitor.all("#remembered img"))
    sticker_id = addresses[0].rpartition("/")[2]
    visitor.waits(lambda: httpx.get(f"{service}/stickers/{sticker_id}").status_code == 404)
    assert httpx.get(addresses[0]).status_code == 404


def test_a_changed_sticker_takes_the_place_of_the_former_unless_that_was_downloaded(service: str, picture: Path, tmp_path: Path) -> None:
    desk = Desk(StickerClient(service), tmp_path / "desks")
    card_id = desk.add("red.png", picture.read_bytes(), LOOK)
    history: list[str] = []
    for caption, saved in (("one", False), ("two", True), ("three", False)):
        desk.make(card_id, look={**LOOK, "caption": caption})
        history = remembered(history, desk)
        desk.change(card_id, saved=saved)
    assert len(history) == 2
    assert [desk.client.record(one)["options"]["caption"] for one in history] == ["two", "three"]
    desk.clear()
    assert list((tmp_path / "desks").iterdir()) == []


def test_each_visitor_has_a_desk_of_their_own(tmp_path: Path) -> None:
    first = Desk(StickerClient("http://127.0.0.1:9"), tmp_path / "desks")
    first.add("red.png", b"a picture", LOOK)
    other = copy.deepcopy(first)
    other.add("blue.png", b"another", LOOK)
    assert ([card.name for card in first.cards.values()], [card.name for card in other.cards.values()]) == (["red.png"], ["blue.png"])
    first.clear()
    assert [path.read_bytes() for path in (tmp_path / "desks").rglob("picture")] == [b"another"]


# --- in words


def test_without_a_key_text_to_sticker_says_what_to_set(visitor: Visitor, page: str) -> None:
    visitor.opens(page)
    visitor.chooses_tab("Describe")
    visitor.sees("#prompt textarea, #prompt input").send_keys("a red kite")
    visitor.presses("#draw")
    assert "STICKER_STABILITY_KEY" in visitor.reads("#drawn .problem")


def test_a_description_becomes_a_picture_that_is_written_on_like_any_other(tmp_path: Path) -> None:
    fill_cache(tmp_path / "var")
    with serving(StabilityServer) as provider:
        settings = {"STABILITY_KEY": KEY, "STABILITY_URL": provider.url, "FETCH_ALLOW": provider.host}
        with running(tmp_path / "var", **{f"STICKER_{name}": value for name, value in settings.items()}) as (url, _):
            desk = Desk(StickerClient(url), tmp_path / "desks")
            desk.make(desk.draw("a red balloon", preset="cartoon", look={**LOOK, "caption": "up"}))
            assert desk.card
            assert (desk.card.state, desk.card.name, desk.card.answer and desk.card.answer.cut) == ("done", "a red balloon.png", "alpha")
            provider.next(StabilityServer.error(402, "payment_required", "no credits"))
            with pytest.raises(Unavailable, match="credit"):
                desk.draw("a red kite", preset="cartoon", look=LOOK)


def test_a_service_that_is_away_is_told(tmp_path: Path, free_port: int, picture: Path) -> None:
    desk = Desk(StickerClient(f"http://127.0.0.1:{free_port}"), tmp_path / "desks")
    desk.make(desk.add("red.png", picture.read_bytes(), LOOK))
    assert "is it running?" in told.sticker(desk.card)
    with pytest.raises(InputError, match="erase or restore something"):
        desk.correct(desk.chosen, consent=False)
    with pytest.raises(InputError, match="choose some of each"):
        desk.pack(["whatsapp"], title="t", author="a")


def test_what_the_service_or_a_file_name_says_cannot_break_the_page(tmp_path: Path) -> None:
    desk = Desk(StickerClient("http://127.0.0.1:9"), tmp_path / "desks")
    desk.add("<script>alert(1)</script>.png", b"", LOOK)
    assert "<script>" not in told.cards(desk) + told.problem("<script>alert(1)</script>")
    desk.remove("../../..")
    assert len(desk.cards) == 1


# --- the page as a page


def test_nothing_comes_from_elsewhere_and_no_call_fails(visitor: Visitor, page: str, picture: Path) -> None:
    visitor.opens(page)
    visitor.brings(picture)
    visitor.unfolds("look")
    loaded = visitor.driver.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert len(loaded) > 10
    assert [address for address in loaded if not address.startswith((page, "data:", "blob:"))] == []


def test_on_a_phone_nothing_is_wider_than_the_screen(visitor: Visitor, page: str, picture: Path, blank: Path) -> None:
    visitor.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True})
    try:
        visitor.opens(page)
        visitor.brings(*[picture] * 5, blank)
        for name in ("look", "pack", "history"):
            visitor.unfolds(name)
        visitor.sees("#font label")
        visitor.presses("[name=tool][value=erase]")
        wide, screen = visitor.driver.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
        assert (wide, screen) == (390, 390)
    finally:
        visitor.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_every_field_and_button_has_a_name_for_screen_readers(visitor: Visitor, page: str, picture: Path) -> None:
    visitor.opens(page)
    visitor.brings(picture)
    for name in ("look", "pack"):
        visitor.unfolds(name)
    visitor.sees("#pack_list li")
    script = """
        const named = field => field.ariaLabel || field.title || field.textContent.trim() || field.labels?.[0]?.textContent.trim();
        return [...document.querySelectorAll('#bench button, #bench input:not([type=file]), #bench textarea, #pack input, #pack button, canvas')]
          .filter(field => field.checkVisibility() && !named(field)).map(field => field.outerHTML.slice(0, 200))"""
    assert visitor.driver.execute_script(script) == []
    assert [image.get_attribute("outerHTML") for image in visitor.all("img:not([alt])")] == []
