"""torchvision's Mask R-CNN (R50-FPN v2): the second choice, where Detectron2 is missing but COCO weights are at hand."""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlparse

import numpy as np

from labeling import cleaning
from labeling.cleaning import Cut, Found
from sticker_studio import images, weights
from sticker_studio.errors import ContractViolation, Unavailable
from sticker_studio.types import RGB, Style, SubjectClass

if TYPE_CHECKING:
    from sticker_studio.annotations import Instances
    from sticker_studio.settings import Settings

NAME: Final = "torchvision"
MISSING: Final = "the packages torch and torchvision are not installed; install the extra 'training'"
MAX_SIDE_PX: Final = 1333
PROPOSALS: Final = 300
"""Boxes that reach the second stage. torchvision's default of 1000 doubles the time on a CPU for objects too small for a sticker."""


WEIGHTS_NAME: Final = "maskrcnn_resnet50_fpn_v2_coco-73cbd019.pth"
"""File name of the address in torchvision's `MaskRCNN_ResNet50_FPN_V2_Weights.COCO_V1`."""


def hub_folder(environ: Mapping[str, str]) -> Path:
    """Where torch.hub keeps weights (as `torch.hub.get_dir` says), without importing torch."""
    cache = Path(environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser()
    return Path(environ.get("TORCH_HOME", str(cache / "torch"))).expanduser() / "hub" / "checkpoints"


class TorchvisionTeacher:
    """`maskrcnn_resnet50_fpn_v2` with a state dict from a local file. Raises `Unavailable` without the package."""

    name = NAME

    def __init__(self, weights_file: Path, *, sha256: str, table: Mapping[str, SubjectClass], cut: Cut, short_side_px: int = 800, device: str = "") -> None:
        self.version = f"maskrcnn_resnet50_fpn_v2-{sha256[:12]}"
        self._cut = cut
        self._model, self._device, categories = _build(weights_file, min_score=cut.min_score, short_side_px=short_side_px, device=device)
        self._classes: dict[int, SubjectClass] = {index: table[name] for index, name in enumerate(categories) if name in table}

    def label(self, image: RGB, *, pin_id: str, style: Style | None = None) -> Instances:
        """Objects of an upright HxWx3 picture, in its px, best first; the same for every style."""
        size_wh = (image.shape[1], image.shape[0])
        found = self._find(images.shrink(image, max_side_px=MAX_SIDE_PX))
        return cleaning.to_instances(found, pin_id=pin_id, size_wh=size_wh, teacher=self.name, version=self.version, cut=self._cut)

    def _find(self, image: RGB) -> list[Found]:
        import torch

        tensor = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).to(self._device).float() / 255
        with torch.no_grad():
            output = {key: value.cpu() for key, value in self._model([tensor])[0].items()}
        rows = zip(output["masks"][:, 0].numpy(), output["labels"].tolist(), output["scores"].tolist(), strict=True)
        return [Found(mask=mask >= 0.5, subject_class=self._classes[label], score=score) for mask, label, score in rows if label in self._classes]


def _build(weights_file: Path, *, min_score: float, short_side_px: int, device: str) -> tuple[Any, str, list[str]]:
    """The model in evaluation mode, its device, and the name of each output."""
    import torch
    from torchvision.models.detection import MaskRCNN_ResNet50_FPN_V2_Weights, maskrcnn_resnet50_fpn_v2

    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    model = maskrcnn_resnet50_fpn_v2(
        weights=None, weights_backbone=None, box_score_thresh=min_score, min_size=short_side_px, max_size=MAX_SIDE_PX, rpn_post_nms_top_n_test=PROPOSALS
    )
    try:
        model.load_state_dict(torch.load(weights_file, map_location="cpu", weights_only=True))
    except (OSError, ValueError, RuntimeError, KeyError, EOFError, pickle.UnpicklingError) as error:
        raise ContractViolation(f"{weights_file}: expected a state dict of torchvision's maskrcnn_resnet50_fpn_v2: {error}; fetch the file again") from error
    categories = list(MaskRCNN_ResNet50_FPN_V2_Weights.COCO_V1.meta["categories"])
    return model.eval().to(device), device, categories


def open_teacher(settings: Settings, *, table: Mapping[str, SubjectClass], cut: Cut, batch: str) -> TorchvisionTeacher:
    """With torchvision's COCO weights. Raises `Unavailable` where the package or the weights are out of reach."""
    if settings.offline and not (hub_folder(os.environ) / WEIGHTS_NAME).is_file():
        # Said before the import: torch would cost each shard seconds and 700 MB to learn the same.
        raise Unavailable(
            f"torchvision's COCO weights are not on this machine and STICKER_OFFLINE is set; put the file at {hub_folder(os.environ) / WEIGHTS_NAME}"
        )
    try:
        import torch
        from torchvision.models.detection import MaskRCNN_ResNet50_FPN_V2_Weights
    except ImportError as error:
        raise Unavailable(MISSING) from error
    url = MaskRCNN_ResNet50_FPN_V2_Weights.COCO_V1.url
    path = Path(torch.hub.get_dir()) / "checkpoints" / Path(urlparse(url).path).name
    if not path.is_file():
        _download(url, path, settings, batch=batch)
    digest = weights.verify_or_record(path, settings.home / "weights.json")
    return TorchvisionTeacher(path, sha256=digest, table=table, cut=cut)


def _download(url: str, path: Path, settings: Settings, *, batch: str) -> None:
    import torch

    host = urlparse(url).hostname
    remedy = f"put the file at {path}"
    if settings.offline:
        raise Unavailable(f"torchvision's COCO weights are not on this machine and STICKER_OFFLINE is set; {remedy}")
    if not weights.reachable(url, ledger=settings.home / "probe.json", batch=batch):
        raise Unavailable(f"torchvision's COCO weights are not on this machine and {host} does not answer; {remedy}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        torch.hub.download_url_to_file(url, str(path), hash_prefix=path.stem.rsplit("-", 1)[-1], progress=False)
    except (OSError, RuntimeError) as error:
        raise Unavailable(f"torchvision's COCO weights could not be fetched from {host}: {error}; {remedy}") from error
