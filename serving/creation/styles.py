"""Style presets, as the words that are added to a description."""

from typing import Final

from serving.creation.protocol import StylePreset

PRESETS: Final[dict[StylePreset, str]] = {
    "anime": "anime illustration, clean line art, cel shading, expressive, vivid colours",
    "cartoon": "flat cartoon illustration, bold dark outlines, simple shapes, bright colours",
    "photo": "studio photograph, sharp focus, soft even light, natural colours",
    "pixel": "pixel art, 16-bit game sprite, crisp square pixels, limited palette",
    "clay": "clay figure, modelling clay, stop-motion look, soft rounded shapes, fingerprints in the clay",
}

# The word "sticker" is left out on purpose: models answer it with a white rim, a sheet of paper and a shadow, which the composer makes itself and better.
CUTTABLE: Final = (
    "the whole subject in view, centred, with empty space on all sides, nothing cut off by the edges, "
    "on a plain, evenly lit background of one colour that contrasts with the subject"
)
AVOID: Final = (
    "cropped, cut off, out of frame, close-up, busy background, scenery, patterned background, cast shadow, border, frame, collage, watermark, signature"
)


def worded(prompt: str, style: StylePreset) -> str:
    """The description with the style's words, and with what the cut-out needs: a whole subject on a plain background."""
    return f"{prompt}, {PRESETS[style]}, {CUTTABLE}"
