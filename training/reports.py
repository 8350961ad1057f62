"""Pictures that a reviewer looks at: champion against challenger by slice, and the worst and most changed cases."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from sticker_studio import atomic, images
from sticker_studio.types import RGB, Mask
from training.evaluation import Evaluation, Examined

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COMPARISON_NAME: Final = "comparison.png"
WORST_NAME: Final = "worst.png"
CELL_PX: Final = 220
SHOWN: Final = 6
TRUE, FOUND = (80, 220, 120), (255, 90, 80)


def write(folder: Path, examined: Examined) -> list[Path]:
    """Write what there is to look at into the run folder."""
    written = [write_comparison(folder / COMPARISON_NAME, examined.evaluation)]
    if examined.answers[1].masks:
        written.append(atomic.write_bytes(folder / WORST_NAME, images.encode_png(worst_sheet(examined))))
    return written


def write_comparison(path: Path, evaluation: Evaluation) -> Path:
    """Plot mean and interval of both models on each golden slice."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = list(evaluation.champion.golden)
    figure = Figure(figsize=(8, 1.4 + 0.45 * len(names)), layout="constrained")
    axes = figure.add_subplot()
    _bars(axes, evaluation, names)
    axes.set_yticks(range(len(names)), [f"{name} ({evaluation.champion.golden[name].pictures})" for name in names])
    axes.invert_yaxis()
    axes.set_xlabel(f"{evaluation.challenger.metric}, mean and 95 % bootstrap interval, golden set")
    axes.set_title(f"{evaluation.model}, batch {evaluation.batch}")
    axes.grid(axis="x", alpha=0.3)
    axes.legend(loc="best", frameon=False)
    FigureCanvasAgg(figure)
    figure.savefig(path, dpi=110)
    return path


def _bars(axes: "Axes", evaluation: Evaluation, names: Sequence[str]) -> None:
    for offset, colour, evidence, label in (
        (-0.14, "#7a7a7a", evaluation.champion, f"champion {evaluation.champion.version}"),
        (0.14, "#d1495b", evaluation.challenger, "challenger"),
    ):
        scores = [evidence.golden[name] for name in names]
        means = [score.mean for score in scores]
        errors = [[max(0.0, score.mean - score.low) for score in scores], [max(0.0, score.high - score.mean) for score in scores]]
        axes.errorbar(means, [index + offset for index in range(len(names))], xerr=errors, fmt="o", color=colour, capsize=3, label=label)


def worst_sheet(examined: Examined) -> RGB:
    """Two rows: the challenger's worst pictures, and those that changed most; each cell is truth in green, challenger in red, its IoU before and after."""
    before, after = examined.answers
    worst = sorted(range(len(after.scores)), key=lambda index: after.scores[index].value)[:SHOWN]
    changed = sorted(range(len(after.scores)), key=lambda index: -abs(after.scores[index].value - before.scores[index].value))[:SHOWN]
    rows = [np.concatenate([_cell(examined, index) for index in chosen], axis=1) for chosen in (worst, changed)]
    return np.asarray(np.concatenate([_titled(rows[0], "worst of the challenger"), _titled(rows[1], "changed most")]), np.uint8)


def _cell(examined: Examined, index: int) -> RGB:
    exam, (before, after) = examined.exams[index], examined.answers
    drawn = _outlined(_outlined(exam.image, exam.mask, TRUE), after.masks[index], FOUND)
    height, width = drawn.shape[:2]
    scale = CELL_PX / max(height, width)
    small = cv2.resize(drawn, (max(1, round(width * scale)), max(1, round(height * scale))), interpolation=cv2.INTER_AREA)
    cell = np.full((CELL_PX + 22, CELL_PX + 6, 3), 255, np.uint8)
    cell[: small.shape[0], : small.shape[1]] = small
    text = f"IoU {before.scores[index].value:.2f} -> {after.scores[index].value:.2f}"
    cv2.putText(cell, text, (4, CELL_PX + 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (30, 30, 30), 1, cv2.LINE_AA)
    return cell


def _outlined(image: RGB, mask: Mask, colour: tuple[int, int, int]) -> RGB:
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    canvas = np.ascontiguousarray(image.copy())
    cv2.drawContours(canvas, contours, -1, colour, 2, cv2.LINE_AA)
    return np.asarray(canvas, np.uint8)


def _titled(row: RGB, title: str) -> RGB:
    head = np.full((24, row.shape[1], 3), 255, np.uint8)
    cv2.putText(head, title, (4, 17), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
    return np.asarray(np.concatenate([head, row]), np.uint8)
