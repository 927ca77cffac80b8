"""What every chunker must do. Bind it by subclassing `ChunkerContract` with fixtures `chunker` and `tokenizer`."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from semantik.engines.chunking.base import Chunker, ChunkingSettings, Span
from semantik.engines.embedding.base import Tokenizer
from semantik.engines.extract.base import Heading, Part

_PIECES = st.sampled_from(
    [
        "word",
        "Two words.",
        "\n",
        "\n\n",
        " ",
        "\t",
        "# Title\n",
        "你好。",
        "क्या है।",
        "Dr. X. says 3.5!",
        "\u200b",
        "ﷺ",
        "🙂",
        "a" * 90,
        "| a | b |\n",
        "e\u0301",
    ]
)
TEXT = st.one_of(st.text(max_size=400), st.lists(_PIECES, max_size=120).map("".join))
SIZES = st.tuples(st.integers(24, 60), st.integers(0, 12))
# Characters that become several tokens stay whole: the longest has eighteen letters.
_SLACK = 18


class CountingTokenizer(Tokenizer):
    """Counts what it is asked to tokenise: linearity without a clock."""

    def __init__(self, inner: Tokenizer) -> None:
        self._inner = inner
        self.room = inner.room
        self.calls = 0
        self.characters = 0

    def spans(self, text: str) -> list[tuple[int, int]]:
        self.calls += 1
        self.characters += len(text)
        return self._inner.spans(text)

    def count(self, text: str) -> int:
        self.calls += 1
        self.characters += len(text)
        return self._inner.count(text)


def part_of(text: str) -> Part:
    """A part whose lines beginning with `#` are headings and with `|` are rows."""
    headings, rows, offset = [], [], 0
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        if line.startswith("#"):
            headings.append(Heading(offset, 1, line.strip("# \n")))
        if line.startswith("|"):
            rows.append((offset, number))
        offset += len(line)
    return Part(text, headings=tuple(headings), rows=tuple(rows))


def assert_sound(part: Part, spans: list[Span], tokenizer: Tokenizer, wanted: ChunkingSettings) -> None:
    """The promises of `base.Chunker` for one answer."""
    text = part.text
    tokens = tokenizer.spans(text)
    covered = 0
    for before, span in zip([None, *spans], spans, strict=False):
        assert 0 <= span.start < span.end <= len(text)
        assert text[span.start : span.end].strip() == text[span.start : span.end], "no blank at either end"
        inside = [token for token in tokens if span.start <= token[0] and token[1] <= span.end]
        assert len(inside) == span.tokens <= wanted.max_tokens + _SLACK
        assert not text[covered : max(covered, span.start)].strip(), "every visible character is in some chunk"
        if before is not None:
            assert before.start < span.start
            assert before.end < span.end
            shared = [token for token in inside if token[1] <= before.end]
            assert len(shared) <= wanted.overlap_tokens
        covered = span.end
    assert not text[covered:].strip()


class ChunkerContract:
    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors])
    @given(text=TEXT, sizes=SIZES)
    def test_chunks_cover_the_text_within_their_limits(
        self, chunker: Chunker, tokenizer: Tokenizer, text: str, sizes: tuple[int, int]
    ) -> None:
        part, wanted = part_of(text), ChunkingSettings("any", *sizes)
        assert_sound(part, chunker.split(part, tokenizer, wanted), tokenizer, wanted)

    def test_blank_text_gives_no_chunks(self, chunker: Chunker, tokenizer: Tokenizer) -> None:
        for text in ["", "\n", " \t\n\u3000"]:
            assert chunker.split(Part(text), tokenizer, ChunkingSettings()) == []

    def test_short_text_is_one_chunk(self, chunker: Chunker, tokenizer: Tokenizer) -> None:
        text = "  One sentence. Another one.\n"
        spans = chunker.split(Part(text), tokenizer, ChunkingSettings())
        assert [text[span.start : span.end] for span in spans] == ["One sentence. Another one."]

    def test_tokenises_each_character_once(self, chunker: Chunker, tokenizer: Tokenizer) -> None:
        for text in [
            "word " * 10_000,
            "x" * 50_000,
            "\n" * 50_000,
            "a\n\n" * 15_000,
            "。" * 25_000,
            "\n \t" * 15_000,
            "." * 50_000,
            "# " * 25_000,
        ]:
            counting = CountingTokenizer(tokenizer)
            spans = chunker.split(Part(text), counting, ChunkingSettings())
            assert counting.calls == 1
            assert counting.characters == len(text)
            assert len(spans) <= 2 + 2 * tokenizer.count(text) / (240 - 24)

    def test_equal_input_gives_equal_chunks(self, chunker: Chunker, tokenizer: Tokenizer) -> None:
        part = part_of("# A\ntext one. text two.\n" * 200)
        assert chunker.split(part, tokenizer, ChunkingSettings()) == chunker.split(part, tokenizer, ChunkingSettings())
