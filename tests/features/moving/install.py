"""An installation that tests of moving run commands on, and what they compare of it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from semantik.rows.opening import reading
from semantik.rows.order import moved
from semantik.rows.sums import Sum, of_table

QUESTIONS = ("boiler service", "who repairs the pump", "Zürich")


@dataclass(frozen=True)
class Semantik:
    """Commands in processes of their own, on one data folder with some settings."""

    data_dir: Path
    settings: dict[str, str]

    def start(self, *arguments: str, **more: str) -> subprocess.Popen[str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("SEMANTIK_")}
        small = {"SEMANTIK_EMBEDDING_MODEL": "hashing", "SEMANTIK_OCR": "false", "SEMANTIK_EXTRACT_WORKERS": "1"}
        command = [sys.executable, "-m", "semantik.entrypoints.cli.main", "--data-dir", str(self.data_dir), *arguments]
        environment = clean | small | self.settings | more
        return subprocess.Popen(
            command, env=environment, cwd=self.data_dir.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def run(self, *arguments: str, code: int | None = 0, **more: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments, **more)
        out, err = process.communicate(timeout=200)
        assert code is None or process.returncode == code, f"{arguments} ended with {process.returncode}:\n{out}\n{err}"
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def json(self, *arguments: str, code: int = 0) -> Any:
        return json.loads(self.run(*arguments, "--json", code=code).stdout)

    def answers(self) -> list[tuple[str, list[float]]]:
        """For each question its best passage, and the scores: below it notes are as good as each other."""
        found = [self.json("search", question)["hits"] for question in QUESTIONS]
        return [(hits[0]["passage"]["text"], [hit["score"] for hit in hits]) for hits in found]

    @property
    def url(self) -> str:
        return self.settings.get("SEMANTIK_DATABASE_URL", f"sqlite:///{self.data_dir}/semantik.db")


def fingerprints(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def sums(url: str) -> dict[str, Sum]:
    with reading(url, still=True) as connection, connection.begin():
        return {table.name: of_table(connection, table) for table in moved()}


def assert_alike(one: list[tuple[str, list[float]]], other: list[tuple[str, list[float]]]) -> None:
    """Two engines round differently in the fourth digit."""
    for (best, scores), (other_best, other_scores) in zip(one, other, strict=True):
        assert best == other_best
        assert scores == pytest.approx(other_scores, abs=2e-3)
