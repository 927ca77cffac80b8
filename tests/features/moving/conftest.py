"""A data folder as it is left by use, made once."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
import sqlalchemy as sa

from semantik.kit.secrets import open_keyring
from semantik.rows.opening import writing
from semantik.tables.sources import sources
from tests.features.moving.install import Semantik


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder as it is left by use: two collections, documents in an archive, a failed one, a sealed credential."""
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
    semantik.run("ingest", str(papers), "-c", "House", code=3)
    semantik.run("ingest", str(papers / "pump.txt"), "-c", "Second")
    sealed = open_keyring(root / "data", None).seal(b"a password")
    with writing(semantik.url) as connection, connection.begin():
        connection.execute(sa.update(sources).values(sealed_credentials=sealed))
    return root
