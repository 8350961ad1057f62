"""Labels and pins to data sets that the students train on: YOLO-seg a style, and folders by style for the classifier."""

import io
import json
import logging
import shutil
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml
from PIL import Image
from pydantic import ValidationError

from labeling import shards, snapshots, split
from labeling.snapshots import Workspace
from sticker_studio import atomic, images, manifests, yolo_format
from sticker_studio.annotations import Instances
from sticker_studio.errors import ContractViolation, InputError, UndecodableImage
from sticker_studio.manifests import PinRecord
from sticker_studio.store import ObjectStore
from sticker_studio.types import CLASSES, STYLES, Style

_log = logging.getLogger(__name__)

CORRECTIONS: Final = "labels/corrections"
"""Store folder of masks that a person mended: `<pin id>.json`, each an `Instances` of origin `person`."""
_EXIF_ORIENTATION: Final = 0x0112


@dataclass(frozen=True, kw_only=True)
class Example:
    """One pin of a data set; `label` is None where no trusted label is."""

    pin: PinRecord
    side: split.Side
    label: Instances | None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a data set will hold: examples of each style's segmentor, those of the classifier, and the styles left out with their reasons."""

    segmentor: dict[Style, list[Example]]
    classifier: list[Example]
    skipped: dict[str, str] = field(default_factory=dict)

    def count(self, side: split.Side) -> dict[str, int]:
        """Segmentor examples on `side`, by style."""
        return {style: sum(one.side == side for one in examples) for style, examples in self.segmentor.items()}


def merge(labels: Iterable[Instances]) -> dict[str, Instances]:
    """One label a pin: a person's outranks any teacher's, a later one an earlier one of the same origin."""
    merged: dict[str, Instances] = {}
    for label in labels:
        known = merged.get(label.pin_id)
        if known is None or label.origin == "person" or known.origin == "teacher":
            merged[label.pin_id] = label
    return merged


def plan(pins: Sequence[PinRecord], labels: Mapping[str, Instances], *, validation_share: float, min_pins: int) -> Plan:
    """Decide each pin's side and which styles have enough labelled pins. A person's empty label (nothing in the picture) counts."""
    examples = [
        Example(pin=pin, side=split.side(pin.id, validation_share=validation_share), label=labels.get(pin.id)) for pin in sorted(pins, key=lambda p: p.id)
    ]
    by_style = {style: [one for one in examples if one.pin.style == style and one.label is not None] for style in STYLES}
    skipped: dict[str, str] = {style: f"{len(found)} labelled pins, at least {min_pins} wanted" for style, found in by_style.items() if len(found) < min_pins}
    return Plan(segmentor={style: found for style, found in by_style.items() if style not in skipped}, classifier=examples, skipped=skipped)


def portable(data: bytes) -> tuple[bytes, str]:
    """A picture as every training library reads it alike, upright, and its extension: plain JPEG and PNG stay, others become JPEG."""
    with Image.open(io.BytesIO(data)) as image:
        plain = image.mode in ("RGB", "L") and "transparency" not in image.info and image.getexif().get(_EXIF_ORIENTATION, 1) in (0, 1)
        kind = {"JPEG": "jpg", "PNG": "png"}.get(image.format or "")
    if plain and kind:
        return data, kind
    return images.encode_jpeg(images.decode_rgb(data), quality=95), "jpg"


def write(plan_: Plan, *, data: Path, out: Path) -> None:
    """Write the data set of `plan_` from the pictures in `data/pins/` to `out`, whole or not at all; an older one there is replaced."""
    temporary = out.with_name(f".{out.name}.{uuid.uuid4().hex[:8]}")
    for stale in out.parent.glob(f".{out.name}.*"):
        shutil.rmtree(stale, ignore_errors=True)
    try:
        _write_classifier(plan_.classifier, data, temporary / "classifier")
        for style, examples in plan_.segmentor.items():
            _write_segmentor(examples, data, temporary / f"segmentor-{style}")
        shutil.rmtree(out, ignore_errors=True)
        temporary.rename(out)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _write_segmentor(examples: Sequence[Example], data: Path, folder: Path) -> None:
    for side in ("train", "val"):
        (folder / "images" / side).mkdir(parents=True)
        (folder / "labels" / side).mkdir(parents=True)
    for one in examples:
        if one.label is not None and _write_picture(one.pin, data, folder / "images" / one.side):
            (folder / "labels" / one.side / f"{one.pin.id}.txt").write_text(yolo_format.to_text(one.label))
    names = dict(enumerate(CLASSES))
    (folder / "data.yaml").write_text(yaml.safe_dump({"train": "images/train", "val": "images/val", "names": names}, sort_keys=False))


def _write_classifier(examples: Sequence[Example], data: Path, folder: Path) -> None:
    for side in ("train", "val"):
        for style in STYLES:
            (folder / side / style).mkdir(parents=True)
    for one in examples:
        _write_picture(one.pin, data, folder / one.side / one.pin.style)


def _write_picture(pin: PinRecord, data: Path, folder: Path) -> bool:
    source = data / "pins" / snapshots.pin_name(pin)
    try:
        content, extension = portable(source.read_bytes())
    except FileNotFoundError as error:
        raise ContractViolation(f"pin {pin.id}: expected its picture at {source}; run `labeling snapshot` or `labeling restore` again") from error
    except (UndecodableImage, OSError, ValueError, SyntaxError) as error:
        _log.warning("pin %s is left out of the data set: %s", pin.id, error)
        return False
    (folder / f"{pin.id}.{extension}").write_bytes(content)
    return True


def read_labels(folder: Path) -> list[Instances]:
    """The labels in `data/labels/`. Raises `ContractViolation` naming a bad file."""
    return [_read_label(path.read_bytes(), str(path)) for path in sorted(folder.glob("*.json"))]


def _read_label(data: bytes, name: str) -> Instances:
    try:
        return Instances.model_validate_json(data)
    except ValidationError as error:
        raise ContractViolation(f"{name}: expected `Instances`: {error}; remove it and build the data set again") from error


def stored_labels(store: ObjectStore) -> list[Instances]:
    """Labels of all batches, oldest first, then the corrections."""
    keys = [key for key in store.keys("batches") if key.endswith("/labels.jsonl") and key.count("/") == 2]
    teachers = [label for key in keys for label in shards.from_jsonl(store.get(key), name=key)]
    return teachers + [_read_label(store.get(key), key) for key in store.keys(CORRECTIONS) if key.endswith(".json")]


def write_labels(labels: Mapping[str, Instances], folder: Path) -> None:
    """Make `folder` hold exactly `labels`, one JSON file each."""
    folder.mkdir(parents=True, exist_ok=True)
    for stale in [path for path in folder.glob("*.json") if path.stem not in labels]:
        stale.unlink()
    for pin_id, label in labels.items():
        atomic.write_text(folder / f"{pin_id}.json", label.model_dump_json())


def version_labels(store: ObjectStore, workspace: Workspace) -> str:
    """Put all batches' labels and the corrections of snapshotted pins into the workspace, version it, and return the new snapshot's id."""
    pins = {pin.id for pin in read_manifest(workspace.data)}
    labels = {pin_id: label for pin_id, label in merge(stored_labels(store)).items() if pin_id in pins}
    workspace.prepare()
    write_labels(labels, workspace.data / "labels")
    return workspace.commit()


def read_manifest(data: Path) -> list[PinRecord]:
    """The pins of the snapshot in `data`. Raises `InputError` where there is none."""
    try:
        return manifests.from_parquet((data / snapshots.MANIFEST).read_bytes())
    except FileNotFoundError as error:
        raise InputError(f"{data}: expected a snapshot ({snapshots.MANIFEST}, pins/, labels/); run `labeling snapshot` or `labeling restore` first") from error


def build(*, batch: str, data: Path, out: Path, snapshot: str, validation_share: float, min_pins: int) -> dict[str, Any]:
    """Write the data set of the snapshot in `data` to `out` and return the verb's result, which lies beside it as `dataset.json`."""
    labels = merge(read_labels(data / "labels"))
    decided = plan(read_manifest(data), labels, validation_share=validation_share, min_pins=min_pins)
    write(decided, data=data, out=out)
    result = {
        "batch": batch, "dataset": str(out.absolute()), "snapshot": snapshot, "train": decided.count("train"), "val": decided.count("val"),
        "skipped": decided.skipped, "teachers": sorted({f"{label.teacher} {label.teacher_version}".strip() for label in labels.values()} - {""}),
    }  # fmt: skip
    atomic.write_text(out / "dataset.json", json.dumps(result, indent=2, sort_keys=True))
    return result
