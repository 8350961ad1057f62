"""What people say of stickers: a verdict or a corrected mask, kept with the picture only where its owner consents.

`feedback/<day>/<id>/` of the object store holds `mask.png`, `picture.<ext>` and, written last, `feedback.json`: without it the folder is not whole and is
nothing. The service keeps no picture otherwise, so a caller who consents sends it again; its hash says that it is the same one.
"""

import hashlib
import time
from typing import Any, Final

import numpy as np
from PIL import Image

from serving.options import FeedbackOptions
from serving.records import Kept, new_id
from sticker_studio import images
from sticker_studio.errors import InputError
from sticker_studio.store import ObjectStore
from sticker_studio.types import Mask

ASPECT_TOLERANCE: Final = 0.02


def keep(store: ObjectStore, kept: Kept, options: FeedbackOptions, *, mask: bytes | None, picture: bytes | None, max_pixels: int) -> str:
    """Keep what was said of the sticker `kept`, whole or not at all; returns the feedback's id. Raises `InputError` telling what is missing."""
    if mask is None and options.verdict is None:
        raise InputError("expected a verdict (good, bad or corrected) or a corrected mask, got neither; send one of them")
    image = _consented(kept, options, picture, max_pixels)
    drawn = None if mask is None else _mask(mask, image, max_pixels)
    feedback_id, now = new_id(), time.time()
    folder = f"feedback/{time.strftime('%Y-%m-%d', time.gmtime(now))}/{feedback_id}"
    said: dict[str, Any] = {
        "id": feedback_id, "sticker": kept.id, "verdict": options.verdict or "corrected", "consent": options.consent, "at": now, "made_by": dict(kept.facts),
    }  # fmt: skip
    if drawn is not None:
        said["mask"] = store.put(f"{folder}/mask.png", images.encode_png(np.where(drawn, 255, 0).astype(np.uint8)))
    if image is not None:
        said["picture"] = store.put(*_picture_file(folder, image))
    store.put_json(f"{folder}/feedback.json", said)
    return feedback_id


def _consented(kept: Kept, options: FeedbackOptions, picture: bytes | None, max_pixels: int) -> Image.Image | None:
    if not options.consent:
        return None
    if picture is None:
        raise InputError("image: expected the sticker's picture beside consent=true, got none; the service keeps no pictures, so send it again")
    if hashlib.sha256(picture).hexdigest() != kept.facts.get("picture_sha256"):
        raise InputError("image: expected the picture that the sticker was made of, got another; send that one")
    return images.open_upright(picture, max_pixels=max_pixels)


def _mask(data: bytes, picture: Image.Image | None, max_pixels: int) -> Mask:
    """The uploaded mask as HxW: bright, or where it has transparency opaque, is subject; at the picture's size where that is known."""
    drawn = coverage(data, max_pixels=max_pixels)
    if picture is not None:
        wanted, got = picture.width / picture.height, drawn.shape[1] / drawn.shape[0]
        if abs(got / wanted - 1) > ASPECT_TOLERANCE:
            raise InputError(
                f"mask: expected the shape of the picture, {picture.width}x{picture.height}, got {drawn.shape[1]}x{drawn.shape[0]}; cover all of it"
            )
        drawn = np.asarray(Image.fromarray(drawn).resize(picture.size, Image.Resampling.BILINEAR))
    return np.asarray(drawn >= 0.5)


def coverage(data: bytes, *, max_pixels: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """A mask file as HxW float32 in 0..1: its transparency where it has any, else its brightness. Errors as `images.open_upright`."""
    image = images.open_upright(data, max_pixels=max_pixels)
    channel = image.getchannel("A") if image.mode == "RGBA" else image.convert("L")
    return np.asarray(channel, np.float32) / np.float32(255)


def _picture_file(folder: str, image: Image.Image) -> tuple[str, bytes]:
    """The upright picture without its metadata: no place, no camera, no name."""
    pixels = np.asarray(image)
    return (f"{folder}/picture.png", images.encode_png(pixels)) if image.mode == "RGBA" else (f"{folder}/picture.jpg", images.encode_jpeg(pixels, quality=95))
