"""The golden and the audit set: pictures with trusted masks that no model trains on.

Version 1 is generated from families that are held out for each of them, and cached below `<home>/evaluation/v1/<golden|audit>/`. A folder of
`images/` and `masks/` (STICKER_GOLDEN) adds real pictures to the golden set; `images/anime/` and `images/normal/` say their style.
"""

import json
import logging
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from sticker_studio import images, scenes
from sticker_studio.errors import ContractViolation, InputError, NotEnoughData
from sticker_studio.params import EvaluationParams
from sticker_studio.settings import Settings
from sticker_studio.types import RGB, STYLES, Mask, Style

log = logging.getLogger(__name__)

SetName = Literal["golden", "audit"]
VERSION: Final = "v1"
SIZES_WH: Final = ((400, 300), (300, 400), (352, 352))
SMALL, LARGE = 0.10, 0.35
"""Subjects that cover less than `SMALL` of the picture are small, above `LARGE` large."""
CROWDED: Final = 3


@dataclass(frozen=True, kw_only=True)
class Exam:
    """One picture (HxWx3) with the HxW mask of everything in it to be cut out. `style` is None where nobody said it."""

    id: str
    image: RGB
    mask: Mask
    style: Style | None
    slices: tuple[str, ...]


def load(name: SetName, settings: Settings, params: EvaluationParams) -> list[Exam]:
    """All pictures of a set, both styles; generated at first use. Raises `InputError` for a golden folder that does not pair up."""
    count = params.golden_scenes if name == "golden" else params.audit_scenes
    exams = _generated(settings.home / "evaluation" / VERSION / name, name, count, params.seed)
    if name == "golden" and settings.golden:
        exams += _from_folder(Path(settings.golden))
    return exams


def _generated(folder: Path, name: SetName, count: int, seed: int) -> list[Exam]:
    key = {"version": VERSION, "split": name, "scenes": count, "seed": seed, "sizes": [list(size) for size in SIZES_WH], "families": _families(name)}
    if not _is_current(folder, key):
        log.info("generating %s set: %d scenes a style", name, count)
        _write(folder, key, [_exam(scene) for style in STYLES for scene in _scenes(style, name, count, seed)])
    index = json.loads((folder / "set.json").read_text())
    return [_read(folder, entry) for entry in index["pictures"]]


def _families(name: SetName) -> dict[str, list[str]]:
    return {style: list(scenes.families(style, name)) for style in STYLES}


def _is_current(folder: Path, key: dict[str, Any]) -> bool:
    try:
        return bool(json.loads((folder / "set.json").read_text())["key"] == key)
    except (OSError, ValueError, KeyError):
        return False


def _scenes(style: Style, name: SetName, count: int, seed: int) -> Iterator[scenes.Scene]:
    for index in range(count):
        yield scenes.draw(seed=seed * 100_000 + index, style=style, split=name, size_wh=SIZES_WH[index % len(SIZES_WH)])


def _exam(scene: scenes.Scene) -> Exam:
    kinds = [f"class:{kind}" for kind in [max(scene.objects, key=lambda item: int(item.mask.sum())).subject_class] if scene.objects]
    crowded = ["crowded"] if len(scene.objects) >= CROWDED else []
    name = f"{scene.style}-{scene.family}-{scene.seed}"
    slices = (f"style:{scene.style}", *kinds, size_slice(scene.union), *crowded)
    return Exam(id=name, image=scene.image, mask=scene.union, style=scene.style, slices=slices)


def size_slice(mask: Mask) -> str:
    """The slice of subjects of this size."""
    share = float(mask.mean())
    return "size:small" if share < SMALL else "size:large" if share > LARGE else "size:medium"


def _write(folder: Path, key: dict[str, Any], exams: list[Exam]) -> None:
    """Write the set whole: to a temporary folder that takes the place of the old one."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        for exam in exams:
            (temporary / f"{exam.id}.png").write_bytes(images.encode_png(exam.image))
            (temporary / f"{exam.id}.mask.png").write_bytes(_mask_png(exam.mask))
        entries = [{"id": exam.id, "style": exam.style, "slices": exam.slices} for exam in exams]
        (temporary / "set.json").write_text(json.dumps({"key": key, "pictures": entries}, indent=1))
        shutil.rmtree(folder, ignore_errors=True)
        try:
            temporary.replace(folder)
        except OSError:  # another process put the same set there first
            if not _is_current(folder, key):
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _mask_png(mask: Mask) -> bytes:
    return images.encode_png(np.repeat(mask[:, :, None].astype(np.uint8) * 255, 3, axis=2))


def _read(folder: Path, entry: dict[str, Any]) -> Exam:
    image, mask = ((folder / f"{entry['id']}{suffix}").read_bytes() for suffix in (".png", ".mask.png"))
    found = images.decode_rgb(mask)[:, :, 0] > 127
    return Exam(id=entry["id"], image=images.decode_rgb(image), mask=found, style=entry["style"], slices=tuple(entry["slices"]))


def _from_folder(folder: Path) -> list[Exam]:
    """Pairs of `images/**/x.*` and `masks/**/x.*` (white is subject). Raises `InputError` for a picture without its mask or of another size."""
    pictures = sorted(path for path in (folder / "images").rglob("*") if path.is_file() and not path.name.startswith("."))
    if not pictures:
        raise InputError(f"STICKER_GOLDEN={folder}: expected pictures in {folder / 'images'}, found none")
    return [_pair(folder, path) for path in pictures]


def _pair(folder: Path, path: Path) -> Exam:
    relative = path.relative_to(folder / "images")
    candidates = sorted((folder / "masks" / relative.parent).glob(f"{relative.stem}.*"))
    if not candidates:
        raise InputError(f"STICKER_GOLDEN: expected a mask {folder / 'masks' / relative.with_suffix('.png')} of {path}; add it or remove the picture")
    image, mask = images.decode_rgb(path.read_bytes()), images.decode_rgb(candidates[0].read_bytes())[:, :, 0] > 127
    if image.shape[:2] != mask.shape:
        raise InputError(f"{candidates[0]}: expected {image.shape[1]}x{image.shape[0]} px as {path}, got {mask.shape[1]}x{mask.shape[0]}")
    style = next((known for known in STYLES if known == relative.parts[0]), None)
    slices = ("source:real", *([f"style:{style}"] if style else []), *([size_slice(mask)] if mask.any() else ["no subject"]))
    return Exam(id=f"real-{relative.with_suffix('').as_posix()}", image=image, mask=mask, style=style, slices=slices)


def of_style(exams: list[Exam], style: Style) -> list[Exam]:
    """What the segmentor of `style` is examined on: its pictures, and those whose style nobody said. Raises `NotEnoughData`."""
    chosen = [exam for exam in exams if exam.style in (style, None)]
    if not chosen:
        raise NotEnoughData(f"the set has no picture for style {style}")
    return chosen


def with_style(exams: list[Exam]) -> list[Exam]:
    """What the classifier is examined on. Raises `ContractViolation` when a style is missing: balanced accuracy needs both."""
    chosen = [exam for exam in exams if exam.style is not None]
    missing = [style for style in STYLES if style not in {exam.style for exam in chosen}]
    if missing:
        raise ContractViolation(f"the set has no picture of style {', '.join(missing)}")
    return chosen
