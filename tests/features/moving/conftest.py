"""A data folder as it is left by use, made once."""

from __future__ import annotations

import asyncio
import shutil
import zipfile
from pathlib import Path

import pytest
import sqlalchemy as sa

from semantik.features.moving import walk
from semantik.features.moving.ledger import Ledger
from semantik.features.moving.values import Nobody
from semantik.kit.secrets import open_keyring
from semantik.kit.settings import Settings
from semantik.rows.opening import reading, writing
from semantik.runtime import open_runtime
from semantik.tables.accounts import tenants
from semantik.tables.base import metadata
from semantik.tables.collections import collections
from semantik.tables.documents import chunks, embeddings
from semantik.tables.sources import sources
from tests.features.moving.install import Semantik

OTHER_TENANT = "0190a0a0-0000-7000-8000-000000000002"


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder as it is left by use: two tenants, documents in an archive, a failed one, a sealed credential."""
    root = tmp_path_factory.mktemp("filled")
    papers = root / "papers"
    papers.mkdir()
    for number in range(30):
        (papers / f"note {number}.md").write_text(
            f"# Note {number}\n\nThe boiler of house {number} is serviced in October. Zürich, 東京.\n"
        )
    (papers / "pump.txt").write_text("The pump is repaired by Ms Keller, who comes from Basel.\n")
    (papers / "broken.pdf").write_bytes(b"%PDF-1.7\nnothing of a document follows")
    with zipfile.ZipFile(papers / "letters.zip", "w") as archive:
        archive.writestr("one.txt", "A letter about the boiler and its service.")
        archive.writestr("two.txt", "A letter about the pump.")
    semantik = Semantik(root / "data", {})
    semantik.run("ingest", str(papers), "-c", "House")
    semantik.run("ingest", str(papers / "pump.txt"), "-c", "Second")
    hand_over(semantik, "Second")
    sealed = open_keyring(root / "data", None).seal(b"a password")
    with writing(semantik.url) as connection, connection.begin():
        connection.execute(sa.update(sources).values(sealed_credentials=sealed))
    return root


def hand_over(semantik: Semantik, name: str) -> None:
    """Gives a collection to a second tenant: its rows, its files, its points."""
    with writing(semantik.url) as connection, connection.begin():
        given = connection.execute(sa.select(collections).where(collections.c.name == name)).one()
        connection.execute(tenants.insert().values(id=OTHER_TENANT, name="Other", created_at=given.created_at))
        hashes = sa.select(chunks.c.embedding_hash).where(chunks.c.collection_id == given.id)
        columns = [sa.literal(OTHER_TENANT), *(column for column in embeddings.columns if column.name != "tenant_id")]
        copied = sa.select(*columns).where(embeddings.c.text_hash.in_(hashes))
        connection.execute(embeddings.insert().from_select([column.name for column in embeddings.columns], copied))
        for table in metadata.sorted_tables:
            key = table.c.id if table is collections else table.c.get("collection_id")
            if key is not None and "tenant_id" in table.c:
                connection.execute(sa.update(table).where(key == given.id).values(tenant_id=OTHER_TENANT))
    shutil.copytree(semantik.data_dir / "blobs" / given.tenant_id, semantik.data_dir / "blobs" / OTHER_TENANT)
    shutil.rmtree(semantik.data_dir / "index")
    asyncio.run(_index_anew(semantik))


async def _index_anew(semantik: Semantik) -> None:
    runtime = await open_runtime(Settings(data_dir=semantik.data_dir, embedding_model="hashing"))
    with reading(semantik.url, still=True) as rows:
        await walk.fill_index(rows, runtime, Ledger(None, None), Nobody())
    await runtime.close()
