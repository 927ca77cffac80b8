"""What the default strategy keeps together, and where it cuts what is too long."""

from __future__ import annotations

from itertools import pairwise

from semantik.engines.chunking import open_chunker
from semantik.engines.chunking.base import ChunkingSettings
from semantik.engines.embedding.hashing import WordTokenizer
from semantik.engines.extract.base import Heading, Part
from semantik.testing.chunking import part_of

TOKENIZER = WordTokenizer()


def cut(part: Part | str, size: int, overlap: int = 0, strategy: str = "recursive") -> list[str]:
    part = Part(part) if isinstance(part, str) else part
    spans = open_chunker(strategy).split(part, TOKENIZER, ChunkingSettings(strategy, size, overlap))
    return [part.text[span.start : span.end] for span in spans]


def words(count: int, stem: str = "word") -> str:
    return " ".join(f"{stem}{n}" for n in range(count))


def test_paragraphs_stay_whole_where_they_fit() -> None:
    paragraphs = [words(14, stem) for stem in ("alpha", "beta", "gamma", "delta")]
    assert cut("\n\n".join(paragraphs), 20) == paragraphs
    assert cut("\n\n".join(paragraphs), 30) == ["\n\n".join(paragraphs[:2]), "\n\n".join(paragraphs[2:])]


def test_a_long_paragraph_is_cut_at_sentences() -> None:
    sentences = [f"{words(9, stem)}." for stem in ("A", "B", "C", "D", "E")]
    assert cut(" ".join(sentences), 24) == [" ".join(sentences[:2]), " ".join(sentences[2:4]), sentences[4]]


def test_a_long_sentence_is_cut_at_words() -> None:
    pieces = cut(words(50), 20)
    assert all(piece.split()[0].startswith("word") for piece in pieces)
    assert " ".join(pieces) == words(50)


def test_a_heading_stays_with_what_follows_it() -> None:
    text = f"{words(17, 'intro')}\n\n# Costs\n\n{words(15, 'cost')}\n"
    pieces = cut(part_of(text), 20)
    assert pieces == [words(17, "intro"), f"# Costs\n\n{words(15, 'cost')}"]


def test_two_headings_in_a_row_stay_with_what_follows_them() -> None:
    text = f"{words(17, 'intro')}\n\n# Costs\n\n## Travel\n\n{words(10, 'cost')}\n"
    part = Part(text, headings=(Heading(text.index("# Costs"), 1, "Costs"), Heading(text.index("## Travel"), 2, "Travel")))
    assert cut(part, 20)[1].startswith("# Costs\n\n## Travel")


def test_rows_stay_whole_where_they_fit() -> None:
    rows = [f"| {words(6, stem)}. And more. |" for stem in ("a", "b", "c", "d", "e", "f", "g")]
    part = part_of("\n".join(rows) + "\n")
    for size in (24, 26, 31, 40):
        assert "\n".join(cut(part, size)) == "\n".join(rows)
        assert all(piece.startswith("| ") and piece.endswith(" |") for piece in cut(part, size))


def test_a_row_that_is_too_long_is_cut_inside() -> None:
    part = part_of(f"| {words(60, 'cell')} |\n| short |\n")
    assert len(cut(part, 24)) == 3


def test_overlap_begins_at_a_sentence_and_never_crosses_a_heading() -> None:
    sentences = [f"{words(9, stem)}." for stem in ("A", "B", "C", "D")]
    pieces = cut(" ".join(sentences), 24, 12)
    assert pieces[1].startswith(sentences[1])
    text = f"# One\n{words(17, 'one')}\n# Two\n{words(17, 'two')}\n"
    assert [piece.split("\n")[0] for piece in cut(part_of(text), 20, 10)] == ["# One", "# Two"]


def test_the_last_chunk_is_no_scrap() -> None:
    pieces = cut(words(42), 40)
    assert min(len(piece.split()) for piece in pieces) >= 10


def test_markdown_cuts_at_every_heading() -> None:
    text = f"# A\n\nshort\n\n## B\n\nalso short\n\n```\n# no heading\n```\n\n# C\n\n{words(50)}\n"
    pieces = cut(text, 30, strategy="markdown")
    assert pieces[0] == "# A\n\nshort"
    assert pieces[1].startswith("## B")
    assert "# no heading" in pieces[1]
    assert pieces[2].startswith("# C\n\nword0")
    assert len(pieces) == 4


def test_tokens_are_equal_pieces_with_exact_overlap() -> None:
    pieces = [piece.split() for piece in cut(words(100), 30, 10, strategy="tokens")]
    assert [len(piece) for piece in pieces] == [30, 30, 30, 30, 20]
    assert all(one[-10:] == other[:10] for one, other in pairwise(pieces))


def test_sentences_are_whole_and_overlap_in_whole_sentences() -> None:
    sentences = [f"{words(9, stem)}." for stem in ("A", "B", "C", "D", "E")]
    assert cut(" ".join(sentences), 24, 10, strategy="sentences") == [
        " ".join(sentences[0:2]),
        " ".join(sentences[1:3]),
        " ".join(sentences[2:4]),
        " ".join(sentences[3:5]),
    ]
    assert cut("今天天气很好。我们去公园吧！你想去吗？" * 3, 24, strategy="sentences")[0].endswith(("。", "！", "？"))
