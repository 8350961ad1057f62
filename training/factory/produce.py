"""From an empty cache to the factory's model folders."""

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from sticker_studio import inference, masks, model_card, registry, subjects
from sticker_studio.errors import NotEnoughData
from sticker_studio.model_card import ModelCard
from sticker_studio.types import CLASSIFIER, SEGMENTORS, STYLES, Detection, Style
from training import export, yolo
from training.factory import compose, corpus, cutouts, data_folder, experiments, pseudo_labels, recipe, style

log = logging.getLogger(__name__)

VERSION: Final = "factory-4"
RENDER_SHARE, SEGMENTOR_SHARE, CLASSIFIER_SHARE = 0.2, 0.65, 0.12
"""Of the budget; gathering, exporting and choosing thresholds take the rest."""
SHARED_SHARE: Final = 0.65
"""Of the segmentors' time, what is shared by both styles."""
PICTURES_A_SECOND: Final = 25
"""That one core renders, roughly."""
THRESHOLDS: Final = (0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5)
VALIDATION: Final[dict[Style, tuple[str, ...]]] = {
    "anime": ("val-paste-anime", "val-scenes-anime"),
    "normal": ("val-real", "val-paste-normal", "val-scenes-normal"),
}
SOURCES: Final = {
    "tuxpaint-stamps-default": ("Debian tuxpaint-stamps-default (photographs and drawings cut out)", "GPL-2"),
    "openclipart-svg": ("Debian openclipart-svg (drawings)", "public domain"),
    "fonts-noto-color-emoji": ("Debian fonts-noto-color-emoji (glyphs)", "OFL-1.1"),
    "wesnoth-1.16-data": ("Debian wesnoth-1.16-data (painted portraits and story art)", "GPL-2+ and CC BY-SA 4.0"),
    "@dicebear/collection": ("npm @dicebear/collection 9.4 (drawn people)", "MIT code; drawings CC0, CC BY 4.0 or free use, by style"),
}
KNOWN_FAILURES: Final = {
    SEGMENTORS["anime"]: (
        "thin things that a character holds (swords, staffs, strings) are lost",
        "two characters that touch may become one",
        "a painted backdrop with a figure-like shape is sometimes cut out as a subject",
    ),
    SEGMENTORS["normal"]: (
        "everyday objects are known from a few hundred photographs: large even ones (boats, screens) are cut in part, or with what touches them",
        "in a busy room a surer small thing may be taken instead of the subject",
        "thin parts (legs of chairs, spokes, wings against the sky) are lost",
    ),
    CLASSIFIER: (
        "a drawing on a photographed background is sometimes taken for a photograph",
        "rendered, photo-like scenes are often taken for drawings",
    ),
}
"""For the model cards; seen on the sheets of `make quality`, see docs/quality.md."""
Provenance = Mapping[str, list[str]]
BACKGROUND_LICENCES: Final = "wallpapers: CC BY-SA 3.0/4.0, LGPL-3, GPL-2+ (see each package); scikit-image and scikit-learn pictures: BSD-3, CC0, CC BY"


def run(*, out: Path, data: Path | None, cache: Path, budget_s: float, seed: int, start: Path | None, registry_uri: str) -> dict[str, Any]:
    """See `training.factory.run`."""
    known = data_folder.sources(data) if data is not None else {}
    labelled = None
    if data is not None and start is not None:
        labelled = cache / "pseudo-labels"
        labelled.mkdir(parents=True, exist_ok=True)
        pseudo_labels.write(data, labelled, inference.Segmentor(start / SEGMENTORS["normal"]), known, workers=os.cpu_count() or 1)
        known |= data_folder.sources(labelled)
    library, kept, missing = recipe.gather(data=data, pseudo_labels=labelled, known=known, node_folder=cutouts.install_avatars(cache / "node"))
    for line in missing:
        log.warning("gone without: %s", line)
    if not library.cutouts:
        raise NotEnoughData("the factory found nothing to train on; install the packages that docs/factory.md names, for example tuxpaint-stamps-default")
    cores = os.cpu_count() or 1
    recipe.render_parts(cache, library, kept, seed=seed, workers=cores, share=render_share(budget_s, cores))
    trained = train_segmentors(cache, time_limit_s=SEGMENTOR_SHARE * budget_s, seed=seed, ranks=min(2, cores), start=start)
    results = {kind: [stage.result for stage in trained if stage.name.startswith(kind)][-1] for kind in STYLES}
    provenance = provenance_of(library, known)
    metrics: dict[str, Any] = {}
    for kind in STYLES:
        metrics[SEGMENTORS[kind]] = finish_segmentor(cache, out, kind, results[kind], *grown_from(SEGMENTORS[kind], start, provenance))
    metrics[CLASSIFIER] = finish_classifier(cache, out, provenance, time_limit_s=CLASSIFIER_SHARE * budget_s, seed=seed, start=start)
    asked: dict[str, Any] = {
        "budget_s": budget_s,
        "seed": seed,
        "cores": cores,
        "start": start or "nothing",
        "cutouts": len(library.cutouts),
        "missing": "; ".join(missing),
    }
    asked |= {f"shares/{kind}": str(shares) for kind, shares in recipe.STYLE_SHARES.items()}
    uri = experiments.tracking_uri(cache, registry_uri)
    run_id = experiments.record(uri, asked=asked, stages={stage.name: stage.result for stage in trained}, metrics=metrics)
    return {"out": str(out), "version": VERSION, "missing": missing, "metrics": metrics, "experiment": {"tracking_uri": uri, "run_id": run_id}}


def grown_from(name: str, start: Path | None, provenance: Provenance) -> tuple[Provenance, str]:
    """For the card of model `name`: all that it has learned from, what its start had learned from too, and what its training began with."""
    if start is None:
        return provenance, "random initialisation"
    before = model_card.read(start / name)
    known = {"data_sources": before.data_sources, "licences": before.licences}
    merged = {key: [*lines, *(line for line in known[key] if line not in lines)] for key, lines in provenance.items()}
    return merged, f"{before.version} ({before.base}), trained further"


def render_share(budget_s: float, cores: int) -> float:
    """How much of the corpus is rendered: what its share of the time allows, at most all of it."""
    return min(1.0, RENDER_SHARE * budget_s * cores * PICTURES_A_SECOND / sum({**recipe.COUNTS, **style.COUNTS}.values()))


def train_segmentors(cache: Path, *, time_limit_s: float, seed: int, ranks: int, start: Path | None) -> list[recipe.Stage]:
    """Run the shared stages and then each style's own, or, where there is a `start` folder of models, each style's own from there. All in order."""
    common = [] if start else recipe.shared_stages(cache, time_limit_s=SHARED_SHARE * time_limit_s, seed=seed)
    left = (1 - SHARED_SHARE if common else 1.0) * time_limit_s
    stages = list(common)
    for number, (kind, share) in enumerate(recipe.STYLE_TIME.items(), 1):
        begin = start / SEGMENTORS[kind] / registry.WEIGHTS_NAME if start else common[-1].result
        stages += recipe.style_stages(cache, kind, time_limit_s=share * left, seed=seed + 10 * number, start=begin, go_on=start is not None)
    for stage in stages:
        recipe.train(stage, ranks=ranks)
    return stages


def provenance_of(library: compose.Library, given: Mapping[str, data_folder.Source]) -> Provenance:
    """The card's `data_sources` and `licences`, of what was in fact used: packages, and what the caller gave."""
    known = SOURCES | {name: (source.what, source.licence) for name, source in given.items()}
    present = {cut.source for cut in library.cutouts} | {scene.source for scene in library.scenery}
    used = [name for name in known if name in present]
    behind = sorted({background.source for background in library.backgrounds})
    return {
        "data_sources": [known[name][0] for name in used] + [f"{source} (backgrounds)" for source in behind] + ["sticker_studio.scenes, split factory"],
        "licences": [f"{known[name][0].split(' (')[0]}: {known[name][1]}" for name in used] + [BACKGROUND_LICENCES],
    }


def finish_segmentor(cache: Path, out: Path, kind: Style, weights: Path, provenance: Provenance, base: str) -> dict[str, float]:
    """Write one style's model folder, choose its score threshold on held-out pictures, and write it again with that and the figures."""
    model = yolo.load(weights)
    name = SEGMENTORS[kind]
    card = ModelCard(
        name=name, version=VERSION, kind="segmentor", style=kind, architecture=yolo.ARCHITECTURE, input_px=compose.SIDE_PX,
        score_threshold=THRESHOLDS[0], base=base, data_sources=provenance["data_sources"],
        licences=provenance["licences"], known_failures=list(KNOWN_FAILURES[name]), file_sha256="0" * 64,
    )  # fmt: skip
    export.write_segmentor(out / card.name, model, card)
    threshold, metrics = validate(inference.Segmentor(out / card.name, threads=1), recipe.open_parts(cache), VALIDATION[kind])
    export.write_segmentor(out / card.name, model, card.model_copy(update={"score_threshold": threshold, "metrics": metrics}))
    log.info("%s: threshold %.2f, %s", card.name, threshold, metrics)
    return metrics


def finish_classifier(cache: Path, out: Path, provenance: Provenance, *, time_limit_s: float, seed: int, start: Path | None = None) -> dict[str, float]:
    """Train (from the classifier of the folder `start`, where given), calibrate and write the style classifier."""
    import torch

    torch.set_num_threads(1)  # its layers are too small to share
    parts = recipe.open_parts(cache)
    weights = start / CLASSIFIER / registry.WEIGHTS_NAME if start else None
    model = style.fit(parts, time_limit_s=time_limit_s, seed=seed, start=weights)
    return write_classifier(model, parts, out, *grown_from(CLASSIFIER, start, provenance))


def write_classifier(model: Any, parts: Mapping[str, corpus.Part], out: Path, provenance: Provenance, base: str) -> dict[str, float]:
    """Calibrate a trained classifier on held-out pictures and write its folder."""
    by_style, temperature = style.accuracy(model, parts)
    metrics = {f"held-out accuracy {name}": round(value, 4) for name, value in by_style.items()}
    card = ModelCard(
        name=CLASSIFIER, version=VERSION, kind="classifier", architecture="mobilenet_v3_small", input_px=style.INPUT_PX, letterbox=False, mean=style.MEAN,
        std=style.STD, classes=STYLES, temperature=temperature, base=base, metrics=dict(metrics), data_sources=provenance["data_sources"],
        licences=provenance["licences"], known_failures=list(KNOWN_FAILURES[CLASSIFIER]), file_sha256="0" * 64,
    )  # fmt: skip
    export.write_classifier(out / card.name, model, card)
    log.info("%s: %s, temperature %.2f", card.name, metrics, temperature)
    return metrics


def validate(segmentor: inference.Segmentor, parts: Mapping[str, corpus.Part], names: Sequence[str]) -> tuple[float, dict[str, float]]:
    """The threshold with the best mean over the groups of held-out pictures (a picture without a subject counts 1 when nothing is found), and each group's
    figures: of the largest subject and of all of them, each against what the service would cut out.
    """
    found = {
        name: [(parts[name].picture(i)[1], segmentor.segment(parts[name].picture(i)[0], score_threshold=THRESHOLDS[0])) for i in range(len(parts[name]))]
        for name in names
        if name in parts
    }
    table = {threshold: _figures(found, threshold) for threshold in THRESHOLDS}
    best = max(THRESHOLDS, key=lambda threshold: float(np.mean(list(table[threshold].values()))))
    return best, {name: round(value, 4) for name, value in table[best].items()}


def _figures(found: Mapping[str, Sequence[tuple[yolo.IndexMap, list[Detection]]]], threshold: float) -> dict[str, float]:
    figures: dict[str, float] = {}
    for name, pairs in found.items():
        sure = [(objects, [one for one in detections if one.score >= threshold]) for objects, detections in pairs]
        what = name.removeprefix("val-")
        largest = [masks.iou(corpus.largest_object(objects), subjects.cut(some, "largest", objects.shape)) for objects, some in sure]
        every = [masks.iou(objects > 0, subjects.cut(some, "all", objects.shape)) for objects, some in sure]
        figures |= {f"IoU {what}": float(np.mean(largest)), f"IoU {what} all": float(np.mean(every))}
    return figures
