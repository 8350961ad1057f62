"""The embedded teacher beside the student it is made of, on pictures with trusted masks: `python -m benchmarks.teacher --data <folder>`.

The folder holds `images/` and `masks/` (8-bit PNG of the same stem, above 127 = subject), or one such folder for each group. Both are measured in one
run, on the same pictures: mean and median IoU of the largest object and of all objects, and the time a picture takes on one thread.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from labeling.cleaning import Cut
from labeling.teachers import embedded
from sticker_studio import images, masks, registry
from sticker_studio.inference import Segmentor, StyleClassifier
from sticker_studio.settings import Settings
from sticker_studio.subjects import choose
from sticker_studio.types import CLASSIFIER, RGB, SEGMENTORS, STYLES, Mask, Style

Subjects = Callable[[RGB], list[Mask]]


def groups(data: Path) -> Iterator[tuple[str, list[tuple[Path, Path]]]]:
    """Each group's name, and its pairs of picture and mask."""
    for folder in [data, *sorted(path for path in data.iterdir() if path.is_dir())]:
        known = {path.stem: path for path in (folder / "masks").glob("*.png")}
        pairs = [(path, known[path.stem]) for path in sorted((folder / "images").glob("*")) if path.stem in known]
        if pairs:
            yield folder.name, pairs


def classify(settings: Settings) -> Callable[[RGB], Style]:
    """The style that the classifier finds likelier."""
    classifier = StyleClassifier(registry.resolve(CLASSIFIER, settings).folder)

    def style_of(image: RGB) -> Style:
        probabilities = classifier.probabilities(image)
        return max(STYLES, key=lambda style: probabilities[style])

    return style_of


def student(settings: Settings) -> Subjects:
    """What the service does to find subjects: the classifier picks the segmentor."""
    style_of = classify(settings)
    segmentors = {style: Segmentor(registry.resolve(SEGMENTORS[style], settings).folder) for style in STYLES}

    def subjects(image: RGB) -> list[Mask]:
        segmentor = segmentors[style_of(image)]
        return [np.asarray(one.probability >= 0.5) for one in choose(segmentor.segment(image), "all")]

    return subjects


def teacher(settings: Settings) -> Subjects:
    """The embedded teacher, without the cut by score that labels go through; the classifier tells it the style, as it does the student."""
    opened = embedded.open_teacher(settings, cut=Cut(min_score=0.0))
    style_of = classify(settings)

    def subjects(image: RGB) -> list[Mask]:
        label = opened.label(image, pin_id="benchmark", style=style_of(image))
        return [label.mask(index) for index in range(len(label.objects))]

    return subjects


def measure(subjects: Subjects, pairs: list[tuple[Path, Path]]) -> dict[str, Any]:
    """Mean and median IoU, and ms a picture (its mask included, its decoding not)."""
    largest, union, seconds = [], [], []
    for picture, mask in pairs:
        image = images.decode_rgb(picture.read_bytes())
        truth = np.asarray(cv2.imread(str(mask), cv2.IMREAD_GRAYSCALE) > 127)
        started = time.perf_counter()
        found = subjects(image)
        seconds.append(time.perf_counter() - started)
        nothing = np.zeros(truth.shape, bool)
        largest.append(masks.iou(max(found, key=np.count_nonzero, default=nothing), truth))
        union.append(masks.iou(np.any([nothing, *found], axis=0), truth))
    return {
        "pictures": len(pairs), "largest_mean": round(statistics.mean(largest), 4), "largest_median": round(statistics.median(largest), 4),
        "all_mean": round(statistics.mean(union), 4), "all_median": round(statistics.median(union), 4), "ms": round(1000 * statistics.median(seconds), 1),
    }  # fmt: skip


def main() -> None:
    """Measure and print one JSON line for each group and method."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    settings = Settings.from_env()
    methods = {"student": student(settings), "embedded teacher": teacher(settings)}
    found = list(groups(arguments.data))
    if not found:
        raise SystemExit(f"--data: expected images/ and masks/, or folders of them, in {arguments.data}, found none")
    for name, pairs in found:
        for method, subjects in methods.items():
            print(json.dumps({"group": name, "method": method, **measure(subjects, pairs)}), flush=True)


if __name__ == "__main__":
    main()
