"""What the factory renders and how it trains: parts, their shares in each stage, and the stages, each resumable from its checkpoint."""

import io
import logging
import math
import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from sticker_studio import atomic
from sticker_studio.types import CLASSES, RGB, Style
from training import yolo
from training.factory import backgrounds, corpus, cutouts, data_folder, style
from training.factory.compose import SIDE_PX, Library, Picture, Scenery, compose

log = logging.getLogger(__name__)

COUNTS: Final = {"paste-anime": 9000, "paste-normal": 12000, "real": 9000, "scenes-anime": 5000, "scenes-normal": 4000}
"""Pictures rendered for each training part."""
VALIDATION_COUNTS: Final = {"val-paste-anime": 120, "val-paste-normal": 120, "val-scenes-anime": 80, "val-scenes-normal": 60}
VALIDATION_FIGURES: Final = 150
"""Held-out drawn figures before held-out photographs, for the style classifier."""
SHARED_SHARES: Final = {"paste-anime": 0.26, "paste-normal": 0.24, "real": 0.13, "scenes-anime": 0.27, "scenes-normal": 0.1}
STYLE_SHARES: Final[dict[Style, dict[str, float]]] = {
    "anime": {"paste-anime": 0.48, "scenes-anime": 0.38, "paste-normal": 0.09, "real": 0.05},
    "normal": {"real": 0.38, "paste-normal": 0.34, "scenes-normal": 0.14, "paste-anime": 0.08, "scenes-anime": 0.06},
}
STYLE_TIME: Final[dict[Style, float]] = {"normal": 2 / 3, "anime": 1 / 3}
"""Photographs are the harder kind: they get more of the time."""
HELD_OUT_SHARE: Final = 1 / 12
"""Of the cut-outs and of the real photographs, kept for validation."""
MAX_HELD_OUT_PHOTOS: Final = 200
REAL_POWER: Final = 1 / 3
"""Of a group's size, that it is drawn by: hundreds of cats must not drown a hundred varied photographs."""
_SCENE_SIZES: Final = ((256, 256), (256, 192), (192, 256), (256, 144), (144, 256), (256, 171))


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One training run over rendered parts; `start` and `result` are plain state dicts."""

    name: str
    folder: Path
    shares: Mapping[str, float]
    side_px: int
    batch: int
    learning_rate: float
    final_rate: float
    time_limit_s: float
    seed: int
    start: Path | None = None

    @property
    def result(self) -> Path:
        """Where the averaged weights go."""
        return self.folder / "stages" / f"{self.name}.pt"

    @property
    def checkpoint(self) -> Path:
        """Where a killed run goes on from."""
        return self.folder / "stages" / f"{self.name}.checkpoint"


def rendezvous(stage: Stage) -> Path:
    """The file over which the ranks of a stage meet; one left by a killed run would make them wait."""
    return stage.folder / "stages" / f"{stage.name}.rendezvous"


def held_out(key: str, share: float) -> bool:
    """Whether `key` is in the validation share; by hash, so that it never changes sides."""
    return zlib.crc32(key.encode()) % 1000 < share * 1000


def split_library(library: Library) -> tuple[Library, Library]:
    """Cut-outs to train on and cut-outs to validate on; backgrounds and scenery serve both."""
    keys = [f"{cutout.source}-{zlib.crc32(np.ascontiguousarray(cutout.image).tobytes())}" for cutout in library.cutouts]
    sides = [held_out(key, HELD_OUT_SHARE) for key in keys]
    train = [cutout for cutout, held in zip(library.cutouts, sides, strict=True) if not held]
    validate = [cutout for cutout, held in zip(library.cutouts, sides, strict=True) if held]
    return replace(library, cutouts=train), replace(library, cutouts=validate, scenery=())


def gather(
    *, data: Path | None, pseudo_labels: Path | None, known: Mapping[str, data_folder.Source], node_folder: Path | None
) -> tuple[Library, list[Scenery], list[str]]:
    """Everything there is to compose from, the real photographs held out for validation, and a line for each missing source.

    `pseudo_labels` is a data folder too, of which nothing is held out: its outlines are a network's. `known` is what `data_folder.sources` says of the
    groups of both.
    """
    cuts, missing = cutouts.gather(node_folder=node_folder)
    scenes, more = backgrounds.installed()
    real: list[Scenery] = []
    kept: list[Scenery] = []
    if data is None:
        missing.append("no data folder given (--data): no real photographs with masks, no sketches")
    else:
        for name, scene in data_folder.photos(data):
            (kept if held_out(name, HELD_OUT_SHARE) else real).append(scene)
        cuts += [*data_folder.alpha_cutouts(data, known), *data_folder.sketches(data)]
    if pseudo_labels is not None:
        real += [scene for _, scene in data_folder.photos(pseudo_labels)]
    cuts += [cut for scene in real for cut in data_folder.cut_from(scene)]
    weights = {name: source.weight for name, source in known.items()}
    return Library(cuts, scenes, real, backgrounds.photographs(), weights), kept, [*missing, *more]


def real_picture(rng: np.random.Generator, library: Library) -> Picture:
    """A window of a real photograph in which something is known."""
    from training.factory import compose as composing

    for _ in range(8):
        scene = composing.by_source(rng, library.scenery, library.weights, power=REAL_POWER)
        whole = scene.image
        size_wh = composing.random_size(rng) if rng.random() < 0.6 else _fitting(whole)
        image, objects = composing.crop(rng, whole, size_wh, scene.objects, min_share=0.55 if rng.random() < 0.6 else 0.97)
        if (objects > 0).mean() > 0.01:
            break
    return Picture(image, objects, scene.classes, "normal")


def _fitting(image: RGB) -> tuple[int, int]:
    height, width = image.shape[:2]
    return max(8, round(SIDE_PX * width / max(width, height))), max(8, round(SIDE_PX * height / max(width, height)))


def scene_picture(index: int, kind: Style, seed: int) -> Picture:
    """Drawn scene `index` of the generator's factory families."""
    from sticker_studio import scenes

    scene = scenes.draw(seed=seed + index, style=kind, split="factory", size_wh=_SCENE_SIZES[index % len(_SCENE_SIZES)])
    objects = np.zeros(scene.image.shape[:2], np.uint8)
    for number, item in enumerate(scene.objects[: corpus.MAX_OBJECTS], start=1):
        objects[item.mask] = number
    classes = tuple(CLASSES.index(item.subject_class) for item in scene.objects[: corpus.MAX_OBJECTS])
    return Picture(scene.image, objects, classes, kind)


def render_parts(folder: Path, library: Library, kept: Sequence[Scenery], *, seed: int, workers: int, share: float = 1.0) -> None:
    """Render every part that is not there yet: those to train on with `share` of their full number of pictures, those to validate on whole."""
    train, validate = split_library(library)
    wanted = VALIDATION_COUNTS | {name: math.ceil(share * count) for name, count in (COUNTS | style.COUNTS).items()}
    for name, count in wanted.items():
        render = _renderer(name, validate if name in VALIDATION_COUNTS else train, seed)
        if render is not None:
            corpus.render(folder / "parts" / name, count, render, workers=workers)
    if kept:
        pictures = [Picture(scene.image, scene.objects, scene.classes, "normal") for scene in kept[:MAX_HELD_OUT_PHOTOS]]
        corpus.render(folder / "parts" / "val-real", len(pictures), pictures.__getitem__, workers=1)
        unseen = replace(validate, scenery=kept, photographs=[scene.image for scene in kept], backgrounds=[])
        base = zlib.crc32(f"{seed} val-figures".encode())
        corpus.render(
            folder / "parts" / "val-figures", VALIDATION_FIGURES, lambda index: style.figure(np.random.default_rng([base, index]), unseen), workers=workers
        )


def _renderer(name: str, library: Library, seed: int) -> corpus.Render | None:
    base = zlib.crc32(f"{seed} {name}".encode())
    kind: Style = "anime" if name.endswith("anime") else "normal"
    if "scenes" in name:
        return lambda index: scene_picture(index, kind, base % 100_000_000)
    if name in style.COUNTS:
        draw = style.renderers(library)[name]
        return lambda index: draw(np.random.default_rng([base, index]))
    if name == "real":
        return (lambda index: real_picture(np.random.default_rng([base, index]), library)) if library.scenery else None
    return lambda index: compose(np.random.default_rng([base, index]), library, kind)


def open_parts(folder: Path) -> dict[str, corpus.Part]:
    """Every finished part below `folder`."""
    return {path.parent.name: corpus.open_part(path.parent) for path in sorted((folder / "parts").glob("*/done"))}


def train(stage: Stage, *, ranks: int) -> None:
    """Run a stage with `ranks` processes of one thread that average their gradients; a finished stage is left as it is."""
    from torch import multiprocessing

    if stage.result.is_file():
        log.info("%s: already trained", stage.name)
        return
    stage.result.parent.mkdir(parents=True, exist_ok=True)
    rendezvous(stage).unlink(missing_ok=True)
    if ranks == 1:
        _train_rank(0, 1, stage)
        return
    os.environ.update(OMP_NUM_THREADS="1", GLOO_SOCKET_IFNAME="lo")
    multiprocessing.start_processes(_train_rank, args=(ranks, stage), nprocs=ranks, start_method="spawn")  # type: ignore[no-untyped-call, attr-defined, unused-ignore]


def _train_rank(rank: int, ranks: int, stage: Stage) -> None:
    """One process of a stage; rank 0 writes checkpoints and the result."""
    import cv2
    import torch

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    if ranks > 1:
        torch.distributed.init_process_group("gloo", init_method=f"file://{rendezvous(stage).absolute()}", rank=rank, world_size=ranks)
    model = yolo.build(seed=stage.seed) if stage.start is None else yolo.load(stage.start)
    state = _resume(model, stage)
    parts = {name: part for name, part in open_parts(stage.folder).items() if not name.startswith("val-")}
    data = corpus.batches(parts, stage.shares, batch=stage.batch, side_px=stage.side_px, seed=stage.seed + 1000 * rank + state.step)
    config = yolo.FitConfig(
        steps=10**9, learning_rate=stage.learning_rate, final_rate=stage.final_rate, time_limit_s=stage.time_limit_s, warmup_steps=100, ema_decay=0.998
    )
    yolo.fit(model, data, config, state=state, on_checkpoint=lambda m, s: _checkpoint(m, s, stage))
    if rank == 0:
        _save({key: value.clone() for key, value in model.state_dict().items()}, stage.result)
        _save(state.history, stage.result.with_suffix(".history"))
    if ranks > 1:
        torch.distributed.destroy_process_group()
        rendezvous(stage).unlink(missing_ok=True)


def _resume(model: Any, stage: Stage) -> yolo.FitState:
    import torch

    if not stage.checkpoint.is_file():
        return yolo.FitState()
    saved = torch.load(stage.checkpoint, map_location="cpu", weights_only=True)
    model.load_state_dict(saved["model"])
    log.info("%s: goes on from step %d, %.0f s", stage.name, saved["state"]["step"], saved["state"]["seconds"])
    return yolo.FitState(**saved["state"])


def _checkpoint(model: Any, state: yolo.FitState, stage: Stage) -> None:
    _save({"model": model.state_dict(), "state": asdict(state)}, stage.checkpoint)


def _save(value: Any, path: Path) -> None:
    import torch

    buffer = io.BytesIO()
    torch.save(value, buffer)
    atomic.write_bytes(path, buffer.getvalue())


def shared_stages(folder: Path, *, time_limit_s: float, seed: int) -> list[Stage]:
    """One network for both styles, first on small pictures: at 160 px a second sees two and a half times as many as at the 256 px that are served."""
    small = Stage(
        name="shared-160", folder=folder, shares=SHARED_SHARES, side_px=160, batch=12, learning_rate=2e-3, final_rate=0.5,
        time_limit_s=0.56 * time_limit_s, seed=seed,
    )  # fmt: skip
    middle = Stage(
        name="shared-192", folder=folder, shares=SHARED_SHARES, side_px=192, batch=8, learning_rate=1.5e-3, final_rate=0.35,
        time_limit_s=0.44 * time_limit_s, seed=seed + 1, start=small.result,
    )  # fmt: skip
    return [small, middle]


def style_stages(folder: Path, kind: Style, *, time_limit_s: float, seed: int, start: Path, go_on: bool) -> list[Stage]:
    """One style's training from `start`, ending at the size that is served; to go on from a finished model, first on smaller pictures."""
    sizes = [(192, 12, 1e-3, 0.4, 0.4), (SIDE_PX, 8, 6e-4, 0.02, 0.6)] if go_on else [(SIDE_PX, 6, 8e-4, 0.02, 1.0)]
    stages: list[Stage] = []
    for number, (side_px, batch, rate, final, share) in enumerate(sizes):
        before = stages[-1].result if stages else start
        stages.append(
            Stage(
                name=f"{kind}-{side_px}",
                folder=folder,
                shares=STYLE_SHARES[kind],
                side_px=side_px,
                batch=batch,
                learning_rate=rate,
                final_rate=final,
                time_limit_s=share * time_limit_s,
                seed=seed + number,
                start=before,
            )
        )
    return stages
