"""What every encoder must do. Bind it by subclassing `EncoderContract` with a fixture `encoder`."""

from __future__ import annotations

import asyncio

import numpy as np

from semantik.engines.embedding.base import Encoder

TEXTS = [
    "The cat sat on the mat.",
    "Die Katze saß auf der Matte.",
    "x",
    "Compilers turn source text into machine instructions, and linkers join what they produced. " * 4,
]
ODD = ["", "   \n\t", "\u200b", "🙂🙃", "\x00\x01", "a" * 5_000, "你好，世界。" * 50, "e\u0301" * 40, "[CLS] </s> <pad>"]


class EncoderContract:
    async def test_gives_one_normalised_vector_for_each_text(self, encoder: Encoder) -> None:
        vectors = await encoder.embed_passages(TEXTS)
        assert vectors.dtype == np.float32
        assert vectors.shape == (len(TEXTS), encoder.spec.dimensions)
        assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)

    async def test_keeps_the_order_of_the_texts(self, encoder: Encoder) -> None:
        together = await encoder.embed_passages(TEXTS)
        backwards = await encoder.embed_passages(TEXTS[::-1])
        assert np.allclose(together, backwards[::-1], atol=1e-4)

    async def test_a_text_has_the_same_vector_alone_as_among_others(self, encoder: Encoder) -> None:
        together = await encoder.embed_passages(TEXTS)
        for text, vector in zip(TEXTS, together, strict=True):
            assert float((await encoder.embed_passages([text]))[0] @ vector) > 0.99999

    async def test_no_texts_give_no_vectors(self, encoder: Encoder) -> None:
        assert (await encoder.embed_passages([])).shape == (0, encoder.spec.dimensions)
        assert (await encoder.embed_queries([])).shape == (0, encoder.spec.dimensions)

    async def test_odd_texts_give_sound_vectors(self, encoder: Encoder) -> None:
        vectors = await encoder.embed_passages(ODD)
        assert np.isfinite(vectors).all()
        assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)

    async def test_a_query_is_nearest_to_the_passage_it_repeats(self, encoder: Encoder) -> None:
        queries = await encoder.embed_queries([TEXTS[0], TEXTS[3][:80]])
        passages = await encoder.embed_passages(TEXTS)
        assert (queries @ passages.T).argmax(axis=1).tolist() == [0, 3]

    async def test_calls_at_once_do_not_mix(self, encoder: Encoder) -> None:
        expected = await encoder.embed_passages(TEXTS)
        answers = await asyncio.gather(*(encoder.embed_passages([text]) for text in TEXTS for _ in range(3)))
        for index, answer in enumerate(answers):
            assert float(answer[0] @ expected[index // 3]) > 0.99999

    async def test_the_key_is_short_and_safe_for_file_names(self, encoder: Encoder) -> None:
        key = encoder.spec.key
        assert 0 < len(key) <= 100
        assert all(letter.isascii() and (letter.isalnum() or letter in "-_.") for letter in key)


class TokenizerContract:
    """Of an encoder's tokenizer; the same fixture."""

    def test_spans_ascend_and_cover_all_that_is_visible(self, encoder: Encoder) -> None:
        for text in [*TEXTS, *ODD, "  two\u00a0 words\u3000here ", "ﷺ ㍿ ①②③", "क्या हाल है? \u200b", "x" * 20_000 + " end"]:
            spans = encoder.tokenizer.spans(text)
            covered = bytearray(len(text))
            before = (0, 0)
            for span in spans:
                assert span >= before
                assert 0 <= span[0] < span[1] <= len(text)
                covered[span[0] : span[1]] = b"\x01" * (span[1] - span[0])
                before = span
            missed = [letter for letter, seen in zip(text, covered, strict=True) if not seen and not letter.isspace()]
            assert not missed
            assert encoder.tokenizer.count(text) == len(spans)

    def test_a_longer_text_has_more_tokens(self, encoder: Encoder) -> None:
        assert encoder.tokenizer.count(TEXTS[3]) > encoder.tokenizer.count(TEXTS[0]) > encoder.tokenizer.count("x") >= 1
