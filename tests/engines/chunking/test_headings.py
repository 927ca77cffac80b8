"""Heading paths over parts of one document, and the text that is embedded."""

from __future__ import annotations

from semantik.engines.chunking.base import Span
from semantik.engines.chunking.headings import MAX_PATH_TOKENS, Trail, embedded_text, find_headings
from semantik.engines.embedding.base import Tokenizer
from semantik.engines.embedding.hashing import WordTokenizer
from semantik.engines.extract.base import Heading, Part

TEXT = "# Guide\nintro\n## Install\nsteps\n## Use\nmore\n# End\nbye\n"
PART = Part(TEXT, headings=find_headings(TEXT))
TOKENIZER = WordTokenizer()


class Small(WordTokenizer):
    room = 20


def span_of(part: Part, first: str, last: str | None = None) -> Span:
    start, end = part.text.index(first), part.text.index(last or first) + len(last or first)
    return Span(start, end, TOKENIZER.count(part.text[start:end]))


def test_a_chunk_has_the_headings_it_stands_under() -> None:
    trail = Trail()
    assert trail.at(PART, span_of(PART, "intro")) == ("Guide",)
    assert trail.at(PART, span_of(PART, "steps")) == ("Guide", "Install")
    assert trail.at(PART, span_of(PART, "## Use", "more")) == ("Guide", "Use")
    assert trail.at(PART, span_of(PART, "bye")) == ("End",)


def test_a_chunk_over_several_sections_has_what_they_share() -> None:
    trail = Trail()
    assert trail.at(PART, span_of(PART, "## Install", "more")) == ("Guide",)
    assert trail.at(PART, span_of(PART, "steps", "bye")) == ()


def test_the_path_goes_on_in_the_next_part() -> None:
    trail = Trail()
    trail.leave(Part("# Guide\n## Install\n", headings=(Heading(0, 1, "Guide"), Heading(8, 2, "Install"))))
    assert trail.path == ("Guide", "Install")
    second = Part("steps\n## Use\nmore\n", headings=(Heading(6, 2, "Use"),))
    assert trail.at(second, span_of(second, "steps")) == ("Guide", "Install")
    assert trail.at(second, span_of(second, "more")) == ("Guide", "Use")
    trail.leave(second)
    assert trail.path == ("Guide", "Use")


def test_levels_may_be_left_out_and_titles_may_be_blank() -> None:
    part = Part("a\nb\nc\n", headings=(Heading(0, 3, "  Deep   down "), Heading(2, 2, " "), Heading(4, 5, "Deeper")))
    trail = Trail()
    assert trail.at(part, span_of(part, "a")) == ("Deep down",)
    assert trail.at(part, span_of(part, "b")) == ()
    assert trail.at(part, span_of(part, "c")) == ("Deeper",)


def test_headings_in_fenced_code_are_none() -> None:
    text = "# A\n```sh\n# comment\n```\n~~~\n# comment\n```\n# comment\n~~~\n### B ###\n#nospace\n"
    assert [(heading.level, heading.title) for heading in find_headings(text)] == [(1, "A"), (3, "B")]


def test_closing_marks_go_and_long_rows_of_them_cost_nothing() -> None:
    rows = "x" + "#" * 100_000 + "y"
    assert [heading.title for heading in find_headings(f"# C#\n# {rows}\n## Title ##\n")] == ["C#", rows, "Title"]
    assert len(find_headings("#\t" * 100_000)) == 1


def test_the_path_is_embedded_before_the_text() -> None:
    assert embedded_text(["Guide", "Install"], "steps", TOKENIZER) == "Guide › Install\nsteps"
    assert embedded_text([], "steps", TOKENIZER) == "steps"
    assert embedded_text(["", "Install"], "steps", TOKENIZER) == "Install\nsteps"


def test_a_heading_that_the_text_begins_with_is_not_said_twice() -> None:
    assert embedded_text(["Guide", "Install"], "## Install\nsteps", TOKENIZER) == "Guide\n## Install\nsteps"
    assert embedded_text(["Install"], "Install\nsteps", TOKENIZER) == "Install\nsteps"


def test_of_a_long_path_the_outer_headings_go_first() -> None:
    outer, inner = "outer " * 40, "inner " * 20
    assert embedded_text([outer, inner], "text", TOKENIZER) == f"{inner}\ntext"
    only = "many " * 100
    path, _, text = embedded_text([only], "text", TOKENIZER).partition("\n")
    assert (TOKENIZER.count(path), text) == (MAX_PATH_TOKENS, "text")


def test_the_path_never_takes_room_that_the_text_needs() -> None:
    tokenizer: Tokenizer = Small()
    for tokens in range(1, 21):
        text = "word " * (tokens - 1) + "word"
        embedded = embedded_text(["one two three four five", "six seven eight"], text, tokenizer, tokens=tokens)
        assert embedded.endswith(text)
        assert tokenizer.count(embedded) <= tokenizer.room
