"""Text to measure with: prose in the words of Python's manual, and folders of files of a given shape. Nothing is fetched."""

from __future__ import annotations

import os
import random
import re
import shutil
from collections import defaultdict
from functools import cache
from itertools import pairwise
from pathlib import Path
from pydoc_data.topics import topics

from semantik import sample

SHARED = Path(os.environ.get("SEMANTIK_TEST_SHARED", Path(__file__).parents[2] / "shared"))


@cache
def _chain() -> tuple[dict[str, list[str]], list[str]]:
    """Which word follows which in Python's own manual, which comes with it and stays the same from commit to commit."""
    manual = " ".join(text for _, text in sorted(topics.items()))
    words = [word for word in re.sub(r"[^\w\s.,;:?'-]+|_+", " ", manual).split() if len(word) < 20]
    following: dict[str, list[str]] = defaultdict(list)
    for word, after in pairwise(words):
        following[word].append(after)
    return following, words


def prose(words: int, seed: int) -> str:
    """`words` words in sentences and paragraphs; the same seed gives the same text. About 1.5 tokens a word."""
    following, vocabulary = _chain()
    chance = random.Random(seed)
    word, found = chance.choice(vocabulary), []
    for number in range(1, words + 1):
        found.append(word)
        if number % 90 == 0:
            found.append("\n\n")
        choices = following.get(word)
        word = chance.choice(choices) if choices and chance.random() > 0.08 else chance.choice(vocabulary)
    return " ".join(found)


def even_folder(folder: Path, documents: int, *, words: int = 1200) -> int:
    """Text files of equal length, all different; returns their bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    size = 0
    for number in range(documents):
        size += (folder / f"document-{number:06}.txt").write_text(prose(words, number), encoding="utf-8")
    return size


def small_folder(folder: Path, documents: int) -> None:
    """Many files of a few lines each, in folders of a thousand."""
    for number in range(documents):
        place = folder / f"{number // 1000:04}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"note-{number:06}.txt").write_text(f"Note {number}. {prose(24, number)}\n", encoding="utf-8")


def mixed_folder(folder: Path, *, reports: int = 3) -> list[str]:
    """Real files: the sample corpus and, where the shared material is, some annual reports. Returns what it holds."""
    shutil.copytree(sample.FOLDER, folder / "sample", dirs_exist_ok=True)
    notes = [f"{sum(1 for path in (folder / 'sample').rglob('*') if path.is_file())} files of the sample corpus"]
    pdfs = sorted((SHARED / "eval" / "financebench" / "pdfs").glob("*.pdf"), key=lambda path: path.stat().st_size)[:reports]
    for path in pdfs:
        shutil.copyfile(path, folder / path.name)
    if pdfs:
        notes.append(f"{len(pdfs)} annual reports (PDF)")
    return notes


def questions(count: int, seed: int = 7) -> list[str]:
    """Queries of three to nine words, as people type them."""
    chance = random.Random(seed)
    return [" ".join(prose(chance.randrange(3, 10), seed * 100_000 + number).split()) for number in range(count)]
