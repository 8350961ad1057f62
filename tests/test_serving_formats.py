"""Each messenger's rules: what the service makes passes a check that reads only the finished bytes, and the check refuses what a messenger would."""

import io
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from serving import composer, export, formats, pipeline
from serving.composer import Look
from serving.formats import FORMATS, LAYOUTS, PLATFORMS, SVG, Layout, Platform
from serving.options import StickerOptions
from serving.pipeline import Models
from sticker_studio import scenes
from sticker_studio.types import RGB, RGBA, Detection, Style

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


@pytest.mark.parametrize("platform", [name for name in PLATFORMS if FORMATS[name].max_bytes])
def test_even_noise_fits_the_byte_limit(platform: Platform) -> None:
    made = export.to_format(sticker(platform, 300, 300, noise=True), FORMATS[platform], title="Noise")
    assert formats.problems(made.data, platform) == []


@pytest.mark.parametrize("kind", ["anime", "normal"])
def test_generated_subjects_of_all_kinds_pass_every_check(kind: str) -> None:
    for scene in scenes.draw_many(6, seed=77, style=kind, split="factory"):  # type: ignore[arg-type]
        for platform, rules in FORMATS.items():
            look = Look(side_px=rules.side_px, margin_px=rules.margin_px, square=rules.square, outline_px=rules.outline_px)
            alpha = np.any([item.mask for item in scene.objects], axis=0).astype(np.float32) if scene.objects else np.ones(scene.image.shape[:2], np.float32)
            wide, high = composer.fit((alpha.shape[1], alpha.shape[0]), composer.content_wh(look, None))
            box = ((wide, high), Image.Resampling.BILINEAR)
            pixels = np.asarray(Image.fromarray(scene.image).resize(*box))
            fitted = np.asarray(Image.fromarray(alpha).resize(*box), np.float32)
            made = export.to_format(composer.compose(pixels, fitted, look, None), rules, title="")
            assert formats.problems(made.data, platform) == [], (platform, scene.objects)


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
