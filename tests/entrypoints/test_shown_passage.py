"""What a terminal shows of a long passage: the stretch that answers, not its beginning."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semantik.entrypoints.cli.reading import cuts
from semantik.entrypoints.cli.searching import show

CASES = json.loads((Path(__file__).parents[1] / "snapshots" / "reading.json").read_text(encoding="utf-8"))


def test_the_stretch_with_most_of_the_question_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    text = "code, code and again code. " * 30 + "E-417 means that the bearing is too hot; stop the pump. " + "nothing more. " * 30
    marks = [(at, at + 4) for at in range(len(text)) if text.startswith("code", at)]
    for word in ("E-417", "bearing", "pump"):
        marks.append((text.index(word), text.index(word) + len(word)))
    hit = {
        "document": {"path": "manual.epub", "media_type": "application/epub+zip"},
        "page": None,
        "position": {},
        "heading_path": [],
        "score": 0.5,
        "passage": {"text": text},
        "highlights": [{"start": start, "end": end} for start, end in marks],
        "more_in_document": 0,
    }
    show({"hits": [hit]})
    said = capsys.readouterr().out
    assert "E-417 means that the bearing is too hot; stop the pump." in said
    assert said.count("…") == 2


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["text"][:20])
def test_a_passage_in_markdown_is_shown_as_text(case: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    hit = {
        "document": {"path": "a", "media_type": case["media_type"]},
        "page": None,
        "position": {},
        "heading_path": [],
        "score": 0.5,
        "passage": {"text": case["text"]},
        "highlights": [{"start": at, "end": at + 1} for at in range(0, len(case["text"]), 3)],
        "more_in_document": 0,
    }
    show({"hits": [hit]})
    said = capsys.readouterr().out.splitlines()[1].strip()
    assert said == case["shown"].replace("\n", " ").strip()


@given(st.text(alphabet="ab1 *_`#|-\\\n><br/", max_size=80))
def test_what_is_left_out_of_a_passage_lies_in_it_in_order(text: str) -> None:
    at = 0
    for start, end, put in cuts(text, "text/markdown"):
        assert at <= start < end <= len(text)
        assert not text[start:end].replace("br", "").strip(" \t\n").isalnum(), "letters are never left out"
        assert put in ("", " ", " · ")
        at = end
