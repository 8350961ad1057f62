"""Quality of the factory models as a caller sees it, over HTTP, on your own pictures and masks: `make quality DATA=<folder>`.

DATA holds one folder for each group: `<group>/images/*` and, where the truth is known, `<group>/masks/<stem>.png` (above 127 = subject).
`no_subject` holds pictures where nothing is to be found. `<group>/images/00_name_more.jpg` belongs to the character `name`. The service runs
as a process of its own with an empty home and no registry. `--scenes N` adds N generated audit scenes of each style, of families that nothing was
trained on. Results: out/quality.json, out/quality/<group>.jpg and worst.jpg (to look at), and with `--write` docs/quality.md, whose words
about the worst pictures are kept.
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
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import httpx
import numpy as np
from PIL import Image
from scipy.stats import bootstrap

from benchmarks.own_service import ROOT, answers, free_port
from serving.client import StickerClient
from sticker_studio import atomic, images, masks, scenes
from sticker_studio.errors import NothingFound
from sticker_studio.settings import Settings
from sticker_studio.types import RGBA, STYLES, Mask, Style

NO_SUBJECT: Final = "no_subject"
STYLE_WORDS: Final[dict[str, Style]] = {"photo": "normal", "normal": "normal", "anime": "anime", "cartoon": "anime", "sketch": "anime", "drawing": "anime"}
"""A group whose name has one of these words is known to be of that style."""
SCENES: Final = "drawn_scenes_"
"""Beginning of the groups of generated scenes; the style follows."""
SCENES_SEED: Final = 900_000
BOOTSTRAP_SAMPLES: Final = 2000
WORST: Final = 10
WORDS: Final = "## The ten worst, in words"
SHEET_SIDE_PX: Final = 192
PAIRS_A_ROW: Final = 4
INTRODUCTION: Final = """# Quality of the factory models

Measured by `make quality DATA=<folder> ARGS="--write --teacher"`: each picture goes through `POST /cutout` (`crop=false`,
`subject=largest`) of a service on the factory models; IoU of alpha >= 0.5 with the trusted mask, nothing found counts as 0. The embedded
teacher (`labeling/teachers/embedded.py`) labels the same pictures. Times are the caller's, over HTTP, on a shared two-core machine.

DATA holds a folder for each group, with `images/` and `masks/` (PNG of the same stem, above 127 = subject); `no_subject` holds pictures in
which nothing is to be found. Groups `drawn_scenes_*` are generated (`--scenes 500`), of families that nothing was trained on. Intervals are 95 %
bootstraps. Sheets to look at, on magenta, are left in `out/quality/`.

The figures are slightly flattering: these same pictures were in view when rules of the cut-out were chosen (merging detections inside the largest subject,
dropping islands, leaving out what is doubted beside the surest, the second look at the mirror image, the guided filter's radius). Each had to be better or
level on held-out pictures of the factory too; nothing was trained on these. Which models to keep was decided on other pictures, but for one tie: two normal
segmentors that those did not tell apart, where the one better on these photographs was taken (docs/experiments.md, rows 19 and 20). The embedded teacher is
told the style by the group's name, as a board tells it; the student asks the classifier.
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
    boundary_f: float | None
    cutout_s: float
    sticker_s: float
    sticker_bytes: int
    teacher_iou: float | None = None


def group_style(group: str) -> Style | None:
    """The style that a group's name tells; None when it tells none."""
    return next((style for word, style in STYLE_WORDS.items() if word in group.lower()), None)


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
        group=group,
        picture=picture.name,
        character=character(picture.stem),
        style=style,
        found=cutout is not None,
        iou=_score(masks.iou, cutout, mask),
        boundary_f=_score(masks.boundary_f, cutout, mask),
        cutout_s=cutout_s,
        sticker_s=time.perf_counter() - started,
        sticker_bytes=len(sticker.data),
    )
    return row, cutout


def truth_of(mask: Path) -> Mask:
    """HxW of a mask file."""
    return np.asarray(Image.open(mask).convert("L")) > 127


def _score(measured: Callable[[Mask, Mask], float], cutout: RGBA | None, mask: Path | None) -> float | None:
    if mask is None:
        return None
    return measured(cutout[..., 3] >= 128, truth_of(mask)) if cutout is not None else 0.0


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
    label = teacher.label(images.decode_rgb(picture.read_bytes()), pin_id=picture.stem, style=group_style(group))
    found = [label.mask(index) for index in range(len(label.objects))]
    return masks.iou(max(found, key=np.count_nonzero), truth_of(mask)) if found else 0.0


# --- summary


def summarise(rows: Sequence[Row]) -> dict[str, Any]:
    """Figures of one set of pictures; intervals are 95 % percentile bootstraps, `teacher_gain` is paired."""
    known = [row.iou for row in rows if row.iou is not None]
    paired = [(row.iou, row.teacher_iou) for row in rows if row.iou is not None and row.teacher_iou is not None]
    style = group_style(rows[0].group)
    return {
        "pictures": len(rows),
        "mean_iou": interval(known),
        "median_iou": interval(known, np.median),
        "boundary_f": interval([row.boundary_f for row in rows if row.boundary_f is not None]),
        "teacher_mean_iou": interval([taught for _, taught in paired]),
        "teacher_gain": interval([taught - own for own, taught in paired]),
        "nothing_found": round(1 - statistics.mean(row.found for row in rows), 4),
        "styles": dict(sorted(Counter(row.style for row in rows).items())),
        "style_right": round(statistics.mean(row.style == style for row in rows), 4) if style else None,
        "cutout_p50_ms": _percentile([row.cutout_s for row in rows], 50),
        "sticker_p50_ms": _percentile([row.sticker_s for row in rows], 50),
        "sticker_p95_ms": _percentile([row.sticker_s for row in rows], 95),
        "largest_sticker_bytes": max(row.sticker_bytes for row in rows),
    }


def interval(values: Sequence[float], statistic: Callable[..., Any] = np.mean) -> dict[str, float] | None:
    """A statistic of `values` with its 95 % bootstrap interval (percentile, seeded; a single value is its own interval); None of nothing."""
    if not values:
        return None
    value = float(statistic(values))
    low = high = value
    if len(set(values)) > 1:
        found = bootstrap((values,), statistic, n_resamples=BOOTSTRAP_SAMPLES, method="percentile", rng=np.random.default_rng(0)).confidence_interval
        low, high = float(found.low), float(found.high)
    return {"value": round(value, 4), "low": round(low, 4), "high": round(high, 4)}


def balanced_accuracy(groups: Mapping[str, Mapping[str, Any]]) -> float | None:
    """Mean of the classifier's recall of both styles over the groups of real pictures whose style is known; None unless both are there."""
    right: dict[str, list[int]] = defaultdict(list)
    for name, figures in groups.items():
        style = group_style(name)
        if style and not name.startswith(SCENES):
            told = figures["styles"].get(style, 0)
            right[style] += [1] * told + [0] * (figures["pictures"] - told)
    return round(statistics.mean(statistics.mean(some) for some in right.values()), 4) if len(right) == len(STYLES) else None


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
    return {"models": told, "classifier_balanced_accuracy": balanced_accuracy(groups), "groups": groups, "pictures": [asdict(row) for row in rows]}


def markdown(result: Mapping[str, Any], words: str = "") -> str:
    """docs/quality.md; `words` is what a person wrote about the worst pictures."""
    groups = result["groups"]
    lines = [
        INTRODUCTION,
        "| group | pictures | mean IoU | median IoU | boundary F | nothing found | cut-out p50 ms | sticker p50 / p95 ms |",
        "|---|---|---|---|---|---|---|---|",
        *(_line(name, figures) for name, figures in groups.items()),
        "\n## The embedded teacher beside it\n",
        "| group | teacher's mean IoU | teacher minus student, paired | verdict |",
        "|---|---|---|---|",
        *(_teacher_line(name, figures) for name, figures in groups.items() if figures["teacher_gain"]),
        "\n## The style classifier\n",
        "| group | taken for anime | taken for normal | right |",
        "|---|---|---|---|",
        *(_style_line(name, figures) for name, figures in groups.items() if figures["style_right"] is not None),
    ]
    if result["classifier_balanced_accuracy"] is not None:
        lines.append(f"\nBalanced accuracy over the real pictures whose style is known: {result['classifier_balanced_accuracy']:.3f}.")
    lines += [
        "\n## By character\n",
        "| group | character | pictures | mean IoU | median IoU | boundary F | teacher's mean IoU |",
        "|---|---|---|---|---|---|---|",
    ]
    for group, figures in groups.items():
        for name, some in sorted(figures["characters"].items()):
            told = " | ".join(_value(some[key]) for key in ("mean_iou", "median_iou", "boundary_f", "teacher_mean_iou"))
            lines.append(f"| {group} | {name} | {some['pictures']} | {told} |")
    lines += [
        "",
        "## Refined against unrefined",
        "",
        "IoU and boundary F of the same detections before and after their edges are refined, by group: [edges.md](edges.md).",
    ]
    lines += ["", "## Models", "", "| model | version | sha-256 |", "|---|---|---|"]
    lines += [f"| `{name}` | {model['version']} | `{model['sha256'][:16]}` |" for name, model in result["models"].items()]
    return "\n".join(lines) + "\n" + (f"\n{WORDS}\n\n{words}\n" if words else "")


def written_words(document: Path) -> str:
    """What a person wrote under the heading about the worst pictures, so that measuring again keeps it."""
    text = document.read_text() if document.is_file() else ""
    return text.partition(WORDS)[2].strip()


def _line(name: str, figures: Mapping[str, Any]) -> str:
    told = " | ".join(_told(figures[key]) for key in ("mean_iou", "median_iou", "boundary_f"))
    times = f"{figures['cutout_p50_ms']:.0f} | {figures['sticker_p50_ms']:.0f} / {figures['sticker_p95_ms']:.0f}"
    return f"| {name} | {figures['pictures']} | {told} | {figures['nothing_found']:.0%} | {times} |"


def _teacher_line(name: str, figures: Mapping[str, Any]) -> str:
    gain = figures["teacher_gain"]
    verdict = "better" if gain["low"] > 0 else "worse" if gain["high"] < 0 else "no gap"
    return f"| {name} | {_told(figures['teacher_mean_iou'])} | {gain['value']:+.3f} ({gain['low']:+.3f} to {gain['high']:+.3f}) | {verdict} |"


def _style_line(name: str, figures: Mapping[str, Any]) -> str:
    counts = " | ".join(str(figures["styles"].get(style, 0)) for style in STYLES)
    return f"| {name} | {counts} | {figures['style_right']:.0%} |"


def _told(figure: Mapping[str, float] | None) -> str:
    return "-" if figure is None else f"{figure['value']:.3f} ({figure['low']:.2f} to {figure['high']:.2f})"


def _value(figure: Mapping[str, float] | None) -> str:
    return "-" if figure is None else f"{figure['value']:.3f}"


# --- sheets to look at


def tile(picture: Path, cutout: RGBA | None) -> Image.Image:
    """Picture and cut-out side by side, the cut-out on magenta; grey where nothing was found."""
    side = SHEET_SIDE_PX
    left = Image.open(picture).convert("RGB")
    left.thumbnail((side, side))
    pair = Image.new("RGB", (2 * side + 8, side + 8), "white")
    pair.paste(left, (0, 0))
    if cutout is None:
        pair.paste(Image.new("RGB", (side, side), "grey"), (side, 0))
        return pair
    ground = Image.new("RGB", (side, side), "magenta")
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


def draw_scenes(folder: Path, count: int) -> None:
    """`count` generated audit scenes of each style as groups of `folder`; the truth is the largest object."""
    for style in STYLES if count else ():
        images_folder, masks_folder = (folder / f"{SCENES}{style}" / name for name in ("images", "masks"))
        images_folder.mkdir(parents=True)
        masks_folder.mkdir()
        for number, scene in enumerate(scenes.draw_many(count, seed=SCENES_SEED, style=style, split="audit")):
            largest = max((item.mask for item in scene.objects), key=np.count_nonzero, default=None)
            if largest is not None:
                Image.fromarray(scene.image).save(images_folder / f"{number:04}.png", compress_level=1)
                Image.fromarray(largest.astype(np.uint8) * 255).save(masks_folder / f"{number:04}.png", compress_level=1)


def main() -> None:
    """Measure, print the table, write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of groups")
    parser.add_argument("--teacher", action="store_true", help="measure the embedded teacher beside it")
    parser.add_argument("--scenes", type=int, default=0, help="so many generated audit scenes of each style too")
    parser.add_argument("--write", action="store_true", help="write docs/quality.md")
    parser.add_argument("--limit", type=int, default=0, help="at most so many pictures a group; 0: all")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sticker-quality-") as drawn:
        draw_scenes(Path(drawn), arguments.scenes)
        listed = [one for folder in (arguments.data, Path(drawn)) for _, some in _limited(folder, arguments.limit) for one in some]
        if not listed:
            raise SystemExit(f"--data: expected folders that hold images/ (and masks/), got none in {arguments.data}")
        result = _measured(listed, teacher=arguments.teacher)
    atomic.write_text(ROOT / "out" / "quality.json", json.dumps(result, indent=1))
    document = ROOT / "docs" / "quality.md"
    text = markdown(result, written_words(document))
    if arguments.write:
        atomic.write_text(document, text)
    print(text)


def _measured(listed: Sequence[tuple[str, Path, Path | None]], *, teacher: bool) -> dict[str, Any]:
    """Every picture through a service of our own (and the teacher); the sheets are written on the way."""
    rows, tiles = [], []
    with factory_service() as url:
        client = StickerClient(url)
        models = httpx.get(f"{url}/models").json()["models"]
        for group, picture, mask in listed:
            row, cutout = measure(client, group, picture, mask)
            rows.append(row)
            tiles.append(tile(picture, cutout))
            if len(rows) % 50 == 0:
                print(f"{len(rows)} of {len(listed)} pictures", file=sys.stderr)
    for group in {row.group for row in rows if not row.group.startswith(SCENES)}:
        save_sheet([one for row, one in zip(rows, tiles, strict=True) if row.group == group], ROOT / "out" / "quality" / f"{group}.jpg")
    ranked = sorted((row.iou, index) for index, row in enumerate(rows) if row.iou is not None and not row.group.startswith(SCENES))[:WORST]
    if ranked:
        save_sheet([tiles[index] for _, index in ranked], ROOT / "out" / "quality" / "worst.jpg")
        print("worst first: " + ", ".join(f"{rows[index].group}/{rows[index].picture} {iou:.2f}" for iou, index in ranked), file=sys.stderr)
    if teacher:
        taught = teacher_ious(listed)
        rows = [replace(row, teacher_iou=iou) for row, iou in zip(rows, taught, strict=True)]
    return report(rows, models)


def _limited(data: Path, limit: int) -> Iterator[tuple[str, list[tuple[str, Path, Path | None]]]]:
    groups: dict[str, list[tuple[str, Path, Path | None]]] = defaultdict(list)
    for one in pictures(data):
        groups[one[0]].append(one)
    for group, some in groups.items():
        yield group, some[:limit] if limit else some


if __name__ == "__main__":
    main()
