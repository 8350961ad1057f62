"""The harvest's small parts: page parsing, board spellings, scrolling, robots.txt, pace, term rules, hashes, duplicates, EXIF."""

import hashlib
import io
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scraping import dedupe, pictures, sources
from scraping.pace import Pace
from scraping.parsing import FoundPin, candidates, largest_of_srcset, pin_address, pins_from_links
from scraping.robots import Robots
from sticker_studio import fetch, params, safety
from sticker_studio.errors import FetchFailed, InputError, UndecodableImage
from sticker_studio.settings import Settings

LIMITS = params.load(Path(__file__).parents[1] / "params.yaml").scraping
SITE = "https://www.pinterest.com/search/pins/?q=ghibli"


# --- what a page says


def link(n: int, **changes: str) -> dict[str, str]:
    host = "https://i.pinimg.com"
    return {
        "href": f"/pin/{n}/",
        "src": f"{host}/236x/aa/{n}.jpg",
        "srcset": f"{host}/236x/aa/{n}.jpg 1x, {host}/474x/aa/{n}.jpg 2x, {host}/originals/aa/{n}.png 4x",
        "alt": f" A   cat {n}\n",
    } | changes


def test_a_pin_is_known_by_its_link_and_asked_for_in_its_largest_size() -> None:
    (pin,) = pins_from_links([link(7), link(7, alt="again")], SITE)
    assert pin.page_url == "https://www.pinterest.com/pin/7/"
    assert pin.image_urls[0] == "https://i.pinimg.com/originals/aa/7.png"
    assert pin.alt == "A cat 7"


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"href": "/ideas/7/"}, id="no-pin"),
        pytest.param({"href": "/pin/7/repin/"}, id="a-page-below-a-pin"),
        pytest.param({"href": "https://elsewhere.example/pin/7/"}, id="another-site"),
        pytest.param({"src": "", "srcset": ""}, id="not-loaded-yet"),
        pytest.param({"src": "data:image/gif;base64,R0", "srcset": ""}, id="placeholder"),
    ],
)
def test_links_that_are_no_pins_with_pictures_are_left_out(changes: dict[str, str]) -> None:
    assert pins_from_links([link(7, **changes)], SITE) == []


def test_a_pin_address_has_one_form() -> None:
    assert {pin_address(href, SITE) for href in ("/pin/12/", "/pin/12", "/pin/12/?mt=login", "https://www.pinterest.com/pin/12/#x")} == {
        "https://www.pinterest.com/pin/12/"
    }


@pytest.mark.parametrize(
    ("srcset", "largest"),
    [
        pytest.param("/a.jpg 1x, /b.jpg 2x", "/b.jpg", id="density"),
        pytest.param("/b.jpg 800w, /a.jpg 200w", "/b.jpg", id="width"),
        pytest.param("/a,b.jpg 1x, /c,d.jpg 1.5x", "/c,d.jpg", id="commas-in-addresses"),
        pytest.param("/a.jpg", "/a.jpg", id="bare"),
        pytest.param("", "", id="empty"),
    ],
)
def test_the_largest_of_a_srcset(srcset: str, largest: str) -> None:
    assert largest_of_srcset(srcset) == largest


def test_originals_are_tried_first_then_other_extensions_then_smaller_sizes() -> None:
    host = "https://i.pinimg.com"
    assert candidates(f"{host}/236x/aa/bb/c.jpg") == (
        f"{host}/originals/aa/bb/c.jpg", f"{host}/originals/aa/bb/c.png", f"{host}/originals/aa/bb/c.webp",
        f"{host}/736x/aa/bb/c.jpg", f"{host}/474x/aa/bb/c.jpg", f"{host}/236x/aa/bb/c.jpg",
    )  # fmt: skip
    assert candidates("https://example.org/cats/c.jpg") == ("https://example.org/cats/c.jpg",)


# --- how boards are spelled


@pytest.mark.parametrize(
    ("spelling", "kind", "where"),
    [
        pytest.param("demo:anime", "page", "http://127.0.0.1:8123/anime", id="demo"),
        pytest.param("pinterest:ghibli trend", "page", "https://www.pinterest.com/search/pins/?q=ghibli+trend", id="query"),
        pytest.param("pinterest:some.one/my-board", "page", "https://www.pinterest.com/some.one/my-board/", id="board-path"),
        pytest.param("pinterest:https://de.pinterest.com/a/b/", "page", "https://de.pinterest.com/a/b/", id="address"),
        pytest.param("board:http://example.org/b", "page", "http://example.org/b", id="any-board"),
        pytest.param("folder:/some/where: odd", "folder", "/some/where: odd", id="folder-with-a-colon"),
        pytest.param("urls:list.txt", "urls", "list.txt", id="urls"),
    ],
)
def test_a_boards_spelling_says_where_it_is(spelling: str, kind: str, where: str) -> None:
    parsed = sources.parse(spelling, Settings(board_port=8123))
    assert (parsed.kind, parsed.where) == (kind, where)
    assert parsed.allow == (frozenset({"127.0.0.1:8123"}) if spelling.startswith("demo:") else frozenset())


@pytest.mark.parametrize(
    "spelling", ["", "demo", "demo:cats", "pinterest:", "board:ftp://x/", "board:/anime", "flickr:cats", "pinterest:https://example.org/a/b/"]
)
def test_an_unknown_spelling_is_refused_with_what_is_expected(spelling: str) -> None:
    with pytest.raises(InputError, match="expected"):
        sources.parse(spelling, Settings())


def test_slugs_are_readable_and_differ_where_spellings_differ() -> None:
    assert sources.slug("pinterest:Ghibli trend").startswith("pinterest-ghibli-trend-")
    assert len({sources.slug(text) for text in ("urls:a b", "urls:a-b", "urls:A b")}) == 3


def test_a_list_of_addresses_has_comments_alt_texts_and_no_repeats(tmp_path: Path) -> None:
    text = "# mine\nhttps://a.example/1.jpg  A red fox # nice\n\nhttps://a.example/2.jpg\nhttps://a.example/1.jpg other\n"
    assert sources.read_urls(text) == [
        FoundPin("https://a.example/1.jpg", ("https://a.example/1.jpg",), "other"),
        FoundPin("https://a.example/2.jpg", ("https://a.example/2.jpg",)),
    ]


def test_the_masks_of_a_labelled_folder_are_no_pictures(tmp_path: Path) -> None:
    for name in ("images/b.JPG", "images/deep/a.png", "masks/b.png", "images/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert [pin.alt for pin in sources.list_folder(tmp_path)] == ["b", "a"]
    assert len(list(sources.list_folder(tmp_path / "masks"))) == 1


def test_an_empty_or_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found none"):
        sources.list_folder(tmp_path)
    with pytest.raises(InputError, match="existing folder"):
        sources.list_folder(tmp_path / "nowhere")


# --- scrolling


@dataclass
class FakePage:
    """A page that shows three pins at a time and `late` answers before the first."""

    total: int
    late: int = 0
    at: int = 0
    consent: str = ""
    url: str = SITE
    title: str = "a board"
    opened: list[str] = field(default_factory=list)

    def open(self, url: str) -> None:
        self.opened.append(url)

    def links(self) -> list[dict[str, str]]:
        if self.late:
            self.late -= 1
            return []
        return [link(n) for n in range(self.at, min(self.at + 3, self.total))]

    def scroll(self) -> None:
        self.at = min(self.at + 2, max(0, self.total - 3))

    def at_end(self) -> bool:
        return self.at >= self.total - 3

    def decline_consent(self) -> str:
        return self.consent


def test_pins_are_gathered_while_rows_above_leave_the_page() -> None:
    page, cuts = FakePage(20, late=2), []
    found = list(sources.browse(page, SITE, LIMITS, on_cut=cuts.append, settle_s=0.2, step_s=0.2))
    assert [pin.page_url for pin in found] == [f"https://www.pinterest.com/pin/{n}/" for n in range(20)]
    assert cuts == []


@pytest.mark.parametrize(
    ("changes", "cut"), [pytest.param({"max_scrolls": 2}, "max_scrolls", id="scrolls"), pytest.param({"time_limit_s": 1e-9}, "time_limit_s", id="time")]
)
def test_a_board_cut_short_by_a_limit_says_so(changes: dict[str, object], cut: str) -> None:
    cuts: list[str] = []
    walk = sources.browse(FakePage(1000), SITE, LIMITS.model_copy(update=changes), on_cut=cuts.append, settle_s=0, step_s=0)
    if cut == "time_limit_s":
        with pytest.raises(FetchFailed):
            list(walk)
    else:
        assert len(list(walk)) == 7
        assert cuts == [cut]


def test_a_page_without_pins_is_an_error_that_names_its_title() -> None:
    with pytest.raises(FetchFailed, match="Log in"):
        list(sources.browse(FakePage(0, title="Log in"), SITE, LIMITS, settle_s=0, step_s=0))


# --- manners


class FakeClient(fetch.Client):
    """Answers robots.txt from a table of host to text or error."""

    def __init__(self, answers: dict[str, str | FetchFailed]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def fetch(self, url: str, *, max_bytes: int, time_limit_s: float) -> fetch.Fetched:
        self.asked.append(url)
        answer = self.answers[url.split("/")[2]]
        if isinstance(answer, FetchFailed):
            raise answer
        return fetch.Fetched(answer.encode(), "text/plain", url)


def test_robots_txt_is_asked_once_a_host_and_honoured_with_a_way_out() -> None:
    client = FakeClient({"a.example": "User-agent: *\nDisallow: /search\n"})
    robots = Robots(client)
    assert robots.refusal("https://a.example/board/") is None
    assert "STICKER_ROBOTS_OVERRIDE" in str(robots.refusal("https://a.example/search/pins/"))
    assert client.asked == ["https://a.example/robots.txt"]
    assert Robots(client, override=frozenset({"a.example"})).refusal("https://a.example/search/") is None


@pytest.mark.parametrize(("status", "allowed"), [(404, True), (410, True), (401, False), (403, False)])
def test_a_missing_robots_txt_allows_and_a_forbidden_one_refuses(status: int, allowed: bool) -> None:
    robots = Robots(FakeClient({"a.example": FetchFailed("no", status=status)}))
    assert (robots.refusal("https://a.example/x") is None) == allowed


@pytest.mark.parametrize("status", [None, 500, 429])
def test_a_host_that_cannot_be_asked_is_not_fetched_and_not_asked_again(status: int | None) -> None:
    client = FakeClient({"a.example": FetchFailed("down", status=status)})
    robots = Robots(client)
    for _ in range(2):
        with pytest.raises(FetchFailed, match="down"):
            robots.refusal("https://a.example/x")
    assert len(client.asked) == 1


def test_requests_to_one_host_are_spaced_and_to_another_or_an_own_one_are_not_held_up() -> None:
    now, slept = [100.0], []
    pace = Pace(4, own=frozenset({"mine:80"}), clock=lambda: now[0], sleep=slept.append)
    for url in ("http://a/1", "http://a/2", "http://mine:80/1", "http://mine:80/2", "http://b/1", "http://a/3"):
        pace.wait(url)
    assert slept == pytest.approx([0.25, 0.5])


@pytest.mark.parametrize(
    ("text", "term"),
    [
        pytest.param("some NSFW art", "nsfw", id="upper-case"),
        pytest.param("Ｇｏｒｅ", "gore", id="full-width"),
        pytest.param("góre!", "gore", id="accent"),
        pytest.param("tag_gore_2", "gore", id="underscores"),
        pytest.param("very  bad\nword here", "bad word", id="two-words"),
        pytest.param("a category by Gorey", None, id="inside-other-words"),
        pytest.param("", None, id="empty"),
    ],
)
def test_blocked_terms_are_whole_words_in_any_writing(text: str, term: str | None) -> None:
    assert safety.check(text, ["gore", "nsfw", "bad word"]) == (term and f"blocked term in the text: {term}")
    assert safety.check(text, []) is None


# --- pictures and duplicates


def photo(name: str = "chelsea") -> Image.Image:
    skimage = pytest.importorskip("skimage.data", reason="scikit-image ships the test photographs")
    return Image.fromarray(getattr(skimage, name)())


def encoded(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def read(data: bytes) -> pictures.Picture:
    return pictures.read(data, max_bytes=10**7, max_pixels=10**7)


@pytest.mark.parametrize("name", ["chelsea", "astronaut", "coffee", "rocket"])
@pytest.mark.parametrize(
    ("change", "kind"),
    [
        pytest.param(lambda image: encoded(image.resize((image.width // 2, image.height // 2))), "near", id="half-the-size"),
        pytest.param(lambda image: encoded(image, quality=25), "near", id="recompressed"),
        pytest.param(lambda image: encoded(image, "WEBP", quality=40), "near", id="other-format"),
        pytest.param(lambda image: encoded(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).resize((300, 200))), "mirrored", id="mirrored-and-resized"),
        pytest.param(lambda image: encoded(image, "PNG"), "exact", id="same-bytes"),
    ],
)
def test_a_copy_is_recognised(name: str, change: object, kind: str) -> None:
    original, copy = read(encoded(photo(name), "PNG")), read(change(photo(name)))  # type: ignore[operator]
    seen = dedupe.Seen([original], near_bits=LIMITS.near_duplicate_bits)
    assert seen.match(copy, copy.mirrored) == dedupe.Duplicate(copy.id, original.id, kind)  # type: ignore[arg-type]


def test_different_photographs_are_all_kept_and_the_plan_keeps_their_order() -> None:
    found = [read(encoded(photo(name), quality=90)) for name in ("rocket", "chelsea", "astronaut", "coffee", "camera")]
    again = read(encoded(photo("coffee"), quality=50))
    plan = dedupe.plan([found[4]], [found[0], found[1], again, found[2], found[3], found[4]], near_bits=LIMITS.near_duplicate_bits)
    assert plan.new == (found[0].id, found[1].id, again.id, found[2].id)
    assert plan.duplicates == (dedupe.Duplicate(found[3].id, again.id, "near"), dedupe.Duplicate(found[4].id, found[4].id, "exact"))


def test_the_distance_limit_is_held_to_the_bit_and_beyond_the_first_thousand() -> None:
    @dataclass(frozen=True)
    class Hashed:
        id: str
        phash: str

    rng = np.random.default_rng(5)
    crowd = [Hashed(f"{n:064x}", f"{int(value):016x}") for n, value in enumerate(rng.integers(0, 2**63, 1500, dtype=np.uint64))]
    seen = dedupe.Seen(crowd, near_bits=3)
    last = int(crowd[-1].phash, 16)
    assert seen.match(Hashed("f" * 64, f"{last ^ 0b111:016x}")) == dedupe.Duplicate("f" * 64, crowd[-1].id, "near")
    assert seen.match(Hashed("f" * 64, f"{last ^ 0b1111:016x}")) is None


def with_position(kind: str = "JPEG") -> bytes:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Camera"
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 12.0)})
    exif.get_ifd(0x8769)[0x829A] = 0.01
    return encoded(photo().crop((0, 0, 90, 40)), kind, exif=exif)


def test_a_jpegs_position_goes_and_the_rest_of_it_stays() -> None:
    data = with_position()
    picture = read(data)
    exif = Image.open(io.BytesIO(picture.data)).getexif()
    assert 0x8825 in Image.open(io.BytesIO(data)).getexif()
    assert 0x8825 not in exif
    assert (exif[0x0112], exif[0x010F], float(exif.get_ifd(0x8769)[0x829A])) == (6, "Camera", 0.01)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(picture.data))), np.asarray(Image.open(io.BytesIO(data))))
    assert (picture.width, picture.height) == (40, 90)
    assert picture.id == hashlib.sha256(picture.data).hexdigest()


def test_a_picture_without_position_keeps_its_bytes() -> None:
    for data in (encoded(photo(), quality=80), encoded(photo(), "PNG"), encoded(photo(), "WEBP")):
        assert read(data).data == data


@pytest.mark.parametrize("cut", [3, 10, 200, 2000])
def test_a_truncated_picture_is_refused(cut: int) -> None:
    with pytest.raises(UndecodableImage):
        read(with_position()[:cut] if cut < 2000 else encoded(photo())[:cut])


def test_the_type_is_what_the_bytes_are() -> None:
    assert [(read(encoded(photo(), kind)).mime, read(encoded(photo(), kind)).extension) for kind in ("JPEG", "PNG", "WEBP")] == [
        ("image/jpeg", "jpg"), ("image/png", "png"), ("image/webp", "webp"),
    ]  # fmt: skip
