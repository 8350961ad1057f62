"""An animated sticker in memory, and its files: animated WebP, APNG of few colours, WebM (VP9) with alpha, each within a limit of bytes.

A limit is met by quality, then colours, then frames, then size, in that order and by as few encodes as `export.best_within` needs.
"""

import hashlib
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from serving import export
from serving.export import Exported
from serving.formats import FORMATS, MOTIONS, Motion, Platform
from sticker_studio.errors import UnsupportedInput
from sticker_studio.types import RGBA

_SMOOTH_FPS: Final = 8.0
"""Fewer frames a second look like a slide show: before that a sticker rather loses size."""
_COLOURS: Final = (256, 192, 128, 96, 64, 48, 32)
_FEW_COLOURS: Final = (24, 16)
_CODE_BITS: Final = (6, 6, 6, 3)
"""Of red, green, blue and alpha, in what colours are counted and looked up by."""
_PALETTE_SAMPLES: Final = 8000


@dataclass(frozen=True, kw_only=True)
class Clip:
    """An animation in equal steps: `order` names the one of `frames` (HxWx4, all of one size) that each step shows."""

    frames: tuple[RGBA, ...]
    order: tuple[int, ...]
    duration_ms: int

    def thinned(self, steps: int) -> "Clip":
        """As long, in fewer steps."""
        if steps >= len(self.order):
            return self
        order = tuple(self.order[int((k + 0.5) * len(self.order) / steps)] for k in range(steps))
        return Clip(frames=self.frames, order=order, duration_ms=self.duration_ms)

    def scaled(self, side_px: int) -> "Clip":
        """Scaled so that its longer side is `side_px`."""
        height, width = self.frames[0].shape[:2]
        if max(height, width) == side_px:
            return self
        size_wh = (max(1, round(width * side_px / max(height, width))), max(1, round(height * side_px / max(height, width))))
        return Clip(frames=tuple(export.scaled(frame, size_wh) for frame in self.frames), order=self.order, duration_ms=self.duration_ms)

    def shows(self) -> list[tuple[int, int]]:
        """Frame and ms of each change."""
        ends = [round(self.duration_ms * (k + 1) / len(self.order)) for k in range(len(self.order))]
        changes: list[tuple[int, int]] = []
        begin = 0
        for k, (frame, end) in enumerate(zip(self.order, ends, strict=True)):
            if k + 1 < len(self.order) and self.order[k + 1] == frame:
                continue
            changes.append((frame, end - begin))
            begin = end
        return changes


@dataclass(frozen=True)
class _Setting:
    """How to encode; `share` is what the file should come to, beside the best setting's. `quality` is WebP's, VP9's crf, or a number of colours."""

    quality: int
    steps: int
    side_px: int
    share: float


def encode(clip: Clip, platform: Platform) -> Exported:
    """A clip of the platform's size to its file. A clip in which nothing moves becomes a still sticker.

    Raises `UnsupportedInput` for a platform that has no animated stickers.
    """
    if platform not in MOTIONS:
        raise UnsupportedInput(f"expected a platform with animated stickers ({', '.join(MOTIONS)}), got {platform}; send the picture with animated=false")
    distinct = _distinct(clip)
    if len(set(distinct.order)) == 1:
        return export.to_format(distinct.frames[distinct.order[0]], FORMATS[platform], title="sticker")
    rules = MOTIONS[platform]
    writers = {"webp": (_webp_ladder, _webp, "image/webp"), "png": (_png_ladder, _apng, "image/apng"), "webm": (_webm_ladder, _webm, "video/webm")}
    ladder, write, mime = writers[rules.encoding]

    def encoded(setting: _Setting) -> bytes:
        return write(distinct.thinned(setting.steps).scaled(setting.side_px), setting.quality)

    fitted = export.best_within(ladder(distinct, rules), encoded, max_bytes=rules.max_bytes, expected=lambda setting: setting.share)
    return Exported(fitted.data, mime, fitted.setting.quality, fitted.encodes)


def _distinct(clip: Clip) -> Clip:
    """The clip with equal frames told only once."""
    first: dict[bytes, int] = {}
    named = [first.setdefault(hashlib.sha256(np.ascontiguousarray(frame).data).digest(), k) for k, frame in enumerate(clip.frames)]
    return Clip(frames=clip.frames, order=tuple(named[k] for k in clip.order), duration_ms=clip.duration_ms)


def _fewer(steps: int, least: int) -> list[int]:
    """Numbers of steps from `steps` down to `least`, each some 15 % smaller."""
    numbers = [steps]
    while numbers[-1] > least:
        numbers.append(max(least, min(numbers[-1] - 1, round(numbers[-1] * 0.85))))
    return numbers


def _smooth_steps(clip: Clip) -> int:
    return min(len(clip.order), max(2, math.ceil(clip.duration_ms / 1000 * _SMOOTH_FPS)))


# --- WebP


def _webp_ladder(clip: Clip, rules: Motion) -> list[_Setting]:
    side, steps = max(clip.frames[0].shape), len(clip.order)
    share = export.webp_share
    best = [_Setting(quality, steps, side, share(quality)) for quality in range(85, 19, -1)]
    fewer = [_Setting(20, count, side, share(20) * count / steps) for count in _fewer(steps, 2)[1:]]
    return [*best, *fewer, *(_Setting(quality, 2, side, share(quality) * 2 / steps) for quality in range(19, -1, -1))]


def _webp(clip: Clip, quality: int) -> bytes:
    changes = clip.shows()
    pictures = [Image.fromarray(clip.frames[frame]) for frame, _ in changes]
    options = {"quality": quality, "alpha_quality": 90 if quality > 40 else 50 if quality > 8 else 0, "method": 2, "loop": 0}
    return _saved(pictures, "WEBP", [ms for _, ms in changes], options)


def _saved(pictures: Sequence[Image.Image], encoding: str, durations_ms: list[int], options: dict[str, int]) -> bytes:
    buffer = io.BytesIO()
    pictures[0].save(buffer, encoding, save_all=True, append_images=pictures[1:], duration=durations_ms, **options)
    return buffer.getvalue()


# --- APNG


def _png_ladder(clip: Clip, rules: Motion) -> list[_Setting]:
    side, steps = max(clip.frames[0].shape[:2]), len(clip.order)
    smooth = _smooth_steps(clip)
    best = [(colours, steps, side) for colours in _COLOURS]
    best += [(best[-1][0], count, side) for count in _fewer(steps, smooth)[1:]]
    best += [(best[-1][0], smooth, each) for each in range(side - 32, (rules.least_side_px or side) - 1, -32)]
    best += [(colours, smooth, best[-1][2]) for colours in _FEW_COLOURS]
    best += [(best[-1][0], count, best[-1][2]) for count in _fewer(smooth, 2)[1:]]
    return [_Setting(*each, math.log2(each[0]) ** 1.5 * each[1] * each[2] ** 1.7) for each in best]


def _apng(clip: Clip, colours: int) -> bytes:
    changes = clip.shows()
    coded = {frame: _codes(clip.frames[frame]) for frame in {frame for frame, _ in changes}}
    palette, index_of = _palette(list(coded.values()), colours)
    pictures = {frame: _indexed(index_of[codes], palette) for frame, codes in coded.items()}
    return _saved([pictures[frame] for frame, _ in changes], "PNG", [ms for _, ms in changes], {"loop": 0, "compress_level": 9})


def _codes(frame: RGBA) -> npt.NDArray[np.int32]:
    """HxW: each pixel's premultiplied colour and alpha in few bits."""
    alpha = frame[..., 3:].astype(np.uint16)
    premultiplied = np.dstack([frame[..., :3] * alpha // 255, alpha]).astype(np.int32)
    codes = np.zeros(frame.shape[:2], np.int32)
    for channel, bits in enumerate(_CODE_BITS):
        codes = (codes << bits) | (premultiplied[..., channel] >> (8 - bits))
    return codes


def _colours_of(codes: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """Nx4 premultiplied colour and alpha, 0..255, of codes."""
    channels, rest = [], codes
    for bits in reversed(_CODE_BITS):
        channels.append((rest & (2**bits - 1)) * (255 / (2**bits - 1)))
        rest = rest >> bits
    return np.stack(channels[::-1], axis=1).astype(np.float32)


def _palette(coded: Sequence[npt.NDArray[np.int32]], colours: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """At most `colours` RGBA colours (straight alpha, the first fully transparent) for all frames, and the index of the nearest one by code."""
    counts = np.zeros(2 ** sum(_CODE_BITS), np.int64)
    for codes in coded:
        counts += np.bincount(codes.ravel(), minlength=len(counts))
    present = np.flatnonzero(counts)
    values = _colours_of(present)
    visible = values[:, 3] > 0
    entries = np.vstack([np.zeros((1, 4), np.float32), _clustered(values[visible], counts[present][visible], colours - 1)])
    index_of = np.zeros(len(counts), np.uint8)
    index_of[present] = np.where(visible, _nearest(values, entries), 0)
    straight = np.column_stack([entries[:, :3] * 255 / np.maximum(entries[:, 3:], 1), entries[:, 3:]])
    return np.rint(np.clip(straight, 0, 255)).astype(np.uint8), index_of


def _clustered(values: npt.NDArray[np.float32], counts: npt.NDArray[np.int64], clusters: int) -> npt.NDArray[np.float32]:
    """Up to `clusters` centres of the Nx4 `values`: k-means over a sample in which rare colours have their say, then each centre at the mean of its own."""
    if len(values) <= clusters:
        return values
    weights = np.sqrt(counts.astype(np.float64))
    rng = np.random.default_rng(0)
    sample = rng.choice(len(values), size=min(_PALETTE_SAMPLES, len(values)), replace=False, p=weights / weights.sum())
    cv2.setRNGSeed(0)
    stop = (cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 8, 1.0)
    _, _, centres = cv2.kmeans(values[sample], clusters, None, stop, 1, cv2.KMEANS_PP_CENTERS)  # type: ignore[call-overload]
    mine = _nearest(values, np.asarray(centres, np.float32))
    totals = np.bincount(mine, weights=counts, minlength=clusters)
    sums = np.column_stack([np.bincount(mine, weights=counts * values[:, channel], minlength=clusters) for channel in range(4)])
    return np.asarray(sums[totals > 0] / totals[totals > 0, None], np.float32)


def _nearest(values: npt.NDArray[np.float32], entries: npt.NDArray[np.float32]) -> npt.NDArray[np.intp]:
    """Index of the entry (Mx4) nearest to each value (Nx4), in parts that need little memory."""
    squares = (entries**2).sum(axis=1)[None]
    return np.concatenate([np.argmin(squares - 2 * part @ entries.T, axis=1) for part in np.array_split(values, len(values) // 16384 + 1)])


def _indexed(indices: npt.NDArray[np.uint8], palette: npt.NDArray[np.uint8]) -> Image.Image:
    picture = Image.fromarray(indices)
    picture.putpalette(palette[:, :3].tobytes(), "RGB")
    picture.info["transparency"] = palette[:, 3].tobytes()
    return picture


# --- WebM


def _webm_ladder(clip: Clip, rules: Motion) -> list[_Setting]:
    side, steps = max(clip.frames[0].shape), len(clip.order)

    def share(crf: int) -> float:
        return math.exp(-0.08 * crf)  # between 0.02 of plain drawings and 0.16 of grain

    best = [_Setting(crf, steps, side, share(crf)) for crf in range(24, 57)]
    fewer = [_Setting(56, count, side, share(56) * count / steps) for count in _fewer(steps, 2)[1:]]
    return [*best, *fewer, *(_Setting(crf, 2, side, share(crf) * 2 / steps) for crf in range(57, 64))]


def _webm(clip: Clip, crf: int) -> bytes:
    """VP9 with alpha, one frame a step, no sound; needs `av` (PyAV), whose libvpx writes the alpha as a second stream beside each frame."""
    import av

    buffer = io.BytesIO()
    with av.open(buffer, "w", format="webm") as container:
        stream = container.add_stream("libvpx-vp9", rate=Fraction(len(clip.order) * 1000, clip.duration_ms))
        stream.height, stream.width = clip.frames[0].shape[:2]
        stream.pix_fmt = "yuva420p"
        stream.bit_rate = 0  # the quality alone decides
        stream.thread_count = 1
        stream.options = {"crf": str(crf), "deadline": "good", "cpu-used": "5", "auto-alt-ref": "0", "g": "999"}
        stream.metadata["alpha_mode"] = "1"
        for frame in (*(clip.frames[k] for k in clip.order), None):
            picture = None if frame is None else av.VideoFrame.from_ndarray(frame, format="rgba")
            container.mux(stream.encode(picture))
    return buffer.getvalue()
