"""Each messenger's rules: what the service makes passes a check that reads only the finished bytes, and the check refuses what a messenger would."""

import io
from collections.abc import Callable
from functools import cache
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from serving import composer, export, formats, layouts, pipeline
from serving.composer import Look
from serving.formats import FORMATS, LAYOUTS, PLATFORMS, SVG, Layout, Platform
from serving.options import StickerOptions
from serving.pipeline import Models
from sticker_studio import scenes
from sticker_studio.errors import ContractViolation
from sticker_studio.types import RGB, RGBA, Detection, Style

MESSENGERS: list[Platform] = [name for name in PLATFORMS if FORMATS[name].max_bytes]
SHAPES = [pytest.param(400, 150, id="wide"), pytest.param(120, 400, id="tall"), pytest.param(300, 300, id="square"), pytest.param(2, 300, id="a-line")]


def sticker(platform: Platform, width: int, height: int, *, caption: str = "", noise: bool = False) -> RGBA:
    """An ellipse in the platform's canvas, flat or of noise."""
    rules = FORMATS[platform]
    look = Look(side_px=rules.side_px, margin_px=rules.margin_px, square=rules.square, outline_px=rules.outline_px, caption=caption)
    laid_out = composer.laid_out_caption(look)
    wide, high = composer.fit((width, height), composer.content_wh(look, laid_out))
    rows, columns = np.mgrid[:high, :wide]
    alpha = (((columns + 0.5) / wide - 0.5) ** 2 + ((rows + 0.5) / high - 0.5) ** 2 < 0.25).astype(np.float32)
    colours = np.random.default_rng(1).integers(0, 255, (high, wide, 3), np.uint8) if noise else np.full((high, wide, 3), (220, 60, 40), np.uint8)
    return composer.compose(colours, alpha, look, laid_out)


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize(("width", "height"), SHAPES)
@pytest.mark.parametrize("caption", ["", "Happy birthday"])
def test_what_is_made_for_a_platform_passes_its_check(platform: Platform, width: int, height: int, caption: str) -> None:
    made = export.to_format(sticker(platform, width, height, caption=caption), FORMATS[platform], title="An ellipse")
    assert formats.problems(made.data, platform) == []


@pytest.mark.parametrize("platform", MESSENGERS)
def test_even_noise_fits_the_byte_limit(platform: Platform) -> None:
    made = export.to_format(sticker(platform, 300, 300, noise=True), FORMATS[platform], title="Noise")
    assert formats.problems(made.data, platform) == []


# --- a hundred stickers for four messengers

CAPTIONS = [
    "", "ok", "Happy birthday to you 🎉", "عيد ميلاد سعيد", "生日快乐", "नमस्ते दोस्तों", "x" * 40, "Thank you very much for everything, for the fish too! 🙏" * 2,
]  # fmt: skip
LOOKS: list[dict[str, object]] = [
    {}, {"outline_px": 0}, {"outline_px": 24, "shadow": True}, {"background": "#ff8800,#2020ff"}, {"caption_shape": "arc", "font": "bangers"},
    {"caption_at": "top", "margin_px": 0}, {"caption_at": (0.5, 0.5), "font": "pacifico"},
]  # fmt: skip


def drawn(k: int, rng: np.random.Generator) -> RGBA:
    """A generated scene's subjects, or all of it where it shows none."""
    scene = scenes.draw(seed=500 + k, style="anime" if k % 2 else "normal", size_wh=(320, 240) if k % 3 else (200, 300))
    mask = scene.union if scene.union.any() else np.ones(scene.image.shape[:2], bool)
    return np.dstack([scene.image, np.where(mask, 255, 0)]).astype(np.uint8)


def noise(k: int, rng: np.random.Generator) -> RGBA:
    """Noise in colour, for every other one in transparency too."""
    pixels = rng.integers(0, 256, (400, 300 + 40 * k, 4)).astype(np.uint8)
    pixels[..., 3] = pixels[..., 3] if k % 2 else 255
    return pixels


def gradient(k: int, rng: np.random.Generator) -> RGBA:
    """A soft blob of soft colours."""
    rows, columns = np.mgrid[:300, : 150 + 50 * k] / 300.0
    alpha = np.clip(1.5 - 3 * np.hypot(columns - columns.mean(), rows - 0.5), 0, 1)
    return np.dstack([255 * rows, 255 * np.abs(np.sin(columns * k)), 255 * (1 - rows), 255 * alpha]).clip(0, 255).astype(np.uint8)


def hard_edges(k: int, rng: np.random.Generator) -> RGBA:
    """Squares of two colours and of nothing, from 1 to 12 px."""
    rows, columns = np.mgrid[:260, :340] // (k + 1)
    pixels = np.where(((rows + columns) % 2)[..., None], [255, 0, 0, 255], [0, 255, 255, 255]).astype(np.uint8)
    pixels[(rows * columns) % 5 == 0, 3] = 0
    return pixels


def tiny(k: int, rng: np.random.Generator) -> RGBA:
    """A subject of few pixels in a large picture, lines of one pixel among them."""
    pixels = np.zeros((1000, 700, 4), np.uint8)
    pixels[480 : 481 + 3 * (k % 4), 300 : 301 + 9 * (k // 4)] = (10, 20 * k, 200, 255)
    return pixels


def finished(subject: RGBA, platform: Platform, options: dict[str, object]) -> export.Exported:
    """The service's own way to a file, for a subject that needs no finding."""
    chosen = StickerOptions.model_validate({"platform": platform} | options)
    alpha = subject[..., 3].astype(np.float32) / np.float32(255)
    picture = pipeline.Picture(pixels=np.ascontiguousarray(subject[..., :3]), own_alpha=alpha)
    found = pipeline.Found(style="normal", style_probability=1.0, probability=alpha, how="alpha")
    return export.to_format(pipeline.sticker(picture, found, pipeline.look_of(chosen)), FORMATS[platform], title=chosen.caption)


@pytest.mark.parametrize("platform", MESSENGERS)
@pytest.mark.parametrize(("subject", "count"), [(drawn, 52), (noise, 12), (gradient, 12), (hard_edges, 12), (tiny, 12)])
def test_a_hundred_varied_stickers_comply_with_every_messenger(platform: Platform, subject: Callable[[int, np.random.Generator], RGBA], count: int) -> None:
    encodes = []
    for k in range(count):
        made = finished(subject(k, np.random.default_rng(k)), platform, {"caption": CAPTIONS[k % len(CAPTIONS)], **LOOKS[k % len(LOOKS)]})
        assert formats.problems(made.data, platform) == [], k
        encodes.append(made.encodes)
    assert np.mean(encodes) <= (4 if subject is noise else 1.5)


@pytest.mark.parametrize(("limit", "most"), [(60_000, 2.5), (25_000, 3.5), (12_000, 4), (6_000, 4)])
def test_a_byte_limit_is_met_closely_and_in_few_encodes(limit: int, most: float) -> None:
    encodes, used = [], []
    for k in range(6):
        pixels = finished_pixels(k)
        made = export.to_webp_within(pixels, max_bytes=limit)
        assert len(made.data) <= limit
        encodes.append(made.encodes)
        used.append(len(made.data) / limit if made.quality < 90 else 1.0)
    assert np.mean(encodes) <= most
    assert np.mean(used) > 0.85


@cache
def finished_pixels(k: int) -> RGBA:
    rng = np.random.default_rng(k)
    scene = scenes.draw(seed=40 + k, style="normal", size_wh=(512, 512))
    grain = rng.normal(0, 3 * k, scene.image.shape)
    return np.dstack([np.clip(scene.image + grain, 0, 255), np.full((512, 512), 255)]).astype(np.uint8)


def test_a_search_takes_the_best_setting_where_all_fit_and_tells_where_none_does() -> None:
    assert export.best_within([9, 5, 1], lambda size: bytes(size), max_bytes=9, expected=float).encodes == 1
    assert export.best_within([9, 5, 1], lambda size: bytes(size), max_bytes=5, expected=float).setting == 5
    with pytest.raises(ContractViolation, match="expected a file of at most 0 bytes, got 1"):
        export.best_within([9, 5, 1], lambda size: bytes(size), max_bytes=0, expected=float)


@pytest.mark.parametrize("power", [0.2, 0.5, 2.0, 3.0])
def test_a_search_finds_its_way_though_sizes_fall_faster_or_slower_than_expected(power: float) -> None:
    settings = list(range(100, 0, -1))
    found = export.best_within(settings, lambda setting: bytes(int(1000 * (setting / 100) ** power)), max_bytes=500, expected=float)
    assert len(found.data) <= 500
    assert len(found.data) > 400
    assert found.encodes <= 5


def test_telegrams_longer_side_is_512_and_its_shorter_one_has_no_margin() -> None:
    for width, height in ((400, 150), (120, 400)):
        pixels = sticker("telegram", width, height)
        assert max(pixels.shape[:2]) == 512
        assert min(pixels.shape[:2]) < 300
        alpha = pixels[..., 3] > 0
        assert alpha.any(axis=0).all()
        assert alpha.any(axis=1).all()


def test_a_signal_sticker_has_its_margin_and_a_discord_one_no_outline() -> None:
    signal = sticker("signal", 300, 300)
    assert not signal[:15, :, 3].any()
    assert not signal[:, :15, 3].any()
    discord = sticker("discord", 300, 300)
    assert discord.shape == (320, 320, 4)
    solid = discord[..., 3] == 255
    assert (discord[solid][:, :3] == (220, 60, 40)).all()


def encoded(picture: Image.Image, encoding: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, encoding, **options)  # type: ignore[arg-type]
    return buffer.getvalue()


def moving(encoding: str, durations_ms: list[int], *, side: int = 512, loop: int = 0, first: str = "red") -> bytes:
    frames = [Image.new("RGBA", (side, side), colour) for colour in (first, "blue")]
    return encoded(frames[0], encoding, save_all=True, append_images=frames[1:], duration=durations_ms, loop=loop)


def with_a_huge_second_frame() -> bytes:
    """A GIF of 32x32 px whose second frame says that it is 60,000 px a side."""
    data = bytearray(moving("GIF", [100, 100], side=32))
    second = data.index(b"\x2c", data.index(b"\x2c", 20) + 5)
    data[second + 5 : second + 9] = b"\x60\xea\x60\xea"
    return bytes(data)


NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (512, 512, 4), np.uint8))


@pytest.mark.parametrize(
    ("data", "platform", "problem"),
    [
        pytest.param(encoded(Image.new("RGBA", (512, 512)), "PNG"), "whatsapp", "expected WEBP, got PNG", id="encoding"),
        pytest.param(encoded(Image.new("RGBA", (512, 500)), "WEBP"), "whatsapp", "expected 512x512 px, got 512x500", id="not-square"),
        pytest.param(encoded(Image.new("RGBA", (500, 400)), "WEBP"), "telegram", "expected 512 px on the longer side, got 500x400", id="too-small"),
        pytest.param(encoded(NOISE, "WEBP", lossless=True), "whatsapp", "expected at most 100000 bytes", id="bytes"),
        pytest.param(moving("WEBP", [5, 200]), "whatsapp", "expected frames of at least 8 ms, got 5", id="short-frame"),
        pytest.param(moving("WEBP", [6000, 5000]), "whatsapp", "expected at most 10 s, got 11", id="long"),
        pytest.param(moving("WEBP", [100, 100], loop=1), "whatsapp", "expected an endless loop", id="ends"),
        pytest.param(moving("WEBP", [100, 100], first="#00000000"), "whatsapp", "expected a first frame that can stand alone", id="blank-start"),
        pytest.param(moving("WEBP", [100, 100]), "telegram", "expected WEBM, got WEBP", id="moving-encoding"),
        pytest.param(moving("GIF", [100, 100]), "signal", "expected PNG, got GIF", id="gif"),
        pytest.param(moving("PNG", [100, 100], side=200), "signal", "expected 512x512 px, at least 256x256, got 200x200", id="moving-too-small"),
        pytest.param(moving("PNG", [20, 20], side=320), "discord", "expected at most 30 frames a second, got 50", id="too-fast"),
        pytest.param(with_a_huge_second_frame(), "signal", "expected a whole WEBP file", id="huge-frame"),
        pytest.param(b"\x1a\x45\xdf\xa3", "telegram", "expected a whole WEBP file", id="broken-video"),
        pytest.param(encoded(Image.new("RGBA", (320, 320)), "PNG")[:60], "discord", "expected a whole PNG file", id="cut-off"),
        pytest.param(b"", "webp", "expected a whole WEBP file", id="empty"),
        pytest.param(b"<svg", "svg", "expected a whole SVG file", id="broken-svg"),
        pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 10 10'/>", "svg", "expected the cut-out as an image", id="empty-svg"),
    ],
)  # fmt: skip
def test_what_a_messenger_would_refuse_is_named(data: bytes, platform: Platform, problem: str) -> None:
    assert any(problem in told for told in formats.problems(data, platform))


def test_an_svg_carries_the_sticker_its_title_and_its_die_cut_line() -> None:
    pixels = sticker("svg", 300, 300)
    root = ElementTree.fromstring(export.to_format(pixels, FORMATS["svg"], title="Fish & <chips>").data)
    assert root.findtext(f"{{{SVG}}}title") == "Fish & <chips>"
    line = root.find(f"{{{SVG}}}path[@id='die-cut']")
    assert line is not None
    corners = np.array([[float(value) for value in point.split(",")] for point in line.get("d", "").strip("MZ ").split(" L")])
    radius = np.hypot(*(corners - 256).T)
    assert len(corners) > 30
    assert np.abs(radius - (512 / 2 - 16)).max() < 3


# --- pictures beside stickers


class Middle:
    """A segmentor whose subject is the middle of the picture, twice as wide as high."""

    def segment(self, image: RGB) -> list[Detection]:
        probability = np.zeros(image.shape[:2], np.float32)
        height, width = probability.shape
        probability[height // 2 - height // 8 : height // 2 + height // 8, width // 2 - height // 4 : width // 2 + height // 4] = 1
        return [Detection(subject_class="object", score=0.9, box_xyxy=(0, 0, 1, 1), probability=probability)]


class AlwaysNormal:
    """A classifier of one opinion."""

    def probabilities(self, image: RGB) -> dict[Style, float]:
        return {"anime": 0.0, "normal": 1.0}


def in_layout(layout: Layout, **options: object) -> bytes:
    pixels = np.full((300, 400, 3), (60, 90, 60), np.uint8)
    pixels[113:187, 126:274] = (220, 40, 30)
    models = Models(classifier=AlwaysNormal(), segmentors={"anime": Middle(), "normal": Middle()})
    chosen = StickerOptions.model_validate({"layout": layout} | options)
    return pipeline.make_sticker(pipeline.Picture(pixels=pixels), models, chosen).exported.data


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("encoding", ["png", "webp"])
def test_a_layout_is_a_whole_picture_with_the_subject_unstretched_in_its_middle(layout: Layout, encoding: str) -> None:
    data = in_layout(layout, platform=encoding, outline_px=0)
    assert formats.layout_problems(data, layout) == []
    pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
    rows, columns = np.nonzero((pixels[..., 0] > 180) & (pixels[..., 1] < 90))
    high, wide = np.ptp(rows) + 1, np.ptp(columns) + 1
    assert wide / high == pytest.approx(148 / 74, rel=0.06)
    assert (rows.mean(), columns.mean()) == pytest.approx((pixels.shape[0] / 2, pixels.shape[1] / 2), abs=4)
    assert rows.min() > 0.05 * pixels.shape[0]
    assert columns.min() > 0.05 * pixels.shape[1]


def test_a_layout_on_a_picture_shows_its_middle_unstretched() -> None:
    rows, columns = np.mgrid[:500, :700]
    circle = np.where((np.hypot(rows - 250, columns - 350) < 240)[..., None], [250, 250, 0], [0, 0, 90]).astype(np.uint8)
    pixels = layouts.placed(np.zeros((100, 100, 4), np.uint8), "banner", Look(background_picture=circle))
    assert pixels.shape == (864, 2204, 4)
    yellow = np.flatnonzero(pixels[432, :, 0] > 125)
    assert np.ptp(yellow) == pytest.approx(480 * 2204 / 700, abs=8)
    assert yellow.mean() == pytest.approx(1102, abs=4)


def test_a_layouts_ground_is_the_callers_or_the_subjects_own_colour() -> None:
    def corner(**options: object) -> tuple[int, ...]:
        return tuple(int(value) for value in np.asarray(Image.open(io.BytesIO(in_layout("avatar", platform="png", **options))).convert("RGBA"))[2, 2])

    assert corner(background="#102030") == (16, 32, 48, 255)
    red, green, _, alpha = corner()
    assert alpha == 255
    assert red > green + 20  # the subject is red


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        pytest.param(encoded(Image.new("RGB", (864, 2204)), "PNG"), "expected 2204x864 px, got 864x2204", id="turned"),
        pytest.param(encoded(Image.new("RGB", (2204, 864)), "JPEG"), "expected PNG or WEBP, got JPEG", id="encoding"),
        pytest.param(b"", "expected a whole PNG or WEBP file", id="empty"),
    ],
)
def test_what_is_wrong_with_a_layout_is_named(data: bytes, problem: str) -> None:
    assert any(problem in told for told in formats.layout_problems(data, "banner"))
