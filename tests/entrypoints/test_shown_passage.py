"""What a terminal shows of a long passage: the stretch that answers, not its beginning."""

from __future__ import annotations

import pytest

from semantik.entrypoints.cli.searching import show


def test_the_stretch_with_most_of_the_question_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    text = "code, code and again code. " * 30 + "E-417 means that the bearing is too hot; stop the pump. " + "nothing more. " * 30
    marks = [(at, at + 4) for at in range(len(text)) if text.startswith("code", at)]
    for word in ("E-417", "bearing", "pump"):
        marks.append((text.index(word), text.index(word) + len(word)))
    hit = {
        "document": {"path": "manual.epub"},
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
