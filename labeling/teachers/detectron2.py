"""Detectron2's Mask R-CNN (R50-FPN, 3x schedule): the production teacher, and the only import of Detectron2.

Wu et al. 2019. Trained on COCO; its 80 names become the project's classes by `params.labeling.coco_classes`.
"""

from __future__ import annotations

import contextlib
import pickle
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlparse

import numpy as np

from labeling import cleaning, coco
from labeling.cleaning import Cut, Found
from sticker_studio import images, weights
from sticker_studio.errors import ContractViolation, Unavailable
from sticker_studio.types import RGB, Style, SubjectClass

if TYPE_CHECKING:
    from sticker_studio.annotations import Instances
    from sticker_studio.settings import Settings

CONFIG: Final = "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x.yaml"
NAME: Final = "detectron2"
MISSING: Final = "the package detectron2 is not installed; install the extra 'detectron2' as README.md says"
MAX_SIDE_PX: Final = 1333
"""Detectron2's own limit at test time; larger pictures are shrunk before masks are pasted, which bounds the memory."""


class Detectron2Teacher:
    """Mask R-CNN R50-FPN with weights from a local file (`.pkl` of the model zoo or `.pth`).

    `flip` averages the masks of the picture and of its mirror image (twice the time), by Detectron2's own test-time augmentation.
    `short_side_px` is the side the picture's shorter one is scaled to. Raises `Unavailable` without the package.
    """

    name = NAME

    def __init__(
        self, weights_file: Path, *, sha256: str, table: Mapping[str, SubjectClass], cut: Cut, flip: bool = False, short_side_px: int = 800, device: str = ""
    ) -> None:
        self.version = f"mask_rcnn_R_50_FPN_3x-{sha256[:12]}"
        self._cut = cut
        with _imports():
            config, self._model, self._transform = _build(weights_file, min_score=cut.min_score, flip=flip, short_side_px=short_side_px, device=device)
        self._bgr = config.INPUT.FORMAT == "BGR"
        self._mirrored = flip
        self._classes = [table[name] for name in coco.NAMES]

    def label(self, image: RGB, *, pin_id: str, style: Style | None = None) -> Instances:
        """Objects of an upright HxWx3 picture, in its px, best first; the same for every style."""
        size_wh = (image.shape[1], image.shape[0])
        found = self._find(images.shrink(image, max_side_px=MAX_SIDE_PX))
        return cleaning.to_instances(found, pin_id=pin_id, size_wh=size_wh, teacher=self.name, version=self.version, cut=self._cut)

    def _find(self, image: RGB) -> list[Found]:
        import torch

        pixels = image[:, :, ::-1] if self._bgr else image
        if not self._mirrored:  # the augmented model scales by itself
            pixels = self._transform.get_transform(pixels).apply_image(np.ascontiguousarray(pixels))
        tensor = torch.as_tensor(np.ascontiguousarray(pixels.transpose(2, 0, 1)).astype("float32"))
        if self._mirrored:
            tensor = tensor.to(torch.uint8)
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            output = self._model([{"image": tensor, "height": image.shape[0], "width": image.shape[1]}])[0]["instances"].to("cpu")
        rows = zip(output.pred_masks.numpy(), output.pred_classes.tolist(), output.scores.tolist(), strict=True)
        return [Found(mask=mask, subject_class=self._classes[label], score=score) for mask, label, score in rows]


def _build(weights_file: Path, *, min_score: float, flip: bool, short_side_px: int, device: str) -> tuple[Any, Any, Any]:
    """The configuration, the model in evaluation mode, and the resize of its input."""
    import detectron2.data.transforms as transforms
    import torch
    from detectron2 import model_zoo
    from detectron2.checkpoint import DetectionCheckpointer
    from detectron2.modeling import GeneralizedRCNNWithTTA, build_model

    config = model_zoo.get_config(CONFIG, trained=False)
    config.MODEL.WEIGHTS = ""
    config.MODEL.DEVICE = device or ("cuda" if torch.cuda.is_available() else "cpu")
    config.MODEL.ROI_HEADS.SCORE_THRESH_TEST = min_score
    config.INPUT.MIN_SIZE_TEST = short_side_px
    config.TEST.AUG.MIN_SIZES, config.TEST.AUG.MAX_SIZE, config.TEST.AUG.FLIP = (short_side_px,), config.INPUT.MAX_SIZE_TEST, flip
    model = build_model(config).eval()
    try:
        DetectionCheckpointer(model).load(str(weights_file))
    except (OSError, ValueError, RuntimeError, KeyError, EOFError, ImportError, pickle.UnpicklingError) as error:
        raise ContractViolation(f"{weights_file}: expected weights of Detectron2's {CONFIG}: {error}; fetch the file again") from error
    model.eval()
    resize = transforms.ResizeShortestEdge([short_side_px] * 2, config.INPUT.MAX_SIZE_TEST)
    return config, GeneralizedRCNNWithTTA(config, model) if flip else model, resize


@contextlib.contextmanager
def _imports() -> Iterator[None]:
    """Turn a missing package into `Unavailable`; Detectron2's imports warn of torch's and setuptools' deprecations."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import detectron2  # noqa: F401
        except ImportError as error:
            raise Unavailable(MISSING) from error
        yield


def open_teacher(settings: Settings, *, table: Mapping[str, SubjectClass], cut: Cut, flip: bool, batch: str) -> Detectron2Teacher:
    """With `settings.teacher_weights`, else the model zoo's. Raises `Unavailable` where the package or the weights are out of reach."""
    with _imports():
        path = Path(settings.teacher_weights) if settings.teacher_weights else _zoo_weights(settings, batch=batch)
    if not path.is_file():
        raise Unavailable(f"STICKER_TEACHER_WEIGHTS: expected a file of Detectron2 weights, found none at {path}; correct it or leave it empty")
    digest = weights.verify_or_record(path, settings.home / "weights.json")
    return Detectron2Teacher(path, sha256=digest, table=table, cut=cut, flip=flip)


def _zoo_weights(settings: Settings, *, batch: str) -> Path:
    """The model zoo's file, fetched by Detectron2's own code into its own cache when it is not there yet."""
    from detectron2 import model_zoo
    from detectron2.utils.file_io import PathManager
    from iopath.common.file_io import get_cache_dir

    url = str(model_zoo.get_checkpoint_url(CONFIG))
    cached = Path(str(get_cache_dir())) / urlparse(url).path.lstrip("/")
    if cached.is_file():
        return cached
    host = urlparse(url).hostname
    remedy = "set STICKER_TEACHER_WEIGHTS to a local copy"
    if settings.offline:
        raise Unavailable(f"the weights of Detectron2's {CONFIG} are not on this machine and STICKER_OFFLINE is set; {remedy}")
    if not weights.reachable(url, ledger=settings.home / "probe.json", batch=batch):
        raise Unavailable(f"the weights of Detectron2's {CONFIG} are not on this machine and {host} does not answer; {remedy}")
    try:
        return Path(str(PathManager.get_local_path(url)))
    except (OSError, ValueError) as error:
        raise Unavailable(f"the weights of Detectron2's {CONFIG} could not be fetched from {host}: {error}; {remedy}") from error
