"""The messengers' rules for a sticker: what each is made by, and, apart from that, what a finished file is checked by.

Sources: WhatsApp's sample apps (StickerPackValidator.java, Limits.swift), core.telegram.org/stickers, Signal's sticker creator, Discord's `sticker` resource.
A KB is decimal here: the smaller reading fits both.
"""

import io
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args
from xml.etree import ElementTree

import numpy as np
from PIL import Image
from PIL.ImageFile import ImageFile

from sticker_studio import images
from sticker_studio.errors import InputError
from sticker_studio.types import RGBA

Platform = Literal["whatsapp", "telegram", "signal", "discord", "webp", "png", "svg"]
PLATFORMS: Final[tuple[Platform, ...]] = get_args(Platform)
Encoding = Literal["webp", "png", "svg", "webm"]
Layout = Literal["avatar", "banner", "thumbnail"]
SVG: Final = "http://www.w3.org/2000/svg"


@dataclass(frozen=True, kw_only=True)
class Format:
    """A still sticker of one platform. Sizes in px, of the finished sticker."""

    encoding: Encoding
    """What is made."""
    accepted: tuple[Encoding, ...] = ()
    """What else the platform takes."""
    side_px: int = 512
    """Of the square; where it need not be one, of its longer side."""
    square: bool = True
    margin_px: int = 16
    """Transparent, around the outline."""
    outline_px: int = 8
    """Where the caller asks for none in particular."""
    max_bytes: int | None = None


FORMATS: Final[dict[Platform, Format]] = {
    "whatsapp": Format(encoding="webp", max_bytes=100_000),
    "telegram": Format(encoding="webp", accepted=("png",), square=False, margin_px=0, max_bytes=512_000),
    "signal": Format(encoding="webp", accepted=("png",), max_bytes=300_000),
    "discord": Format(encoding="png", side_px=320, margin_px=0, outline_px=0, max_bytes=512_000),
    "webp": Format(encoding="webp"),
    "png": Format(encoding="png"),
    "svg": Format(encoding="svg"),
}


@dataclass(frozen=True, kw_only=True)
class Motion:
    """What an animated sticker of a platform has beyond the sides, margin and outline of its still one."""

    encoding: Encoding
    max_bytes: int | None = None
    max_s: float
    max_fps: float = 30
    min_frame_ms: int = 8
    least_side_px: int | None = None
    """How small the square may be made to save bytes; None: not at all."""


MOTIONS: Final[dict[Platform, Motion]] = {
    "whatsapp": Motion(encoding="webp", max_bytes=500_000, max_s=10),
    "telegram": Motion(encoding="webm", max_bytes=256_000, max_s=3),
    "signal": Motion(encoding="png", max_bytes=300_000, max_s=3, least_side_px=256),
    "discord": Motion(encoding="png", max_bytes=512_000, max_s=5),
    "webp": Motion(encoding="webp", max_s=10),
    "png": Motion(encoding="png", max_s=10),
}
"""An SVG does not move. PNG is animated as APNG."""

LAYOUTS: Final[dict[Layout, tuple[int, int]]] = {"avatar": (800, 800), "banner": (2204, 864), "thumbnail": (1280, 720)}
"""Width and height in px of what stands beside stickers: a profile's picture, a pack's banner, a video's thumbnail."""


@dataclass(frozen=True)
class Shown:
    """What a finished file shows: `encoding` as Pillow or the container names it; `times_ms` when each frame begins, and the end of the last."""

    encoding: str
    size_wh: tuple[int, int]
    times_ms: tuple[float, ...]
    loops: bool
    begins_blank: bool
    has_sound: bool = False

    @property
    def frames(self) -> int:
        """How many frames there are; 1 for a still picture."""
        return max(1, len(self.times_ms) - 1)


def problems(data: bytes, platform: Platform) -> list[str]:
    """What `platform` would refuse in a finished sticker, still or animated, in words; nothing when it complies. Reads only the bytes."""
    rules = FORMATS[platform]
    if rules.encoding == "svg":
        return _svg_problems(data, rules)
    try:
        shown = look(data)
    except images.UNDECODABLE as error:
        return [f"expected a whole {rules.encoding.upper()} file, got: {error}"]
    if shown.frames == 1 and shown.encoding != "webm":
        return [*_encoding_problems(shown, (rules.encoding, *rules.accepted)), *_side_problems(shown, rules), *_byte_problems(data, rules.max_bytes)]
    motion = MOTIONS[platform]
    return [
        *_encoding_problems(shown, (motion.encoding,)),
        *_side_problems(shown, rules, least_side_px=motion.least_side_px),
        *_byte_problems(data, motion.max_bytes),
        *_motion_problems(shown, motion),
    ]


def layout_problems(data: bytes, layout: Layout) -> list[str]:
    """What is wrong with a finished avatar, banner or thumbnail, in words. Reads only the bytes."""
    try:
        shown = look(data)
    except images.UNDECODABLE as error:
        return [f"expected a whole PNG or WEBP file, got: {error}"]
    found = _encoding_problems(shown, ("png", "webp"))
    if shown.frames != 1:
        found.append(f"expected a still picture, got {shown.frames} frames")
    if shown.size_wh != LAYOUTS[layout]:
        found.append(f"expected {LAYOUTS[layout][0]}x{LAYOUTS[layout][1]} px, got {shown.size_wh[0]}x{shown.size_wh[1]}")
    return found


def is_moving(data: bytes) -> bool:
    """Whether a finished sticker is animated, from its header. Errors as `look`."""
    return data.startswith(_EBML) or getattr(_opened(data), "n_frames", 1) > 1


_EBML: Final = b"\x1a\x45\xdf\xa3"
_MAX_SIDE_PX: Final = 4096
_MAX_FRAMES: Final = 1000
_MAX_PIXELS: Final = 100_000_000
"""Of all frames."""
_MAX_READS: Final = 200_000


def look(data: bytes) -> Shown:
    """Decode all of a finished file and tell what it shows. Raises one of `images.UNDECODABLE`."""
    try:
        return _look_at_video(data) if data.startswith(_EBML) else _look_at_picture(data)
    except Image.DecompressionBombError as error:  # of a later frame, which may be larger than the first
        raise OSError(str(error)) from error


def _look_at_picture(data: bytes) -> Shown:
    picture = _opened(data)
    picture.load()
    blank = picture.has_transparency_data and not picture.convert("RGBA").getchannel("A").getbbox()
    times = [0.0]
    for number in range(getattr(picture, "n_frames", 1)):
        picture.seek(number)
        picture.load()
        times.append(times[-1] + float(picture.info.get("duration") or 0))
    loops = picture.info.get("loop") == 0 and not picture.info.get("default_image", False)
    return Shown((picture.format or "").lower(), picture.size, tuple(times), loops, blank)


def _opened(data: bytes) -> ImageFile:
    """A finished picture, its header read; one beyond any sticker's size is refused before it is decoded."""
    try:
        picture = images.opened(data, max_reads=_MAX_READS, spare_bytes=_MAX_FRAMES * 65_536)
    except InputError as error:
        raise OSError(str(error)) from error
    _check_bounds(picture.width, picture.height, getattr(picture, "n_frames", 1))
    return picture


def _check_bounds(width: int, height: int, frames: int) -> None:
    if max(width, height) > _MAX_SIDE_PX or frames > _MAX_FRAMES or width * height * frames > _MAX_PIXELS:
        raise OSError(f"{frames} frames of {width}x{height} px, which is more than any sticker has")


def _look_at_video(data: bytes) -> Shown:
    import av  # 60 MB of memory, for Telegram alone

    try:
        with av.open(io.BytesIO(data), "r") as container:
            stream = container.streams.video[0]
            codec, rate, ends = stream.codec_context, float(stream.average_rate or 0), (container.duration or 0) / 1000
            packets = [packet for packet in container.demux(stream) if packet.pts is not None]
            _check_bounds(codec.width, codec.height, len(packets))
            times = [float((packet.pts or 0) * (packet.time_base or 0) * 1000) for packet in packets]
            frames = _decoded(packets) if codec.name.endswith("vp9") else []
            encoding = container.format.name.split(",")[-1] if frames else codec.name
            sound, size_wh = bool(container.streams.audio), (codec.width, codec.height)
    except (av.FFmpegError, IndexError) as error:
        raise OSError(str(error)) from error
    if not packets or (encoding == "webm" and len(frames) != len(packets)):
        raise OSError(f"{len(packets)} packets of video with {len(frames)} whole frames")
    end = ends or times[-1] + 1000 / max(1.0, rate)
    return Shown(encoding, size_wh, (*times, end), loops=True, begins_blank=encoding == "webm" and not frames[0][..., 3].any(), has_sound=sound)


def _decoded(packets: list[Any]) -> list[RGBA]:
    """Packets of VP9 to HxWx4 frames; FFmpeg's own decoder drops the alpha, libvpx keeps it."""
    import av

    decoder = av.VideoCodecContext.create("libvpx-vp9", "r")
    return [np.asarray(frame.to_ndarray(format="rgba"), np.uint8) for packet in packets for frame in decoder.decode(packet)]


def frames_of(data: bytes) -> list[RGBA]:
    """The frames of a finished animated sticker, HxWx4, one for each of `look(data).times_ms` but the last. Errors as `look`."""
    if not data.startswith(_EBML):
        picture = _opened(data)
        return [_frame(picture, number) for number in range(getattr(picture, "n_frames", 1))]
    import av

    try:
        with av.open(io.BytesIO(data), "r") as container:
            return _decoded([packet for packet in container.demux(video=0) if packet.pts is not None])
    except (av.FFmpegError, IndexError) as error:
        raise OSError(str(error)) from error


def _frame(picture: Image.Image, number: int) -> RGBA:
    picture.seek(number)
    return np.asarray(picture.convert("RGBA"))


def _encoding_problems(shown: Shown, accepted: tuple[Encoding, ...]) -> list[str]:
    wanted = " or ".join(encoding.upper() for encoding in accepted)
    return [] if shown.encoding in accepted else [f"expected {wanted}, got {shown.encoding.upper()}"]


def _side_problems(shown: Shown, rules: Format, *, least_side_px: int | None = None) -> list[str]:
    width, height = shown.size_wh
    least = least_side_px or rules.side_px
    if least <= max(width, height) <= rules.side_px and (width == height or not rules.square):
        return []
    wanted = f"{rules.side_px}x{rules.side_px} px" if rules.square else f"{rules.side_px} px on the longer side"
    return [f"expected {wanted}{f', at least {least}x{least},' if least_side_px else ''}, got {width}x{height}".replace(",,", ",")]


def _byte_problems(data: bytes, max_bytes: int | None) -> list[str]:
    return [f"expected at most {max_bytes} bytes, got {len(data)}"] if max_bytes is not None and len(data) > max_bytes else []


def _motion_problems(shown: Shown, motion: Motion) -> list[str]:
    found: list[str] = []
    shortest = min(np.diff(shown.times_ms))
    length_s, fps = shown.times_ms[-1] / 1000, shown.frames * 1000 / max(1.0, shown.times_ms[-1])
    if length_s > motion.max_s:
        found.append(f"expected at most {motion.max_s:g} s, got {length_s:g}")
    if shortest < motion.min_frame_ms:
        found.append(f"expected frames of at least {motion.min_frame_ms} ms, got {shortest:g}")
    if fps > motion.max_fps + 0.01:
        found.append(f"expected at most {motion.max_fps:g} frames a second, got {fps:.2f}")
    if not shown.loops:
        found.append("expected an endless loop of all its frames, got an end")
    if shown.begins_blank:
        found.append("expected a first frame that can stand alone, got an empty one")
    if shown.has_sound:
        found.append("expected no sound, got an audio stream")
    return found


def _svg_problems(data: bytes, rules: Format) -> list[str]:
    try:
        root = ElementTree.fromstring(data)  # noqa: S314  # a file of our own making, without entities: they would be refused as unknown
    except ElementTree.ParseError as error:
        return [f"expected a whole SVG file, got: {error}"]
    found: list[str] = []
    if root.tag != f"{{{SVG}}}svg" or root.get("viewBox") != f"0 0 {rules.side_px} {rules.side_px}":
        found.append(f"expected an svg with the view box 0 0 {rules.side_px} {rules.side_px}, got {root.tag} with {root.get('viewBox')}")
    if root.find(f".//{{{SVG}}}image") is None:
        found.append("expected the cut-out as an image, got none")
    return found
