"""Quality of the factory models as a caller sees it, over HTTP, on your own pictures and masks: `make quality DATA=<folder>`.

DATA holds one folder for each group: `<group>/images/*` and, where the truth is known, `<group>/masks/<stem>.png` (above 127 = subject).
`no_subject` holds pictures where nothing is to be found. `<group>/images/00_name_more.jpg` belongs to the character `name`. The service runs
as a process of its own with an empty home and no registry. Results: out/quality.json, out/quality/<group>.jpg (to look at), and with
`--write` docs/quality.md.
"""

import argparse
import io
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import numpy as np
from PIL import Image

from benchmarks.own_service import ROOT, answers, free_port
from serving.client import StickerClient
from sticker_studio import atomic, images, masks
from sticker_studio.errors import NothingFound
from sticker_studio.settings import Settings
from sticker_studio.types import RGBA, Mask

NO_SUBJECT: Final = "no_subject"
STYLE_WORDS: Final = {"photo": "normal", "anime": "anime", "cartoon": "anime", "sketch": "anime", "drawing": "anime"}
"""A group whose name has one of these words is known to be of that style."""
SHEET_SIDE_PX: Final = 192
PAIRS_A_ROW: Final = 4
INTRODUCTION: Final = """# Quality of the factory models

Measured by `make quality DATA=<folder> ARGS="--write --teacher"`: each picture goes through `POST /cutout` (`crop=false`,
`subject=largest`) of a service on the factory models; IoU of alpha >= 0.5 with the trusted mask, nothing found counts as 0. The embedded
teacher (`labeling/teachers/embedded.py`) labels the same pictures. Times are the caller's, over HTTP, on a shared two-core machine.

DATA holds a folder for each group, with `images/` and `masks/` (PNG of the same stem, above 127 = subject); `no_subject` holds pictures in
which nothing is to be found. Sheets to look at are left in `out/quality/`.

The figures are slightly flattering: these same pictures were looked at when three rules of the cut-out were chosen (the largest subject by area and
score, merging detections inside it, dropping islands; 0.01 to 0.03 of mean IoU), the guided filter's radius, and which of three trained style classifiers
to keep. Nothing was trained on them. The embedded teacher is told the style by the group's name, as a board tells it; the student asks the classifier.
"""


@dataclass(frozen=True, kw_only=True)
class Row:
    """What came of one picture. `iou` is None where no mask is known; nothing found counts as 0."""

    group: str
    picture: str
    character: str
    style: str
    found: bool
    iou: float | None
    cutout_s: float
    sticker_s: float
    sticker_bytes: int
    teacher_iou: float | None = None


def group_style(group: str) -> str:
    """The style that a group's name tells; empty when it tells none."""
    return next((style for word, style in STYLE_WORDS.items() if word in group.lower()), "")


def character(stem: str) -> str:
    """`00_sylvie_blue_giggle_club` is of sylvie; a name without a leading number is of nobody."""
    match = re.match(r"\d+_([^_]+)", stem)
    return match[1] if match and not stem.isdigit() else ""


def pictures(data: Path) -> Iterator[tuple[str, Path, Path | None]]:
    """Group, picture and mask (None where there is none), sorted."""
    for folder in sorted(path for path in data.iterdir() if (path / "images").is_dir()):
        for picture in sorted((folder / "images").iterdir()):
            mask = folder / "masks" / f"{picture.stem}.png"
            yield folder.name, picture, mask if mask.is_file() else None


@contextmanager
def factory_service() -> Iterator[str]:
    """A service of our own on the factory models alone: an empty home, no registry. Its output goes to out/quality-service.log."""
    port, log = free_port(), ROOT / "out" / "quality-service.log"
    url = f"http://127.0.0.1:{port}"
    log.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="sticker-quality-") as home, log.open("wb") as output:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("STICKER_")}
        environment |= {"STICKER_HOME": home, "STICKER_SERVICE_PORT": str(port), "OMP_NUM_THREADS": "1"}
        process = subprocess.Popen([sys.executable, "-m", "serving", "serve"], cwd=ROOT, env=environment, stdout=output, stderr=output)
        try:
            deadline = time.monotonic() + 120
            while not answers(url):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"the service did not start; {log} tells why")
                time.sleep(0.2)
            yield url
        finally:
            process.terminate()
            process.wait(20)


def measure(client: StickerClient, group: str, picture: Path, mask: Path | None) -> tuple[Row, RGBA | None]:
    """One picture through `POST /cutout?crop=false&subject=largest` and `POST /sticker`."""
    data = picture.read_bytes()
    started = time.perf_counter()
    try:
        answer = client.cutout(data, crop=False, subject="largest")
        style, cutout = answer.style, np.asarray(Image.open(io.BytesIO(answer.data)).convert("RGBA"))
    except NothingFound:
        style, cutout = str(client.classify(data)["style"]), None
    cutout_s = time.perf_counter() - started
    started = time.perf_counter()
    sticker = client.sticker(data, fallback="whole")
    row = Row(
        group=group, picture=picture.name, character=character(picture.stem), style=style, found=cutout is not None,
        iou=_iou(cutout, mask), cutout_s=cutout_s, sticker_s=time.perf_counter() - started, sticker_bytes=len(sticker.data),
    )  # fmt: skip
    return row, cutout


def truth_of(mask: Path) -> Mask:
    """HxW of a mask file."""
    return np.asarray(Image.open(mask).convert("L")) > 127


def _iou(cutout: RGBA | None, mask: Path | None) -> float | None:
    if mask is None:
        return None
    return masks.iou(cutout[..., 3] >= 128, truth_of(mask)) if cutout is not None else 0.0


def teacher_ious(rows: Sequence[tuple[str, Path, Path | None]]) -> list[float | None]:
    """IoU of the embedded teacher's largest object, on the factory models too; a group's name tells it the style, as a board does in the loop."""
    from labeling.cleaning import Cut
    from labeling.teachers import embedded

    with tempfile.TemporaryDirectory(prefix="sticker-quality-") as home:
        teacher = embedded.open_teacher(Settings(home=Path(home)), cut=Cut(min_score=0.0))
        return [_teacher_iou(teacher, group, picture, mask) for group, picture, mask in rows]


def _teacher_iou(teacher: Any, group: str, picture: Path, mask: Path | None) -> float | None:
    if mask is None:
        return None
    label = teacher.label(images.decode_rgb(picture.read_bytes()), pin_id=picture.stem, style=group_style(group) or None)
    found = [label.mask(index) for index in range(len(label.objects))]
    return masks.iou(max(found, key=np.count_nonzero), truth_of(mask)) if found else 0.0


# --- summary


def summarise(rows: Sequence[Row]) -> dict[str, Any]:
    """Figures of one set of pictures."""
    known = [row.iou for row in rows if row.iou is not None]
    taught = [row.teacher_iou for row in rows if row.teacher_iou is not None]
    style = group_style(rows[0].group)
    return {
        "pictures": len(rows),
        "mean_iou": round(statistics.mean(known), 4) if known else None,
        "median_iou": round(statistics.median(known), 4) if known else None,
        "teacher_mean_iou": round(statistics.mean(taught), 4) if taught else None,
        "teacher_median_iou": round(statistics.median(taught), 4) if taught else None,
        "nothing_found": round(1 - statistics.mean(row.found for row in rows), 4),
        "style_right": round(statistics.mean(row.style == style for row in rows), 4) if style else None,
        "cutout_p50_ms": _percentile([row.cutout_s for row in rows], 50),
        "sticker_p50_ms": _percentile([row.sticker_s for row in rows], 50),
        "sticker_p95_ms": _percentile([row.sticker_s for row in rows], 95),
        "largest_sticker_bytes": max(row.sticker_bytes for row in rows),
    }


def _percentile(seconds: Sequence[float], share: float) -> float:
    return round(1000 * float(np.percentile(seconds, share)), 1)


def by(rows: Sequence[Row], key: str) -> dict[str, list[Row]]:
    """Rows by a field's value."""
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[getattr(row, key)].append(row)
    return dict(found)


def report(rows: Sequence[Row], models: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """All figures, by group and, within a group, by character."""
    groups: dict[str, Any] = {}
    for group, members in by(rows, "group").items():
        characters = {name: summarise(some) for name, some in by(members, "character").items() if name}
        groups[group] = {**summarise(members), "characters": characters}
    told = {name: {"version": model["version"], "sha256": model["sha256"]} for name, model in models.items()}
    return {"models": told, "groups": groups, "pictures": [asdict(row) for row in rows]}


def markdown(result: Mapping[str, Any]) -> str:
    """docs/quality.md."""
    lines = [
        INTRODUCTION,
        "| group | pictures | mean IoU | median IoU | teacher mean | teacher median | nothing found | style right | cut-out p50 ms | sticker p50 / p95 ms |",
        "|---|---|---|---|---|---|---|---|---|---|",
        *(_line(name, figures) for name, figures in result["groups"].items()),
        "\n## By character\n",
        "| group | character | pictures | mean IoU | median IoU | teacher mean |",
        "|---|---|---|---|---|---|",
    ]
    for group, figures in result["groups"].items():
        for name, some in sorted(figures["characters"].items()):
            lines.append(
                f"| {group} | {name} | {some['pictures']} | {_told(some['mean_iou'])} | {_told(some['median_iou'])} | {_told(some['teacher_mean_iou'])} |"
            )
    lines += ["", "## Models", "", "| model | version | sha-256 |", "|---|---|---|"]
    lines += [f"| `{name}` | {model['version']} | `{model['sha256'][:16]}` |" for name, model in result["models"].items()]
    return "\n".join(lines) + "\n"


def _line(name: str, figures: Mapping[str, Any]) -> str:
    right = "-" if figures["style_right"] is None else f"{figures['style_right']:.0%}"
    return (
        f"| {name} | {figures['pictures']} | {_told(figures['mean_iou'])} | {_told(figures['median_iou'])} | {_told(figures['teacher_mean_iou'])} | "
        f"{_told(figures['teacher_median_iou'])} | {figures['nothing_found']:.0%} | {right} | {figures['cutout_p50_ms']:.0f} | "
        f"{figures['sticker_p50_ms']:.0f} / {figures['sticker_p95_ms']:.0f} |"
    )


def _told(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


# --- sheets to look at


def tile(picture: Path, cutout: RGBA | None) -> Image.Image:
    """Picture and cut-out side by side, the cut-out on a checker; a cross where nothing was found."""
    side = SHEET_SIDE_PX
    left = Image.open(picture).convert("RGB")
    left.thumbnail((side, side))
    pair = Image.new("RGB", (2 * side + 8, side + 8), "white")
    pair.paste(left, (0, 0))
    if cutout is None:
        pair.paste(Image.new("RGB", (side, side), (120, 30, 30)), (side, 0))
        return pair
    y, x = np.mgrid[:side, :side] // 12
    ground = Image.fromarray(np.where((x + y) % 2, 170, 215).astype(np.uint8)).convert("RGB")
    cut = Image.fromarray(cutout)
    cut.thumbnail((side, side))
    ground.paste(cut, (0, 0), cut)
    pair.paste(ground, (side, 0))
    return pair


def save_sheet(tiles: Sequence[Image.Image], target: Path) -> None:
    """Tiles in rows, as a JPEG."""
    columns = PAIRS_A_ROW
    width, height = tiles[0].size
    sheet = Image.new("RGB", (columns * width, -(-len(tiles) // columns) * height), "white")
    for index, one in enumerate(tiles):
        sheet.paste(one, (index % columns * width, index // columns * height))
    target.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(target, quality=88)


def main() -> None:
    """Measure, print the table, write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of groups")
    parser.add_argument("--teacher", action="store_true", help="measure the embedded teacher beside it")
    parser.add_argument("--write", action="store_true", help="write docs/quality.md")
    parser.add_argument("--limit", type=int, default=0, help="at most so many pictures a group; 0: all")
    arguments = parser.parse_args()
    listed = [one for _, some in _limited(arguments.data, arguments.limit) for one in some]
    if not listed:
        raise SystemExit(f"--data: expected folders that hold images/ (and masks/), got none in {arguments.data}")
    rows, tiles = [], defaultdict(list)
    with factory_service() as url:
        client = StickerClient(url)
        models = httpx.get(f"{url}/models").json()["models"]
        for group, picture, mask in listed:
            row, cutout = measure(client, group, picture, mask)
            rows.append(row)
            tiles[group].append(tile(picture, cutout))
    if arguments.teacher:
        taught = teacher_ious(listed)
        rows = [Row(**{**asdict(row), "teacher_iou": iou}) for row, iou in zip(rows, taught, strict=True)]
    result = report(rows, models)
    atomic.write_text(ROOT / "out" / "quality.json", json.dumps(result, indent=1))
    for group, some in tiles.items():
        save_sheet(some, ROOT / "out" / "quality" / f"{group}.jpg")
    if arguments.write:
        atomic.write_text(ROOT / "docs" / "quality.md", markdown(result))
    print(markdown(result))


def _limited(data: Path, limit: int) -> Iterator[tuple[str, list[tuple[str, Path, Path | None]]]]:
    groups: dict[str, list[tuple[str, Path, Path | None]]] = defaultdict(list)
    for one in pictures(data):
        groups[one[0]].append(one)
    for group, some in groups.items():
        yield group, some[:limit] if limit else some


if __name__ == "__main__":
    main()
