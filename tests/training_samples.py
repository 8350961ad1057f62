"""Data sets and models for the training tests: generated scenes with exact labels, in the layout of docs/pipeline.md."""

import json
from pathlib import Path

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
    for style, name in SEGMENTORS.items():
        card = ModelCard(name=name, version="factory-0", kind="segmentor", style=style, architecture="yolov8n-seg", input_px=input_px, file_sha256="0" * 64)
        export.write_segmentor(folder / name, students.build("yolov8n-seg", seed=1), card)
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
