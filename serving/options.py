"""What a caller may ask for: one frozen model for each endpoint, unknown values refused with what is expected."""

from typing import Annotated, Any, Final, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from serving.composer import CaptionAt, CaptionEdge, CaptionShape
from serving.creation.protocol import MAX_SEED, StylePreset
from serving.fonts import FontName
from serving.formats import Layout, Platform
from sticker_studio.subjects import Box, Group, Subject, Tap

Fallback = Literal["none", "whole", "saliency"]

MAX_CAPTION_CHARACTERS: Final = 120


def _number_text(value: Any) -> Any:
    """A caption of digits arrives as text and stays text."""
    return value if isinstance(value, str) else str(value)


def _parsed_subject(value: Any) -> Any:
    """`x,y` becomes a `Tap`, `left,top,right,bottom` a `Box`; all in 0..1 of the upright picture."""
    if value in get_args(Group) or isinstance(value, Tap | Box):
        return value
    try:
        numbers = [float(part) for part in str(value).split(",")]
    except ValueError:
        numbers = []
    inside = all(0 <= number <= 1 for number in numbers)
    if inside and len(numbers) == 2:
        return Tap(*numbers)
    if inside and len(numbers) == 4 and numbers[0] < numbers[2] and numbers[1] < numbers[3]:
        return Box(*numbers)
    raise ValueError("expected all, largest, a point x,y or a box left,top,right,bottom, each number in 0..1 of the picture")


ChosenSubject = Annotated[
    Subject,
    BeforeValidator(_parsed_subject),
    WithJsonSchema({"type": "string"}),
    Field(description="all, largest, x,y (the subject at a point) or left,top,right,bottom (what is in a box); numbers in 0..1 of the upright picture"),
]
FallbackChoice = Annotated[
    Fallback,
    Field(description="where nothing is found: none refuses, whole takes the whole picture, saliency cuts out what stands out in colour"),
]
Caption = Annotated[str, BeforeValidator(_number_text), Field(max_length=MAX_CAPTION_CHARACTERS)]
Colour = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]
Background = Annotated[str, Field(pattern=r"^(transparent|#[0-9a-fA-F]{6}(,#[0-9a-fA-F]{6})?)$")]


def _parsed_caption_at(value: Any) -> Any:
    """`x,y` becomes two numbers in 0..1 of the sticker."""
    if value in get_args(CaptionEdge) or isinstance(value, tuple):
        return value
    try:
        numbers = tuple(float(part) for part in str(value).split(","))
    except ValueError:
        numbers = ()
    if len(numbers) == 2 and all(0 <= number <= 1 for number in numbers):
        return numbers
    raise ValueError("expected auto, top, bottom or x,y, both numbers in 0..1 of the sticker")


ChosenCaptionAt = Annotated[
    CaptionAt,
    BeforeValidator(_parsed_caption_at),
    WithJsonSchema({"type": "string"}),
    Field(description="auto: below the subject; top or bottom of the sticker, the subject making room; x,y: the caption's middle, in 0..1 of the sticker"),
]


class Options(BaseModel):
    """Frozen, and nothing unknown."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class LookOptions(Options):
    """How a sticker is cut out and looks, whatever it is for."""

    caption: Caption = Field(default="", description="text in any script, emoji too, at most 120 characters; by default under the subject")
    subject: ChosenSubject = "all"
    fallback: FallbackChoice = "none"
    outline_px: int | None = Field(
        default=None, ge=0, le=24, description="width of the die-cut outline in px of the finished sticker; 0: none; unset: as is customary (8; discord 0)"
    )
    outline_colour: Colour = Field(default="#ffffff", description="colour of the outline, #rrggbb")
    font: FontName = Field(default="rubik", description="font of the caption; characters that it lacks come from others")
    caption_colour: Colour | None = Field(default=None, description="colour of the caption's letters, #rrggbb; unset: dark or white, whatever can be read")
    caption_shape: CaptionShape = Field(default="straight", description="straight, or along an arc")
    caption_at: ChosenCaptionAt = "auto"
    shadow: bool = Field(default=False, description="a soft shadow below subject and caption")
    margin_px: int | None = Field(
        default=None, ge=0, le=64, description="what stays free at each side, in px of the finished sticker; unset: as is customary (16; telegram, discord 0)"
    )
    background: Background = Field(default="transparent", description="transparent, #rrggbb, or two colours from top to bottom: #rrggbb,#rrggbb")
    layout: Literal["sticker"] | Layout = Field(
        default="sticker",
        description="a sticker, or the same on a whole picture, PNG with platform=png, else WebP: avatar 800x800, banner 2204x864, thumbnail 1280x720; "
        "its background is never transparent: without one it is a gradient of the subject's own colours",
    )
    animated: bool = Field(default=True, description="an animated picture gives an animated sticker; false: its first frame alone")


class StickerOptions(LookOptions):
    """Options of `POST /sticker`."""

    platform: Platform = Field(
        default="whatsapp",
        description="whatsapp: 512x512 WebP of at most 100 KB; telegram: WebP, 512 px on the longer side, at most 512 KB; signal: 512x512 WebP of at most "
        "300 KB; discord: 320x320 PNG of at most 512 KB; webp, png: 512x512; svg: the same with its die-cut line as a path. Animated, where the picture is: "
        "whatsapp WebP of at most 500 KB and 10 s; telegram WebM (VP9) 256 KB, 3 s; signal APNG 300 KB, 3 s; discord APNG 512 KB, 5 s; webp; png (APNG)",
    )


class CutoutOptions(Options):
    """Options of `POST /cutout`."""

    crop: bool = Field(default=True, description="true: cut to the subject; false: the upright picture's size")
    format: Literal["png", "webp"] = Field(default="png", description="png or lossless webp, both with transparency")
    subject: ChosenSubject = "all"
    fallback: FallbackChoice = "none"


class ClassifyOptions(Options):
    """`POST /classify` has no options."""


class GenerateOptions(StickerOptions):
    """Options of `POST /generate`."""

    prompt: str = Field(description="what the sticker shows, in a few words")
    preset: StylePreset = Field(default="cartoon", description="how it is drawn")
    seed: int | None = Field(default=None, ge=1, le=MAX_SEED, description="the same seed makes the same picture again; unset: drawn")


class SegmentOptions(Options):
    """Options of `POST /segment`."""

    subject: ChosenSubject = "all"
    fallback: FallbackChoice = "none"


class FeedbackOptions(Options):
    """Options of `POST /feedback`."""

    sticker: str = Field(min_length=1, max_length=64, description="id of the sticker, from the header X-Sticker-Id")
    verdict: Literal["good", "bad", "corrected"] | None = Field(default=None, description="what you think of the cut-out")
    consent: bool = Field(default=False, description="true: the picture may be kept, with the mask, to train models on; send the picture in `image`")
