"""What stands out, without any weights: GrabCut from a rectangle. It proposes where no network saw anything, and is always named."""

import cv2
import numpy as np

from sticker_studio.types import RGB, Mask


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
