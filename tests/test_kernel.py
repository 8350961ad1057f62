"""The kernel's contracts: pictures, masks, labels, manifests, store, settings."""

import io
import threading
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sticker_studio import atomic, images, manifests, masks, model_card, params, yolo_format
from sticker_studio.annotations import Instance, Instances, instance_from_mask
from sticker_studio.errors import ContractViolation, InputError, InputTooLarge, UndecodableImage
from sticker_studio.manifests import PinRecord, QuarantinedPin
from sticker_studio.settings import Settings
from sticker_studio.store import ObjectStore


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def pin(name: str = "a", **changes: object) -> PinRecord:
    values: dict[str, object] = {
        "id": (name * 64)[:64], "phash": "0123456789abcdef", "width": 30, "height": 20, "bytes": 9, "mime": "image/png", "board": "folder:x",
        "style": "anime", "page_url": "", "image_url": "", "alt": "a cat", "fetched_at": datetime(2026, 1, 2, tzinfo=UTC), "store_key": "pins/aa/a.png",
    }  # fmt: skip
    return PinRecord.model_validate(values | changes)


# --- pictures


def test_an_exif_rotated_photo_is_decoded_upright() -> None:
    sideways = Image.new("RGB", (60, 20), "red")
    exif = Image.Exif()
    exif[0x0112] = 6  # turn 90 degrees clockwise to view
    assert images.decode_rgb(encoded(sideways, "JPEG", exif=exif)).shape == (60, 20, 3)


@pytest.mark.parametrize(
    ("image", "kind"),
    [
        pytest.param(Image.new("CMYK", (31, 17)), "JPEG", id="cmyk-jpeg"),
        pytest.param(Image.new("P", (31, 17)), "PNG", id="palette-png"),
        pytest.param(Image.new("L", (31, 17)), "BMP", id="grey-bmp"),
        pytest.param(Image.new("RGBA", (31, 17)), "WEBP", id="webp-with-alpha"),
        pytest.param(Image.new("RGB", (31, 17)), "TIFF", id="tiff"),
        pytest.param(Image.new("RGB", (31, 17)), "GIF", id="gif"),
        pytest.param(Image.new("RGB", (31, 17)), "AVIF", id="avif"),
        pytest.param(Image.new("1", (31, 17)), "PNG", id="one-bit-png"),
    ],
)
def test_any_usual_format_becomes_rgb_of_its_own_size(image: Image.Image, kind: str) -> None:
    assert images.decode_rgb(encoded(image, kind)).shape == (17, 31, 3)


def test_a_16_bit_picture_keeps_its_brightness() -> None:
    grey = Image.fromarray(np.full((17, 31), 32768, np.uint16))
    assert abs(int(images.decode_rgb(encoded(grey, "PNG"))[5, 5, 0]) - 127) <= 1


def test_transparency_is_laid_over_white() -> None:
    assert images.decode_rgb(encoded(Image.new("RGBA", (8, 5), (255, 0, 0, 0)), "PNG"))[0, 0].tolist() == [255, 255, 255]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"this is no picture", id="garbage"),
        pytest.param(encoded(Image.fromarray(np.random.default_rng(0).integers(0, 255, (90, 70, 3), np.uint8)), "JPEG")[:900], id="truncated-jpeg"),
        pytest.param(encoded(Image.fromarray(np.random.default_rng(0).integers(0, 255, (90, 70, 3), np.uint8)), "PNG")[:900], id="truncated-png"),
    ],
)
def test_a_broken_picture_is_named_as_such(data: bytes) -> None:
    with pytest.raises(UndecodableImage, match="expected a"):
        images.decode_rgb(data)


def test_a_picture_over_the_pixel_limit_is_refused_from_its_header() -> None:
    with pytest.raises(InputTooLarge, match="at most 100 pixels, got 31x17"):
        images.decode_rgb(encoded(Image.new("RGB", (31, 17)), "PNG"), max_pixels=100)


# --- masks and labels


def two_part_mask() -> np.ndarray:
    mask = np.zeros((40, 70), bool)
    mask[5:20, 4:24] = True
    mask[22:36, 40:66] = True
    return mask


def test_a_traced_mask_rasterises_back_to_itself() -> None:
    mask = two_part_mask()
    assert masks.iou(masks.from_polygons(masks.to_polygons(mask), (70, 40)), mask) > 0.97


def test_a_two_part_mask_stays_one_object_through_yolo_text() -> None:
    instance = instance_from_mask(two_part_mask(), subject_class="animal", score=0.9)
    assert instance is not None
    text = yolo_format.to_text(Instances(pin_id="p", width=70, height=40, objects=[instance]))
    read = yolo_format.from_text(text, pin_id="p", size_wh=(70, 40))
    assert len(text.splitlines()) == len(read.objects) == 1
    assert read.objects[0].subject_class == "animal"
    assert masks.iou(read.mask(0), two_part_mask()) > 0.93


def test_a_damaged_label_file_is_refused_naming_its_line() -> None:
    with pytest.raises(ContractViolation, match="line 2"):
        yolo_format.from_text("0 0.1 0.1 0.2 0.1 0.2 0.2\n1 0.5 0.5 0.1\n", pin_id="p", size_wh=(70, 40))


def test_polygons_outside_the_picture_are_refused() -> None:
    outside = Instance(polygons=[[(0, 0), (71, 0), (5, 5)]], subject_class="person", score=1)
    with pytest.raises(ValueError, match="must lie within"):
        Instances(pin_id="p", width=70, height=40, objects=[outside])


def test_iou_of_half_overlapping_masks_is_a_third() -> None:
    a, b = np.zeros((10, 40), bool), np.zeros((10, 40), bool)
    a[:, :20] = True
    b[:, 10:30] = True
    assert masks.iou(a, b) == pytest.approx(1 / 3)
    assert masks.iou(~a & a, ~b & b) == 1.0


def test_boundary_f_is_one_for_equal_and_zero_for_distant_masks() -> None:
    a, b = np.zeros((100, 160), bool), np.zeros((100, 160), bool)
    a[10:30, 10:40] = True
    b[60:90, 100:150] = True
    assert masks.boundary_f(a, a) == 1.0
    assert masks.boundary_f(a, b) == 0.0


def test_the_largest_component_is_kept_and_an_empty_mask_stays_empty() -> None:
    assert masks.box_xyxy(masks.largest_component(two_part_mask())) == (40, 22, 66, 36)
    assert masks.box_xyxy(masks.largest_component(np.zeros((4, 6), bool))) is None


# --- manifests


def test_a_manifest_reads_back_equal_and_sorted_by_id() -> None:
    assert manifests.from_parquet(manifests.to_parquet([pin("b"), pin("a")])) == [pin("a"), pin("b")]
    assert manifests.from_parquet(manifests.to_parquet([])) == []


def test_a_quarantine_manifest_keeps_its_reasons() -> None:
    row = QuarantinedPin.model_validate(pin().model_dump() | {"reason": "too small"})
    assert manifests.quarantine_from_parquet(manifests.to_parquet([row])) == [row]


def test_equal_results_have_equal_hashes_whenever_they_were_fetched() -> None:
    later = pin(fetched_at=datetime(2027, 1, 1, tzinfo=UTC))
    assert manifests.content_hash([pin("a"), pin("b")]) == manifests.content_hash([pin("b"), later])
    assert manifests.content_hash([pin()]) != manifests.content_hash([pin(alt="a dog")])


# --- store and atomic files


@pytest.mark.parametrize("scheme", ["file", "memory"])
def test_the_store_gives_back_what_it_was_given(scheme: str, tmp_path: Path) -> None:
    store = ObjectStore((tmp_path / "a store").as_uri() if scheme == "file" else "memory://sticker-test")
    store.put("pins/ab/x.png", b"1")
    store.put_json("batches/b/r.json", {"n": 1})
    assert store.get("pins/ab/x.png") == b"1"
    assert store.get_json("batches/b/r.json") == {"n": 1}
    assert list(store.keys("pins")) == ["pins/ab/x.png"]
    store.delete("pins/ab/x.png")
    store.delete("pins/ab/x.png")
    assert not store.exists("pins/ab/x.png")
    with pytest.raises(FileNotFoundError):
        store.get("pins/ab/x.png")


@pytest.mark.parametrize("key", ["../x", "/etc/passwd", "a/../../b", ""])
def test_a_key_can_not_leave_the_store(key: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="relative path"):
        ObjectStore(tmp_path.as_uri()).put(key, b"1")


def test_a_reader_never_sees_half_of_a_file(tmp_path: Path) -> None:
    path, seen, stop = tmp_path / "f", set(), threading.Event()
    atomic.write_bytes(path, b"a" * 100_000)

    def read() -> None:
        while not stop.is_set():
            data = path.read_bytes()
            seen.add((len(data), data[:1], data[-1:]))

    reader = threading.Thread(target=read)
    reader.start()
    for letter in b"abcdefgh" * 4:
        atomic.write_bytes(path, bytes([letter]) * 100_000)
    stop.set()
    reader.join()
    assert {(size, first == last) for size, first, last in seen} == {(100_000, True)}
    assert list(tmp_path.iterdir()) == [path]


# --- settings, params, cards


def test_an_unknown_setting_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="STICKER_SERVICE_PROT"):
        Settings.from_env({"STICKER_SERVICE_PROT": "3000"})
    assert Settings.from_env({"STICKER_SERVICE_PORT": "3100", "PATH": "x"}).service_port == 3100


def test_an_unknown_parameter_is_named(tmp_path: Path) -> None:
    text = Path("params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(text.replace("min_gain:", "min_gian:"))
    with pytest.raises(InputError, match="min_gian"):
        params.load(tmp_path / "params.yaml")


def test_a_model_whose_bytes_changed_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"model")
    card = model_card.ModelCard(
        name="sticker-segmentor-anime",
        version="1",
        kind="segmentor",
        architecture="yolov8n-seg",
        input_px=256,
        file_sha256=model_card.sha256(tmp_path / "model.onnx"),
    )
    (tmp_path / "card.json").write_text(card.model_dump_json())
    assert model_card.read(tmp_path) == card
    (tmp_path / "model.onnx").write_bytes(b"other")
    with pytest.raises(ContractViolation, match="sha-256"):
        model_card.read(tmp_path)


def test_a_broken_picture_is_named_as_such_where_ultralytics_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ultralytics", reason="the package ultralytics (extra 'training') is not installed")
    monkeypatch.setenv("YOLO_AUTOINSTALL", "false")
    with pytest.raises(UndecodableImage, match="expected a"):
        images.decode_rgb(b"this is no picture")
