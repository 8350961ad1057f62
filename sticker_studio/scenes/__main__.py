"""`python -m sticker_studio.scenes`: look at what the generator draws."""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from sticker_studio import cli, images, masks, scenes
from sticker_studio.types import RGB

app = typer.Typer(help="Generated pictures with exact masks.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Generated pictures with exact masks."""


@app.command()
def sheet(
    *,
    style: Annotated[str, typer.Option(help="anime or normal.")] = "anime",
    split: Annotated[str, typer.Option(help="factory, board, golden or audit.")] = "factory",
    family: Annotated[str, typer.Option(help="One family only.")] = "",
    out: Annotated[Path, typer.Option(help="The PNG to write.")] = Path("out/sheet.png"),
    count: Annotated[int, typer.Option(help="Pictures.", min=1)] = 24,
    columns: Annotated[int, typer.Option(help="Pictures a row.", min=1)] = 6,
    seed: Annotated[int, typer.Option(help="The first picture's seed.")] = 1,
    size: Annotated[tuple[int, int], typer.Option(help="Width and height of a picture in px.")] = (320, 256),
    overlay: Annotated[bool, typer.Option(help="Whether mask edges are drawn over the pictures.")] = True,
) -> None:
    """A contact sheet, the mask edges drawn in red, green and blue for person, animal and object."""
    drawn = list(scenes.draw_many(count, seed=seed, style=style, split=split, family=family or None, size_wh=size))  # type: ignore[arg-type]
    tiles = [_overlaid(scene) if overlay else scene.image for scene in drawn]
    blank = np.zeros_like(tiles[0])
    tiles += [blank] * (-len(tiles) % columns)
    rows = [np.hstack(tiles[k : k + columns]) for k in range(0, len(tiles), columns)]
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(images.encode_png(np.vstack(rows)))
    cli.emit({"sheet": out, "pictures": count, "families": sorted({scene.family for scene in drawn})})


def _overlaid(scene: scenes.Scene) -> RGB:
    ink = {"person": (255, 0, 0), "animal": (0, 255, 0), "object": (0, 80, 255)}
    image = scene.image.copy()
    for item in scene.objects:
        image[masks.boundary(item.mask)] = ink[item.subject_class]
    return image


if __name__ == "__main__":
    cli.main(app)
