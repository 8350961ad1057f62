"""Subjects with exact alpha that ordinary packages carry. What is not installed is named and gone without."""

import gzip
import io
import json
import logging
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from sticker_studio.errors import StickerError
from sticker_studio.types import CLASSES, RGB, RGBA, Mask, SubjectClass

log = logging.getLogger(__name__)

Kind = Literal["photo", "drawn"]
MAX_SIDE_PX: Final = 288

STAMPS: Final = Path("/usr/share/tuxpaint/stamps")
CLIP_ART: Final = Path("/usr/share/openclipart/svg")
PORTRAITS: Final = Path("/usr/share/games/wesnoth")
EMOJI_FONT: Final = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")

_STAMP_LEAVE_OUT: Final = ("symbols", "naturalforces", "body_parts", "flags")
_CLIP_FOLDERS: Final = (
    "animals", "people", "food", "plants", "transportation/vehicles", "transportation/boating", "tools", "recreation/toys", "recreation/music",
    "recreation/sports", "recreation/holiday", "buildings", "containers", "electronics", "decorations",
)  # fmt: skip
_CLIP_LEAVE_OUT: Final = ("stickmen", "bodypart", "smilies", "clothing/pantyhose")
AVATAR_STYLES: Final = ("adventurer", "avataaars", "bigEars", "bigSmile", "bottts", "croodles", "lorelei", "micah", "miniavs", "notionists", "openPeeps",
                        "personas", "toonHead")  # fmt: skip
_OBJECT_EMOJI: Final = ((0x1F680, 0x1F6FF), (0x1F347, 0x1F37F), (0x1F380, 0x1F3D3), (0x1F4A1, 0x1F4FF))
_ANIMAL_EMOJI: Final = ((0x1F400, 0x1F43F), (0x1F980, 0x1F9AE), (0x1F99A, 0x1F9A9))
_PERSON_EMOJI: Final = ((0x1F466, 0x1F478), (0x1F481, 0x1F483), (0x1F930, 0x1F93E), (0x1F9D0, 0x1F9DF), (0x1F385, 0x1F385))


@dataclass(frozen=True)
class Cutout:
    """A subject cut out: tightly cropped RGBA (sides at most `MAX_SIDE_PX`), its class, and whether it is cut by its lower border (a bust)."""

    image: RGBA
    subject_class: SubjectClass
    kind: Kind
    source: str
    bust: bool = False

    @property
    def label(self) -> int:
        """Class index."""
        return CLASSES.index(self.subject_class)


def tidy(image: RGBA, *, max_side_px: int = MAX_SIDE_PX) -> RGBA | None:
    """Crop RGBA to its alpha and shrink it; None when hardly anything is opaque or nothing is cut out (a full rectangle)."""
    solid = image[..., 3] >= 128
    if solid.sum() < 400:
        return None
    left, top, width, height = cv2.boundingRect(solid.astype(np.uint8))
    cropped = image[top : top + height, left : left + width]
    if (cropped[..., 3] >= 128).mean() > 0.985 or max(width, height) > 6 * min(width, height):
        return None
    scale = min(1.0, max_side_px / max(width, height))
    if scale == 1:
        return np.ascontiguousarray(cropped)
    return shrink(cropped, (max(1, round(width * scale)), max(1, round(height * scale))))


def shrink(image: RGBA, size_wh: tuple[int, int]) -> RGBA:
    """Resize RGBA without a fringe: colours are weighted by alpha."""
    alpha = image[..., 3:].astype(np.float32) / 255
    interpolation = cv2.INTER_AREA if size_wh[0] < image.shape[1] else cv2.INTER_LINEAR
    weighted = cv2.resize(np.concatenate([image[..., :3] * alpha, alpha * 255], axis=2), size_wh, interpolation=interpolation)
    colour = weighted[..., :3] / np.maximum(weighted[..., 3:] / 255, 1e-3)
    return np.concatenate([np.clip(colour, 0, 255), weighted[..., 3:]], axis=2).round().astype(np.uint8)


def read_rgba(path: Path) -> RGBA | None:
    """Any picture Pillow reads as RGBA; None when it cannot."""
    try:
        return np.asarray(Image.open(path).convert("RGBA"))
    except (OSError, ValueError) as error:
        log.debug("%s left out: %s", path, error)
        return None


def stamps(folder: Path = STAMPS) -> Iterator[Cutout]:
    """Tux Paint's stamps (Debian tuxpaint-stamps-default, GPL-2): photographs cut out, and drawings. Letters, signs and flags are left out."""
    for path in sorted(folder.rglob("*.png")):
        relative = path.relative_to(folder).as_posix()
        if relative.endswith("_mirror.png") or any(part in relative for part in _STAMP_LEAVE_OUT):
            continue
        image = read_rgba(path)
        cut = None if image is None else tidy(image)
        if cut is None or max(cut.shape[:2]) < 70:
            continue
        drawn = "cartoon" in relative or few_colours(cut)
        label: SubjectClass = "animal" if relative.startswith("animals") else "person" if relative.startswith("people") else "object"
        yield Cutout(cut, label, "drawn" if drawn else "photo", "tuxpaint-stamps-default")


def few_colours(image: RGBA) -> bool:
    """Whether an RGBA cut-out has the flat areas of a drawing rather than a photograph's texture."""
    grey = cv2.cvtColor(image[..., :3], cv2.COLOR_RGB2GRAY).astype(np.int16)
    inside = cv2.erode((image[..., 3] > 250).astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    if inside.sum() < 100:
        return True
    flat = np.abs(np.diff(grey, axis=1))[inside[:, 1:]] == 0
    return bool(flat.mean() > 0.5)


def clip_art(folder: Path = CLIP_ART, *, limit: int = 1400, side_px: int = 224) -> Iterator[Cutout]:
    """Open Clip Art drawings of the folders with subjects (Debian openclipart-svg, public domain); needs resvg-py."""
    paths = [path for sub in _CLIP_FOLDERS for path in sorted((folder / sub).rglob("*.svg*")) if not any(word in path.as_posix() for word in _CLIP_LEAVE_OUT)]
    chosen = [paths[i] for i in np.random.default_rng(0).permutation(len(paths))[:limit]]
    for path in chosen:
        relative = path.relative_to(folder).as_posix()
        image = render_svg(_svg_text(path), side_px)
        cut = None if image is None else tidy(image)
        if cut is None:
            continue
        label: SubjectClass = "animal" if relative.startswith("animals") else "person" if relative.startswith("people") else "object"
        if "clothing" in relative:
            label = "object"
        yield Cutout(cut, label, "drawn", "openclipart-svg")


def _svg_text(path: Path) -> str:
    data = path.read_bytes()
    return (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("utf-8", "replace")


def render_svg(text: str, side_px: int) -> RGBA | None:
    """SVG text to RGBA `side_px` wide; None when resvg cannot draw it. Raises `ImportError` without resvg-py."""
    import resvg_py

    try:
        data = bytes(resvg_py.svg_to_bytes(svg_string=text, width=side_px, skip_system_fonts=True))
    except (ValueError, OverflowError) as error:
        log.debug("an SVG left out: %s", error)
        return None
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"))


_AVATAR_SCRIPT: Final = """
import { createAvatar } from '@dicebear/core';
import * as all from '@dicebear/collection';
for (const style of STYLES) for (let i = 0; i < COUNT; i++) {
  const svg = createAvatar(all[style], { seed: `factory-${i}`, backgroundColor: [] }).toString();
  console.log(JSON.stringify({ style, svg }));
}
"""


def avatars(node_folder: Path, *, count: int = 90, side_px: int = 224) -> Iterator[Cutout]:
    """Drawn people by seed from @dicebear/collection below `node_folder`/node_modules (drawings CC0, CC BY 4.0 or free use); needs node and resvg-py."""
    script = _AVATAR_SCRIPT.replace("STYLES", json.dumps(AVATAR_STYLES)).replace("COUNT", str(count))
    command = ["node", "--input-type=module", "-"]
    result = subprocess.run(command, input=script, capture_output=True, text=True, cwd=node_folder, timeout=300, check=False)
    if result.returncode:
        raise AvatarsMissing(f"@dicebear in {node_folder}: expected avatars, node said: {result.stderr.strip()[-300:]}")
    for line in result.stdout.splitlines():
        avatar = json.loads(line)
        image = render_svg(avatar["svg"], side_px)
        cut = None if image is None else tidy(image)
        if cut is not None:
            bust = avatar["style"] not in ("bottts", "bigSmile", "bigEars")
            yield Cutout(cut, "object" if avatar["style"] == "bottts" else "person", "drawn", "@dicebear/collection", bust=bust)


def install_avatars(folder: Path) -> Path | None:
    """Have npm put @dicebear below `folder` when it is not there; None (and a warning) where npm cannot."""
    if (folder / "node_modules" / "@dicebear" / "collection").is_dir():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), "@dicebear/core@9.4", "@dicebear/collection@9.4"]
    try:
        subprocess.run(command, capture_output=True, text=True, timeout=180, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        log.warning("npm could not install @dicebear: %s", error)
        return None
    return folder


class AvatarsMissing(StickerError):
    """@dicebear is not installed where it was looked for."""


def emoji(font: Path = EMOJI_FONT) -> Iterator[Cutout]:
    """Noto Color Emoji glyphs of animals, people and things (Debian fonts-noto-color-emoji, OFL)."""
    typeface = ImageFont.truetype(str(font), 109)
    groups: tuple[tuple[tuple[tuple[int, int], ...], SubjectClass], ...] = ((_ANIMAL_EMOJI, "animal"), (_PERSON_EMOJI, "person"), (_OBJECT_EMOJI, "object"))
    for ranges, label in groups:
        for point in (p for first, last in ranges for p in range(first, last + 1)):
            canvas = Image.new("RGBA", (150, 150))
            ImageDraw.Draw(canvas).text((5, 5), chr(point), font=typeface, embedded_color=True)
            cut = tidy(np.asarray(canvas))
            if cut is not None:
                yield Cutout(cut, label, "drawn", "fonts-noto-color-emoji")


def portraits(root: Path = PORTRAITS) -> Iterator[Cutout]:
    """Painted portraits with alpha of the game Wesnoth (Debian wesnoth-1.16-data, GPL-2+ and CC BY-SA 4.0)."""
    paths = [path for path in sorted(root.rglob("portraits/**/*")) if path.suffix in (".png", ".webp")]
    for path in paths:
        image = read_rgba(path)
        cut = None if image is None else tidy(image)
        if cut is not None and max(cut.shape[:2]) >= 120:
            yield Cutout(cut, "person", "drawn", "wesnoth-1.16-data", bust=True)


def off_paper(image: RGB) -> Mask:
    """HxW mask of what is not near-white connected to the border, opened and closed to lose pencil dust."""
    dark = (image.min(axis=2) < 238).astype(np.uint8)
    closed = cv2.morphologyEx(dark, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    padded = np.pad(1 - closed, 1, constant_values=1)
    flood = np.zeros((padded.shape[0] + 2, padded.shape[1] + 2), np.uint8)
    cv2.floodFill(padded, flood, (0, 0), 2)
    solid = (padded[1:-1, 1:-1] != 2).astype(np.uint8)
    return np.asarray(cv2.morphologyEx(solid, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))).astype(bool)


def gather(*, node_folder: Path | None) -> tuple[list[Cutout], list[str]]:
    """All cut-outs of the installed sources, and a line for each source that is missing."""
    sources: list[tuple[str, Any, bool]] = [
        ("Debian tuxpaint-stamps-default", stamps, STAMPS.is_dir()),
        ("Debian openclipart-svg and PyPI resvg-py", clip_art, CLIP_ART.is_dir()),
        ("Debian fonts-noto-color-emoji", emoji, EMOJI_FONT.is_file()),
        ("Debian wesnoth-1.16-data", portraits, PORTRAITS.is_dir()),
        ("npm @dicebear/core and @dicebear/collection 9.4, PyPI resvg-py", lambda: avatars(node_folder or Path()), node_folder is not None),
    ]
    found: list[Cutout] = []
    missing: list[str] = []
    for name, load, present in sources:
        if not present:
            missing.append(f"{name}: not installed")
            continue
        try:
            items = list(load())
        except (ImportError, OSError, AvatarsMissing, subprocess.SubprocessError) as error:
            missing.append(f"{name}: {error}")
            continue
        log.info("%s: %d cut-outs", name, len(items))
        found += items
    return found, missing
