"""The command line, run in this process on a data folder of its own."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from semantik.entrypoints.cli.main import app


@pytest.fixture
def semantik(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("SEMANTIK_EMBEDDING_MODEL", "hashing")
    monkeypatch.setenv("SEMANTIK_OCR", "false")
    monkeypatch.setenv("SEMANTIK_EXTRACT_WORKERS", "1")

    def run(*arguments: str, stdin: str | None = None) -> Result:
        # On a thread of its own: the command starts an event loop, and this one may have a session's loop.
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(CliRunner().invoke, app, ["--data-dir", str(tmp_path / "data"), *arguments], input=stdin).result(100)

    return run
