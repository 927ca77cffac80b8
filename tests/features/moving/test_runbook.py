"""The runbook of docs/guide/migrate.md, every command as it is written there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.features.moving.install import fingerprints, sums

pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]

ROOT = Path(__file__).parents[3]
GUIDE = (ROOT / "docs" / "guide" / "migrate.md").read_text(encoding="utf-8")
SMALL = "SEMANTIK_EMBEDDING_MODEL=hashing\nSEMANTIK_OCR=false\nSEMANTIK_EXTRACT_WORKERS=1\n"


def steps(section: str) -> list[str]:
    """The commands of one section of the guide."""
    text = re.split(r"^## ", GUIDE, flags=re.MULTILINE)
    (found,) = [part for part in text if part.startswith(f"{section}\n")]
    return [line for block in re.findall(r"^```sh\n(.*?)^```", found, re.MULTILINE | re.DOTALL) for line in block.splitlines()]


def follow(section: str, folder: Path) -> str:
    """Runs each command in the operator's folder; returns all they said."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SEMANTIK_")}
    environment["PATH"] = f"{ROOT / '.venv' / 'bin'}:{environment['PATH']}"
    said = ""
    commands = steps(section)
    assert commands, f"the guide has no commands under {section!r}"
    for command in commands:
        done = subprocess.run(["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, timeout=200)
        assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        said += done.stdout + done.stderr
    return said


def test_there_back_at_once_there_again_and_back_later(filled: Path, tmp_path: Path, postgresql_url: str) -> None:
    shutil.copytree(filled / "data", tmp_path / "data")
    (tmp_path / ".env").write_text(f"SEMANTIK_DATA_DIR={tmp_path / 'data'}\n{SMALL}")
    (tmp_path / ".env.server").write_text(f"SEMANTIK_DATA_DIR={tmp_path / 'server'}\nSEMANTIK_DATABASE_URL={postgresql_url}\n{SMALL}")
    (tmp_path / ".env.home").write_text(f"SEMANTIK_DATA_DIR={tmp_path / 'home'}\n{SMALL}")

    there = follow("There", tmp_path)
    assert there.count("Proved in") == 2 and "Nothing was written" in there
    source = fingerprints(tmp_path / "data")
    assert "serviced in October" in follow("Cut over", tmp_path)
    assert fingerprints(tmp_path / "data") == source
    assert "serviced in October" in follow("Back at once", tmp_path)
    follow("Cut over", tmp_path)
    assert "Proved in" in follow("Back later, with what was added since", tmp_path)
    assert (
        sums(f"sqlite:///{tmp_path / 'home' / 'semantik.db'}")["chunks"] == sums(f"sqlite:///{tmp_path / 'data' / 'semantik.db'}")["chunks"]
    )
