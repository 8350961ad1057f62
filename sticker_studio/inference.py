"""The models at work: ONNX Runtime, with the pre- and post-processing that the model's card states.

The YOLOv8-seg head (Ultralytics): `output0` is 1 x (4 + classes + 32) x anchors (xywh in input px, class probabilities, mask
coefficients), `output1` is 1 x 32 x h/4 x w/4 prototypes; a mask is sigmoid(coefficients . prototypes).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from sticker_studio import fusion, model_card
from sticker_studio.errors import ContractViolation
from sticker_studio.model_card import ModelCard
from sticker_studio.types import RGB, STYLES, Alpha, Detection, Style

_Float = npt.NDArray[np.float32]

MIDDLE_SHARE: Final = 0.7
"""Of each side, that the classifier's second look covers (held-out cross-entropy 0.295 -> 0.268)."""


@dataclass(frozen=True)
class Letterbox:
    """How a picture of `size_wh` was fitted into the square: scaled by `scale`, then padded left and top by `pad_xy` px."""

    size_wh: tuple[int, int]
    scale: float
    pad_xy: tuple[int, int]
    content_wh: tuple[int, int]


class Segmentor:
    """A YOLO-seg student from a folder of `model.onnx` and `card.json`."""

    def __init__(self, folder: Path, *, threads: int = 1) -> None:
        self.card, self._session = _open(folder, kind="segmentor", threads=threads)

    def segment(self, image: RGB, *, score_threshold: float | None = None) -> list[Detection]:
        """Find subjects in an upright HxWx3 picture, surest first, by a look at it and one at its mirror image; `score_threshold` overrides the card's."""
        threshold = self.card.score_threshold if score_threshold is None else score_threshold
        return fusion.fuse(list(fusion.look_around(image, self, fusion.STUDENT_SHARES)), min_score=threshold)

    def look(self, image: RGB, *, score_threshold: float, max_detections: int) -> list[Detection]:
        """What one run of the network finds in an upright HxWx3 picture, surest first."""
        tensor, box = letterbox(image, self.card)
        name = self._session.get_inputs()[0].name
        predictions, prototypes = self._session.run(None, {name: tensor})
        return decode(predictions[0], prototypes[0], box, self.card, score_threshold, max_detections)


class StyleClassifier:
    """The anime-or-normal classifier from a folder of `model.onnx` and `card.json`."""

    def __init__(self, folder: Path, *, threads: int = 1) -> None:
        self.card, self._session = _open(folder, kind="classifier", threads=threads)

    def probabilities(self, image: RGB) -> dict[Style, float]:
        """Calibrated probability of each style for an HxWx3 picture, by a look at all of it and one at its middle."""
        logits = np.mean([self._logits(seen) for seen in (image, middle(image))], axis=0)
        scaled = logits / self.card.temperature
        exponents = np.exp(scaled - scaled.max())
        values = dict(zip(self.card.classes, exponents / exponents.sum(), strict=True))
        return {style: float(values[style]) for style in STYLES}

    def _logits(self, image: RGB) -> npt.NDArray[np.float64]:
        side = self.card.input_px
        tensor = _normalise(np.asarray(cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA), np.uint8), self.card)
        return np.asarray(self._session.run(None, {self._session.get_inputs()[0].name: tensor})[0][0], np.float64)


def middle(image: RGB) -> RGB:
    """The inner part of an HxWx3 picture, `MIDDLE_SHARE` of each side: a drawn figure on a photographed ground is told by the figure."""
    height, width = image.shape[:2]
    top, left = int(height * (1 - MIDDLE_SHARE) / 2), int(width * (1 - MIDDLE_SHARE) / 2)
    return np.ascontiguousarray(image[top : height - top, left : width - left])


def _open(folder: Path, *, kind: str, threads: int) -> tuple[ModelCard, ort.InferenceSession]:
    card = model_card.read(folder)
    if card.kind != kind:
        raise ContractViolation(f"{folder}: expected a {kind}, its card says {card.kind}")
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = ort.InferenceSession(str(folder / model_card.MODEL_NAME), options, providers=["CPUExecutionProvider"])
    return card, session


def letterbox(image: RGB, card: ModelCard) -> tuple[_Float, Letterbox]:
    """Fit HxWx3 into the card's square, padded grey 114: 1x3xSxS float32, and how it was fitted."""
    height, width = image.shape[:2]
    side = card.input_px
    scale = side / max(height, width)
    content_wh = (max(1, round(width * scale)), max(1, round(height * scale)))
    resized = cv2.resize(image, content_wh, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    pad_xy = ((side - content_wh[0]) // 2, (side - content_wh[1]) // 2)
    canvas = np.full((side, side, 3), 114, np.uint8)
    canvas[pad_xy[1] : pad_xy[1] + content_wh[1], pad_xy[0] : pad_xy[0] + content_wh[0]] = resized
    return _normalise(canvas, card), Letterbox((width, height), scale, pad_xy, content_wh)


def _normalise(image: RGB, card: ModelCard) -> _Float:
    slope = 1 / (255 * np.asarray(card.std, np.float32))
    offset = np.asarray(card.mean, np.float32) / np.asarray(card.std, np.float32)
    planes = [np.multiply(plane, a, dtype=np.float32) - b for plane, a, b in zip(cv2.split(image), slope, offset, strict=True)]  # thrice as fast as HxWx3
    return np.stack(planes)[None]


def decode(predictions: _Float, prototypes: _Float, box: Letterbox, card: ModelCard, threshold: float, max_detections: int) -> list[Detection]:
    """Head outputs (channels x anchors, 32 x h x w) to detections at the picture's size."""
    count = len(card.classes)
    if predictions.shape[0] != 4 + count + prototypes.shape[0]:
        raise ContractViolation(f"{card.name} {card.version}: expected {4 + count + prototypes.shape[0]} head channels, got {predictions.shape[0]}")
    scores = predictions[4 : 4 + count].max(axis=0)
    keep = np.flatnonzero(scores >= threshold)
    keep = keep[np.argsort(-scores[keep])][:300]
    xywh = predictions[:4, keep].T
    corners = np.concatenate([xywh[:, :2] - xywh[:, 2:] / 2, xywh[:, 2:]], axis=1)
    chosen = np.asarray(cv2.dnn.NMSBoxes(corners.tolist(), scores[keep].tolist(), threshold, card.iou_threshold), int).reshape(-1)[:max_detections]
    return [_detection(predictions[:, keep[i]], prototypes, box, card) for i in chosen]


def _detection(column: _Float, prototypes: _Float, box: Letterbox, card: ModelCard) -> Detection:
    count = len(card.classes)
    label = int(column[4 : 4 + count].argmax())
    x, y, w, h = (float(v) for v in column[:4])
    logits = np.tensordot(column[4 + count :], prototypes, axes=1)
    stride = card.input_px / logits.shape[1]
    left, top, right, bottom = (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
    cropped = _outside_box_off(logits, left / stride, top / stride, right / stride, bottom / stride)
    probability = _to_picture(cropped, box, card.input_px)
    corners = [(left - box.pad_xy[0]) / box.scale, (top - box.pad_xy[1]) / box.scale, (right - box.pad_xy[0]) / box.scale, (bottom - box.pad_xy[1]) / box.scale]
    limits = (box.size_wh[0], box.size_wh[1]) * 2
    clipped = tuple(float(np.clip(value, 0, limit)) for value, limit in zip(corners, limits, strict=True))
    return Detection(
        subject_class=card.classes[label], score=float(column[4 + label]), box_xyxy=(clipped[0], clipped[1], clipped[2], clipped[3]), probability=probability
    )


def _outside_box_off(logits: _Float, left: float, top: float, right: float, bottom: float) -> _Float:
    """Prototype pixels more than one pixel outside the box cannot belong to the object (Ultralytics' crop_mask, one pixel wider)."""
    rows, columns = np.arange(logits.shape[0])[:, None], np.arange(logits.shape[1])[None, :]
    inside = (rows >= top - 1) & (rows < bottom + 1) & (columns >= left - 1) & (columns < right + 1)
    return np.where(inside, logits, np.float32(-12)).astype(np.float32)


def _to_picture(logits: _Float, box: Letterbox, side: int) -> Alpha:
    """Logits of the padded square to probabilities at the picture's size; upscaled as logits, for smooth edges."""
    stride = side / logits.shape[1]
    ratio = box.scale / stride  # of a picture pixel to a prototype pixel; pixel centres are at +0.5
    shift_x, shift_y = (pad / stride + 0.5 * ratio - 0.5 for pad in box.pad_xy)
    matrix = np.array([[ratio, 0, shift_x], [0, ratio, shift_y]], np.float32)
    warped = cv2.warpAffine(np.clip(logits, -12, 12), matrix, box.size_wh, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(1 / (1 + np.exp(-warped)), np.float32)
