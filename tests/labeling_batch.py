"""A small validated batch of drawn pictures in a store, for the labelling tests."""

import io
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from sticker_studio import manifests
from sticker_studio.manifests import PinRecord
from sticker_studio.store import ObjectStore, pin_key
from sticker_studio.types import RGB, Mask, Style

BATCH = "20261120T000000"


@dataclass(frozen=True)
class Drawn:
    """A picture of one plain subject and the subject's mask."""

    image: RGB
    mask: Mask


def draw(seed: int, *, size_wh: tuple[int, int] = (176, 120)) -> Drawn:
    """A filled ellipse in a strong colour on a noisy, shaded background; wider than high."""
    rng = np.random.default_rng(seed)
    width, height = size_wh
    image = np.full((height, width, 3), rng.integers(150, 220, 3), np.float64)
    image += np.linspace(-25, 25, width)[None, :, None] + rng.normal(0, 5, image.shape)
    mask = np.zeros((height, width), np.uint8)
    centre = (int(width * rng.uniform(0.4, 0.6)), int(height * rng.uniform(0.45, 0.55)))
    cv2.ellipse(mask, centre, (int(width * rng.uniform(0.16, 0.24)), int(height * rng.uniform(0.26, 0.36))), float(rng.uniform(-20, 20)), 0, 360, 1, -1)
    inside = mask.astype(bool)
    image[inside] = rng.integers(10, 90, 3) + rng.normal(0, 8, (int(inside.sum()), 3))
    return Drawn(np.clip(image, 0, 255).astype(np.uint8), inside)


def encode(image: RGB, kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind)
    return buffer.getvalue()


def make_pin(store: ObjectStore, data: bytes, *, style: Style, size_wh: tuple[int, int], extension: str = "jpg") -> PinRecord:
    """Keep `data` in the store as `harvest` does."""
    pin_id = sha256(data).hexdigest()
    key = store.put(pin_key(pin_id, extension), data)
    return PinRecord(
        id=pin_id, phash=pin_id[:16], width=size_wh[0], height=size_wh[1], bytes=len(data), mime=f"image/{extension}", board=f"demo:{style}", style=style,
        page_url="http://127.0.0.1/board", image_url=f"http://127.0.0.1/{pin_id[:8]}", fetched_at=datetime(2026, 11, 20, tzinfo=UTC), store_key=key,
    )  # fmt: skip


def make_batch(store: ObjectStore, count: int, *, batch: str = BATCH, first_seed: int = 0, styles: tuple[Style, ...] = ("anime", "normal")) -> list[PinRecord]:
    """`count` pins of alternating style, every third a WebP, as a validated batch; added to the index."""
    pins = []
    for number in range(count):
        image = draw(first_seed + number).image
        kind, extension = ("WEBP", "webp") if number % 3 == 2 else ("JPEG", "jpg")
        size_wh = (image.shape[1], image.shape[0])
        pins.append(make_pin(store, encode(image, kind), style=styles[number % len(styles)], size_wh=size_wh, extension=extension))
    store.put(f"batches/{batch}/pins.parquet", manifests.to_parquet(pins))
    known = manifests.from_parquet(store.get("index/pins.parquet")) if store.exists("index/pins.parquet") else []
    store.put("index/pins.parquet", manifests.to_parquet([*known, *pins]))
    return pins


def local_store(folder: Path) -> ObjectStore:
    return ObjectStore((folder / "store").as_uri())
