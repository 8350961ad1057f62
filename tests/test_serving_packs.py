"""Packs: what is built passes a check that reads only the finished bytes, for every messenger; the check refuses what an importer would."""

import io
import json
import zipfile
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from serving import clips, export, formats, pack_check, packs, proposals
from serving.clips import Clip
from serving.formats import FORMATS
from serving.pack_check import REPORT, TARGETS, Target
from serving.packs import PackOptions, Sticker, StickerWords
from sticker_studio.errors import InputError, UndecodableImage


def disc(k: int, *, side: int = 512, wide: float = 1.0) -> np.ndarray:  # type: ignore[type-arg]
    rows, columns = np.mgrid[:side, :side]
    distance = np.hypot((columns - side / 2) / wide, rows - side / 2 - 10 * k)
    alpha = np.clip(side * 0.3 - distance, 0, 1) * 255
    return np.dstack([np.full_like(rows, 40 * (k % 6)), rows % 256, columns % 256, alpha]).astype(np.uint8)


@cache
def still(k: int = 0) -> bytes:
    return export.to_png(disc(k)).data


@cache
def moving(k: int = 0) -> bytes:
    frames = tuple(disc(k + step, side=256) for step in range(4))
    return clips.encode(Clip(frames=frames, order=(0, 1, 2, 3), duration_ms=400), "png").data


def sticker(data: bytes, **words: Any) -> Sticker:
    return Sticker(data=data, words=StickerWords(**words))


def stills(count: int = 3, **words: Any) -> list[Sticker]:
    return [sticker(still(k), **words) for k in range(count)]


def files_of(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def built(target: Target, stickers: list[Sticker] | None = None, **options: Any) -> dict[str, bytes]:
    return files_of(packs.build(stickers or stills(), PackOptions(platforms=(target,), **options)).data)


def list_of(files: dict[str, bytes]) -> Any:
    return json.loads(next(data for name, data in files.items() if name in ("contents.json", "stickers.json", "manifest.json")))


# --- what is built


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("data", [still, moving])
def test_a_pack_passes_its_check_and_carries_the_report(target: Target, data: Callable[[int], bytes]) -> None:
    pack = packs.build([sticker(data(k), caption="Good morning", subject_class="animal") for k in range(3)], PackOptions(platforms=(target,)))
    assert pack.reports[target].problems == []
    assert pack_check.problems(pack.data, target) == []
    files = files_of(pack.data)
    if target == "wastickers":
        assert pack.file_name == "stickers.wastickers"
        assert REPORT not in files
    else:
        report = json.loads(files[REPORT])
        assert report["complies"] is True
        assert report["bytes"] == {name: len(file) for name, file in files.items() if name != REPORT}


@pytest.mark.parametrize("data", [still, moving])
def test_every_sticker_in_a_pack_complies_with_its_platform(data: Callable[[int], bytes]) -> None:
    for target in TARGETS:
        platform = pack_check.RULES[target].platform
        inside = {name: file for name, file in built(target, [sticker(data(k)) for k in range(3)]).items() if name[:2].isdigit()}
        assert len(inside) == 3
        assert all(formats.problems(file, platform) == [] and formats.is_moving(file) == (data is moving) for file in inside.values())


def test_the_same_stickers_give_the_same_bytes() -> None:
    options = PackOptions(platforms=("whatsapp", "signal"), title="Fische & Chips")
    assert packs.build(stills(), options).data == packs.build(stills(), options).data


def test_several_platforms_come_as_one_zip_of_packs() -> None:
    pack = packs.build(stills(), PackOptions(platforms=TARGETS, title="Été à la mer"))
    files = files_of(pack.data)
    assert pack.file_name == "ete-a-la-mer.zip"
    assert set(files) == {
        "ete-a-la-mer-whatsapp.zip", "ete-a-la-mer-wastickers.wastickers", "ete-a-la-mer-telegram.zip", "ete-a-la-mer-signal.zip",
        "ete-a-la-mer-discord.zip", REPORT,
    }  # fmt: skip
    reports = json.loads(files[REPORT])
    assert all(reports[target]["complies"] for target in TARGETS)
    assert all(pack_check.problems(files[f"ete-a-la-mer-{target}{pack_check.RULES[target].suffix}"], target) == [] for target in TARGETS)


def test_a_sticker_that_complies_goes_in_untouched_and_another_is_made_over_unstretched() -> None:
    ready = export.to_format(disc(0), FORMATS["whatsapp"], title="").data
    assert packs.adapted(ready, "whatsapp") == ready
    made = Image.open(io.BytesIO(packs.adapted(export.to_png(disc(0, wide=1.5)).data, "discord"))).convert("RGBA")
    box = made.getchannel("A").point(lambda value: 255 * (value > 127)).getbbox()
    assert made.size == (320, 320)
    assert box is not None
    assert (box[2] - box[0]) / (box[3] - box[1]) == pytest.approx(1.5, abs=0.05)
    assert box[2] - box[0] >= 316


def test_icons_have_their_sizes_and_show_the_chosen_cover() -> None:
    stickers = [sticker(export.to_png(np.dstack([np.full((512, 512, 3), colour, np.uint8), disc(0)[..., 3]])).data) for colour in (0, 120, 250)]
    for target, name, side in (("whatsapp", "tray.png", 96), ("wastickers", "tray.png", 96), ("telegram", "icon.png", 100), ("signal", "cover.webp", 512)):
        icon = Image.open(io.BytesIO(built(target, stickers, cover=3)[name])).convert("RGBA")  # type: ignore[arg-type]
        assert icon.size == (side, side)
        assert icon.getpixel((side // 2, side // 2))[0] > 240  # type: ignore[index]
        assert icon.getpixel((0, 0))[3] == 0  # type: ignore[index]


# --- each platform's list


def test_whatsapps_list_names_every_sticker_with_its_emoji_and_text_for_screen_readers() -> None:
    stickers = [
        sticker(still(0), caption="Happy birthday"),
        sticker(still(1), emoji=("🐸",), alt="A frog"),
        sticker(still(2), subject_class="person", style="anime"),
    ]
    pack = list_of(built("whatsapp", stickers, title="Mine", author="Me", identifier="frogs"))["sticker_packs"][0]
    assert (pack["identifier"], pack["name"], pack["publisher"], pack["animated_sticker_pack"]) == ("frogs", "Mine", "Me", False)
    assert [each["image_file"] for each in pack["stickers"]] == ["01.webp", "02.webp", "03.webp"]
    assert pack["stickers"][0]["emojis"][0] == "🎂"
    assert pack["stickers"][0]["accessibility_text"] == "A subject, saying “Happy birthday”"
    assert pack["stickers"][1] == {"image_file": "02.webp", "emojis": ["🐸"], "accessibility_text": "A frog"}
    assert pack["stickers"][2]["accessibility_text"] == "A drawn person"


def test_telegrams_list_is_what_its_bot_api_takes() -> None:
    described = list_of(built("telegram", [sticker(still(0), keywords=("sea",), emoji=("🐟", "🌊")), sticker(moving(1))], title="Sea", telegram_bot="my_bot"))
    assert described["name"].endswith("_by_my_bot")
    assert described["stickers"][0] == {"sticker": "attach://01.png", "format": "static", "emoji_list": ["🐟", "🌊"], "keywords": ["sea"]}
    assert described["stickers"][1]["format"] == "video"
    assert described["stickers"][1]["sticker"] == "attach://02.webm"


def test_signals_list_has_one_emoji_each_and_discords_a_name_a_description_and_tags() -> None:
    stickers = [sticker(still(0), emoji=("🐟", "🌊"), name="Big fish", alt="x" * 200)]
    assert list_of(built("signal", stickers))["stickers"][0]["emoji"] == "🐟"
    (described,) = list_of(built("discord", stickers))["stickers"]
    assert described["name"] == "Big fish"
    assert len(described["description"]) == 100
    assert described["tags"].startswith("🐟, 🌊")


# --- words


@pytest.mark.parametrize(
    ("given", "emoji", "name", "alt"),
    [
        pytest.param({}, "✨", "Subject 4", "A subject", id="nothing-known"),
        pytest.param({"subject_class": "animal", "style": "anime"}, "🐾", "Animal 4", "A drawn animal", id="class-and-style"),
        pytest.param({"caption": "I LOVE you"}, "❤️", "I LOVE you", "A subject, saying “I LOVE you”", id="a-word"),
        pytest.param({"caption": "🦄🌈"}, "🦄", "Subject 4", "A subject", id="emoji-alone"),
        pytest.param({"caption": "👨‍👩‍👧 family"}, "👨‍👩‍👧", "family", "A subject, saying “family”", id="joined-emoji"),
        pytest.param({"caption": "?"}, "✨", "Subject 4", "A subject, saying “?”", id="one-character"),
        pytest.param({"caption": "Danke schön", "moving": True, "style": "normal", "subject_class": "person"}, "🙏", "Danke schön",
                     "A moving photographed person, saying “Danke schön”", id="german"),
    ],
)  # fmt: skip
def test_words_are_proposed_from_what_is_known(given: dict[str, Any], emoji: str, name: str, alt: str) -> None:
    words = proposals.proposed(number=4, **given)
    assert (words.emoji[0], words.name, words.alt) == (emoji, name, alt)


def test_long_captions_give_words_within_the_limits() -> None:
    words = proposals.proposed(number=1, caption=" ".join(f"wonderful{k}" for k in range(12)))
    assert len(words.name) <= 30
    assert len(words.alt) <= 255
    assert sum(map(len, words.keywords)) <= 64


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        pytest.param({"emoji": ("ab",)}, "expected one emoji", id="letters"),
        pytest.param({"emoji": ("🐟🌊",)}, "expected one emoji", id="two-in-one"),
        pytest.param({"emoji": ()}, "at least 1", id="none"),
        pytest.param({"name": "x"}, "at least 2", id="short-name"),
        pytest.param({"alt": " \n "}, "expected some text", id="blank"),
        pytest.param({"sound": "quack"}, "Extra inputs", id="unknown"),
    ],
)
def test_words_that_no_platform_takes_are_refused_at_once(words: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        StickerWords(**words)


# --- what is refused


@pytest.mark.parametrize(
    ("target", "stickers", "options", "problem"),
    [
        pytest.param("whatsapp", stills(2), {}, "expected 3 to 30 stickers in a pack, got 2", id="few"),
        pytest.param("wastickers", stills(1) * 31, {}, "expected 3 to 30 stickers in a pack, got 31", id="many"),
        pytest.param("whatsapp", [*stills(2), sticker(moving())], {}, r"got 1 animated ones \(3\) among others", id="mixed"),
        pytest.param("telegram", stills(1), {"title": "x" * 65}, "title of at most 64", id="title"),
        pytest.param("discord", stills(1), {"cover": 2}, "cover: expected the number of a sticker", id="cover"),
    ],
)
def test_what_a_platform_does_not_take_is_refused_with_its_limit(target: Target, stickers: list[Sticker], options: dict[str, Any], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        packs.build(stickers, PackOptions(platforms=(target,), **options))


@pytest.mark.parametrize("data", [b"", b"no picture", still()[:300], b"\x1a\x45\xdf\xa3 no video"], ids=["empty", "text", "cut-off", "video"])
def test_a_file_that_is_no_sticker_is_named(data: bytes) -> None:
    with pytest.raises(UndecodableImage, match="sticker 2: expected a finished PNG, WebP or WebM"):
        packs.build([sticker(still()), sticker(data)], PackOptions(platforms=("telegram",)))


def test_a_picture_larger_than_any_sticker_is_not_even_decoded() -> None:
    buffer = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(buffer, "PNG")
    with pytest.raises(UndecodableImage, match="more than any sticker has"):
        packs.build([sticker(buffer.getvalue())], PackOptions(platforms=("telegram",)))


def changed(target: Target, change: Callable[[dict[str, bytes]], None], stickers: list[Sticker] | None = None) -> list[str]:
    """What the check says of a pack in which something was changed."""
    files = built(target, stickers)
    change(files)
    return pack_check.problems(packs._zipped(files), target)


def edited(name: str, edit: Callable[[Any], None]) -> Callable[[dict[str, bytes]], None]:
    def change(files: dict[str, bytes]) -> None:
        described = json.loads(files[name])
        edit(described)
        files[name] = json.dumps(described).encode()

    return change


def in_whatsapps(edit: Callable[[Any], None]) -> Callable[[dict[str, bytes]], None]:
    return edited("contents.json", lambda described: edit(described["sticker_packs"][0]))


def in_first(edit: Callable[[Any], None], *, name: str = "stickers.json") -> Callable[[dict[str, bytes]], None]:
    return edited(name, lambda described: edit(described["stickers"][0]))


def put(name: str, data: bytes) -> Callable[[dict[str, bytes]], None]:
    return lambda files: files.update({name: data})


@pytest.mark.parametrize(
    ("target", "change", "problem"),
    [
        pytest.param("whatsapp", lambda files: files.pop("02.webp"), "02.webp: expected a file, got none", id="missing"),
        pytest.param("whatsapp", put("notes.txt", b"hi"), "notes.txt: expected no other file", id="besides"),
        pytest.param("whatsapp", put("02.webp", still()), "02.webp: expected WEBP, got PNG", id="encoding"),
        pytest.param("whatsapp", put("tray.png", still()), "tray.png: expected 96x96 px, got (512, 512)", id="tray"),
        pytest.param("whatsapp", lambda files: files.pop("contents.json"), "without 'contents.json'", id="no-list"),
        pytest.param("whatsapp", put("contents.json", b"{"), "expected a whole zip with a readable list", id="broken-list"),
        pytest.param("whatsapp", in_whatsapps(lambda pack: pack.update(publisher="x" * 129)), "publisher: expected", id="publisher"),
        pytest.param("whatsapp", in_whatsapps(lambda pack: pack.update(animated_sticker_pack=True)), "animated_sticker_pack", id="flag"),
        pytest.param("whatsapp", in_whatsapps(lambda pack: pack["stickers"][0].update(emojis=[])), "01.webp: expected 1 to 3 emoji", id="emoji"),
        pytest.param("whatsapp", in_whatsapps(lambda pack: pack["stickers"].pop()), "expected 3 to 30 stickers, got 2", id="count"),
        pytest.param("wastickers", put("other.png", still()), "expected one PNG, the tray's, got 2", id="two-trays"),
        pytest.param("wastickers", put("title.txt", b""), "title.txt: expected text", id="no-title"),
        pytest.param("telegram", edited("stickers.json", lambda sets: sets.update(name="_my__set")), "name: expected 2 to 64 letters", id="set-name"),
        pytest.param("telegram", in_first(lambda first: first.update(keywords=["x" * 65])), "at most 20 keywords with 64", id="keywords"),
        pytest.param("telegram", in_first(lambda first: first.update(format="video")), "expected the format static", id="format"),
        pytest.param("signal", in_first(lambda first: first.update(emoji="🐟🌊"), name="manifest.json"), "expected 1 to 1 emoji", id="two-emoji"),
        pytest.param("signal", edited("manifest.json", lambda manifest: manifest.pop("cover")), "without 'cover'", id="no-cover"),
        pytest.param("discord", in_first(lambda first: first.update(name="x")), "name: expected text of 2 to 30", id="name"),
        pytest.param("discord", in_first(lambda first: first.update(description="x")), "description: expected", id="description"),
        pytest.param("discord", in_first(lambda first: first.update(tags="x" * 201)), "tags: expected", id="tags"),
    ],
)
def test_what_an_importer_would_refuse_is_named(target: Target, change: Callable[[dict[str, bytes]], None], problem: str) -> None:
    found = changed(target, change)
    assert any(problem in each for each in found), found


def test_still_and_animated_stickers_together_are_named_for_whatsapp() -> None:
    animated = built("whatsapp", [sticker(moving(k)) for k in range(3)])["01.webp"]
    assert any("expected still or animated stickers alone" in each for each in changed("whatsapp", put("02.webp", animated)))


def encrypted() -> bytes:
    data = bytearray(packs._zipped({"manifest.json": b"{}"}))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


@pytest.mark.parametrize("data", [b"", b"no zip", packs._zipped({"a": b"b"})[:-10], encrypted()], ids=["empty", "text", "cut-off", "encrypted"])
def test_what_is_no_zip_is_named(data: bytes) -> None:
    assert pack_check.problems(data, "signal")[0].startswith("expected a whole zip")


def test_a_zip_bomb_is_not_unpacked() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("01.webp", bytes(200_000_000))
    assert "bytes unpacked" in pack_check.problems(buffer.getvalue(), "signal")[0]
