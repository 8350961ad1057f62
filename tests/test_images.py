"""Decoding: every format, mode and orientation becomes upright sRGB; broken and hostile files cost little and are named."""

import gc
import re
import struct
import tracemalloc

import bad_inputs
import numpy as np
import pytest
from bad_inputs import exif, heic, jpeg_with, saved, subject_pixels
from PIL import Image, ImageCms

from serving import pipeline
from sticker_studio import images
from sticker_studio.errors import InputError, InputTooLarge, UndecodableImage

RED = (230, 40, 30)
SRGB, LAB = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")


def pixel(data: bytes, x: int = 43, y: int = 32) -> list[int]:
    """A pixel of the decoded picture; by default in the middle of the subject."""
    return [int(value) for value in np.asarray(images.open_upright(data))[y, x]]


def near(found: list[int], wanted: tuple[int, ...], tolerance: int = 12) -> bool:
    return len(found) == len(wanted) and max(abs(one - other) for one, other in zip(found, wanted, strict=True)) <= tolerance


# --- formats and modes


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(bad_inputs.good("JPEG"), id="jpeg"),
        pytest.param(bad_inputs.good("JPEG", progressive=True), id="progressive-jpeg"),
        pytest.param(bad_inputs.good("PNG"), id="png"),
        pytest.param(bad_inputs.good("WEBP"), id="webp"),
        pytest.param(bad_inputs.good("AVIF"), id="avif"),
        pytest.param(bad_inputs.good("GIF"), id="gif"),
        pytest.param(bad_inputs.good("BMP"), id="bmp"),
        pytest.param(bad_inputs.good("TIFF"), id="tiff"),
        pytest.param(bad_inputs.good("TIFF", compression="tiff_lzw"), id="lzw-tiff"),
        pytest.param(saved(Image.fromarray(subject_pixels()).quantize(64), "PNG"), id="palette-png"),
        pytest.param(saved(Image.fromarray(subject_pixels()).convert("CMYK"), "TIFF"), id="cmyk-tiff"),
        pytest.param(saved(Image.fromarray(subject_pixels()).convert("CMYK"), "JPEG"), id="cmyk-jpeg-inverted-as-adobe-does"),
        pytest.param(saved(ImageCms.profileToProfile(Image.fromarray(subject_pixels()), SRGB, LAB, outputMode="LAB"), "TIFF"), id="lab-tiff"),
    ],
)
def test_each_format_keeps_size_and_colours(data: bytes) -> None:
    image = images.open_upright(data)
    assert (image.size, image.mode) == ((96, 64), "RGB")
    assert near(pixel(data), RED)


def test_a_heic_is_decoded() -> None:
    assert images.open_upright(heic()).size == (64, 48)
    assert near(pixel(heic(), 24, 24), RED)


def test_a_16_bit_png_in_colour_keeps_its_brightness() -> None:
    rows = b"".join(b"\0" + struct.pack(">HHH", 0xE600, 0x2800, 0x1E00) * 96 for _ in range(64))
    assert pixel(bad_inputs.png(96, 64, depth=16, rows=rows)) == [0xE6, 0x28, 0x1E]


@pytest.mark.parametrize(
    ("grey", "expected"),
    [
        pytest.param(np.full((17, 31), 32_768, np.uint16), 128, id="middle-grey-of-16-bit"),
        pytest.param(np.full((17, 31), 200, np.uint16), 0, id="nearly-black-of-16-bit-stays-so"),
        pytest.param(np.full((17, 31), 0.5, np.float32), 127, id="floats-up-to-1"),
        pytest.param(np.full((17, 31), 200.0, np.float32), 200, id="floats-up-to-255"),
        pytest.param(np.full((17, 31), np.nan, np.float32), 0, id="not-a-number"),
        pytest.param(np.full((17, 31), -5, np.int32), 0, id="negative"),
        pytest.param(np.full((17, 31), 2**31 - 1, np.int32), 255, id="31-bit"),
    ],
)
def test_grey_of_many_bits_becomes_8_bit(grey: np.ndarray, expected: int) -> None:  # type: ignore[type-arg]
    found = pixel(saved(Image.fromarray(grey), "TIFF"), 5, 5)
    assert max(found) - min(found) == 0
    assert abs(found[0] - expected) <= 1


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(saved(Image.new("RGBA", (31, 17), (230, 40, 30, 60)), "PNG"), id="png"),
        pytest.param(saved(Image.new("RGBA", (31, 17), (230, 40, 30, 60)), "WEBP", lossless=True), id="webp"),
        pytest.param(saved(Image.new("RGBA", (31, 17), (230, 40, 30, 60)), "AVIF", quality=100), id="avif"),
        pytest.param(saved(Image.new("RGBA", (31, 17), (230, 40, 30, 60)), "TIFF"), id="tiff"),
        pytest.param(saved(Image.new("RGB", (31, 17), RED).quantize(4), "PNG", transparency=bytes([60])), id="palette-png"),
    ],
)
def test_existing_transparency_is_kept(data: bytes) -> None:
    image = images.open_upright(data)
    assert image.mode == "RGBA"
    assert near(pixel(data, 5, 5), (*RED, 60), tolerance=4)


def test_grey_with_alpha_and_grey_with_one_clear_value_keep_their_transparency() -> None:
    assert pixel(saved(Image.new("LA", (31, 17), (90, 60)), "PNG"), 5, 5) == [90, 90, 90, 60]
    clear = bad_inputs.png_chunk(b"tRNS", struct.pack(">H", 0x1234))
    rows = b"".join(b"\0" + struct.pack(">HH", 0x1234, 0x5678) * 48 for _ in range(64))
    data = bad_inputs.png(96, 64, colour=0, depth=16, before=clear, rows=rows)
    assert pixel(data, 0, 0)[3] == 0
    assert pixel(data, 1, 0) == [0x56, 0x56, 0x56, 255]


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "WEBP", "PNG"])
def test_the_first_frame_or_page_stands_for_all(kind: str) -> None:
    first, second = Image.new("RGB", (31, 17), RED), Image.new("RGB", (31, 17), "blue")
    assert near(pixel(saved(first, kind, save_all=True, append_images=[second]), 5, 5), RED)


# --- orientation


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_each_exif_orientation_is_turned_upright(orientation: int, order: str) -> None:
    upright = np.zeros((40, 70, 3), np.uint8)
    upright[:12, :20] = RED  # the upper left corner, as seen
    undo = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}[orientation]
    stored = Image.fromarray(upright)
    stored = stored.transpose(images._TURNS[undo]) if undo in images._TURNS else stored
    data = saved(stored, "PNG", exif=exif((0x0112, 3, 1, orientation), order=order))
    assert np.array_equal(np.asarray(images.open_upright(data)), upright)


def test_a_tiffs_orientation_is_its_own_tag() -> None:
    image = Image.new("RGB", (60, 20), "red")
    assert images.open_upright(saved(image, "TIFF", tiffinfo={0x0112: 6})).size == (20, 60)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(exif((0x0112, 3, 1, 0)), id="zero"),
        pytest.param(exif((0x0112, 3, 1, 9)), id="nine"),
        pytest.param(exif((0x0112, 2, 4, 0x36363636)), id="of-text"),
        pytest.param(exif((0x0112, 3, 1, 6))[:16], id="that-ends-early"),
        pytest.param(b"Exif\0\0" * 1000, id="of-nothing-but-its-name"),
        pytest.param(b"", id="none"),
    ],
)
def test_a_broken_orientation_turns_nothing(data: bytes) -> None:
    assert images.exif_orientation(data) == 1


# --- colour profiles


def s15(*values: float) -> bytes:
    """ICC's fixed-point numbers."""
    return b"".join(struct.pack(">i", round(value * 65_536)) for value in values)


def icc_profile(space: bytes, pcs: bytes, kind: bytes, tags: dict[bytes, bytes]) -> bytes:
    """A version 2 profile of the given tags."""
    tags = {b"desc": b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + bytes(79), b"wtpt": b"XYZ \0\0\0\0" + s15(0.9642, 1, 0.8249)} | tags
    table, body, start = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for name, content in tags.items():
        content += bytes(-len(content) % 4)
        table += name + struct.pack(">II", start + len(body), len(content))
        body += content
    head = struct.pack(">I4sI4s4s4s", start + len(body), b"lcms", 0x02400000, kind, space, pcs) + bytes(12) + b"acsp" + bytes(28) + s15(0.9642, 1, 0.8249)
    return head + bytes(128 - len(head)) + table + body


def swapped_profile() -> bytes:
    """An RGB profile whose red and green primaries are exchanged, so that nobody can overlook whether it was used."""
    primaries = {b"rXYZ": (0.3851, 0.7169, 0.0971), b"gXYZ": (0.4361, 0.2225, 0.0139), b"bXYZ": (0.1431, 0.0606, 0.7141)}
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(2.2 * 256))
    tags = {name: b"XYZ \0\0\0\0" + s15(*xyz) for name, xyz in primaries.items()}
    return icc_profile(b"RGB ", b"XYZ ", b"mntr", tags | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve))


def press_profile() -> bytes:
    """A CMYK profile in which any ink's colour is the same green: Lab (60, -60, 40)."""
    identity = bytes(range(256))
    colours = bytes([round(60 * 2.55), 128 - 60, 128 + 40]) * 2**4
    table = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + s15(1, 0, 0, 0, 1, 0, 0, 0, 1) + identity * 4 + colours + identity * 3
    return icc_profile(b"CMYK", b"Lab ", b"prtr", {b"A2B0": table})


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_a_colour_profile_is_followed(kind: str) -> None:
    found = pixel(saved(Image.new("RGB", (32, 16), (230, 20, 20)), kind, icc_profile=swapped_profile()), 5, 5)
    assert found[1] > 200
    assert found[0] < 80


def test_a_profile_leaves_transparency_alone() -> None:
    data = saved(Image.new("RGBA", (32, 16), (230, 20, 20, 60)), "PNG", icc_profile=swapped_profile())
    red, green, _, alpha = pixel(data, 5, 5)
    assert (green > 200, red < 80, alpha) == (True, True, 60)


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_a_presss_profile_tells_the_colours_of_cmyk(kind: str) -> None:
    red, green, blue = pixel(saved(Image.new("CMYK", (32, 16), (0, 200, 200, 0)), kind, icc_profile=press_profile()), 5, 5)
    assert green > 1.5 * max(red, blue)  # without the profile it would be red


@pytest.mark.parametrize(
    "profile",
    [
        pytest.param(b"no profile", id="noise"),
        pytest.param(swapped_profile()[:200], id="cut"),
        pytest.param(press_profile(), id="of-another-kind-of-picture"),
    ],
)
def test_a_profile_that_does_not_fit_is_left_aside(profile: bytes) -> None:
    assert near(pixel(saved(Image.new("RGB", (32, 16), RED), "PNG", icc_profile=profile), 5, 5), RED, tolerance=0)


# --- scaled decoding


@pytest.mark.parametrize(
    ("size", "wanted_side_px", "expected"),
    [
        pytest.param((1600, 1200), 800, (800, 600), id="half"),
        pytest.param((1600, 1200), 801, (1600, 1200), id="half-would-be-too-small"),
        pytest.param((1600, 1200), 390, (400, 300), id="quarter"),
        pytest.param((1201, 1601), 200, (151, 201), id="eighth-rounded-up"),
        pytest.param((1600, 5), 200, (400, 2), id="a-line-scales-by-its-shorter-side-too"),
        pytest.param((1600, 1200), None, (1600, 1200), id="not-asked-for"),
    ],
)
def test_a_jpeg_is_decoded_no_smaller_than_wanted(size: tuple[int, int], wanted_side_px: int | None, expected: tuple[int, int]) -> None:
    data = saved(Image.new("RGB", size, RED), "JPEG")
    assert images.open_upright(data, wanted_side_px=wanted_side_px).size == expected


def test_a_scaled_jpeg_shows_the_same_upright_picture() -> None:
    large = Image.fromarray(subject_pixels(1600, 1200))
    data = saved(large, "JPEG", quality=95, exif=exif((0x0112, 3, 1, 6)))
    whole, scaled = images.open_upright(data), images.open_upright(data, wanted_side_px=800)
    assert scaled.size == (600, 800)
    assert np.abs(np.asarray(whole.resize(scaled.size, Image.Resampling.BOX), int) - np.asarray(scaled)).mean() < 2


# --- limits


BOMBS = [bad for bad in bad_inputs.corpus() if "bomb" in bad.name or bad.expected == bad_inputs.TOO_LARGE]


def file_of(bad: bad_inputs.BadInput) -> bytes:
    """The picture within a request of the corpus."""
    return bad.body.partition(b"\r\n\r\n")[2].removesuffix(f"\r\n--{bad_inputs.BOUNDARY}--\r\n".encode())


def refusal(data: bytes) -> str:
    """What is said about a picture of at most 400x400 px; nothing where it is taken."""
    try:
        images.open_upright(data, max_pixels=400 * 400)
    except (InputTooLarge, UndecodableImage) as error:
        return str(error)
    return ""


@pytest.mark.parametrize("bad", [pytest.param(bad, id=bad.name) for bad in BOMBS if bad.body])
def test_a_bomb_takes_little_memory(bad: bad_inputs.BadInput) -> None:
    data = file_of(bad)
    gc.collect()
    tracemalloc.start()
    try:
        assert refusal(data).startswith("expected ") or 200 in bad.expected
    finally:
        peak_bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak_bytes < 8 * len(data) + 2**21


def test_a_refused_picture_is_let_go_while_its_error_lives() -> None:
    whole = next(bad for bad in bad_inputs.corpus() if bad.name == "tiff-of-tags-that-share-their-bytes")
    data = file_of(whole)
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        with pytest.raises(InputTooLarge) as caught:
            images.open_upright(data)
        assert tracemalloc.get_traced_memory()[0] < len(data)
        assert caught.value.__traceback__ is not None
    finally:
        tracemalloc.stop()
        gc.enable()


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(("kind", "data"), [pytest.param(kind, data, id=kind) for kind, data in bad_inputs.good_files().items()])
def test_a_file_of_wrong_bytes_is_decoded_or_refused_and_nothing_else(kind: str, data: bytes) -> None:
    dice = np.random.default_rng(len(kind))
    for attempt in range(60):
        wrong = bytearray(data)
        reach = min(len(data), 200) if attempt % 2 else len(data)  # half of them in the header
        for place in dice.integers(4, reach, 4):
            wrong[place] = dice.choice([0, 1, 127, 128, 255])
        refusal(bytes(wrong))


def test_64_kb_of_exif_tags_that_share_their_bytes_are_not_copied() -> None:
    data = jpeg_with((0xE1, exif(*[(1000 + number, 7, 60_000, 0) for number in range(5000)])))
    tracemalloc.start()
    try:
        images.open_upright(data)
        assert tracemalloc.get_traced_memory()[1] < 2**21
    finally:
        tracemalloc.stop()


def test_a_run_length_encoded_bmp_of_many_runs_is_still_read() -> None:
    palette = bytes(1024)
    runs = b"".join(b"\x01\x07" * 400 + b"\0\0" for _ in range(300)) + b"\0\1"
    assert images.open_upright(bad_inputs.bmp(400, 300, bits=8, compression=1, offset=1078, pixels=palette + runs)).size == (400, 300)


@pytest.mark.parametrize("name", ["eps", "ppm", "ico"])
def test_formats_that_are_not_promised_are_not_even_tried(name: str) -> None:
    with pytest.raises(UndecodableImage, match="unknown format"):
        images.open_upright(saved(Image.new("RGB", (32, 32)), name))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_refusal_is_in_words_for_people_and_says_what_to_do() -> None:
    told = {refusal(file_of(bad)) for bad in bad_inputs.corpus() if bad.body} - {""}
    assert len(told) > 20
    assert [words for words in told if not re.fullmatch(r"expected .+; (send|save|check) .+", words)] == []
    assert [words for words in told if "object at" in words or "NoneType" in words] == []


# --- what a request's picture becomes


@pytest.mark.parametrize("size", [pytest.param((15, 300), id="narrow"), pytest.param((300, 1), id="flat"), pytest.param((1, 1), id="one-pixel")])
def test_a_side_in_which_nothing_can_be_seen_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="at least 16 px a side, got"):
        pipeline.decode(saved(Image.new("RGB", size), "PNG"), max_bytes=10**6, max_pixels=10**6)


def test_a_side_beyond_what_can_be_warped_is_refused() -> None:
    with pytest.raises(InputTooLarge, match="at most 30000 px, got 16x30001"):
        pipeline.decode(saved(Image.new("RGB", (16, 30_001)), "PNG"), max_bytes=10**6, max_pixels=10**6)


def test_transparency_that_matters_is_the_cutout_and_any_other_lies_over_white() -> None:
    clear = np.dstack([subject_pixels(), np.full((64, 96), 255, np.uint8)])
    clear[:, :30, 3] = 0
    own = pipeline.decode(saved(Image.fromarray(clear), "PNG"), max_bytes=10**6, max_pixels=10**6)
    assert own.own_alpha is not None
    assert np.array_equal(own.own_alpha == 0, clear[..., 3] == 0)
    assert np.array_equal(own.pixels[:, 40], clear[:, 40, :3])
    clear[..., 3] = 255
    clear[0, 0, 3] = 0
    laid = pipeline.decode(saved(Image.fromarray(clear), "PNG"), max_bytes=10**6, max_pixels=10**6)
    assert laid.own_alpha is None
    assert laid.pixels[0, 0].tolist() == [255, 255, 255]
