"""Data sets and models for the training tests: generated scenes with exact labels, in the layout of docs/pipeline.md."""

import json
import shutil
from pathlib import Path
from typing import Any

from sticker_studio import images, scenes, yolo_format
from sticker_studio.model_card import ModelCard
from sticker_studio.types import CLASSIFIER, SEGMENTORS, STYLES, Style
from training import export, students


def write_dataset(folder: Path, *, styles: tuple[Style, ...] = STYLES, train: int = 24, val: int = 6, size_wh: tuple[int, int] = (192, 144)) -> Path:
    """A data set of generated board pictures with exact labels; styles left out are noted as skipped."""
    for style in styles:
        for index in range(train + val):
            part = "train" if index < train else "val"
            scene = scenes.draw(seed=5000 + index, style=style, split="board", size_wh=size_wh)
            name, png = f"{style}{index:04d}", images.encode_png(scene.image)
            _write(folder / f"segmentor-{style}" / "images" / part / f"{name}.png", png)
            _write(folder / f"segmentor-{style}" / "labels" / part / f"{name}.txt", yolo_format.to_text(scene.instances(name)).encode())
            _write(folder / "classifier" / part / style / f"{name}.png", png)
    skipped = {style: "3 labelled pins, at least 20 wanted" for style in STYLES if style not in styles}
    described = {"snapshot": "a" * 32 + ".dir", "train": dict.fromkeys(styles, train), "val": dict.fromkeys(styles, val), "skipped": skipped}
    _write(folder / "dataset.json", json.dumps(described).encode())
    return folder


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def untrained_factory(folder: Path, *, input_px: int = 64) -> Path:
    """Factory models of random weights: what a test puts in place of the repository's when their quality does not matter."""
    write_students(folder, students.build("yolov8n-seg", seed=1), input_px=input_px, version="factory-0")
    card = ModelCard(
        name=CLASSIFIER,
        version="factory-0",
        kind="classifier",
        architecture="mobilenet_v3_small",
        input_px=input_px,
        letterbox=False,
        classes=STYLES,
        file_sha256="0" * 64,
    )
    export.write_classifier(folder / CLASSIFIER, export.load_classifier(None, seed=1), card)
    return folder


def write_students(folder: Path, network: Any, *, input_px: int, version: str) -> None:
    """One network as the student of both styles, exported once."""
    anime, normal = (folder / SEGMENTORS[style] for style in STYLES)
    card = ModelCard(name=anime.name, version=version, kind="segmentor", style="anime", architecture="yolov8n-seg", input_px=input_px, file_sha256="0" * 64)
    finished = export.write_segmentor(anime, network, card)
    shutil.copytree(anime, normal, dirs_exist_ok=True)
    (normal / "card.json").write_text(finished.model_copy(update={"name": normal.name, "style": "normal"}).model_dump_json())
