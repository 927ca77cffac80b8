"""Where sentences end, script by script."""

from __future__ import annotations

from itertools import pairwise

import pytest

from semantik.engines.chunking.endings import sentence_ends


def sentences(text: str) -> list[str]:
    ends = [0, *sentence_ends(text)]
    if ends[-1] < len(text):
        ends.append(len(text))
    return [text[start:end].strip() for start, end in pairwise(ends)]


@pytest.mark.parametrize(
    "expected",
    [
        ["One.", "Two!", "Three?", "Four"],
        ["He said “Stop.”", "Then he left."],
        ["Dr. Smith met Mr. Jones at 3.30 p.m. on Fig. 4.", "They spoke."],
        ["J. R. R. Tolkien wrote it.", "We read it."],
        ["Das gilt z.B. für Nr. 5 bzw. die Abb. 3.", "Ende."],
        ["It costs 3.5 million e.g. in the U.S. market.", "Fine."],
        ["See example.org for more.", "Version 1.2.3 is out."],
        ["1. First item of the list.", "2 more."],
        ["Wait... what?!", "Yes."],
        ["Это стоит 5 руб.", "Да."],
    ],
    ids=lambda value: value[0][:20],
)
def test_scripts_with_blanks_between_sentences(expected: list[str]) -> None:
    assert sentences(" ".join(expected)) == expected


@pytest.mark.parametrize(
    "expected",
    [["今天天气很好。", "我们去公园吧！", "“你想去吗？”", "好"], ["これはペンです。", "「はい。」", "そうです"], ["一．", "二"]],
    ids=lambda value: value[0],
)
def test_scripts_without_blanks(expected: list[str]) -> None:
    assert sentences("".join(expected)) == expected


@pytest.mark.parametrize(
    "expected",
    [["यह पहला वाक्य है।", "यह दूसरा है।"], ["كيف حالك؟", "أنا بخير."], ["یہ اردو ہے۔", "جی۔"], ["ይህ ነው።", "እሺ።"]],
    ids=lambda value: value[0],
)
def test_other_marks(expected: list[str]) -> None:
    assert sentences(" ".join(expected)) == expected


def test_dots_without_end_are_read_once() -> None:
    assert sentence_ends("." * 100_000 + "x") == []
    assert sentence_ends("?!" * 50_000 + "'" * 100_000 + "x") == []
    assert len(sentence_ends(". " * 50_000)) == 50_000
