"""What a finished pack is checked by: its zip's bytes alone, by the rules of the messenger or app that imports it."""

import io
import json
import re
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from serving import formats, proposals
from serving.formats import Platform
from serving.proposals import EMOJI
from sticker_studio import images

Target = Literal["whatsapp", "wastickers", "telegram", "signal", "discord"]
TARGETS: Final[tuple[Target, ...]] = get_args(Target)
REPORT: Final = "report.json"
_MAX_UNPACKED_BYTES: Final = 100_000_000


@dataclass(frozen=True, kw_only=True)
class Rules:
    """Limits of one kind of pack. Text lengths in characters."""

    platform: Platform
    """Whose sticker files it holds."""
    suffix: str = ".zip"
    stickers: tuple[int, int]
    max_title: int = 128
    max_author: int = 128
    emoji: tuple[int, int]
    max_alt: int = 255
    icon_px: int | None = None
    max_icon_bytes: int = 50_000
    mixes_moving: bool = True


RULES: Final[dict[Target, Rules]] = {
    "whatsapp": Rules(platform="whatsapp", stickers=(3, 30), emoji=(1, 3), icon_px=96, mixes_moving=False),
    "wastickers": Rules(platform="whatsapp", suffix=".wastickers", stickers=(3, 30), emoji=(0, 0), icon_px=96, mixes_moving=False),
    "telegram": Rules(platform="telegram", stickers=(1, 120), max_title=64, emoji=(1, 20), icon_px=100, max_icon_bytes=128_000),
    "signal": Rules(platform="signal", stickers=(1, 200), emoji=(1, 1), icon_px=512, max_icon_bytes=300_000),
    "discord": Rules(platform="discord", stickers=(1, 60), emoji=(1, 20), max_alt=100),
}
MAX_STILL_ALT_CHARACTERS: Final = 125
"""WhatsApp's limit for still stickers."""
MAX_TAG_CHARACTERS: Final = 200
"""Of Discord's tags."""


def problems(data: bytes, target: Target) -> list[str]:
    """What would be refused of a finished pack, in words; nothing when it complies. Reads only the bytes."""
    try:
        files = unzipped(data)
        checks = {"whatsapp": _whatsapp_problems, "wastickers": _wastickers_problems, "telegram": _telegram_problems}
        return (checks | {"signal": _signal_problems, "discord": _discord_problems})[target]({n: f for n, f in files.items() if n != REPORT})
    except (zipfile.BadZipFile, zlib.error, OSError, ValueError, RuntimeError) as error:  # RuntimeError: encrypted, or JSON too deep
        return [f"expected a whole zip with a readable list of its stickers, got: {error}"]
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        return [f"expected a list of stickers with all its fields, got one without {error}"]


def unzipped(data: bytes) -> dict[str, bytes]:
    """Files by name. Raises `zipfile.BadZipFile`, or `ValueError` for names that come twice and for far too much."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = archive.infolist()
        if len({entry.filename for entry in entries}) != len(entries):
            raise ValueError("a name that comes twice")
        if sum(entry.file_size for entry in entries) > _MAX_UNPACKED_BYTES:
            raise ValueError(f"more than {_MAX_UNPACKED_BYTES} bytes unpacked")
        return {entry.filename: archive.read(entry) for entry in entries}


def _pack_problems(files: Mapping[str, bytes], target: Target, stickers: Sequence[str], others: Sequence[str]) -> list[str]:
    """What holds for every kind of pack: the number of stickers, each of them, nothing missing and nothing besides."""
    rules = RULES[target]
    least, most = rules.stickers
    found = [] if least <= len(stickers) <= most else [f"expected {least} to {most} stickers, got {len(stickers)}"]
    found += [f"{name}: expected a file, got none" for name in (*stickers, *others) if name not in files]
    found += [f"{name}: expected no other file" for name in sorted(set(files) - {*stickers, *others})]
    found += [f"{name}: listed twice" for name in sorted({name for name in stickers if stickers.count(name) > 1})]
    there = [name for name in stickers if name in files]
    wrong = {name: formats.problems(files[name], rules.platform) for name in there}
    found += [f"{name}: {each}" for name, several in wrong.items() for each in several]
    whole = [name for name in there if not wrong[name]]
    moving = [name for name in whole if formats.is_moving(files[name])]
    if not rules.mixes_moving and 0 < len(moving) < len(whole):
        found.append(f"expected still or animated stickers alone, got {len(moving)} animated of {len(whole)}")
    return found


def _moves(data: bytes | None) -> bool | None:
    """Whether a sticker is animated; None for what is missing or no picture, which is told elsewhere."""
    try:
        return None if data is None else formats.is_moving(data)
    except images.UNDECODABLE:
        return None


def _icon_problems(files: Mapping[str, bytes], name: str, target: Target, encodings: tuple[str, ...] = ("png", "webp")) -> list[str]:
    rules = RULES[target]
    if name not in files:
        return []
    try:
        shown = formats.look(files[name])
    except images.UNDECODABLE as error:
        return [f"{name}: expected a whole picture, got: {error}"]
    found = [] if shown.size_wh == (rules.icon_px, rules.icon_px) else [f"{name}: expected {rules.icon_px}x{rules.icon_px} px, got {shown.size_wh}"]
    if shown.encoding not in encodings or shown.frames > 1:
        found.append(f"{name}: expected a still {' or '.join(encodings)}, got {shown.frames} frames of {shown.encoding}")
    if len(files[name]) > rules.max_icon_bytes:
        found.append(f"{name}: expected at most {rules.max_icon_bytes} bytes, got {len(files[name])}")
    return found


def _text_problems(what: str, value: Any, longest: int, shortest: int = 1) -> list[str]:
    if isinstance(value, str) and shortest <= len(value) <= longest:
        return []
    return [f"{what}: expected text of {shortest} to {longest} characters, got {str(value)[:40]!r} ({len(str(value))})"]


def _emoji_problems(name: str, emoji: Any, target: Target) -> list[str]:
    least, most = RULES[target].emoji
    if isinstance(emoji, list) and least <= len(emoji) <= most and all(isinstance(each, str) and EMOJI.fullmatch(each) for each in emoji):
        return []
    return [f"{name}: expected {least} to {most} emoji, got {emoji!r}"]


def _whatsapp_problems(files: Mapping[str, bytes]) -> list[str]:
    packs = json.loads(files["contents.json"])["sticker_packs"]
    if len(packs) != 1:
        return [f"expected one pack, got {len(packs)}"]
    pack = packs[0]
    names = [sticker["image_file"] for sticker in pack["stickers"]]
    tray = pack["tray_image_file"]
    found = _pack_problems(files, "whatsapp", names, ["contents.json", tray]) + _icon_problems(files, tray, "whatsapp")
    for key in ("identifier", "name", "publisher"):
        found += _text_problems(key, pack[key], 128)
    if not re.fullmatch(r"[\w\-,.' ]+", str(pack["identifier"]), re.ASCII):
        found.append(f"identifier: expected letters, digits, _ - , . ' and spaces, got {pack['identifier']!r}")
    moving = {name: _moves(files.get(name)) for name in names}
    if any(each not in (None, pack["animated_sticker_pack"]) for each in moving.values()):
        found.append(f"animated_sticker_pack: expected what the stickers are, got {pack['animated_sticker_pack']}")
    for sticker in pack["stickers"]:
        name = sticker["image_file"]
        found += _emoji_problems(name, sticker["emojis"], "whatsapp")
        found += _text_problems(f"{name}: accessibility_text", sticker["accessibility_text"], 255 if moving.get(name) else MAX_STILL_ALT_CHARACTERS)
    return found


def _wastickers_problems(files: Mapping[str, bytes]) -> list[str]:
    pictures = [name for name in files if name.endswith(".png")]
    if len(pictures) != 1:
        return [f"expected one PNG, the tray's, got {len(pictures)}"]
    stickers = [name for name in files if name.endswith(".webp")]
    found = _pack_problems(files, "wastickers", stickers, ["author.txt", "title.txt", pictures[0]]) + _icon_problems(files, pictures[0], "wastickers", ("png",))
    return found + [each for key in ("author.txt", "title.txt") for each in _text_problems(key, files[key].decode(), 128)]


def _telegram_problems(files: Mapping[str, bytes]) -> list[str]:
    described = json.loads(files["stickers.json"])
    names = [sticker["sticker"].removeprefix("attach://") for sticker in described["stickers"]]
    thumbnail = described["thumbnail"]["thumbnail"].removeprefix("attach://")
    found = _pack_problems(files, "telegram", names, ["stickers.json", thumbnail]) + _icon_problems(files, thumbnail, "telegram")
    found += _text_problems("title", described["title"], 64)
    if not re.fullmatch(r"[A-Za-z](?!.*__)[A-Za-z0-9_]{0,62}[A-Za-z0-9]", described["name"]):
        found.append(f"name: expected 2 to 64 letters, digits and single underscores, a letter first, got {described['name']!r}")
    for name, sticker in zip(names, described["stickers"], strict=True):
        found += _emoji_problems(name, sticker["emoji_list"], "telegram")
        keywords = sticker["keywords"]
        if len(keywords) > proposals.MAX_KEYWORDS or sum(map(len, keywords)) > proposals.MAX_KEYWORD_CHARACTERS:
            found.append(f"{name}: expected at most 20 keywords with 64 characters in all, got {len(keywords)} with {sum(map(len, keywords))}")
        moves = _moves(files.get(name))
        wanted = "video" if moves else "static"
        if moves is not None and sticker["format"] != wanted:
            found.append(f"{name}: expected the format {wanted}, got {sticker['format']!r}")
    return found


def _signal_problems(files: Mapping[str, bytes]) -> list[str]:
    manifest = json.loads(files["manifest.json"])
    names, cover = [sticker["file"] for sticker in manifest["stickers"]], manifest["cover"]["file"]
    found = _pack_problems(files, "signal", names, ["manifest.json", cover]) + _icon_problems(files, cover, "signal")
    found += _text_problems("title", manifest["title"], 128) + _text_problems("author", manifest["author"], 128)
    for sticker in (*manifest["stickers"], manifest["cover"]):
        found += _emoji_problems(sticker["file"], [sticker["emoji"]], "signal")
    return found


def _discord_problems(files: Mapping[str, bytes]) -> list[str]:
    stickers = json.loads(files["stickers.json"])["stickers"]
    found = _pack_problems(files, "discord", [sticker["file"] for sticker in stickers], ["stickers.json"])
    for sticker in stickers:
        found += _text_problems(f"{sticker['file']}: name", sticker["name"], 30, 2)
        found += _text_problems(f"{sticker['file']}: tags", sticker["tags"], MAX_TAG_CHARACTERS)
        if sticker["description"] != "":
            found += _text_problems(f"{sticker['file']}: description", sticker["description"], 100, 2)
    return found
