"""The questions that newcomers are shown were tried: with the default model, each is answered by its passage near the top."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from semantik import sample
from semantik.kit.settings import Settings
from tests.flows.steps import add_folder, make_collection, search

TRIED: dict[str, dict[str, Any]] = {
    one["question"]: one for one in json.loads(sample.QUESTIONS.read_text(encoding="utf-8"))["questions"] if "try" in one
}


@pytest.fixture
def database_url(tmp_path: Path, _sqlite_template: Path) -> str:
    """One dialect is enough: what is looked at are the answers."""
    path = tmp_path / "semantik.db"
    path.write_bytes(_sqlite_template.read_bytes())
    return f"sqlite:///{path}"


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    return Settings(data_dir=tmp_path / "data", database_url=database_url)


@pytest.mark.slow
async def test_each_suggested_question_is_answered_near_the_top(client: httpx2.AsyncClient, other_client: httpx2.AsyncClient) -> None:
    before = (await client.get("/api/v1/search/questions")).json()
    collection = await make_collection(client, sample.COLLECTION)
    await add_folder(client, collection["id"], sample.FOLDER)
    shown = (await client.get("/api/v1/search/questions")).json()["items"]

    assert before == {"items": []} == (await other_client.get("/api/v1/search/questions")).json()
    assert [one["question"] for one in shown] == list(TRIED) and 5 <= len(shown) <= 9
    assert {one["collection_id"] for one in shown} == {collection["id"]}
    for one in shown:
        asked = TRIED[one["question"]]
        files = (asked["file"], *asked.get("also", []))
        hits = await search(client, one["question"], limit=3, group_by="none")
        answers = [hit for hit in hits if hit["document"]["path"].startswith(files) and asked["contains"] in hit["passage"]["text"]]
        assert answers, f"{one['question']} is answered by {[hit['document']['path'] for hit in hits]}"


async def test_a_folder_of_ones_own_named_like_the_sample_brings_no_questions(client: httpx2.AsyncClient, tmp_path: Path) -> None:
    collection = await make_collection(client, sample.COLLECTION)
    await client.post(
        f"/api/v1/collections/{collection['id']}/sources", json={"kind": "directory", "settings": {"path": str(tmp_path)}, "sync": False}
    )

    assert (await client.get("/api/v1/search/questions")).json() == {"items": []}
