"""Weight-free evidence of where the subject is: GrabCut from a rectangle, distance to the border's colours, and edge snapping."""

import cv2
import numpy as np
import numpy.typing as npt

from sticker_studio.types import RGB, Alpha, Mask


def grabcut(image: RGB, *, margin_ratio: float = 0.04, iterations: int = 3, seed: int = 0) -> Mask:
    """Rother et al. 2004, started from a rectangle `margin_ratio` inside the picture. HxW; all false where it separates nothing."""
    height, width = image.shape[:2]
    x, y = max(1, round(width * margin_ratio)), max(1, round(height * margin_ratio))
    if width - 2 * x < 4 or height - 2 * y < 4 or float(image.std()) < 2:
        return np.zeros((height, width), bool)
    labels = np.zeros((height, width), np.uint8)
    cv2.setRNGSeed(seed)  # its colour models start from k-means, which draws
    cv2.grabCut(
        np.ascontiguousarray(image), labels, (x, y, width - 2 * x, height - 2 * y), np.zeros((1, 65)), np.zeros((1, 65)), iterations, cv2.GC_INIT_WITH_RECT
    )
    return np.asarray((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD))


def border_prior(image: RGB, *, band_ratio: float = 0.06, clusters: int = 5, seed: int = 0) -> Alpha:
    """How unlike the border's colours each pixel is, times a centre prior: HxW in 0..1.

    The border's Lab colours are clustered, the bottom edge left out (subjects stand on it); a pixel's distance to the nearest cluster counts.
    """
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB).astype(np.float32)
    height, width = image.shape[:2]
    band = max(2, round(min(height, width) * band_ratio))
    border = np.concatenate([lab[:band].reshape(-1, 3), lab[:, :band].reshape(-1, 3), lab[:, -band:].reshape(-1, 3)])
    cv2.setRNGSeed(seed)
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 12, 0.5)
    _, _, centres = cv2.kmeans(np.ascontiguousarray(border), min(clusters, len(border)), None, criteria, 1, cv2.KMEANS_PP_CENTERS)  # type: ignore[call-overload]
    distance = np.sqrt(((lab[:, :, None, :] - centres[None, None]) ** 2).sum(axis=3)).min(axis=2)
    distance = cv2.GaussianBlur(distance, (0, 0), max(1.0, min(height, width) / 64))
    top = float(np.percentile(distance, 95))
    if top < 4:
        return np.zeros((height, width), np.float32)
    return np.asarray(np.clip(distance / top, 0, 1) * centre_prior(width, height), np.float32)


def centre_prior(width: int, height: int) -> Alpha:
    """1 in the middle, falling to 0.35 in the corners."""
    y, x = np.linspace(-1, 1, height, dtype=np.float32)[:, None], np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    return np.asarray(np.exp(-0.525 * (x**2 + y**2)), np.float32)


def snap(probability: Alpha, image: RGB, *, radius_px: int, epsilon: float = 1e-3) -> Alpha:
    """Pull the edges of `probability` (HxW) to those of the picture: He et al. 2013's guided filter, grey guide."""
    guide = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.float32) / np.float32(255)
    size = (2 * radius_px + 1, 2 * radius_px + 1)

    def mean(values: npt.ArrayLike) -> Alpha:
        return np.asarray(cv2.blur(np.asarray(values, np.float32), size, borderType=cv2.BORDER_REFLECT), np.float32)

    mean_guide, mean_value = mean(guide), mean(probability)
    slope = (mean(guide * probability) - mean_guide * mean_value) / (mean(guide * guide) - mean_guide**2 + np.float32(epsilon))
    offset = mean_value - slope * mean_guide
    return np.asarray(np.clip(mean(slope) * guide + mean(offset), 0, 1), np.float32)
