"""What hangs on the demo board: photographs that ship inside installed packages, generated pictures, and pins that are not fit.

Everything follows from style, number and seed; a picture is drawn when it is first asked for, and kept on disk.
"""

import hashlib
import importlib.util
import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
from PIL import Image

from sticker_studio import atomic, images
from sticker_studio.types import RGB, STYLES, Style

Kind = Literal["photo", "scene", "copy", "resized", "mirrored", "dead", "broken", "small", "unsuitable"]
UNFIT: Final[tuple[Kind, ...]] = ("copy", "resized", "mirrored", "dead", "broken", "small", "unsuitable")
"""Added to every style's different pins: three duplicates, two that cannot be had, two for the quarantine."""
LONG: Final = 120
"""From this many different pins on, the unfit ones come twice, so that a second day meets some too."""
WIDTHS: Final = {"236x": 236, "474x": 474, "736x": 736}

# package, file inside it, alt text
_PHOTOS: Final = (
    ("skimage", "data/chelsea.png", "A ginger cat looking into the camera"),
    ("skimage", "data/astronaut.png", "An astronaut in an orange suit"),
    ("skimage", "data/coffee.png", "A cup of espresso on a wooden table"),
    ("ultralytics", "assets/bus.jpg", "People walking past a blue bus"),
    ("skimage", "data/motorcycle_left.png", "A red motorcycle in a workshop"),
    ("sklearn", "datasets/images/flower.jpg", "An orange dahlia"),
    ("skimage", "data/rocket.jpg", "A rocket on its pad at night"),
    ("ultralytics", "assets/zidane.jpg", "Two men at the side of a football pitch"),
    ("matplotlib", "mpl-data/sample_data/grace_hopper.jpg", "Portrait of Grace Hopper in uniform"),
    ("skimage", "data/camera.png", "A man with a film camera, black and white"),
    ("sklearn", "datasets/images/china.jpg", "The Summer Palace in Beijing"),
    ("gradio", "media_assets/images/cheetah1.jpg", "A cheetah's face"),
    ("gradio", "media_assets/images/lion.jpg", "A lion resting on a rock"),
    ("gradio", "media_assets/images/cheetah.jpg", "A cheetah running"),
    ("skimage", "data/coins.png", "Greek coins from Pompeii"),
)
_SIZES_WH: Final = ((640, 480), (480, 640), (640, 640), (512, 640), (640, 432), (440, 640))
_ALTS: Final[dict[Style, str]] = {"anime": "Cartoon drawing, picture {n}", "normal": "Photo-like picture {n}"}


@dataclass(frozen=True)
class BoardPin:
    """One pin of the demo board. `seed` draws its picture or its fault; `of` is the pin that a duplicate repeats."""

    id: str
    style: Style
    kind: Kind
    alt: str
    width: int
    height: int
    seed: int
    photo: str = ""
    of: str = ""

    @property
    def extension(self) -> str:
        """Of the original; thumbnails are always `jpg`, and here and there the original is not, as on Pinterest."""
        return Path(self.photo).suffix.removeprefix(".") if self.photo else "png" if self.kind == "scene" and self.seed % 9 == 0 else "jpg"


def photographs() -> list[tuple[Path, str]]:
    """The photographs whose package is installed, found without importing it, with their alt texts."""
    found = []
    for package, name, alt in _PHOTOS:
        spec = importlib.util.find_spec(package)
        roots = spec.submodule_search_locations if spec else None
        path = Path(roots[0]) / name if roots else None
        if path and path.is_file():
            found.append((path, alt))
    return found


def pins(style: Style, number: int, seed: int) -> list[BoardPin]:
    """`number` different pins of `style`, with the unfit ones spread among the first of them, and on a long board once more further down."""
    rng = random.Random(f"{style}-{seed}")  # noqa: S311 - a board's layout, no secret
    photos = photographs() if style == "normal" else []
    board = [_different(style, n, rng, photos[n // 2] if n % 2 == 0 and n // 2 < len(photos) else None, seed) for n in range(number)]
    fit, step = list(board), max(1, min(8, number // (len(UNFIT) + 1)))
    for start in (0, number * 3 // 4) if number >= LONG else (0,):
        for n, kind in enumerate(UNFIT):
            like = fit[(start + n) % number]
            at = max(start + (n + 1) * (step + 1), board.index(like) + 1)  # a copy hangs below what it copies
            board.insert(at, _unfit(kind, like, rng, seed, start))
    return board


def _different(style: Style, n: int, rng: random.Random, photo: tuple[Path, str] | None, seed: int) -> BoardPin:
    picture_seed = seed * 100_000 + STYLES.index(style) * 50_000 + n
    width, height = rng.choice(_SIZES_WH)
    if photo is None:
        return BoardPin(_pin_id(rng), style, "scene", _ALTS[style].format(n=n + 1), width, height, picture_seed)
    with Image.open(photo[0]) as opened:
        width, height = opened.size
    return BoardPin(_pin_id(rng), style, "photo", photo[1], width, height, picture_seed, photo=str(photo[0]))


def _unfit(kind: Kind, like: BoardPin, rng: random.Random, seed: int, start: int) -> BoardPin:
    repeats = kind in ("copy", "resized", "mirrored")
    alt = {"small": "A very small icon", "unsuitable": "NSFW picture, explicit", "dead": "A picture that is gone", "broken": "A broken picture"}
    width, height = (64, 48) if kind == "small" else (like.width, like.height)
    number = seed * 100_000 + STYLES.index(like.style) * 50_000 + 40_000 + start * 10 + UNFIT.index(kind)
    photo = like.photo if kind == "copy" else ""
    return BoardPin(_pin_id(rng), like.style, kind, alt.get(kind, like.alt), width, height, number, photo, like.id if repeats else "")


def _pin_id(rng: random.Random) -> str:
    return str(rng.randrange(10**17, 10**18))


class Pictures:
    """Draws and keeps the board's pictures. One is drawn at a time: the machine is shared with a pipeline."""

    def __init__(self, board: Sequence[BoardPin], cache: Path) -> None:
        self._pins = {pin.id: pin for pin in board}
        self._cache = cache / _fingerprint()
        self._lock = threading.Lock()

    def picture(self, pin_id: str, size: str, extension: str) -> bytes | None:
        """The bytes at `/<size>/../<pin_id>.<extension>`, or None where there is nothing."""
        pin = self._pins.get(pin_id)
        if pin is None or pin.kind == "dead":
            return None
        expected = pin.extension if size == "originals" else "jpg"
        if extension != expected:
            return None
        with self._lock:
            return self._original(pin) if size == "originals" else self._thumbnail(pin, WIDTHS[size])

    def _original(self, pin: BoardPin) -> bytes:
        return Path(pin.photo).read_bytes() if pin.photo else self._kept(pin, "originals", lambda: self._draw(pin))

    def _thumbnail(self, pin: BoardPin, width: int) -> bytes:
        if pin.kind == "broken":
            return self._original(pin)
        return self._kept(pin, str(width), lambda: _jpeg(_scaled(images.decode_rgb(self._original(pin)), width), 85))

    def _kept(self, pin: BoardPin, size: str, make: Callable[[], bytes]) -> bytes:
        path = self._cache / size / f"{pin.style}-{pin.seed}-{pin.kind}-{pin.width}x{pin.height}-{pin.of}.{pin.extension}"
        if not path.is_file():
            atomic.write_bytes(path, make())
        return path.read_bytes()

    def _draw(self, pin: BoardPin) -> bytes:
        if pin.of:
            return self._duplicate(pin, self._original(self._pins[pin.of]))
        pixels = _scene(pin)
        if pin.kind == "broken":
            whole = _jpeg(pixels, 88)
            return whole[: len(whole) * 2 // 5]
        return images.encode_png(pixels) if pin.extension == "png" else _jpeg(pixels, 90)

    def _duplicate(self, pin: BoardPin, original: bytes) -> bytes:
        if pin.kind == "copy":
            return original
        pixels = images.decode_rgb(original)
        return _jpeg(np.ascontiguousarray(pixels[:, ::-1]), 85) if pin.kind == "mirrored" else _jpeg(_scaled(pixels, pin.width * 3 // 5), 60)


def _scene(pin: BoardPin) -> RGB:
    from sticker_studio import scenes

    width, height = (max(pin.width, 256), max(pin.height, 192))
    drawn = scenes.draw(seed=pin.seed, style=pin.style, split="board", size_wh=(width, height)).image
    return _scaled(drawn, pin.width) if pin.width < width else drawn


def _scaled(pixels: RGB, width: int) -> RGB:
    height = max(1, round(pixels.shape[0] * width / pixels.shape[1]))
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS))


def _jpeg(pixels: RGB, quality: int) -> bytes:
    return images.encode_jpeg(pixels, quality=quality)


def _fingerprint() -> str:
    """Of the drawing code, so that pictures drawn by an older version are not shown."""
    spec = importlib.util.find_spec("sticker_studio.scenes")
    roots = list(spec.submodule_search_locations or []) if spec else []
    digest = hashlib.sha256()
    for path in sorted(Path(roots[0]).rglob("*.py")) if roots else []:
        digest.update(path.read_bytes())
    digest.update(Path(__file__).read_bytes())
    return digest.hexdigest()[:12]
