"""Captions in every script, their fonts and colours, where they lie, and what is under them: shadow, background, margin."""

import itertools
from pathlib import Path
from typing import get_args

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from serving import captions, composer, fonts, shaping
from serving.composer import CaptionAt, CaptionShape, Look
from serving.fonts import FontName
from serving.options import StickerOptions
from serving.shaping import Line
from sticker_studio import masks
from sticker_studio.errors import InputError
from sticker_studio.types import RGB, RGBA, Alpha

ROOM = (480, 153)
FONTS: tuple[FontName, ...] = get_args(FontName)
RED = (220, 40, 40)


def caption_of(text: str, *, font: FontName = "rubik", bend: captions.Bend = "straight") -> captions.Caption:
    caption = captions.layout(text, max_wh=ROOM, font=font, bend=bend)
    assert caption is not None
    return caption


def line_of(text: str, font: FontName = "rubik") -> Line:
    return shaping.shaped(text, font, right_to_left=shaping.is_right_to_left(text))


def glyphs_of(text: str) -> list[int]:
    return [glyph.number for glyph in line_of(text).glyphs]


def subject(width: int, height: int) -> tuple[RGB, Alpha]:
    """A red ellipse that fills its box."""
    rows, columns = np.mgrid[:height, :width]
    inside = ((columns + 0.5 - width / 2) / (width / 2)) ** 2 + ((rows + 0.5 - height / 2) / (height / 2)) ** 2 < 1
    return np.full((height, width, 3), RED, np.uint8), inside.astype(np.float32)


def composed(look: Look, *, width: int = 300, height: int = 420, captioned: bool = True) -> RGBA:
    caption = composer.laid_out_caption(look)
    wide, high = composer.fit((width, height), composer.content_wh(look, caption))
    return composer.compose(*subject(wide, high), look, caption if captioned else None)


def red(sticker: RGBA) -> int:
    return int((np.abs(sticker[..., :3].astype(int) - RED).max(axis=2) < 8).sum())


def ink_box(sticker: RGBA) -> tuple[int, int, int, int]:
    """Box of the dark letters."""
    box = masks.box_xyxy((sticker[..., :3].max(axis=2) < 60) & (sticker[..., 3] > 200))
    assert box is not None
    return box


SCRIPTS = [
    pytest.param("Hi", id="latin"),
    pytest.param("Ärgerlich gjpqy ÂÇ Żółć", id="accents"),
    pytest.param("Happy birthday, dear Sylvie, and many more of them!", id="long"),
    pytest.param("Привет, мир", id="cyrillic"),
    pytest.param("Γειά σου κόσμε", id="greek"),
    pytest.param("नमस्ते दुनिया, क्षत्रिय", id="devanagari"),
    pytest.param("مرحبا بالعالم 123 abc!", id="arabic"),
    pytest.param("שלום עולם (hi)", id="hebrew"),
    pytest.param("สวัสดีปีใหม่ที่รักของฉัน ขอให้มีความสุขมากๆ", id="thai"),
    pytest.param("今日はとても天気がいいですね、散歩しましょう", id="japanese"),
    pytest.param("我爱你中国，祝你生日快乐", id="chinese"),
    pytest.param("안녕하세요 친구야", id="korean"),
    pytest.param("বাংলা தமிழ் తెలుగు ລາວ ខ្មែរ မြန်မာ አማርኛ", id="further-scripts"),
    pytest.param("love 👩‍👩‍👧 🇩🇪 ❤️ 👍🏽 🏴󠁧󠁢󠁥󠁮󠁧󠁿 1️⃣", id="emoji"),
    pytest.param("★ ♪ → ✓ © €", id="symbols"),
    pytest.param("W" * 120, id="one-endless-word"),
    pytest.param("อ" * 120, id="endless-thai"),
    pytest.param("a\n\tb\x00 c", id="control-characters"),
]


# --- layout


@pytest.mark.parametrize("bend", get_args(captions.Bend))
@pytest.mark.parametrize("text", SCRIPTS)
def test_a_caption_fits_loses_no_character_and_is_never_clipped(text: str, bend: captions.Bend) -> None:
    caption = caption_of(text, bend=bend)
    width, height = caption.size_wh
    assert (width <= ROOM[0], height <= ROOM[1]) == (True, True)
    ink = np.maximum(caption.letters, caption.emoji[..., 3] / 255) > 0.5
    left, top, right, bottom = masks.box_xyxy(ink) or (0, 0, 0, 0)
    assert min(left, top, width - right, height - bottom) >= 1  # the outline goes all round the ink
    assert (caption.outlined[ink] > 0.99).all()
    assert "".join(caption.lines).replace(" ", "") == "".join(text.replace("\x00", " ").split())


@pytest.mark.parametrize("font", FONTS)
def test_tall_accents_and_deep_tails_are_whole_in_every_font(font: FontName) -> None:
    caption = caption_of("ÅÉÑ gjpqyQ", font=font)
    assert len(caption.lines) == 1
    assert max(edge.max() for edge in (caption.letters[0], caption.letters[-1], caption.letters[:, 0], caption.letters[:, -1])) == 0


def test_a_longer_caption_has_smaller_letters() -> None:
    sizes = [caption_of(text).font_px for text in ("Hi", "Hi there, my friend, how are you", "many words " * 9)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > sizes[-1]


def test_few_lines_of_readable_letters_are_preferred_to_larger_letters() -> None:
    assert [len(caption_of(text).lines) for text in ("Good morning!", "Happy birthday, dear Sylvie!", "many words " * 9)] == [1, 2, 4]


def test_the_lines_of_a_caption_are_about_equally_long() -> None:
    lines = caption_of("Happy birthday, dear Sylvie and Anne!").lines
    assert len(lines) == 2
    assert max(map(len, lines)) < 1.4 * min(map(len, lines))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("今日はとても天気がいいですね、散歩しましょう", ("今日は", "天気が", "散歩"), id="japanese"),
        pytest.param("สวัสดีปีใหม่ที่รักของฉัน ขอให้มีความสุขมากๆ", ("สวัสดี", "ใหม่", "ความสุข"), id="thai"),
    ],
)
def test_lines_break_between_words_where_a_script_has_no_spaces(text: str, words: tuple[str, ...]) -> None:
    lines = caption_of(text).lines
    assert len(lines) > 1
    assert all(any(word in line for line in lines) for word in words)
    assert not any(line.startswith(("、", "ๆ")) for line in lines)


@pytest.mark.parametrize("whole", ["ChatGPT", "👍🏽", "👩‍👩‍👧", "🇹🇭", "iPhone15"])
def test_a_foreign_word_and_an_emoji_are_not_torn_there(whole: str) -> None:
    for text in (f"很喜欢{whole}和你", f"ขอบคุณ{whole}ครับ", f"私は{whole}を買いました"):
        narrow = captions.layout(text * 3, max_wh=(240, 153))
        assert narrow is not None
        assert sum(line.count(whole) for line in narrow.lines) == 3


def test_no_caption_is_no_caption() -> None:
    assert [captions.layout(text, max_wh=ROOM) for text in ("", " \n ", "\u200b\u200d\u202e", "\u2800")] == [None] * 4


@pytest.mark.parametrize(
    "nobodys", ["\ue000", "\U000fffff", "\U0003fffd", "\ud800", "😀\U0001faff"], ids=["private", "plane-15", "unassigned", "surrogate", "new-emoji"]
)
def test_a_character_that_nobody_has_a_glyph_for_is_refused_and_not_dropped(nobodys: str) -> None:
    with pytest.raises(InputError, match="expected characters that the fonts here draw") as error:
        captions.layout(f"ok {nobodys}", max_wh=ROOM)
    str(error.value).encode()


def test_characters_without_a_glyph_are_named() -> None:
    with pytest.raises(InputError, match="expected characters that the fonts here draw, got '\U00012000 \U00012001'"):
        captions.layout("ok \U00012001 \U00012000\U00012000", max_wh=ROOM)


def test_text_that_fits_in_no_size_is_refused_with_the_way_out() -> None:
    with pytest.raises(InputError, match="shorten it"):
        captions.layout("W" * 120, max_wh=(120, 40))


# --- shaping


def test_arabic_letters_join_and_run_to_the_left() -> None:
    isolated, joined = glyphs_of("ب"), glyphs_of("ببب")
    assert len({*joined, *isolated}) == 4  # final, medial, initial and isolated form
    assert line_of("ببب").advance < 2.5 * line_of("ب").advance
    assert glyphs_of("אב") == [*glyphs_of("ב"), *glyphs_of("א")]


def test_numbers_and_latin_words_keep_their_direction_inside_of_hebrew() -> None:
    letters = "שלום abc 12"
    runs = [glyph.number for glyph in line_of(letters).glyphs]
    digits, latin, hebrew = glyphs_of("12"), glyphs_of("abc"), glyphs_of("שלום")
    space = glyphs_of("a b")[1]
    assert runs == [*digits, space, *latin, space, *hebrew] or runs == [*latin, space, *digits, space, *hebrew]


def test_brackets_are_mirrored_where_text_runs_to_the_left() -> None:
    assert glyphs_of("א(") == [*glyphs_of(")"), *glyphs_of("א")]


def test_devanagari_forms_conjuncts_and_moves_vowel_signs() -> None:
    assert len(glyphs_of("क्ष")) == 1
    assert glyphs_of("कि")[1] == glyphs_of("क")[0]  # the sign i is written after its consonant and stands before it


def test_thai_marks_stand_above_their_consonant() -> None:
    assert line_of("กี่").advance == pytest.approx(line_of("ก").advance)
    assert line_of("กี่").top > line_of("กี").top > line_of("ก").top


def test_latin_letters_are_kerned() -> None:
    assert line_of("AVAVA", "anton").advance < sum(line_of(letter, "anton").advance for letter in "AVAVA") - 0.02


def test_chinese_characters_have_their_languages_form() -> None:
    assert glyphs_of("直す")[0] != glyphs_of("直到")[0]


def test_a_letter_and_its_accent_are_one_however_they_are_written() -> None:
    assert captions.cleaned("e\u0301") == "\u00e9"
    assert shaping.graphemes("नि👩‍👩‍👧e\u0301") == ["नि", "👩‍👩‍👧", "e\u0301"]


def test_a_word_is_not_torn_between_two_fonts() -> None:
    assert len(set(shaping.fonts_of("Привет", "bangers"))) == 1
    assert len(set(shaping.fonts_of("پاکستان", "rubik"))) == 1


# --- emoji


@pytest.mark.parametrize(
    "emoji",
    [
        pytest.param("😀", id="face"),
        pytest.param("❤", id="without-a-variation-selector"),
        pytest.param("❤️", id="heart"),
        pytest.param("👩‍👩‍👧", id="family"),
        pytest.param("👩🏽‍🚀", id="skin-tone-and-profession"),
        pytest.param("🇩🇪", id="flag"),
        pytest.param("🏴󠁧󠁢󠁥󠁮󠁧󠁿", id="flag-of-tags"),
        pytest.param("🏳️‍🌈", id="flag-of-a-sequence"),
        pytest.param("1️⃣", id="keycap"),
    ],
)
def test_an_emoji_is_one_glyph_in_colour(emoji: str) -> None:
    line = line_of(emoji)
    assert [glyph.font for glyph in line.glyphs] == [fonts.EMOJI]
    picture = captions.paint(caption_of(f"o{emoji}"), ink=captions.INK, outline=captions.WHITE).astype(int)
    coloured = (np.ptp(picture[..., :3], axis=2) > 60) & (picture[..., 3] > 200)
    assert coloured.sum() > 60


def test_letters_keep_their_own_colour_beside_emoji() -> None:
    caption = caption_of("ab 😀")
    picture = captions.paint(caption, ink=(0, 90, 200), outline=captions.WHITE)
    assert (np.abs(picture[caption.letters > 0.99][:, :3].astype(int) - (0, 90, 200)).max(axis=0) <= 3).all()


def test_emoji_are_crisp_at_the_size_of_the_text() -> None:
    caption = caption_of("🇩🇪 60 px of it")
    alpha = caption.emoji[..., 3]
    left, top, right, bottom = masks.box_xyxy(alpha > 0) or (0, 0, 0, 0)
    row = alpha[(top + bottom) // 2, left:right]
    assert right - left >= 30
    assert ((row > 0) & (row < 255)).sum() <= 2  # from nothing to full within a pixel at each side


def test_an_emoji_in_text_style_is_drawn_in_the_colour_of_the_text() -> None:
    assert fonts.EMOJI not in shaping.fonts_of("♥\ufe0e", "rubik")


# --- fonts


def test_there_are_at_least_eight_fonts_and_no_two_look_alike() -> None:
    pictures = [cv2.resize(caption_of("Hamburg", font=font).letters, (200, 50)) for font in FONTS]
    assert len(pictures) >= 8
    assert min(np.abs(one - other).mean() for one, other in itertools.combinations(pictures, 2)) > 0.05


@pytest.mark.parametrize("font", FONTS)
def test_a_font_draws_latin_itself_and_leaves_to_others_what_it_lacks(font: FontName) -> None:
    assert set(shaping.fonts_of("Hello!", font)) == {fonts.DISPLAY[font]}
    captions.layout("Привет नमस्ते مرحبا 你好 😀", max_wh=ROOM, font=font)


@pytest.mark.parametrize("text", ["नमस्ते", "สวัสดี", "বাংলা", "தமிழ்", "አማርኛ", "မြန်မာ", "κόσμε", "漢字", "한국"])
def test_other_scripts_are_as_bold_as_a_title(text: str) -> None:
    caption = caption_of(text)
    depth = cv2.distanceTransform((caption.letters > 0.5).astype(np.uint8), cv2.DIST_L2, 5)
    stem_px = 2 * float(np.percentile(depth[depth > 0], 90))
    assert stem_px > 0.11 * caption.font_px


def test_notice_names_every_font_with_its_licence() -> None:
    told = Path("NOTICE").read_text(encoding="utf-8")
    every = {file for name in FONTS for file in fonts.candidates(name)}
    for file in every:
        line = next((line for line in told.splitlines() if Path(file.file).name in line), "")
        assert "OFL-1.1" in line or "Apache-2.0" in line, f"{file.file} is not in NOTICE with its licence"
        assert file.path.is_file()
    bundled = {path.name for path in (Path("serving") / "fonts").glob("*.ttf")}
    assert bundled == {Path(file.file).name for file in every if file.package == "serving"}


# --- colours


SOME = [(255, 255, 255), (0, 0, 0), (128, 128, 128), (229, 57, 53), (255, 235, 59), (0, 0, 255), (0, 150, 136), (90, 90, 90), (250, 210, 190)]


@pytest.mark.parametrize("ink", [None, *SOME])
def test_letters_and_outline_always_contrast(ink: captions.Colour | None) -> None:
    for outline, under in itertools.product(SOME, [(), *((colour,) for colour in SOME), ((0, 0, 0), (255, 255, 255))]):
        letters, edge = captions.colours(ink=ink, outline=outline, under=under)
        assert captions.contrast(letters, edge) >= captions.LEGIBLE
        assert ink in (None, letters)


@pytest.mark.parametrize("under", SOME)
def test_the_outline_contrasts_with_what_is_under_it(under: captions.Colour) -> None:
    for outline in SOME:
        _, edge = captions.colours(ink=None, outline=outline, under=[under])
        assert captions.contrast(edge, under) >= captions.VISIBLE


def test_wanted_colours_are_kept_where_they_can_be_read() -> None:
    assert captions.colours(ink=(229, 57, 53), outline=(255, 255, 255)) == ((229, 57, 53), (255, 255, 255))
    assert captions.colours(ink=None, outline=(255, 255, 255)) == (captions.INK, (255, 255, 255))
    assert captions.colours(ink=None, outline=(0, 0, 160)) == ((255, 255, 255), (0, 0, 160))


@pytest.mark.parametrize("ground", SOME)
def test_the_outline_of_a_caption_on_a_background_can_be_told_from_it(ground: captions.Colour) -> None:
    sticker = composed(Look(caption="Hello", background_rgb=(ground,), caption_at="bottom"), height=150)[350:, :, :3]
    around = (sticker == ground).all(axis=2).astype(np.uint8)
    around[cv2.connectedComponents(around, connectivity=4)[1] != 1] = 0  # not the insides of letters
    one, two, three = (cv2.dilate(around, np.ones((size, size))) > 0 for size in (3, 5, 7))
    edge = tuple(int(value) for value in np.median(sticker[three & ~two & ~one], axis=0))
    assert captions.contrast(edge, ground) >= captions.VISIBLE


def test_a_caption_over_the_subject_keeps_away_from_its_colour() -> None:
    sticker = composed(Look(caption="Hello", caption_at=(0.5, 0.5), outline_rgb=RED))
    assert ((sticker[..., :3] == captions.WHITE).all(axis=2) & (sticker[..., 3] == 255)).sum() > 500


# --- where the caption lies


PLACES: list[CaptionAt] = ["auto", "top", "bottom"]


@pytest.mark.parametrize("shape", get_args(CaptionShape))
@pytest.mark.parametrize("at", PLACES)
@pytest.mark.parametrize(("width", "height"), [pytest.param(300, 420, id="portrait"), pytest.param(500, 200, id="landscape")])
def test_a_caption_hides_nothing_of_the_subject(at: CaptionAt, shape: CaptionShape, width: int, height: int) -> None:
    look = Look(caption="Hello there!", caption_at=at, caption_shape=shape)
    captioned = composed(look, width=width, height=height)
    assert red(captioned) == red(composed(look, width=width, height=height, captioned=False)) > 10_000
    box, ink = masks.box_xyxy(captioned[..., 0] > captioned[..., 1].astype(int) + 100), ink_box(captioned)
    assert box is not None
    middle = (ink[1] + ink[3]) / 2
    assert middle < box[1] if at == "top" else middle > box[3]


def test_auto_stays_near_the_subject_and_the_edges_are_the_edges() -> None:
    tops = {at: ink_box(composed(Look(caption="Hello", caption_at=at), width=500, height=150))[1] for at in PLACES}
    assert tops["top"] < 60 < 256 < tops["auto"] < 400 < tops["bottom"]


def test_an_arc_under_a_round_subject_nestles_against_it() -> None:
    def gap(shape: CaptionShape) -> int:
        sticker = composed(Look(caption="Hello there!", caption_shape=shape), width=300, height=300)
        middle = sticker[:, 256]
        subject_end = 512 - int(np.argmax(np.abs(middle[::-1, :3].astype(int) - RED).max(axis=1) < 8))
        return int(np.argmax(middle[subject_end + 10 :, 3] > 200))

    assert gap("arc") < 40


@pytest.mark.parametrize("at", [(0.5, 0.5), (0.3, 0.7), (0.62, 0.25)])
def test_a_caption_at_a_point_has_its_middle_there_and_the_subject_keeps_its_size(at: tuple[float, float]) -> None:
    sticker = composed(Look(caption="Hello", caption_at=at))
    left, top, right, bottom = ink_box(sticker)
    assert ((left + right) / 2, (top + bottom) / 2) == pytest.approx((at[0] * 512, at[1] * 512), abs=8)
    _, subject_top, _, subject_bottom = masks.box_xyxy(composed(Look(), captioned=False)[..., 3] > 0) or (0, 0, 0, 0)
    assert subject_bottom - subject_top > 470


@pytest.mark.parametrize("at", [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)])
def test_a_caption_in_a_corner_keeps_the_margin(at: tuple[float, float]) -> None:
    sticker = composed(Look(caption="Hello there", caption_at=at))
    left, top, right, bottom = masks.box_xyxy(sticker[..., 3] > 0) or (0, 0, 0, 0)
    assert min(left, top, 512 - right, 512 - bottom) >= 16


def test_an_arc_is_a_valley_below_and_a_hill_above_the_subject() -> None:
    def sag(at: CaptionAt) -> float:
        """How much lower the middle of the letters is than their ends."""
        sticker = composed(Look(caption="HHHHHHHHH", caption_shape="arc", caption_at=at))
        dark = (sticker[..., :3].max(axis=2) < 60) & (sticker[..., 3] > 200)
        left, _, right, _ = ink_box(sticker)
        third = (right - left) // 3
        rows = [np.nonzero(dark[:, left + start : left + start + third].any(axis=1))[0].mean() for start in (0, third, 2 * third)]
        return float(rows[1] - (rows[0] + rows[2]) / 2)

    assert sag("auto") > 10
    assert sag("top") < -10


# --- margin, shadow, background


@pytest.mark.parametrize("shadow", [False, True])
@pytest.mark.parametrize("shape", get_args(CaptionShape))
@pytest.mark.parametrize("margin_px", [0, 16, 40])
def test_nothing_comes_nearer_to_the_border_than_the_margin(margin_px: int, shape: CaptionShape, shadow: bool) -> None:
    for at in (*PLACES, (0.9, 0.1)):
        sticker = composed(Look(caption="Hello there, gÂ", caption_shape=shape, caption_at=at, margin_px=margin_px, shadow=shadow))
        left, top, right, bottom = masks.box_xyxy(sticker[..., 3] > 127) or (0, 0, 0, 0)
        assert min(left, top, 512 - right, 512 - bottom) >= margin_px
        if shadow:
            assert max(edge.max() for edge in (sticker[0], sticker[-1], sticker[:, 0], sticker[:, -1])) == 0  # nor is the shadow cut off


def test_the_shadow_is_soft_black_and_lies_below_subject_and_caption() -> None:
    look = Look(caption="Hello")
    plain, shadowed = (composed(Look(caption="Hello", shadow=shadow, margin_px=20)) for shadow in (False, True))
    added = shadowed[..., 3].astype(int) - plain[..., 3]
    soft = (added > 0) & (plain[..., 3] == 0)
    assert soft.sum() > 2000
    assert (shadowed[soft][:, :3] == 0).all()
    assert shadowed[soft][:, 3].max() < 128
    assert len(np.unique(shadowed[soft][:, 3])) > 30
    bottom = max(np.nonzero(plain[..., 3])[0])
    assert soft[bottom + 1 :].sum() > 100  # under the caption
    assert np.array_equal(plain[plain[..., 3] == 255], shadowed[plain[..., 3] == 255])
    assert look.inset_px == 16


def test_a_background_of_one_colour_or_two_fills_the_sticker() -> None:
    flat = composed(Look(background_rgb=((10, 200, 30),)))
    assert (flat[0, 0].tolist(), flat[511, 511].tolist(), flat[..., 3].min()) == ([10, 200, 30, 255], [10, 200, 30, 255], 255)
    column = composed(Look(background_rgb=((0, 0, 0), (200, 100, 50))))[:, 2].astype(int)
    assert (column[0, :3].tolist(), column[511, :3].tolist()) == ([0, 0, 0], [200, 100, 50])
    assert (np.diff(column[:, 0]) >= 0).all()
    assert np.diff(column[:, 0]).max() <= 1


def test_a_background_picture_is_cut_to_the_square_and_not_stretched() -> None:
    picture = np.zeros((200, 600, 3), np.uint8)
    picture[:, 200:400] = (0, 255, 0)
    cv2.circle(picture, (300, 100), 80, (0, 0, 255), -1)
    sticker = composer.compose(*subject(20, 20), Look(background_picture=picture), None)
    assert sticker[5, 5].tolist() == sticker[506, 506].tolist() == [0, 255, 0, 255]
    left, top, right, bottom = masks.box_xyxy(sticker[..., 2] > 200) or (0, 0, 0, 0)
    assert (right - left, bottom - top) == pytest.approx((410, 410), abs=12)  # the subject's outline is white


def test_a_sticker_with_a_background_is_no_longer_cut_along_the_subject() -> None:
    assert composed(Look(square=False, margin_px=0)).shape != (512, 512, 4)
    assert composed(Look(square=False, margin_px=0, background_rgb=((9, 9, 9),))).shape == (512, 512, 4)


# --- options


@pytest.mark.parametrize(
    ("option", "value"),
    [
        pytest.param("font", "comic-sans", id="font"),
        pytest.param("caption_at", "left", id="place"),
        pytest.param("caption_at", "1.2,0.5", id="outside"),
        pytest.param("caption_at", "0.5", id="one-number"),
        pytest.param("caption_at", "nan,0.5", id="no-number"),
        pytest.param("caption_shape", "circle", id="shape"),
        pytest.param("caption_colour", "red", id="colour"),
        pytest.param("background", "#fff", id="background"),
        pytest.param("background", "#ffffff,#000000,#ff0000", id="three-colours"),
        pytest.param("margin_px", 65, id="margin"),
    ],
)
def test_an_option_out_of_range_is_refused(option: str, value: object) -> None:
    with pytest.raises(ValidationError):
        StickerOptions.model_validate({option: value})


def test_a_place_is_a_word_or_two_numbers() -> None:
    assert [StickerOptions.model_validate({"caption_at": each}).caption_at for each in ("auto", "top", "0.25, 1")] == ["auto", "top", (0.25, 1.0)]
