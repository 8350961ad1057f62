"""What a camera and a file format add: light, blur, noise, colour casts, JPEG."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from sticker_studio.scenes import noise
from sticker_studio.types import RGB

Plane = npt.NDArray[np.float32]


def light(rng: np.random.Generator, image: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A lighting gradient, vignette or 1/f patch of light over HxWx3 float32."""
    h, w = image.shape[:2]
    y, x = np.linspace(-1, 1, h, dtype=np.float32)[:, None], np.linspace(-1, 1, w, dtype=np.float32)[None, :]
    turn = rng.uniform(0, 2 * np.pi)
    gain = 1 + rng.uniform(0, 0.35) * (x * np.cos(turn) + y * np.sin(turn)) - rng.uniform(0, 0.3) * (x**2 + y**2) / 2
    if rng.random() < 0.3:
        gain = gain * (1 + rng.uniform(0.2, 0.8) * (noise.field(rng, (w, h), exponent=1.8) - 0.5))
    return np.asarray(image * gain[..., None].astype(np.float32))


def tone(rng: np.random.Generator, image: npt.NDArray[Any], *, strength: float = 1.0) -> npt.NDArray[Any]:
    """Colour cast, contrast, gamma and saturation on HxWx3 float32 0..255; now and then no colour."""
    cast = 1 + rng.uniform(-0.1, 0.1, 3).astype(np.float32) * strength
    image = np.clip(image * cast, 0, 255)
    grey = image.mean(axis=2, keepdims=True)
    image = grey + (image - grey) * np.float32(1 + rng.uniform(-0.5, 0.25) * strength)
    middle = np.float32(image.mean())
    image = middle + (image - middle) * np.float32(1 + rng.uniform(-0.2, 0.5) * strength)
    if strength >= 1 and rng.random() < 0.06:
        image = np.broadcast_to(grey, image.shape)
    gamma = np.exp(rng.uniform(-0.35, 0.35) * strength)
    table = (255 * (np.arange(256) / 255) ** gamma).astype(np.float32)
    return np.asarray(table[np.clip(image, 0, 255).astype(np.uint8)])


def blur(rng: np.random.Generator, image: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Usually a little lens blur, now and then motion blur."""
    if rng.random() < 0.1:
        length = int(rng.integers(3, 9))
        kernel = np.zeros((length, length), np.float32)
        turn = rng.uniform(0, np.pi)
        centre = (length - 1) / 2
        ends = [(round(centre - s * centre * np.cos(turn)), round(centre - s * centre * np.sin(turn))) for s in (-1, 1)]
        cv2.line(kernel, ends[0], ends[1], 1.0)
        return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum()))
    return np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 1.1)))


def jpeg(rng: np.random.Generator, image: RGB, *, low: int = 40, high: int = 95) -> RGB:
    """`image` through JPEG."""
    _, data = cv2.imencode(".jpg", np.ascontiguousarray(image[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(low, high))])
    decoded = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return np.ascontiguousarray(decoded[..., ::-1])


def camera(rng: np.random.Generator, image: npt.NDArray[Any]) -> RGB:
    """A photograph of the composite HxWx3 float32."""
    image = tone(rng, light(rng, blur(rng, image)))
    h, w = image.shape[:2]
    image = image + noise.grain(rng, (w, h), coloured=bool(rng.random() < 0.7)) * np.float32(0.5 + 8 * rng.random() ** 2)
    return jpeg(rng, np.clip(image, 0, 255).astype(np.uint8))


def scan(rng: np.random.Generator, image: npt.NDArray[Any]) -> RGB:
    """A drawn picture as it comes from the web: slight casts, softness and JPEG at times."""
    if rng.random() < 0.5:
        image = tone(rng, image, strength=0.4)
    if rng.random() < 0.2:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 0.8))
    if rng.random() < 0.12:
        image = light(rng, image)
    flat = np.clip(image, 0, 255).astype(np.uint8)
    return jpeg(rng, flat, low=55) if rng.random() < 0.5 else flat
