"""Harvest and validation end to end: own folders, lists of addresses, and the demo board in a real browser."""

import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn
from PIL import Image

from scraping import browser, harvest, sources, suite, validate
from scraping.demo_board import app as demo_board
from scraping.demo_board import content
from sticker_studio import images, manifests, params
from sticker_studio.errors import FetchFailed, FetchRefused, InputError, NotEnoughData, Unavailable
from sticker_studio.settings import Settings
from sticker_studio.store import ObjectStore

ROOT = Path(__file__).parents[1]
PARAMS = params.load(ROOT / "params.yaml")
DAY1, DAY2 = "20261120T000000", "20261121T000000"
needs_browser = pytest.mark.skipif(not browser.binaries(), reason="no browser: chromium and chromedriver are not on the PATH")


def drawn(seed: int, width: int = 320, height: int = 200) -> Image.Image:
    """A picture unlike those of other seeds: a coarse random pattern, enlarged."""
    cells = np.random.default_rng(seed).integers(0, 255, (5, 8, 3), dtype=np.uint8)
    return Image.fromarray(cells).resize((width, height), Image.Resampling.BICUBIC)


def folder_of(path: Path, count: int, start: int = 0) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    for n in range(start, start + count):
        drawn(n).save(path / f"picture_{n:03}.jpg", quality=90)
    return path


def settings(tmp_path: Path, **changes: Any) -> Settings:
    return Settings(home=tmp_path / "home", params=ROOT / "params.yaml", **changes)


def bring(batch: str, source: str, where: Settings, *, style: Any = "normal", limit: int = 100, again: bool = False) -> dict[str, Any]:
    return harvest.run(harvest.Request(batch, source, style, limit), settings=where, params=PARAMS.scraping, again=again)


def judge(batch: str, where: Settings, **changes: Any) -> dict[str, Any]:
    return validate.run(batch, settings=where, params=PARAMS.model_copy(update={"validation": PARAMS.validation.model_copy(update=changes)}))


def kept(where: Settings, batch: str) -> list[manifests.PinRecord]:
    return harvest.read_manifest(ObjectStore(where.store_url), f"batches/{batch}/pins.parquet")


def verb(where: Settings, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Run a verb as Airflow does; its exit code and result."""
    environ = os.environ | {"STICKER_HOME": str(where.home), "STICKER_PARAMS": str(where.params), "STICKER_BOARD_PORT": str(where.board_port)}
    done = subprocess.run([sys.executable, "-m", "scraping", *arguments], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=120)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, json.loads(done.stdout.splitlines()[-1]) if done.stdout else {"stderr": done.stderr}


@contextmanager
def board(tmp_path: Path, **numbers: int) -> Iterator[int]:
    """The demo board in a thread; its port."""
    listening = socket.create_server(("127.0.0.1", 0))
    application = demo_board.build({"anime": numbers.get("anime", 12), "normal": numbers.get("normal", 12)}, seed=3, cache=tmp_path / "board")
    server = uvicorn.Server(uvicorn.Config(application, log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield int(listening.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(10)
        listening.close()


@pytest.fixture(scope="module")
def page() -> Iterator[browser.BoardPage]:
    with browser.opened() as opened:
        yield opened


# --- own pictures


def test_a_folder_becomes_a_validated_batch_and_again_the_same(tmp_path: Path) -> None:
    where, pictures = settings(tmp_path), folder_of(tmp_path / "mine", 12)
    shutil.copy(pictures / "picture_000.jpg", pictures / "same.jpg")
    drawn(1).resize((200, 125)).save(pictures / "smaller.png")
    (pictures / "torn.jpg").write_bytes((pictures / "picture_002.jpg").read_bytes()[:900])
    drawn(90, 80, 60).save(pictures / "tiny.png")
    drawn(91).save(pictures / "some_nsfw_thing.jpg")
    first = bring(DAY1, f"folder:{pictures}", where)
    assert {name: first[name] for name in ("found", "kept", "duplicates", "failed", "failures")} == {
        "found": 17, "kept": 14, "duplicates": 2, "failed": 1, "failures": {"broken picture": 1},
    }  # fmt: skip
    result = judge(DAY1, where)
    assert (result["verdict"], result["found"], result["kept"], result["quarantined"], result["duplicates"], result["failed"]) == ("pass", 17, 12, 2, 2, 1)
    before = manifests.content_hash(kept(where, DAY1))
    for again in (False, True):
        assert bring(DAY1, f"folder:{pictures}", where, again=again) == first
        assert judge(DAY1, where) == result
        assert manifests.content_hash(kept(where, DAY1)) == before
    index = harvest.read_manifest(ObjectStore(where.store_url), harvest.INDEX)
    assert manifests.content_hash(index) == before


def test_the_quarantine_says_why_and_a_judged_picture_does_not_come_again(tmp_path: Path) -> None:
    where, pictures = settings(tmp_path), folder_of(tmp_path / "mine", 8)
    drawn(90, 80, 60).save(pictures / "tiny.png")
    drawn(91, 900, 120).save(pictures / "wide NSFW.png")
    bring(DAY1, f"folder:{pictures}", where)
    assert judge(DAY1, where)["quarantined"] == 2
    reasons = {pin.alt: pin.reason for pin in harvest.read_quarantine(ObjectStore(where.store_url), f"batches/{DAY1}/quarantine.parquet")}
    assert reasons["tiny"] == "width outside 96..12000 px: 80; height outside 96..12000 px: 60"
    assert reasons["wide NSFW"] == "long side over 4 short sides: 7.5; unsuitable: blocked term in the text: nsfw"
    folder_of(pictures, 9, start=20)
    assert bring(DAY2, f"folder:{pictures}", where) | {"board": "", "manifest": ""} == {
        "batch": DAY2, "board": "", "style": "normal", "found": 19, "kept": 9, "duplicates": 10, "failed": 0, "failures": {}, "manifest": "",
    }  # fmt: skip
    assert judge(DAY2, where)["quarantined"] == 0
    assert not {pin.id for pin in kept(where, DAY1)} & {pin.id for pin in kept(where, DAY2)}


def test_the_data_docs_are_local_pages_and_are_not_piled_up(tmp_path: Path) -> None:
    where = settings(tmp_path)
    bring(DAY1, f"folder:{folder_of(tmp_path / 'mine', 9)}", where)
    pages = []
    for _ in range(2):
        docs = judge(DAY1, where)["docs"]
        store = ObjectStore(where.store_url)
        pages.append([key for key in store.keys(f"batches/{DAY1}/docs/pins") if "/validations/" in key])
        assert b"<html" in store.get(docs)
    assert [len(found) for found in pages] == [1, 1]
    assert b"Expectation" in store.get(pages[1][0])


def test_a_picture_on_two_boards_is_kept_once_and_counted(tmp_path: Path) -> None:
    where, mine = settings(tmp_path), folder_of(tmp_path / "mine", 10)
    other = folder_of(tmp_path / "other", 3, start=50)
    drawn(4).resize((160, 100)).save(other / "copy.jpg")
    bring(DAY1, f"folder:{mine}", where)
    bring(DAY1, f"folder:{other}", where, style="anime")
    result = judge(DAY1, where)
    assert (result["found"], result["kept"], result["duplicates"]) == (14, 13, 1)
    assert {pin.style for pin in kept(where, DAY1)} == {"anime", "normal"}


def test_a_stored_picture_that_changed_or_vanished_is_quarantined(tmp_path: Path) -> None:
    where = settings(tmp_path)
    first = bring(DAY1, f"folder:{folder_of(tmp_path / 'mine', 10)}", where)
    store = ObjectStore(where.store_url)
    pins = harvest.read_manifest(store, first["manifest"])
    store.put(pins[0].store_key, b"something else")
    store.delete(pins[1].store_key)
    assert judge(DAY1, where)["quarantined"] == 2
    reasons = {pin.id: pin.reason for pin in harvest.read_quarantine(store, f"batches/{DAY1}/quarantine.parquet")}
    assert reasons[pins[0].id].startswith("stored picture: changed under")
    assert reasons[pins[1].id].startswith("stored picture: missing under")
    assert bring(DAY1, first["board"], where)["kept"] == 10  # a harvest whose pictures are not all there is made again
    assert judge(DAY1, where)["quarantined"] == 0


def test_a_batch_with_too_much_quarantine_stops_and_enters_no_index(tmp_path: Path) -> None:
    where, pictures = settings(tmp_path), folder_of(tmp_path / "mine", 4)
    for n in range(9):
        drawn(60 + n, 90, 60).save(pictures / f"tiny{n}.png")
    bring(DAY1, f"folder:{pictures}", where, style="anime")
    code, result = verb(where, "validate-pins", "--batch", DAY1)
    assert (code, result["verdict"], result["kept"], result["quarantined"]) == (2, "stop", 4, 9)
    assert [reason.split(",")[0] for reason in result["reasons"]] == ["expected at least 8 pins", "expected at most 50% in quarantine"]
    assert not kept(where, DAY1)
    assert not ObjectStore(where.store_url).exists(harvest.INDEX)


def test_a_day_without_new_pins_is_skipped_with_its_reason(tmp_path: Path) -> None:
    where, pictures = settings(tmp_path), folder_of(tmp_path / "mine", 9)
    bring(DAY1, f"folder:{pictures}", where)
    judge(DAY1, where)
    bring(DAY2, f"folder:{pictures}", where)
    with pytest.raises(NotEnoughData, match="0 new pins"):
        judge(DAY2, where)
    code, result = verb(where, "validate-pins", "--batch", "20261122T000000")
    assert (code, "python -m scraping harvest" in result["skipped"]) == (99, True)


def test_the_limit_counts_new_pins_so_known_ones_do_not_use_it_up(tmp_path: Path) -> None:
    where, pictures = settings(tmp_path), folder_of(tmp_path / "mine", 20)
    bring(DAY1, f"folder:{pictures}", where, limit=9)
    judge(DAY1, where)
    second = bring(DAY2, f"folder:{pictures}", where, limit=9)
    assert (second["found"], second["kept"], second["duplicates"]) == (18, 9, 9)


def test_every_expectation_of_the_suite_can_fail() -> None:
    good = {
        "id": "a" * 64,
        "width": 300,
        "height": 200,
        "aspect": 1.5,
        "mime": "image/png",
        "style": "anime",
        "fault": None,
        "unsafe": None,
        "board": "",
        "alt": "",
    }
    wrong = [
        {"id": "no hash"}, {"fault": "torn"}, {"width": 10}, {"height": 13000}, {"aspect": 9.0}, {"mime": "image/svg+xml"}, {"style": "cubist"},
        {"unsafe": "blocked term in the text: gore"},
    ]  # fmt: skip
    rows = [good, *({**good, "id": f"{n:064x}"} | change for n, change in enumerate(wrong)), {**good, "id": "b" * 64}, {**good, "id": "b" * 64}]
    faults = suite.judge(rows, PARAMS.validation, batch=DAY1).faults
    assert good["id"] not in faults
    assert len(faults) == len(wrong) + 1
    assert len({reason.split(":")[0] for reasons in faults.values() for reason in reasons}) == len(suite.expectations(PARAMS.validation))


# --- verbs


def test_boards_are_those_of_the_parameters_or_of_the_option(tmp_path: Path) -> None:
    where = settings(tmp_path)
    assert verb(where, "boards")[1] == {"boards": [board.model_dump() for board in PARAMS.scraping.boards]}
    chosen = [{"source": "folder:/x", "style": "normal", "limit": 7}]
    assert verb(where, "boards", "--boards", json.dumps(chosen))[1] == {"boards": chosen}
    code, result = verb(where, "boards", "--boards", '[{"source": "x", "style": "cubist"}]')
    assert (code, "cubist" in result["stderr"]) == (2, True)


# --- the demo board


def test_the_demo_board_is_the_same_each_time_and_has_its_unfit_pins() -> None:
    first, again, other = (content.pins("normal", 150, seed) for seed in (1, 1, 2))
    assert first == again
    assert {pin.id for pin in first}.isdisjoint(pin.id for pin in other)
    assert len(first) == 150 + 2 * len(content.UNFIT)
    assert sum(pin.kind == "photo" for pin in first) == len(content.photographs())
    assert {pin.kind for pin in first[:100]} == {"photo", "scene", *content.UNFIT}
    small = content.pins("anime", 12, 1)
    assert [kind for kind in content.UNFIT if kind not in {pin.kind for pin in small}] == []
    assert all(next(i for i, pin in enumerate(small) if pin.id == copy.of) < small.index(copy) for copy in small if copy.of)


def test_a_list_of_addresses_is_fetched_and_private_ones_only_when_allowed(tmp_path: Path) -> None:
    with board(tmp_path) as port:
        photo = next(pin for pin in content.pins("normal", 12, 3) if pin.kind == "photo")
        dead = next(pin for pin in content.pins("normal", 12, 3) if pin.kind == "dead")
        lines = [f"http://127.0.0.1:{port}/474x/aa/bb/{pin.id}.jpg {pin.alt}" for pin in (photo, dead)]
        (tmp_path / "list.txt").write_text("\n".join(lines))
        refused = settings(tmp_path)
        with pytest.raises(FetchRefused, match="STICKER_FETCH_ALLOW"):
            bring(DAY1, f"board:http://127.0.0.1:{port}/anime", refused)
        assert bring(DAY1, f"urls:{tmp_path / 'list.txt'}", refused)["failures"] == {"refused": 2}
        result = bring(DAY2, f"urls:{tmp_path / 'list.txt'}", settings(tmp_path, fetch_allow=f"127.0.0.1:{port}"))
    assert (result["kept"], result["failures"]) == (1, {"dead link": 1})
    (pin,) = harvest.read_manifest(ObjectStore(refused.store_url), result["manifest"])
    assert (pin.alt, pin.width, pin.height, "/originals/" in pin.image_url) == (photo.alt, photo.width, photo.height, True)


@needs_browser
def test_a_second_day_on_the_board_brings_only_new_pins(tmp_path: Path) -> None:
    with board(tmp_path) as port:
        where = settings(tmp_path, board_port=port)
        first = bring(DAY1, "demo:anime", where, style="anime", limit=9)
        assert first["kept"] == 9
        result = judge(DAY1, where, min_pins=6)
        assert result["verdict"] == "pass"
        before = manifests.content_hash(kept(where, DAY1))
        code, second = verb(where, "harvest", "--batch", DAY2, "--source", "demo:anime", "--style", "anime")
        assert (code, second["found"], second["failures"]) == (0, 19, {"broken picture": 1, "dead link": 1})
        assert second["kept"] == 14 - 9  # 12 different pins, a small one, an unsuitable one
        day2 = judge(DAY2, where, min_pins=1)
        assert (day2["kept"] + result["kept"], day2["quarantined"] + result["quarantined"]) == (12, 2)
        assert bring(DAY1, "demo:anime", where, style="anime", limit=9, again=True) == first
        assert judge(DAY1, where, min_pins=6) == result
    assert manifests.content_hash(kept(where, DAY1)) == before
    assert not {pin.id for pin in kept(where, DAY1)} & {pin.id for pin in kept(where, DAY2)}
    store = ObjectStore(where.store_url)
    for pin in kept(where, DAY1):
        assert images.decode_rgb(store.get(pin.store_key)).shape == (pin.height, pin.width, 3)
        assert pin.page_url.startswith(f"http://127.0.0.1:{port}/pin/")


@needs_browser
def test_in_a_small_window_rows_leave_the_page_and_every_pin_is_found_all_the_same(tmp_path: Path, page: browser.BoardPage) -> None:
    with board(tmp_path, anime=30) as port:
        page._driver.set_window_size(560, 600)
        walk = sources.browse(page, f"http://127.0.0.1:{port}/anime?consent=1", PARAMS.scraping, settle_s=15.0)
        found = list(itertools.islice(walk, 30 + len(content.UNFIT)))
        still_there = {link["href"] for link in page.links()}
        assert page.decline_consent() == ""  # the first scroll has declined it
    assert [pin.page_url.split("/")[-2] for pin in found][:1] == [content.pins("anime", 30, 3)[0].id]
    assert {pin.page_url.split("/")[-2] for pin in found} == {pin.id for pin in content.pins("anime", 30, 3)}
    assert f"/pin/{content.pins('anime', 30, 3)[0].id}/" not in still_there


@needs_browser
def test_a_harvest_that_is_ended_leaves_no_browser_behind(tmp_path: Path) -> None:
    # Not below tmp_path: Chromium keeps a socket there, whose path may have 107 characters.
    with tempfile.TemporaryDirectory(prefix="sticker") as folder, board(tmp_path) as port:
        profiles = Path(folder)
        environ = os.environ | {"STICKER_HOME": str(tmp_path / "home"), "STICKER_BOARD_PORT": str(port), "TMPDIR": str(profiles)}
        words = ["harvest", "--batch", DAY1, "--source", "demo:normal", "--style", "normal"]
        running = subprocess.Popen([sys.executable, "-m", "scraping", *words], cwd=ROOT, env=environ, stderr=subprocess.DEVNULL)
        wait_until(lambda: (tmp_path / "home/store/pins").exists() or running.poll() is not None)
        assert processes_naming(profiles)
        running.terminate()
        assert running.wait(60) == 128 + signal.SIGTERM
        wait_until(lambda: not processes_naming(profiles))
        assert list(profiles.glob("sticker-browser-*")) == []


def wait_until(true: Callable[[], object], limit_s: float = 120) -> None:
    ends = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < ends, f"not within {limit_s} s"
        time.sleep(0.05)


def processes_naming(text: object) -> list[str]:
    """Ids of the processes with `text` in their command line."""
    return [entry.parent.name for entry in Path("/proc").glob("[0-9]*/cmdline") if str(text).encode() in read_or_empty(entry)]


def read_or_empty(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # the process has just ended
        return b""


@needs_browser
def test_a_page_that_is_no_board_is_an_error_that_names_it(tmp_path: Path, page: browser.BoardPage) -> None:
    with board(tmp_path) as port, pytest.raises(FetchFailed, match="found none"):
        list(sources.browse(page, f"http://127.0.0.1:{port}/", PARAMS.scraping, idle_scrolls=1, settle_s=0, step_s=0))


def test_without_a_browser_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("SE_MANAGER_PATH", str(tmp_path / "missing"))
    with pytest.raises(Unavailable, match="install chromium and chromium-driver"), browser.opened():
        pass


def test_an_unknown_board_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="demo:anime"):
        bring(DAY1, "cats", settings(tmp_path))
