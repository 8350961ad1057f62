"""Photographs without masks (`--data`): the segmentor that the training starts from looks at them several times, and what it is sure of is learned from.

A noisy student (Xie et al., 2020): the labels come from four looks at the clean picture, the student then sees it once, cropped, recoloured and blurred. Where
boxes are known (`<group>/boxes/<stem>.json`: a list of {"class", "box": [left, top, right, bottom] in 0..1}), they choose: an object whose own box is a
known one needs no certainty of its own.

The labels are written as one more data folder, so that they can be looked at, and a killed run goes on.
"""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from sticker_studio import atomic, fusion, images, masks
from sticker_studio.inference import Segmentor
from sticker_studio.types import RGB, Detection, SubjectClass
from training.factory import data_folder
from training.factory.data_folder import Source
from training.yolo import IndexMap

log = logging.getLogger(__name__)

SURE_SCORE: Final = 0.3
"""Mean over the looks, from which an object is believed without a box."""
UNSURE_SCORE: Final = 0.03
"""From which it is believed with one."""
BOX_IOU: Final = 0.75
"""Of an object's own box with a known one, from which they are the same."""
MIN_SHARE: Final = 0.01
"""Of the picture: smaller objects are not labelled."""
Box = tuple[float, float, float, float]


def write(data: Path, out: Path, segmentor: Segmentor, known: Mapping[str, Source], *, workers: int) -> int:
    """Label every picture of `data` of which no mask is known, into the data folder `out`; returns how many pictures got a label."""
    folders = [folder for folder in data_folder.groups(data) if any(_unknown(folder))]
    for folder in folders:
        source = known[data_folder.source_name(folder)]
        told = replace(source, what=f"{source.what}; pseudo-labels by {segmentor.card.name} {segmentor.card.version}, four looks each")
        for name in ("images", "objects"):
            (out / folder.name / name).mkdir(parents=True, exist_ok=True)
        atomic.write_text(out / folder.name / data_folder.SOURCE_NAME, json.dumps(asdict(told)))
    asked = [(path, out / folder.name) for folder in folders for path in _unknown(folder)]
    with ThreadPoolExecutor(workers) as pool:
        labelled = sum(pool.map(lambda pair: _write_one(pair[0], pair[1], segmentor), asked))
    if asked:
        log.info("pseudo-labels: %d of %d photographs without masks", labelled, len(asked))
    return labelled


def _unknown(folder: Path) -> Iterator[Path]:
    """Pictures of a group without a mask; drawings on paper are not photographs."""
    if folder.name == data_folder.SKETCHES:
        return
    for path in sorted((folder / "images").glob("*")):
        if not any((folder / kind / f"{path.stem}.png").is_file() for kind in ("objects", "masks")):
            yield path


def _write_one(path: Path, group: Path, segmentor: Segmentor) -> bool:
    """Label one picture, unless an earlier run did; one in which nothing is sure is left without."""
    table, picture = group / "objects" / f"{path.stem}.json", group / "images" / f"{path.stem}.jpg"
    if not table.is_file():
        image = images.shrink(images.decode_rgb(path.read_bytes()), max_side_px=data_folder.PHOTO_PX)
        objects, classes = label(image, segmentor, _boxes(path))
        if classes:
            Image.fromarray(image).save(picture, quality=92)
            Image.fromarray(objects).save(table.with_suffix(".png"))
        atomic.write_text(table, json.dumps(classes))
    return picture.is_file()


def _boxes(path: Path) -> list[Box]:
    """Known boxes of a picture, none where none are given."""
    file = path.parent.parent / "boxes" / f"{path.stem}.json"
    if not file.is_file():
        return []
    return [(left, top, right, bottom) for left, top, right, bottom in (entry["box"] for entry in json.loads(file.read_bytes()))]


def label(image: RGB, segmentor: Segmentor, boxes: Sequence[Box]) -> tuple[IndexMap, list[SubjectClass]]:
    """The index map (HxW) of what is believed of an HxWx3 picture, surest last, and the objects' classes; neither holds anything where nothing is believed."""
    found = fusion.fuse(list(fusion.look_around(image, segmentor, fusion.TEACHER_SHARES)), min_score=UNSURE_SCORE)
    believed = [one for one in found if (one.probability >= 0.5).mean() >= MIN_SHARE and _believed(one, image, boxes)]
    objects = np.zeros(image.shape[:2], np.uint8)
    classes: list[SubjectClass] = []
    for one in reversed(believed[: data_folder.PHOTO_OBJECTS]):
        classes.append(fusion.known_class(one.subject_class))
        objects[one.probability >= 0.5] = len(classes)
    return objects, classes


def _believed(one: Detection, image: RGB, boxes: Sequence[Box]) -> bool:
    if one.score >= SURE_SCORE:
        return True
    own = masks.box_xyxy(masks.largest_component(one.probability >= 0.5))
    height, width = image.shape[:2]
    known = [(left * width, top * height, right * width, bottom * height) for left, top, right, bottom in boxes]
    return own is not None and any(_box_iou(own, box) >= BOX_IOU for box in known)


def _box_iou(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    if wide <= 0 or high <= 0:
        return 0.0
    areas = [(right - left) * (bottom - top) for left, top, right, bottom in (one, other)]
    return wide * high / (sum(areas) - wide * high)
