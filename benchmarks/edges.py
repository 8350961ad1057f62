"""Refined edges against the network's own on pictures with trusted masks, and the halo of stickers: `python -m benchmarks.edges --data <folder>`.

The folder is that of `make quality`. Each picture is looked at once, in this process, by the segmentor of the group's style (the group's name tells it);
what the network says, joined and simply resized to the picture's size, is scored against the edges that the pipeline makes of it: IoU, boundary F
(tolerance 0.75 % of the diagonal), boundary F within 2 px, and, where the truth is soft, the mean absolute error of alpha within 10 px of its border.
Differences are paired, with 95 % bootstrap intervals. A picture in which nothing is found counts as 0 on both sides. The halo is measured on drawn figures
over 16 backgrounds (`halos`).
"""

import argparse
import json
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from PIL import Image

from benchmarks import quality
from serving import pipeline
from serving.pipeline import Models, Picture
from sticker_studio import atomic, images, masks, refine, registry, scenes, subjects
from sticker_studio.errors import NothingFound
from sticker_studio.inference import Segmentor
from sticker_studio.types import RGB, RGBA, SEGMENTORS, STYLES, Alpha, Style

FIGURES: Final = ("iou", "boundary_f", "boundary_f_2px", "alpha_error")
SOFT_BAND_PX: Final = 10
HALO_PX: Final = 3
GREYS: Final = (0, 64, 128, 192, 255)
COLOURS: Final = ((220, 30, 30), (30, 160, 60), (40, 70, 210))
TEXTURES: Final = 8


@dataclass(frozen=True)
class Told:
    """A classifier that is told the style."""

    style: Style

    def probabilities(self, image: RGB) -> dict[Style, float]:
        """1 for the style that is known."""
        return {style: float(style == self.style) for style in STYLES}


@dataclass(frozen=True)
class Seen:
    """A segmentor that looked once: both sides are made of the same detections."""

    detections: list[Any]

    def segment(self, image: RGB) -> list[Any]:
        """What was seen."""
        return self.detections


def alphas(picture: Picture, segmentor: Segmentor, style: Style) -> tuple[Alpha, Alpha] | None:
    """Unrefined and refined alpha, HxW of the picture; None where nothing is found."""
    seen = Seen(segmentor.segment(picture.small))
    joined = subjects.join(subjects.choose(seen.detections, "largest"), picture.small.shape[:2])
    if joined is None:
        return None
    try:
        found = pipeline.find(picture, Models(classifier=Told(style), segmentors={style: seen}), subject="largest")
    except NothingFound:
        return None
    return pipeline.view_alpha(joined, picture.pixels.shape[:2]), pipeline.full_alpha(picture, found)


def scores(alpha: Alpha | None, truth: Alpha) -> dict[str, float]:
    """The figures of one alpha against the truth, both HxW; the error of alpha only where the truth is soft."""
    mask = truth >= 0.5
    cut = np.zeros_like(mask) if alpha is None else alpha >= 0.5
    fine = 2 / float(np.hypot(*mask.shape))
    figures = {"iou": masks.iou(cut, mask), "boundary_f": masks.boundary_f(cut, mask), "boundary_f_2px": masks.boundary_f(cut, mask, tolerance_ratio=fine)}
    if alpha is not None and ((truth > 0.02) & (truth < 0.98)).any():
        figures["alpha_error"] = float(np.abs(alpha - truth)[band(truth, SOFT_BAND_PX)].mean())
    return figures


def band(truth: Alpha, width_px: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """HxW of what is within `width_px` of the truth's border, on either side."""
    mask = (truth >= 0.5).astype(np.uint8)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * width_px + 1, 2 * width_px + 1))
    return np.asarray(cv2.dilate(mask, kernel).astype(bool) & ~cv2.erode(mask, kernel, borderValue=1).astype(bool))


def compare(data: Path, segmentors: dict[Style, Segmentor]) -> dict[str, list[tuple[dict[str, float], dict[str, float]]]]:
    """Figures without and with refining of every picture that has a mask, by group."""
    rows: dict[str, list[tuple[dict[str, float], dict[str, float]]]] = defaultdict(list)
    for group, path, mask in quality.pictures(data):
        style = quality.group_style(group)
        if mask is None or style is None:
            continue
        picture = Picture(pixels=images.decode_rgb(path.read_bytes()))
        truth = np.asarray(Image.open(mask).convert("L"), np.float32) / np.float32(255)
        found = alphas(picture, segmentors[style], style) or (None, None)
        rows[group].append((scores(found[0], truth), scores(found[1], truth)))
    return dict(rows)


def summary(pairs: list[tuple[dict[str, float], dict[str, float]]]) -> dict[str, Any]:
    """Means without and with refining, and the paired difference with its interval, of each figure."""
    found: dict[str, Any] = {"pictures": len(pairs)}
    for name in FIGURES:
        known = [(before[name], after[name]) for before, after in pairs if name in before and name in after]
        if known:
            plain, refined = (np.array(side) for side in zip(*known, strict=True))
            means = {"unrefined": round(float(plain.mean()), 4), "refined": round(float(refined.mean()), 4)}
            found[name] = {**means, "gain": quality.interval((refined - plain).tolist())}
    return found


# --- halo


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure on a ground, with what it is made of: `pixels` HxWx3, `alpha` HxW and its own `colours` HxWx3."""

    pixels: RGB
    alpha: Alpha
    colours: RGB


def backgrounds(size_wh: tuple[int, int]) -> list[RGB]:
    """Sixteen: greys from black to white, strong colours, and textures of generated scenes."""
    plain = [np.full((size_wh[1], size_wh[0], 3), colour, np.uint8) for colour in [*((grey,) * 3 for grey in GREYS), *COLOURS]]
    return plain + [scenes.draw(seed=seed, style=STYLES[seed % 2], split="factory", size_wh=size_wh).image for seed in range(TEXTURES)]


def figures(grounds: list[RGB], *, seed: int = 41_000) -> Iterator[Figure]:
    """For each ground, the largest object of a generated scene laid on it, softly cut: what is under its edge is known."""
    for number, ground in enumerate(grounds):
        scene = scenes.draw(seed=seed + number, style="anime", split="factory", size_wh=(ground.shape[1], ground.shape[0]))
        mask = max((item.mask for item in scene.objects), key=np.count_nonzero, default=None)
        if mask is None:
            continue
        inner = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=1)  # the scene's own antialiased border is not the figure's colour
        alpha = np.asarray(cv2.GaussianBlur(inner.astype(np.float32), (0, 0), 0.8), np.float32)
        colours = np.asarray(cv2.inpaint(scene.image, 1 - inner, 3, cv2.INPAINT_TELEA), np.uint8)
        yield Figure(pixels=over(colours, alpha, ground), alpha=alpha, colours=colours)


def over(colours: RGB, alpha: Alpha, ground: RGB) -> RGB:
    """Straight alpha over a ground of the same size."""
    weight = alpha[..., None]
    return np.rint(colours * weight + ground * (1 - weight)).astype(np.uint8)


def halo(cut: RGBA, figure: Figure, ground: RGB) -> float:
    """Mean colour error (0..255) of the cut-out laid over `ground` against the true figure laid over it, within `HALO_PX` of the figure's border and of its
    own: a border in the wrong place is no halo.
    """
    alpha = cut[..., 3].astype(np.float32) / np.float32(255)
    near = band(figure.alpha, HALO_PX) & band(alpha, HALO_PX)
    error = np.abs(over(cut[..., :3], alpha, ground).astype(np.float32) - over(figure.colours, figure.alpha, ground)).mean(axis=2)
    return float(error[near].mean()) if near.any() else 0.0


def cut_out(figure: Figure, *, alpha: Alpha | None, decontaminated: bool) -> RGBA:
    """The figure cut out along `alpha`, or, without one, along the edges that the pipeline makes of a border as coarse as a network's."""
    given = coarse(figure.alpha) if alpha is None else alpha
    edges = refine.refine(figure.pixels, refine.by_colour(figure.pixels, given)) if alpha is None else alpha
    if not decontaminated:
        return np.dstack([figure.pixels, np.rint(edges * 255).astype(np.uint8)])
    settled = refine.unmixed(figure.pixels, edges) if alpha is None else alpha
    return np.dstack([refine.foreground_colours(figure.pixels, settled), np.rint(settled * 255).astype(np.uint8)])


def coarse(alpha: Alpha) -> Alpha:
    """HxW with the detail of a network's mask."""
    height, width = alpha.shape
    longer = max(width, height)
    cells = cv2.resize(alpha, (max(1, width * refine.CELLS // longer), max(1, height * refine.CELLS // longer)), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(cells, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def halos(size_wh: tuple[int, int] = (480, 384)) -> dict[str, float]:
    """Mean halo of sixteen figures, each on one of sixteen backgrounds, over all sixteen: with the true alpha and with the pipeline's, with and without
    decontamination (the unmixing of border pixels and the estimate of the subject's own colours).
    """
    grounds = backgrounds(size_wh)
    found: dict[str, list[float]] = defaultdict(list)
    for figure in figures(grounds):
        for known in (True, False):
            for decontaminated in (False, True):
                cut = cut_out(figure, alpha=figure.alpha if known else None, decontaminated=decontaminated)
                name = f"{'true alpha' if known else 'refined alpha'}, {'decontaminated' if decontaminated else 'as it is'}"
                found[name] += [halo(cut, figure, ground) for ground in grounds]
    return {name: round(float(np.mean(values)), 2) for name, values in found.items()}


def markdown(groups: dict[str, dict[str, Any]], halo_means: dict[str, float]) -> str:
    """Tables of the differences by group, and of the halo."""
    words = {"iou": "IoU", "boundary_f": "boundary F", "boundary_f_2px": "boundary F, 2 px", "alpha_error": "alpha error"}
    lines = ["| group | pictures | figure | unrefined | refined | difference, paired |", "|---|---|---|---|---|---|"]
    for group, found in groups.items():
        for name in FIGURES:
            if name in found:
                gain = found[name]["gain"]
                told = f"{gain['value']:+.3f} ({gain['low']:+.3f} to {gain['high']:+.3f})"
                lines.append(f"| {group} | {found['pictures']} | {words[name]} | {found[name]['unrefined']:.3f} | {found[name]['refined']:.3f} | {told} |")
    lines += ["", "| halo over 16 backgrounds | mean colour error, 0..255 |", "|---|---|", *(f"| {name} | {value:.2f} |" for name, value in halo_means.items())]
    return "\n".join(lines)


DOCUMENT: Final = quality.ROOT / "docs" / "edges.md"
INTRODUCTION: Final = """# Edges

Measured by `python -m benchmarks.edges --data <folder> --write` on the factory models, each picture seen once by the segmentor of its group's style:
*unrefined* is what the network says, resized to the picture; *refined* is what the service cuts out. Alike in both: the detections that were chosen.
Intervals are 95 % bootstraps of the paired differences. Masks of photographs are polygons, which limits what can be seen there. What `sticker_studio/refine.py`
does and its constants were chosen on other pictures: generated scenes, pasted cut-outs with known alpha, other photographs with masks.
"""


def main() -> None:
    """Measure and print the tables; figures go to out/edges.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of groups, as for `make quality`")
    parser.add_argument("--scenes", type=int, default=40, help="so many generated audit scenes of each style too")
    parser.add_argument("--write", action="store_true", help="write docs/edges.md")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    segmentors: dict[Style, Segmentor] = {style: Segmentor(registry.factory_model(SEGMENTORS[style])) for style in STYLES}
    with tempfile.TemporaryDirectory(prefix="sticker-edges-") as drawn:
        quality.draw_scenes(Path(drawn), arguments.scenes)
        rows = compare(arguments.data, segmentors) | compare(Path(drawn), segmentors)
    if not rows:
        raise SystemExit(f"--data: expected folders that hold images/ and masks/ and whose names tell the style, got none in {arguments.data}")
    groups, halo_means = {group: summary(pairs) for group, pairs in rows.items()}, halos()
    atomic.write_text(quality.ROOT / "out" / "edges.json", json.dumps({"groups": groups, "halo": halo_means}, indent=1))
    text = markdown(groups, halo_means)
    if arguments.write:
        atomic.write_text(DOCUMENT, f"{INTRODUCTION}\n{text}\n")
    print(text)


if __name__ == "__main__":
    main()
