"""The requests that the service's APIs take, as BentoML reads and documents them."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import bentoml
from pydantic import BaseModel, BeforeValidator, Field
from pydantic.json_schema import SkipJsonSchema
from starlette.requests import Request

from serving import reading
from serving.options import ClassifyOptions, CutoutOptions, FeedbackOptions, GenerateOptions, LookOptions, SegmentOptions, StickerOptions
from serving.pack_check import Target
from serving.packs import PackOptions, StickerWords
from serving.reading import Accepted
from sticker_studio.errors import StickerError
from sticker_studio.fetch import allow_list
from sticker_studio.settings import Settings, listed
from sticker_studio.types import Style

Picture = Annotated[Path, Field(description="the picture: JPEG, PNG, WebP, AVIF, HEIC, GIF, BMP or TIFF; or send its web address as `url`")]
NOT_SENT: Any = None
"""Default of a file field: for the documentation, in which no file may be called required, since an address or JSON may stand for it."""

Backdrop = Annotated[Path, Field(description="a picture that fills the sticker behind the subject; optional")]
Brush = Annotated[Path, Field(description="a mask of the picture's shape, bright or opaque where the brush went; optional")]


@cache
def _settings() -> Settings:
    return Settings.from_env()


class Form(bentoml.IODescriptor):  # type: ignore[misc]  # BentoML ships no types
    """A request, read by `reading.read`; the fields beside `intake` are there for the documentation."""

    options_type: ClassVar[type[BaseModel]]
    accepted: ClassVar[Accepted]
    intake: SkipJsonSchema[Any] = None

    @classmethod
    async def from_http_request(cls, request: Request, serde: object) -> Self:
        """Read the request. What is wrong with it becomes its `intake`: raised here, BentoML would log it with all that the caller sent."""
        settings = _settings()
        accepted = cls.accepted
        if accepted.many:
            accepted = replace(accepted, max_many=settings.upload_max_pictures)
        read: Any
        try:
            read = await reading.read(request, accepted, cls.options_type, max_bytes=settings.upload_max_bytes, allow=allow_list(settings.fetch_allow))
        except StickerError as error:
            read = error
        form: Self = cls.model_construct(**(dict.fromkeys(cls.model_fields) | {"intake": read}))
        return form


class StickerForm(Form, StickerOptions):
    """Request of `POST /sticker`."""

    options_type = StickerOptions
    accepted = Accepted(once=("image", "erase", "restore", "background_picture"), url="image")
    image: Picture = NOT_SENT
    erase: Brush = NOT_SENT
    restore: Brush = NOT_SENT
    background_picture: Backdrop = NOT_SENT


class CutoutForm(Form, CutoutOptions):
    """Request of `POST /cutout`."""

    options_type = CutoutOptions
    accepted = Accepted(once=("image", "erase", "restore"), url="image")
    image: Picture = NOT_SENT
    erase: Brush = NOT_SENT
    restore: Brush = NOT_SENT


class SegmentForm(Form, SegmentOptions):
    """Request of `POST /segment`."""

    options_type = SegmentOptions
    accepted = Accepted(once=("image",), url="image")
    image: Picture = NOT_SENT


class ClassifyForm(Form, ClassifyOptions):
    """Request of `POST /classify`."""

    options_type = ClassifyOptions
    accepted = Accepted(once=("image",), url="image")
    image: Picture = NOT_SENT


class StickersForm(Form, StickerOptions):
    """Request of `POST /stickers`."""

    options_type = StickerOptions
    accepted = Accepted(many="images", url="images")
    images: Annotated[list[Path], Field(description="the pictures; or their web addresses as `urls`")] = NOT_SENT


def _listed(value: Any) -> Any:
    """A list that came as text: JSON, or parted by commas."""
    if not isinstance(value, str):
        return value
    if not value.lstrip().startswith("["):
        return listed(value)
    try:
        return json.loads(value)
    except ValueError as error:
        raise ValueError(f"expected a JSON list, {error}") from error


class PackRequest(LookOptions, PackOptions):
    """Options of `POST /pack`: of the pack, and of the stickers that are made for it."""

    platforms: Annotated[
        tuple[Target, ...], BeforeValidator(_listed), Field(min_length=1, description="one gives that pack's file; several give a zip of them")
    ] = ("whatsapp",)
    stickers: Annotated[tuple[str, ...], BeforeValidator(_listed), Field(description="ids of kept stickers, which come before the pictures")] = ()
    words: Annotated[
        tuple[StickerWords, ...],
        BeforeValidator(_listed),
        Field(description="for each sticker in turn what is said of it: name, emoji, alt, keywords; what is left out is proposed"),
    ] = ()


class PackForm(Form, PackRequest):
    """Request of `POST /pack`."""

    options_type = PackRequest
    accepted = Accepted(many="images", url="images")
    images: Annotated[list[Path], Field(description="pictures to make stickers of; or their web addresses as `urls`")] = NOT_SENT


class GenerateForm(Form, GenerateOptions):
    """Request of `POST /generate`."""

    options_type = GenerateOptions
    accepted = Accepted()


class FeedbackForm(Form, FeedbackOptions):
    """Request of `POST /feedback`."""

    options_type = FeedbackOptions
    accepted = Accepted(once=("image", "mask"))
    mask: Annotated[Path, Field(description="the corrected mask: bright, or opaque, where the subject is; optional")] = NOT_SENT
    image: Annotated[Path, Field(description="the picture that the sticker was made of; with consent=true")] = NOT_SENT


class StyleAnswer(BaseModel):
    """Answer of `POST /classify`."""

    style: Style
    probability: float
    version: str
