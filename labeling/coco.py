"""COCO's 80 object names, and how they become this project's three classes."""

from collections.abc import Mapping, Sequence
from typing import Final

from sticker_studio.errors import InputError
from sticker_studio.types import CLASSES, SubjectClass

NAMES: Final[tuple[str, ...]] = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light", "fire hydrant", "stop sign",
    "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe", "backpack", "umbrella",
    "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard", "sports ball", "kite", "baseball bat", "baseball glove", "skateboard",
    "surfboard", "tennis racket", "bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich", "orange",
    "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch", "potted plant", "bed", "dining table", "toilet", "tv",
    "laptop", "mouse", "remote", "keyboard", "cell phone", "microwave", "oven", "toaster", "sink", "refrigerator", "book", "clock", "vase",
    "scissors", "teddy bear", "hair drier", "toothbrush",
)  # fmt: skip
"""In the order of COCO's contiguous ids, which is Detectron2's `thing_classes`."""

OTHERS: Final = "*"


def class_table(mapping: Mapping[SubjectClass, Sequence[str]]) -> dict[str, SubjectClass]:
    """Each COCO name's class; `*` stands for every name not listed. Raises `InputError` for unknown, doubled or missing names."""
    listed = [name for names in mapping.values() for name in names]
    unknown = sorted(set(listed) - set(NAMES) - {OTHERS})
    doubled = sorted({name for name in listed if listed.count(name) > 1})
    if unknown or doubled:
        raise InputError(f"labeling.coco_classes: expected each of COCO's names once, got unknown {unknown}, doubled {doubled}; correct params.yaml")
    table = {name: label for label, names in mapping.items() for name in names}
    rest = table.pop(OTHERS, None)
    missing = [name for name in NAMES if name not in table]
    if missing and rest is None:
        raise InputError(f"labeling.coco_classes: no class for {missing}; list them, or give one class '{OTHERS}'")
    return table | {name: rest for name in missing if rest in CLASSES}
