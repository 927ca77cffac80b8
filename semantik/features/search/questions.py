"""Questions for those who do not know yet what to ask: the tried ones about the sample corpus, where it is a source."""

from __future__ import annotations

import json
from functools import cache
from pathlib import PurePath
from typing import Any

from semantik import sample
from semantik.auth.actor import Actor
from semantik.features.search import repository
from semantik.features.search.schemas import Question
from semantik.kit.database import AsyncSession


async def tried(session: AsyncSession, actor: Actor) -> list[Question]:
    for collection_id, folder in await repository.folder_sources(session, actor, sample.COLLECTION):
        # Not the whole path: a data folder may have come from another installation.
        if PurePath(folder).parts[-3:] == sample.FOLDER.parts[-3:]:
            return [
                Question(question=one["question"], language=one["language"], about=one["try"], collection_id=collection_id)
                for one in _of_the_sample()
            ]
    return []


@cache
def _of_the_sample() -> list[dict[str, Any]]:
    return [one for one in json.loads(sample.QUESTIONS.read_text(encoding="utf-8"))["questions"] if "try" in one]
