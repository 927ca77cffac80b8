"""Terms, BM25 vectors and languages: what a reader would type finds what stands in the text."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semantik.engines.embedding import bm25
from semantik.engines.embedding.language import detect, is_foreign, spoken
from semantik.engines.embedding.terms import cut


def keys(text: str, language: str | None = "en") -> set[str]:
    return {term.key for term in cut(text, language)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("parse_http_date", {"parse_http_date", "pars", "http", "date"}),
        ("parseHttpDate", {"parsehttpdate", "pars", "http", "date"}),
        ("HTTPServer", {"httpserver", "http", "server"}),
        ("error E0277", {"error", "e0277", "e", "0277"}),
        ("part AB-1234/x", {"part", "ab-1234/x", "ab", "1234", "x"}),
        ("version 1.20.3", {"version", "1.20.3", "1", "20", "3"}),
        ("sales of 63,708", {"sale", "of", "63708", "63", "708"}),
        ("the 19th of May", {"the", "19th", "of", "may"}),
    ],
)
def test_identifiers_and_numbers_count_whole_and_in_parts(text: str, expected: set[str]) -> None:
    assert keys(text) == expected


@pytest.mark.parametrize(
    ("language", "query", "text"),
    [
        ("en", "connections", "the connection was closed"),
        ("de", "Häuser", "das Haus am See"),
        ("ru", "книгами", "эта книга"),
        ("ar", "الكتاب", "كِتَاب"),
        ("zh", "上海天气", "今天上海的天气很好"),
        ("ja", "東京都", "東京都の人口"),
        ("ko", "서울시", "서울시에서"),
        ("hi", "किताबें", "मेरी किताब"),
        ("th", "ภาษาไทย", "ฉันเรียนภาษาไทยทุกวัน"),
        ("en", "ＡＢＣ", "abc"),
    ],
)
def test_a_query_meets_the_words_of_its_language(language: str, query: str, text: str) -> None:
    document = bm25.document_vector(text, language, 10)
    asked, _ = bm25.query_vector(query, [language])
    assert set(asked.indices) & set(document.indices)


def test_devanagari_words_stay_in_one_piece() -> None:
    assert len(list(cut("हिन्दी", "hi"))) == 1


def test_digits_and_latin_do_not_glue_to_han() -> None:
    assert {"2024", "年", "gdp", "增", "长", "增长"} <= keys("2024年GDP增长", "zh")


def test_stop_words_leave_a_query_unless_it_holds_nothing_else() -> None:
    _, surfaces = bm25.query_vector("what is the revenue", ["en"])
    assert set(surfaces.values()) == {"revenue"}
    _, surfaces = bm25.query_vector("The Who", ["en"])
    assert set(surfaces.values()) == {"The", "Who"}


def test_function_words_of_the_language_of_a_question_are_no_keywords() -> None:
    _, surfaces = bm25.query_vector("Wie beantrage ich einen Reisepass?", ["en", "de"])
    assert set(surfaces.values()) == {"beantrage", "Reisepass"}
    _, surfaces = bm25.query_vector("त्रुटि E-417 का क्या अर्थ है?", ["en", "hi"])
    assert set(surfaces.values()) == {"त्रुटि", "E-417", "E", "417", "अर्थ"}
    # "war" is a German verb, yet a keyword of an English question.
    _, surfaces = bm25.query_vector("the causes of the war", ["en", "de"])
    assert set(surfaces.values()) == {"causes", "war"}


@pytest.mark.parametrize(
    ("query", "language"),
    [
        ("Wer hat die Quelle gefunden?", "de"),
        ("¿Cuál es la receta de la paella?", "es"),
        ("Πόσο κοστίζει η επισκευή της αντλίας;", "el"),
        ("Где находится насос и кто его чинил?", "ru"),
        ("كم تبلغ رسوم الاشتراك في السنة", "ar"),
        ("مدير الشركة", None),
        ("pump P-2", None),
        ("E-417", None),
        ("", None),
        ("水泵的压力", None),
    ],
)
def test_the_language_of_a_question_shows_in_its_function_words(query: str, language: str | None) -> None:
    assert spoken(query) == language


def test_a_query_is_cut_for_every_language_in_play() -> None:
    vector, _ = bm25.query_vector("universities", ["en", "de", "fr"])
    for language in ("en", "de", "fr"):
        assert set(bm25.document_vector("universities", language, 5).indices) <= set(vector.indices)


def test_term_ids_never_change() -> None:
    assert [bm25.term_id(key) for key in ("revenue", "東京")] == [380717140, 1168149181]


def test_highlights_show_the_words_as_they_stand() -> None:
    text = "The connections were closed; parse_http_date failed to connect."
    asked, surfaces = bm25.query_vector("connection http_date", ["en"])
    spans, terms = bm25.Marks(surfaces).of(text, "en")
    assert [text[start:end] for start, end in spans] == ["connections", "http", "date", "connect"]
    assert terms == ["connection", "http", "date"]
    assert asked.indices.dtype == np.uint32


@pytest.mark.parametrize(
    ("query", "text", "marked"),
    [
        ("What does E-417 mean?", "E-402: low oil. E-417: bearing hot. E numbers, 417 of them.", ["E-417"]),
        ("E-417", "Fault E417, also written E 417 or err_e_417.", ["E417", "E 417", "e_417"]),
        ("AB-1234", "AB-9999 replaces AB-1234 and CD-1234.", ["AB-1234"]),
        ("1.20.3", "Since 1.20.1, and again in 1.20.3.", ["1.20.3"]),
        ("417", "E-417 and 417", ["417", "417"]),
        ("E numbers", "E-402 lists E numbers.", ["E", "numbers"]),
        ("parse_http_date", "The HTTP date is parsed by parse_http_date.", ["HTTP", "date", "parsed", "parse_http_date"]),
    ],
)
def test_parts_of_a_code_are_marked_only_where_all_of_it_stands(query: str, text: str, marked: list[str]) -> None:
    spans, _ = bm25.Marks(bm25.query_vector(query, ["en"])[1]).of(text, "en")
    assert [text[start:end] for start, end in spans] == marked


_IDENTIFIER = st.from_regex(r"[A-Za-z]{1,3}[-_./]?[0-9]{1,3}([-.][A-Z0-9]{1,2})?", fullmatch=True)


@given(
    st.lists(_IDENTIFIER | st.sampled_from(["pump", "E", "4", "x"]), min_size=1, max_size=4), st.lists(_IDENTIFIER, min_size=1, max_size=8)
)
def test_a_letter_of_an_identifier_is_never_marked_alone(query: list[str], text: list[str]) -> None:
    shown = " ".join(text)
    spans, _ = bm25.Marks(bm25.query_vector(" ".join(query), ["en"])[1]).of(shown, "en")
    for start, end in spans:
        alone = (start == 0 or shown[start - 1] == " ") and (end == len(shown) or shown[end] == " ")
        assert end - start > 1 or alone, shown[start:end]


def test_longer_texts_and_repeats_weigh_as_bm25_says() -> None:
    once = bm25.document_vector("revenue of the year", "en", 4)
    long = bm25.document_vector("revenue of the year " + "and more words " * 20, "en", 4)
    term = bm25.term_id("revenu")
    assert once.values[once.indices == term][0] == pytest.approx(1.0)
    assert long.values[long.indices == term][0] < 0.2


@given(st.text(max_size=300), st.sampled_from(["en", "de", "ar", "hi", "zh", "th", "ko", None]))
def test_any_text_gives_unique_ascending_ids_and_spans_inside_it(text: str, language: str | None) -> None:
    for term in cut(text, language):
        assert 0 <= term.start < term.end <= len(text)
        assert term.key
    vector = bm25.document_vector(text, language, 10)
    assert np.all(np.diff(vector.indices.astype(np.int64)) > 0)
    assert np.isfinite(vector.values).all()
    assert np.all(vector.values > 0)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("How many people live in the city?", "en"),
        ("Wie viele Menschen leben in der Stadt?", "de"),
        ("这座城市有多少人口", "zh"),
        ("東京の人口はどのくらいですか", "ja"),
        ("Сколько людей живёт в городе?", "ru"),
        ("invoice 2024", None),
        ("12345", None),
        ("", None),
        ("fn run(&mut self) -> Result<(), E> { self.x = [1]; }", None),
    ],
)
def test_languages_are_told_or_left_open(text: str, language: str | None) -> None:
    assert detect(text) == language


def test_an_open_language_is_the_collections() -> None:
    assert detect("invoice 2024", "de") == "de"


@pytest.mark.parametrize(
    ("query", "languages", "foreign"),
    [
        ("Wie viele Menschen leben in der Stadt?", ["en"], True),
        ("¿Cuántas personas viven en la ciudad?", ["en"], True),
        ("Сколько людей живёт в городе?", ["en"], True),
        ("这座城市有多少人口", ["en", "de"], True),
        ("Wie viele Menschen leben in der Stadt?", ["en", "de"], False),
        ("How many people live in the city?", ["en"], False),
        ("Angela Merkel Berlin", ["en"], False),
        ("parse_http_date", ["de"], False),
        ("Wie viele Menschen?", [None], False),
        ("Wie viele Menschen?", [], False),
    ],
)
def test_a_query_is_foreign_only_when_that_is_sure(query: str, languages: list[str | None], foreign: bool) -> None:
    assert is_foreign(query, languages) is foreign
