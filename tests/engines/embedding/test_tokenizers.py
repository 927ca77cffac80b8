"""Tokenizers of imported models: the library's ids for the encoder, bounded and covering spans for the chunker."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from semantik.engines.embedding.tokenizers import FolderTokenizer
from semantik.engines.weights.base import WeightsDamaged
from tests.engines.weights import oracle


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return oracle.write_folder(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> FolderTokenizer:
    return FolderTokenizer(folder, max_tokens=48)


def test_ids_stand_between_the_specials(tokenizer: FolderTokenizer) -> None:
    ids = [oracle.VOCABULARY[index] for index in tokenizer.ids("The cats sat!", 48)]
    assert ids == ["[CLS]", "the", "cat", "##s", "sat", "!", "[SEP]"]
    assert [oracle.VOCABULARY[index] for index in tokenizer.ids("the cat sat", 4)] == ["[CLS]", "the", "cat", "[SEP]"]
    assert [oracle.VOCABULARY[index] for index in tokenizer.ids("", 48)] == ["[CLS]", "[SEP]"]


def test_a_huge_text_gives_no_more_ids_than_wanted(tokenizer: FolderTokenizer) -> None:
    ids = tokenizer.ids("the cat " * 100_000, 48)
    assert len(ids) == 48
    assert (oracle.VOCABULARY[ids[0]], oracle.VOCABULARY[ids[-1]]) == ("[CLS]", "[SEP]")


def test_room_is_what_is_left_for_the_text(folder: Path) -> None:
    assert FolderTokenizer(folder, max_tokens=48).room == 46
    assert FolderTokenizer(folder, max_tokens=48, prefix="the cat ").room == 44


@settings(max_examples=150, deadline=None)
@given(
    text=st.one_of(
        st.text(max_size=300),
        st.lists(st.sampled_from(["the cats ", "x" * 130, "\u200b", "é", "你好", "\n", "!?"]), max_size=60).map("".join),
    )
)
def test_spans_cover_what_is_visible(tokenizer: FolderTokenizer, text: str) -> None:
    spans = tokenizer.spans(text)
    assert spans == sorted(spans)
    covered = {at for start, end in spans for at in range(start, end)}
    assert {at for at, letter in enumerate(text) if not letter.isspace()} <= covered
    assert all(0 < end - start <= 96 for start, end in spans)


def test_no_window_is_larger_than_the_library_takes_in_linear_time(tokenizer: FolderTokenizer, folder: Path) -> None:
    class Watched(FolderTokenizer):
        sizes: list[int] = []

        def _offsets(self, window: str) -> list[tuple[int, int]]:
            self.sizes.append(len(window))
            return super()._offsets(window)

    watched = Watched(folder, max_tokens=48)
    text = "x" * 300_000 + " the cat" * 20_000
    assert watched.count(text) > 300_000 / 96 + 40_000
    assert max(watched.sizes) <= 4096
    assert sum(watched.sizes) == len(text)


def test_truncation_and_padding_of_the_file_are_switched_off(folder: Path, tmp_path: Path) -> None:
    inner: Tokenizer = FolderTokenizer(folder, max_tokens=48)._tokenizer
    inner.enable_truncation(4)
    inner.enable_padding(length=4)
    inner.save(str(tmp_path / "tokenizer.json"))
    ids = FolderTokenizer(tmp_path, max_tokens=48).ids("the cat sat on the mat", 48)
    assert len(ids) == 8


@pytest.mark.parametrize("content", ["", "{}", "[]", "no json"])
def test_a_damaged_file_says_so(tmp_path: Path, content: str) -> None:
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(WeightsDamaged):
        FolderTokenizer(tmp_path, max_tokens=48)
    (tmp_path / "tokenizer.json").write_text(json.dumps({"model": {"type": "Nothing"}}))
    with pytest.raises(WeightsDamaged):
        FolderTokenizer(tmp_path, max_tokens=48)
