"""The questions of the sample corpus name files that exist and texts that stand in them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.house.source import PACKAGE

SAMPLE = PACKAGE / "sample"
QUESTIONS: list[dict[str, Any]] = json.loads((SAMPLE / "questions.json").read_text(encoding="utf-8"))["questions"]


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question["id"])
def test_a_question_names_files_that_are_there(question: dict[str, Any]) -> None:
    for path in [question["file"], *question.get("also", []), *([question["contradicts"]] if "contradicts" in question else [])]:
        assert (SAMPLE / "files" / path).is_file()


PLAIN = [question for question in QUESTIONS if question["file"].endswith((".txt", ".md", ".py", ".html"))]


@pytest.mark.parametrize("question", PLAIN, ids=lambda question: question["id"])
def test_the_answer_stands_in_the_file(question: dict[str, Any]) -> None:
    assert question["contains"] in (SAMPLE / "files" / question["file"]).read_text(encoding="utf-8")


def test_the_questions_cover_what_the_search_promises() -> None:
    kinds = [question["kind"] for question in QUESTIONS]
    assert len(QUESTIONS) >= 10
    assert kinds.count("cross-lingual") >= 2
    assert {"identifier", "table", "scan", "page", "archive"} <= set(kinds)
