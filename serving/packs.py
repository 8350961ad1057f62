"""Finished stickers to packs that messengers and sticker apps import; `pack_check` reads what is made.

Pure and repeatable: the same stickers and options give the same bytes. Formats: WhatsApp's sample apps (contents.json), the `.wastickers` files of
sticker apps, Telegram's Bot API (createNewStickerSet, InputSticker), signal-cli's manifest.json, Discord's guild sticker resource.
"""

import hashlib
import io
import json
import re
import unicodedata
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated, Final

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from serving import animation, clips, composer, export, formats, pack_check, proposals
from serving.formats import FORMATS, MOTIONS, Platform
from serving.pack_check import MAX_STILL_ALT_CHARACTERS, MAX_TAG_CHARACTERS, REPORT, RULES, Target
from serving.proposals import EMOJI, Words
from sticker_studio import images, masks
from sticker_studio.errors import ContractViolation, InputError, UndecodableImage
from sticker_studio.types import RGBA, Style, SubjectClass

_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_MAX_KEPT_STEPS: Final = 90
"""Of an animated sticker that is made over for another platform."""


# --- what comes in


def _one_emoji(value: str) -> str:
    if not EMOJI.fullmatch(value):
        raise ValueError(f"expected one emoji, got {value[:20]!r}")
    return value


def _plain_text(value: str) -> str:
    clean = " ".join("".join(character if character.isprintable() else " " for character in value).split())
    if not clean:
        raise ValueError("expected some text, got none")
    return clean


Emoji = Annotated[str, AfterValidator(_one_emoji)]
Text = Annotated[str, AfterValidator(_plain_text)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StickerWords(_Model):
    """What is known of a sticker, and what its caller wants said of it; what is left out is proposed (`proposals.proposed`)."""

    caption: str = Field(default="", max_length=120, description="the text on the sticker")
    style: Style | None = Field(default=None, description="as the service told it")
    subject_class: SubjectClass | None = Field(default=None, description="person, animal or object, as the service told it")
    name: Annotated[Text, Field(min_length=2, max_length=proposals.MAX_NAME_CHARACTERS)] | None = None
    emoji: Annotated[tuple[Emoji, ...], Field(min_length=1, max_length=proposals.MAX_EMOJI)] | None = Field(
        default=None, description="the fittest first; WhatsApp takes three of them, Signal one"
    )
    alt: Annotated[Text, Field(max_length=proposals.MAX_ALT_CHARACTERS)] | None = Field(default=None, description="for screen readers")
    keywords: Annotated[tuple[Text, ...], Field(max_length=proposals.MAX_KEYWORDS)] | None = Field(default=None, description="64 characters in all")


class PackOptions(_Model):
    """Options of a pack."""

    platforms: Annotated[tuple[Target, ...], Field(min_length=1)] = Field(
        default=("whatsapp",), description="one gives that pack's file; several give a zip of them"
    )
    title: Annotated[Text, Field(max_length=128)] = "Stickers"
    author: Annotated[Text, Field(max_length=128)] = "Sticker Studio"
    cover: int = Field(default=1, ge=1, description="number of the sticker, from 1, that becomes icon and cover")
    identifier: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,128}$")] | None = Field(default=None, description="unset: from title and content")
    telegram_bot: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{2,31}$")] | None = Field(
        default=None, description="user name of the bot that will upload the set: Telegram wants the set's name to end with it"
    )


@dataclass(frozen=True, kw_only=True)
class Sticker:
    """A finished sticker file (PNG, APNG, WebP, WebM; best of the highest quality) and its words."""

    data: bytes
    words: StickerWords = field(default_factory=StickerWords)


class Report(_Model):
    """What the compliance check, which reads only a finished pack's bytes, says of it."""

    pack: Target
    complies: bool
    problems: list[str]
    bytes: dict[str, int]
    """Of each file in it."""


@dataclass(frozen=True, kw_only=True)
class Pack:
    """A finished file; `reports` by kind of pack."""

    file_name: str
    mime: str
    data: bytes
    reports: Mapping[Target, Report]


@dataclass(frozen=True, kw_only=True)
class _Entry:
    """A sticker as one platform takes it."""

    file: str
    data: bytes
    words: Words
    moving: bool


# --- building


def words_of(sticker: Sticker, number: int) -> Words:
    """What is said of sticker `number` (from 1): the caller's words, and proposals for the rest. Raises `UndecodableImage`."""
    given = sticker.words
    with _readable(number):
        moving = formats.is_moving(sticker.data)
    proposal = proposals.proposed(number=number, caption=given.caption, subject_class=given.subject_class, style=given.style, moving=moving)
    return Words(name=given.name or proposal.name, emoji=given.emoji or proposal.emoji, alt=given.alt or proposal.alt,
        keywords=proposal.keywords if given.keywords is None else given.keywords)  # fmt: skip


def build(stickers: Sequence[Sticker], options: PackOptions) -> Pack:
    """The pack of one platform, or a zip of the packs of several; each holds a compliance report, made of its finished bytes.

    A sticker that already complies with a platform goes in as it is; others are made over for it. Raises `InputError` for counts, texts and mixtures that
    a platform does not take, `UndecodableImage` for a file that is no sticker.
    """
    if options.cover > len(stickers):
        raise InputError(f"cover: expected the number of a sticker, 1 to {len(stickers)}, got {options.cover}")
    words = [words_of(sticker, number) for number, sticker in enumerate(stickers, start=1)]
    targets = tuple(dict.fromkeys(options.platforms))
    for target in targets:
        _refuse(target, stickers, options)
    entries = {platform: _entries(stickers, words, platform) for platform in dict.fromkeys(RULES[target].platform for target in targets)}
    packs = {target: _written(target, entries[RULES[target].platform], options) for target in targets}
    reports = {target: report(data, target) for target, data in packs.items()}
    found = {target: each.problems for target, each in reports.items()}
    if any(found.values()):
        raise ContractViolation(f"expected packs that comply, got {found}")
    packs = {target: _with_report(data, reports[target]) for target, data in packs.items()}
    name = _slug(options.title)
    if len(packs) == 1:
        return Pack(file_name=name + RULES[targets[0]].suffix, mime="application/zip", data=packs[targets[0]], reports=reports)
    files = {f"{name}-{target}{RULES[target].suffix}": data for target, data in packs.items()}
    files[REPORT] = _json({target: each.model_dump() for target, each in reports.items()})
    return Pack(file_name=f"{name}.zip", mime="application/zip", data=_zipped(files), reports=reports)


def _refuse(target: Target, stickers: Sequence[Sticker], options: PackOptions) -> None:
    rules = RULES[target]
    least, most = rules.stickers
    if not least <= len(stickers) <= most:
        raise InputError(f"{target}: expected {least} to {most} stickers in a pack, got {len(stickers)}")
    if len(options.title) > rules.max_title:
        raise InputError(f"{target}: expected a title of at most {rules.max_title} characters, got {len(options.title)}; shorten it")
    moving = [number for number, sticker in enumerate(stickers, start=1) if formats.is_moving(sticker.data)]
    if not rules.mixes_moving and 0 < len(moving) < len(stickers):
        told = ", ".join(map(str, moving))
        raise InputError(f"{target}: expected still stickers or animated ones alone, got {len(moving)} animated ones ({told}) among others; make two packs")


@contextmanager
def _readable(number: int) -> Iterator[None]:
    """Names the sticker that can't be read."""
    try:
        yield
    except (InputError, *images.UNDECODABLE) as error:
        raise UndecodableImage(f"sticker {number}: expected a finished PNG, WebP or WebM, got: {images.plain(error)}") from error


def _entries(stickers: Sequence[Sticker], words: Sequence[Words], platform: Platform) -> list[_Entry]:
    entries = []
    for number, (sticker, each) in enumerate(zip(stickers, words, strict=True), start=1):
        with _readable(number):
            data = adapted(sticker.data, platform)
        moving = formats.is_moving(data)
        encoding = MOTIONS[platform].encoding if moving else "png" if data.startswith(b"\x89PNG") else "webp"
        entries.append(_Entry(file=f"{number:02d}.{encoding}", data=data, words=each, moving=moving))
    return entries


# --- one platform's sticker made over for another


def adapted(data: bytes, platform: Platform) -> bytes:
    """A finished sticker as `platform` takes it: as it is where it complies, else cut to its content, scaled and encoded anew. Errors as `formats.look`."""
    if not formats.problems(data, platform):
        return data
    shown, frames = formats.look(data), formats.frames_of(data)
    fitted = _fitted(frames, platform)
    if len(frames) == 1:
        return export.to_format(fitted[0], FORMATS[platform], title="sticker").data
    rules = MOTIONS[platform]
    durations = np.maximum(np.diff(shown.times_ms), 1).tolist()
    line = animation.timeline(durations, max_s=rules.max_s, max_fps=rules.max_fps, most=_MAX_KEPT_STEPS)
    return clips.encode(clips.Clip(frames=fitted, order=line.order, duration_ms=line.duration_ms), platform).data


def _fitted(frames: Sequence[RGBA], platform: Platform) -> tuple[RGBA, ...]:
    """The content of all frames on the platform's canvas, all at one scale and place."""
    rules = FORMATS[platform]
    side = rules.side_px - 2 * rules.margin_px
    box = masks.box_xyxy(np.maximum.reduce([frame[..., 3] for frame in frames]) > 0)
    left, top, right, bottom = box or (0, 0, frames[0].shape[1], frames[0].shape[0])
    wide, high = composer.fit((right - left, bottom - top), (side, side))
    squares = [_centred(export.scaled(np.ascontiguousarray(frame[top:bottom, left:right]), (wide, high)), rules.side_px) for frame in frames]
    return tuple(squares) if rules.square else animation.without_shorter_margins(squares)


def _centred(picture: RGBA, side_px: int) -> RGBA:
    canvas = np.zeros((side_px, side_px, 4), np.uint8)
    top, left = (side_px - picture.shape[0]) // 2, (side_px - picture.shape[1]) // 2
    canvas[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return canvas


def icon(data: bytes, side_px: int) -> RGBA:
    """A finished sticker's first frame on a transparent square of `side_px`. Errors as `formats.look`."""
    frame = formats.frames_of(data)[0]
    left, top, right, bottom = masks.box_xyxy(frame[..., 3] > 0) or (0, 0, frame.shape[1], frame.shape[0])
    size_wh = composer.fit((right - left, bottom - top), (side_px, side_px))
    return _centred(export.scaled(np.ascontiguousarray(frame[top:bottom, left:right]), size_wh), side_px)


# --- the files of each kind of pack


def _written(target: Target, entries: Sequence[_Entry], options: PackOptions) -> bytes:
    """A pack without its report."""
    writers = {"whatsapp": _whatsapp, "wastickers": _wastickers, "telegram": _telegram, "signal": _signal, "discord": _discord}
    return _zipped(writers[target](entries, options) | {entry.file: entry.data for entry in entries})


def _icon_file(entries: Sequence[_Entry], options: PackOptions, target: Target) -> bytes:
    return images.encode_png(icon(entries[options.cover - 1].data, RULES[target].icon_px or 0))


def _whatsapp(entries: Sequence[_Entry], options: PackOptions) -> dict[str, bytes]:
    stickers = [
        {"image_file": entry.file, "emojis": list(entry.words.emoji[:3]), "accessibility_text": proposals.shortened(entry.words.alt, _alt_limit(entry))}
        for entry in entries
    ]
    pack = {
        "identifier": options.identifier or f"{_slug(options.title)}-{_digest(entries)}", "name": options.title, "publisher": options.author,
        "tray_image_file": "tray.png", "image_data_version": _digest(entries), "avoid_cache": False, "publisher_email": "", "publisher_website": "",
        "privacy_policy_website": "", "license_agreement_website": "", "animated_sticker_pack": entries[0].moving, "stickers": stickers,
    }  # fmt: skip
    contents = {"android_play_store_link": "", "ios_app_store_link": "", "sticker_packs": [pack]}
    return {"contents.json": _json(contents), "tray.png": _icon_file(entries, options, "whatsapp")}


def _alt_limit(entry: _Entry) -> int:
    return proposals.MAX_ALT_CHARACTERS if entry.moving else MAX_STILL_ALT_CHARACTERS


def _wastickers(entries: Sequence[_Entry], options: PackOptions) -> dict[str, bytes]:
    return {"author.txt": options.author.encode(), "title.txt": options.title.encode(), "tray.png": _icon_file(entries, options, "wastickers")}


def _telegram(entries: Sequence[_Entry], options: PackOptions) -> dict[str, bytes]:
    ending = f"_by_{options.telegram_bot}" if options.telegram_bot else ""
    name = re.sub(r"_+", "_", (options.identifier or f"{_slug(options.title)}_{_digest(entries)}").replace("-", "_")).strip("_")
    name = (name if name[:1].isalpha() else f"pack_{name}")[: 64 - len(ending)].rstrip("_") + ending
    stickers = [
        {"sticker": f"attach://{entry.file}", "format": "video" if entry.moving else "static", "emoji_list": list(entry.words.emoji),
         "keywords": _within(entry.words.keywords, proposals.MAX_KEYWORD_CHARACTERS)}
        for entry in entries
    ]  # fmt: skip
    thumbnail = {"thumbnail": "attach://icon.png", "format": "static"}
    sticker_set = {"name": name, "title": options.title, "sticker_type": "regular", "stickers": stickers, "thumbnail": thumbnail}
    return {"stickers.json": _json(sticker_set), "icon.png": _icon_file(entries, options, "telegram")}


def _signal(entries: Sequence[_Entry], options: PackOptions) -> dict[str, bytes]:
    cover = entries[options.cover - 1]
    rules = FORMATS["signal"]
    picture = export.to_webp_within(icon(cover.data, rules.side_px), max_bytes=rules.max_bytes)
    stickers = [{"file": entry.file, "contentType": _mime(entry), "emoji": entry.words.emoji[0]} for entry in entries]
    manifest = {
        "title": options.title, "author": options.author,
        "cover": {"file": "cover.webp", "contentType": picture.mime, "emoji": cover.words.emoji[0]}, "stickers": stickers,
    }  # fmt: skip
    return {"manifest.json": _json(manifest), "cover.webp": picture.data}


def _mime(entry: _Entry) -> str:
    return "image/apng" if entry.moving else f"image/{entry.file.rsplit('.', 1)[1]}"


def _discord(entries: Sequence[_Entry], options: PackOptions) -> dict[str, bytes]:
    stickers = [
        {"file": entry.file, "name": entry.words.name, "description": proposals.shortened(entry.words.alt, RULES["discord"].max_alt),
         "tags": ", ".join(_within((*entry.words.emoji, *entry.words.keywords), MAX_TAG_CHARACTERS, between=2))}
        for entry in entries
    ]  # fmt: skip
    return {"stickers.json": _json({"title": options.title, "author": options.author, "stickers": stickers})}


def _within(texts: Sequence[str], characters: int, *, between: int = 0) -> list[str]:
    """As many of the texts, in order, as have at most so many characters in all, `between` counted for each."""
    kept: list[str] = []
    for text in texts:
        if sum(len(each) + between for each in kept) + len(text) <= characters:
            kept.append(text)
    return kept


def _slug(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40] or "stickers"


def _digest(entries: Sequence[_Entry]) -> str:
    return hashlib.sha256(b"".join(hashlib.sha256(entry.data).digest() for entry in entries)).hexdigest()[:8]


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1).encode()


def _zipped(files: Mapping[str, bytes]) -> bytes:
    """A zip whose bytes depend on names and contents alone."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in sorted(files.items()):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr, entry.create_system = 0o644 << 16, 3
            entry.compress_type = zipfile.ZIP_DEFLATED if name.endswith((".json", ".txt")) else zipfile.ZIP_STORED
            archive.writestr(entry, data)
    return buffer.getvalue()


# --- the report


def report(data: bytes, target: Target) -> Report:
    """What the compliance check says of a finished pack."""
    found = pack_check.problems(data, target)
    return Report(pack=target, complies=not found, problems=found, bytes={name: len(file) for name, file in pack_check.unzipped(data).items()})


def _with_report(data: bytes, found: Report) -> bytes:
    """The pack with its report; apps that import `.wastickers` read every file in them, so theirs stays outside."""
    return data if found.pack == "wastickers" else _zipped(pack_check.unzipped(data) | {REPORT: _json(found.model_dump())})
