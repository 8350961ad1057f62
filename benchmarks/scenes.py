"""Pictures a second on one core that the scene generator draws, against the limit of 25 (`python -m benchmarks.scenes`).

Processor time is measured, so that a busy machine does not count. Exits 1 below the limit.
"""

import argparse
import json
import sys
import time

import cv2

from sticker_studio import scenes
from sticker_studio.scenes import Split
from sticker_studio.types import STYLES, Style

LIMIT_PER_S = 25.0


def rate(style: Style, split: Split, *, count: int, size_wh: tuple[int, int]) -> float:
    """Pictures a second of processor time, after the noise tiles and glyphs have been made once."""
    for _ in scenes.draw_many(20, seed=10**6, style=style, split=split, size_wh=size_wh):
        pass
    begin = time.process_time()
    for _ in scenes.draw_many(count, seed=1, style=style, split=split, size_wh=size_wh):
        pass
    return count / (time.process_time() - begin)


def main() -> int:
    """Measure every style and split; the result is one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=150, help="pictures a style and split")
    parser.add_argument("--width", type=int, default=320)
    parser.add_argument("--height", type=int, default=256)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    size_wh = (options.width, options.height)
    rates = {f"{style}/{split}": round(rate(style, split, count=options.count, size_wh=size_wh), 1) for style in STYLES for split in scenes.SPLITS}
    slowest = min(rates.values())
    print(json.dumps({"size_wh": size_wh, "pictures_per_s_a_core": rates, "slowest": slowest, "limit": LIMIT_PER_S, "passed": slowest >= LIMIT_PER_S}))
    return 0 if slowest >= LIMIT_PER_S else 1


if __name__ == "__main__":
    sys.exit(main())
