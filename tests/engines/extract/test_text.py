"""Charsets, cleaning and cutting, by properties."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semantik.engines.extract.base import Heading
from semantik.engines.extract.decode import charset, decode, is_text
from semantik.engines.extract.flow import TARGET_PART, Flow, clean, pieces, without_targets
from semantik.engines.extract.readers.members import UnsafeName, safe_name
from semantik.engines.extract.readers.ocr import looks_written, page_list
from semantik.engines.extract.readers.web import dump

SENTENCES = {
    "cp1252": "Die Größe der Straße, schöne Grüße aus München für alle.",
    "iso8859-15": "Le prix du café à Besançon était élevé, l'été dernier.",
    "koi8-r": "Привет, это обычный текст на русском языке про погоду.",
    "cp1251": "Привет, это обычный текст на русском языке про погоду.",
    "shift_jis": "東京都の人口は約千四百万人です。会議は三月に行われます。",
    "euc_jp": "東京都の人口は約千四百万人です。会議は三月に行われます。",
    "gb18030": "这是一个关于天气和城市人口的中文文本，用于测试编码。",
    "big5": "這是一個關於天氣和城市人口的中文文本，用於測試編碼。",
    "euc_kr": "이것은 날씨와 도시 인구에 관한 한국어 텍스트입니다.",
    "utf-16-le": "Plain words, and Größe too.",
    "utf-16-be": "Plain words, and Größe too.",
    "utf-32-le": "Plain words, and Größe too.",
    "utf-32-be": "Plain words, and Größe too.",
    "iso2022_jp": "東京都の人口は約千四百万人です。",
}


@pytest.mark.parametrize("name", SENTENCES)
def test_a_charset_is_found_without_being_told(name: str) -> None:
    text = SENTENCES[name] * 8
    assert decode(text.encode(name)) == text


@pytest.mark.parametrize("name", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_mark_decides(name: str) -> None:
    assert decode("Größe und Maß".encode(name)) == "Größe und Maß"


def test_utf8_with_a_few_broken_bytes_stays_utf8() -> None:
    data = "Größe und Maß, viele Wörter mit Umlauten über alles. ".encode() * 20 + b"\xff\xfe bad"
    assert decode(data).startswith("Größe und Maß")


def test_icons_of_a_private_alphabet_make_a_text_no_less_a_text() -> None:
    page = "新闻 22:55 \ue667523 \ue65f2022-11-04 \ue667898 \ue65f \ue667\n".encode()
    assert is_text(page, charset(page))
    noise = bytes(range(128, 256)) * 4
    assert not is_text(noise, charset(noise))


def test_a_wrong_claim_is_not_believed() -> None:
    assert decode("Größe".encode(), declared="iso-8859-1") == "Größe"
    assert decode(b"plain words", declared="no-such-charset") == "plain words"


@given(st.text())
def test_utf8_comes_back_as_it_was(text: str) -> None:
    assert decode(text.encode("utf-8")) == text or "\0" in text or "\x1b" in text or "~{" in text or text.startswith(("\ufeff", "+/v"))


@given(st.binary(max_size=2_000))
def test_any_bytes_decode_to_something(data: bytes) -> None:
    text = clean(decode(data))
    text.encode("utf-8")
    assert "\0" not in text and "\r" not in text
    is_text(data, charset(data))


@given(st.text(st.characters(), max_size=500))
def test_cleaning_settles(text: str) -> None:
    once = clean(text)
    assert clean(once) == once
    assert "\0" not in once and "\r" not in once
    once.encode("utf-8")


@st.composite
def sections(draw: st.DrawFn) -> tuple[str, list[Heading]]:
    text, headings = "", []
    for _ in range(draw(st.integers(0, 8))):
        if draw(st.booleans()):
            headings.append(Heading(len(text), draw(st.integers(1, 4)), "title"))
            text += "title\n"
        text += draw(st.sampled_from(["word ", "line\n", "para\n\n", "x"])) * draw(st.integers(1, 120))
    return text, headings


@given(sections(), st.integers(20, 200))
def test_pieces_hold_the_whole_text_and_their_headings(found: tuple[str, list[Heading]], most: int) -> None:
    text, headings = found
    cut = list(pieces(text, headings, most))
    assert all(0 < len(piece) <= most and piece.endswith("\n") for piece, _ in cut)
    assert "".join(piece for piece, _ in cut).replace("\n", "") == text.replace("\n", "")
    assert sum(len(moved) for _, moved in cut) == len(headings)
    assert all(piece[heading.offset :].startswith("title") for piece, moved in cut for heading in moved)


@given(sections())
def test_a_section_that_fits_is_not_cut(found: tuple[str, list[Heading]]) -> None:
    text, headings = found
    bounds = [heading.offset for heading in headings]
    if bounds and max(b - a for a, b in zip([0, *bounds], [*bounds, len(text)], strict=True)) < 1_000:
        assert all(
            not piece or moved == () or moved[0].offset == 0 or text.startswith(piece[:20])
            for piece, moved in pieces(text, headings, 1_001)
        )


def test_a_flow_gives_what_was_added() -> None:
    given_parts: list[tuple[str, tuple[Heading, ...]]] = []
    flow = Flow(lambda text, headings: given_parts.append((text, headings)))
    whole = ""
    for number in range(300):
        flow.heading(1 + number % 3, f"h{number}")
        for text in (f"h{number}\n", "words of a section " * (number % 97) * 3 + "\n\n"):
            flow.add(text)
            whole += text
    flow.finish()
    assert "".join(text for text, _ in given_parts) == whole
    assert all(len(text) <= TARGET_PART for text, _ in given_parts)
    found = [heading.title for _, headings in given_parts for heading in headings]
    assert found == [f"h{number}" for number in range(300)]
    assert all(text[heading.offset :].startswith(heading.title + "\n") for text, headings in given_parts for heading in headings)


@given(st.text(st.sampled_from("ab./\\:C \0\n…"), max_size=40))
def test_a_safe_name_stays_in_its_folder(raw: str) -> None:
    try:
        name = safe_name(raw)
    except UnsafeName as unsafe:
        name = unsafe.shown
    assert name and not name.startswith("/") and ".." not in name.split("/") and "\0" not in name and "\\" not in name


def test_links_lose_their_targets() -> None:
    text = "See [the page](http://a/b_(c)) and ![a picture](x.png), [not this] (either)."
    assert without_targets(text) == "See the page and a picture, [not this] (either)."


@given(st.text(st.sampled_from("<>/!-apscript \n&;\"'"), max_size=300))
def test_the_dump_takes_any_html(html: str) -> None:
    dump(html)


def test_words_are_told_from_marks() -> None:
    assert looks_written("Invoice number 4711\nTotal 12.50 EUR\n")
    assert looks_written("東京都の人口は約千四百万人です")
    for marks in ("", ". , ' | ~", "aE ~i\nJe | rf\nwy) oe", "|| -- =\n~~ \\ /", "Ss i ee ° oe"):
        assert not looks_written(marks), marks


def test_page_lists_read_well() -> None:
    assert page_list([3]) == "Page 3"
    assert page_list([1, 2, 3, 7, 9]) == "Pages 1-3, 7 and 9"
    assert page_list(list(range(1, 100, 2))).endswith("others (50 in all)")
