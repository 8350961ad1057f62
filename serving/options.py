"""What a caller may ask for: one frozen model for each endpoint, unknown values refused with what is expected."""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from serving.formats import Platform
from sticker_studio.subjects import Subject

MAX_CAPTION_CHARACTERS: Final = 120


def _number_text(value: Any) -> Any:
    """A caption of digits arrives as text and stays text."""
    return value if isinstance(value, str) else str(value)


Caption = Annotated[str, BeforeValidator(_number_text), Field(max_length=MAX_CAPTION_CHARACTERS)]
Colour = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]


class _Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StickerOptions(_Options):
    """Options of `POST /sticker`."""

    caption: Caption = Field(default="", description="text under the subject, at most 120 characters")
    platform: Platform = Field(
        default="whatsapp",
        description="whatsapp: 512x512 WebP of at most 100 KB; telegram: WebP, 512 px on the longer side, at most 512 KB; signal: 512x512 WebP of at most "
        "300 KB; discord: 320x320 PNG of at most 512 KB; webp, png: 512x512; svg: the same with its die-cut line as a path",
    )
    subject: Subject = Field(default="all", description="all subjects, or the largest alone")
    fallback: Literal["none", "whole"] = Field(default="none", description="whole: where nothing is found, the whole picture becomes the sticker")
    outline_px: int | None = Field(
        default=None, ge=0, le=24, description="width of the die-cut outline in px of the finished sticker; 0: none; unset: as is customary (8; discord 0)"
    )
    outline_colour: Colour = Field(default="#ffffff", description="colour of the outline, #rrggbb")


class CutoutOptions(_Options):
    """Options of `POST /cutout`."""

    crop: bool = Field(default=True, description="true: cut to the subject; false: the upright picture's size")
    format: Literal["png", "webp"] = Field(default="png", description="png or lossless webp, both with transparency")
    subject: Subject = Field(default="all", description="all subjects, or the largest alone")


class ClassifyOptions(_Options):
    """`POST /classify` has no options."""
