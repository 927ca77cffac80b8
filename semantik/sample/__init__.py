"""The sample corpus that ships with the package: files of every format that tell one story, and questions about it."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent / "files"
QUESTIONS = Path(__file__).parent / "questions.json"
COLLECTION = "Sample"
QUESTION = "When did the pressure in the Upper Zone begin to fall on 15 March?"
