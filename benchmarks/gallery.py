"""The README's pictures: ten stickers as a contact sheet, and one picture beside its sticker: `make gallery`.

Only generated pictures and photographs that ship inside installed packages are used.
"""

import argparse
import importlib.util
import io
from pathlib import Path

from PIL import Image, ImageDraw

from benchmarks.own_service import service
from sticker_studio.stack import endpoint, pictures

DRAWINGS = (4106, 4104, 4105, 4112, 4117)
PHOTOGRAPHS = (
    ("skimage", "data/chelsea.png"),
    ("skimage", "data/astronaut.png"),
    ("skimage", "data/coffee.png"),
    ("sklearn", "datasets/images/flower.jpg"),
    ("skimage", "data/motorcycle_left.png"),
)
CELL_PX = 256


def sources() -> list[tuple[str, bytes]]:
    """Name and bytes of the ten pictures."""
    photographs = []
    for package, name in PHOTOGRAPHS:
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:
            raise SystemExit(f"expected the package {package} in the environment; run `make env`")
        path = Path(spec.origin).parent / name
        photographs.append((path.name, path.read_bytes()))
    return [*(pictures.drawing(seed) for seed in DRAWINGS), *photographs]


def backdrop(size_wh: tuple[int, int]) -> Image.Image:
    """A chequerboard on which transparency and white lines show."""
    sheet = Image.new("RGBA", size_wh, (178, 190, 206, 255))
    pen = ImageDraw.Draw(sheet)
    for y in range(0, size_wh[1], 16):
        for x in range((y // 16 % 2) * 16, size_wh[0], 32):
            pen.rectangle((x, y, x + 15, y + 15), fill=(164, 177, 195, 255))
    return sheet


def contact_sheet(stickers: list[Image.Image], *, columns: int = 5) -> Image.Image:
    """Stickers on a chequerboard, `CELL_PX` each."""
    rows = -(-len(stickers) // columns)
    sheet = backdrop((columns * CELL_PX, rows * CELL_PX))
    for index, sticker in enumerate(stickers):
        small = sticker.convert("RGBA").resize((CELL_PX - 16, CELL_PX - 16), Image.Resampling.LANCZOS)
        sheet.alpha_composite(small, (index % columns * CELL_PX + 8, index // columns * CELL_PX + 8))
    return sheet.convert("RGB")


def before_after(pairs: list[tuple[Image.Image, Image.Image]]) -> Image.Image:
    """Each picture beside its sticker."""
    side = 320
    sheet = backdrop((side * 2 * len(pairs), side))
    for index, (before, after) in enumerate(pairs):
        picture = before.convert("RGBA")
        picture.thumbnail((side - 16, side - 16), Image.Resampling.LANCZOS)
        sheet.alpha_composite(picture, (index * 2 * side + (side - picture.width) // 2, (side - picture.height) // 2))
        sheet.alpha_composite(after.convert("RGBA").resize((side - 16, side - 16), Image.Resampling.LANCZOS), ((index * 2 + 1) * side + 8, 8))
    return sheet.convert("RGB")


def main() -> None:
    """Make docs/images/stickers.png and docs/images/before_after.png."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="", help="a running service; empty: the configured one where it runs, else our own")
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    stickers, pairs = [], []
    with service(arguments.url) as url:
        for name, data in sources():
            answer = endpoint.post(url, data, name)
            if answer.status == 422:
                print(f"{name}: nothing found, its whole picture stands in", flush=True)
                answer = endpoint.post(url, data, name, {"fallback": "whole"})
            if answer.status != 200:
                raise SystemExit(f"{name}: expected a sticker, got {answer.status}: {answer.content[:200]!r}")
            stickers.append(Image.open(io.BytesIO(answer.content)))
            pairs.append((Image.open(io.BytesIO(data)), stickers[-1]))
    contact_sheet(stickers).quantize(256).save(arguments.out / "stickers.png", optimize=True)
    before_after([pairs[0], pairs[len(DRAWINGS) + 1]]).quantize(256).save(arguments.out / "before_after.png", optimize=True)
    print(f"{arguments.out}/stickers.png and before_after.png: {len(stickers)} stickers")


if __name__ == "__main__":
    main()
