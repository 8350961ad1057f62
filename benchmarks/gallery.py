"""Stickers to look at: `make gallery` makes the README's pictures and docs/gallery.webp, `make gallery DATA=<folder>` a sheet of your own pictures in out/.

The committed ones use only generated pictures and photographs that ship inside installed packages. Each sticker stands on four grounds: what is wrong with an
edge shows on one of them.
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
LOOKS: tuple[dict[str, str], ...] = (
    {"caption": "hi there 👋", "font": "fredoka"},
    {"caption": "Guten Morgen", "font": "bangers", "caption_shape": "arc"},
    {"caption": "good vibes ✨", "font": "pacifico", "shadow": "true"},
    {"caption": "おはよう 🍵"},
    {"caption": "LEVEL UP", "font": "press-start-2p", "outline_colour": "#7c3aed"},
    {"caption": "meow 🐱", "font": "luckiest-guy"},
    {"caption": "to the moon 🚀", "font": "bungee"},
    {"caption": "शुभ प्रभात", "shadow": "true"},
    {"caption": "مرحبا 🌸"},
    {"caption": "weekend!", "font": "permanent-marker", "outline_px": "14"},
)
"""Options of the ten stickers of docs/gallery.webp."""
A_GROUP = 8
"""Pictures of each folder of DATA."""


def sources() -> list[tuple[str, bytes]]:
    """Name and bytes of the ten pictures."""
    photographs = [(Path(name).name, _packaged(package, name)) for package, name in PHOTOGRAPHS]
    return [*(pictures.drawing(seed) for seed in DRAWINGS), *photographs]


def _packaged(package: str, name: str) -> bytes:
    """A file that an installed package carries."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise SystemExit(f"expected the package {package} in the environment; run `make env`")
    return (Path(spec.origin).parent / name).read_bytes()


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


def grounds(side_px: int) -> list[Image.Image]:
    """White, black, a messenger's pale green with a pattern, and a photograph."""
    chat = Image.new("RGBA", (side_px, side_px), (229, 221, 213, 255))
    pen = ImageDraw.Draw(chat)
    for x in range(-side_px, side_px, 24):
        pen.arc((x, x % 48, x + 60, x % 48 + side_px), 0, 300, fill=(212, 204, 194, 255), width=2)
    photograph = Image.open(io.BytesIO(_packaged("sklearn", "datasets/images/china.jpg"))).convert("RGBA").resize((side_px, side_px))
    return [Image.new("RGBA", (side_px, side_px), colour) for colour in ((255, 255, 255, 255), (0, 0, 0, 255))] + [chat, photograph]


def on_grounds(stickers: list[Image.Image], *, side_px: int = 224) -> Image.Image:
    """A column for each sticker, a row for each ground."""
    rows = grounds(side_px)
    sheet = Image.new("RGBA", (side_px * len(stickers), side_px * len(rows)))
    for row, ground in enumerate(rows):
        for column, sticker in enumerate(stickers):
            sheet.paste(ground, (column * side_px, row * side_px))
            sheet.alpha_composite(sticker.convert("RGBA").resize((side_px, side_px), Image.Resampling.LANCZOS), (column * side_px, row * side_px))
    return sheet.convert("RGB")


def stacked(sheets: list[Image.Image]) -> Image.Image:
    """Sheets of one width below each other."""
    whole = Image.new("RGB", (max(sheet.width for sheet in sheets), sum(sheet.height for sheet in sheets)), "white")
    top = 0
    for sheet in sheets:
        whole.paste(sheet, (0, top))
        top += sheet.height
    return whole


def sticker_of(url: str, name: str, data: bytes, options: dict[str, str]) -> Image.Image:
    """The sticker of a picture; where nothing is found the whole picture, said aloud. Exits with the service's words for any other answer."""
    answer = endpoint.post(url, data, name, options)
    if answer.status == 422:
        print(f"{name}: nothing found, its whole picture stands in", flush=True)
        answer = endpoint.post(url, data, name, options | {"fallback": "whole"})
    if answer.status != 200:
        raise SystemExit(f"{name}: expected a sticker, got {answer.status}: {answer.content[:200]!r}")
    return Image.open(io.BytesIO(answer.content))


def of_folder(url: str, data: Path, out: Path) -> Path:
    """A sheet of stickers of the first pictures of each folder of `data`, with captions on every other one."""
    sheets = []
    for folder in sorted(
        {path.parent for path in data.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp") and "mask" not in path.parent.name}
    ):
        files = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp")]
        chosen = files[:: max(1, len(files) // A_GROUP)][:A_GROUP]
        print(f"{folder.relative_to(data)}: {len(chosen)} of {len(files)} pictures", flush=True)
        looks = [LOOKS[number % len(LOOKS)] if number % 2 else {} for number in range(len(chosen))]
        made = [sticker_of(url, path.name, path.read_bytes(), look) for path, look in zip(chosen, looks, strict=True)]
        sheets.append(on_grounds(made))
    if not sheets:
        raise SystemExit(f"{data}: expected folders with pictures, got none")
    out.mkdir(parents=True, exist_ok=True)
    stacked(sheets).save(out / "gallery.png")
    return out / "gallery.png"


def main() -> None:
    """Make the README's pictures and docs/gallery.webp, or a sheet of one's own pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="", help="a running service; empty: the configured one where it runs, else our own")
    parser.add_argument("--data", type=Path, help="folders of your own pictures: their sheet goes to out/gallery.png, nothing else is made")
    arguments = parser.parse_args()
    with service(arguments.url) as url:
        if arguments.data:
            print(of_folder(url, arguments.data, Path("out")))
            return
        plain, looks = [], []
        for (name, data), look in zip(sources(), LOOKS, strict=True):
            plain.append((Image.open(io.BytesIO(data)), sticker_of(url, name, data, {})))
            looks.append(sticker_of(url, name, data, look))
    images = Path("docs/images")
    contact_sheet([sticker for _, sticker in plain]).quantize(256).save(images / "stickers.png", optimize=True)
    before_after([plain[0], plain[len(DRAWINGS) + 1]]).quantize(256).save(images / "before_after.png", optimize=True)
    stacked([on_grounds(looks[:5]), on_grounds(looks[5:])]).save("docs/gallery.webp", quality=82, method=6)
    print(f"{images}/stickers.png and before_after.png, docs/gallery.webp: {len(plain)} stickers")


if __name__ == "__main__":
    main()
