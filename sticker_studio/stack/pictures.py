"""The two pictures that the demo turns into stickers: one drawn by the scene generator, one photograph of an installed package."""

import importlib.util
from pathlib import Path
from typing import Final

from sticker_studio import images

PHOTOGRAPHS: Final = (("skimage", "data/chelsea.png"), ("skimage", "data/astronaut.png"), ("sklearn", "datasets/images/flower.jpg"))
"""Package and file, best first; a package that ships fewer pictures than it did leaves the next one."""


def photograph() -> tuple[str, bytes]:
    """Name and bytes of a photograph that an installed package carries."""
    for package, name in PHOTOGRAPHS:
        spec = importlib.util.find_spec(package)
        path = Path(spec.origin).parent / name if spec and spec.origin else None
        if path and path.is_file():
            return path.name, path.read_bytes()
    raise FileNotFoundError(f"expected one of {PHOTOGRAPHS} in the installed packages; run `make env`")


def drawing(seed: int = 4106) -> tuple[str, bytes]:
    """Name and bytes of a generated anime picture of families that no model trains on."""
    from sticker_studio import scenes

    return f"scene-{seed}.png", images.encode_png(scenes.draw(seed=seed, style="anime", split="audit", size_wh=(640, 512)).image)
