"""Every reader on the sample corpus, called directly: what the pool's children do, without the children."""

from __future__ import annotations

from pathlib import Path

import pytest

from semantik import sample
from semantik.engines.extract import reading
from semantik.engines.extract.base import Limits, Verdict
from semantik.engines.extract.sink import Sink

FILES = sorted(path for path in sample.FOLDER.rglob("*") if path.is_file())


def _read(path: Path, scratch: Path, name: str | None = None, password: str | None = None) -> tuple[Verdict, str | None, int]:
    frames: list[bytes] = []
    sink = Sink(frames.append, limits := Limits(ocr=False))
    request = {"path": str(path), "name": name or path.name, "scratch": str(scratch), "password": password}
    outcome = reading._read(request, limits, sink)
    return outcome.verdict, outcome.code, sink.chars


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_each_file_of_the_sample_is_read_or_asks_for_ocr(path: Path, tmp_path: Path) -> None:
    verdict, code, chars = _read(path, tmp_path)

    assert (verdict is Verdict.OK and chars > 0) or code == "needs_ocr"


def test_each_hostile_file_ends_with_an_outcome(shared: Path, tmp_path: Path) -> None:
    small = [path for path in sorted((shared / "nasty").iterdir()) if path.stat().st_size < 300_000 and path.suffix not in (".csv", ".md")]
    # Those that only a child with limits may be given.
    dangerous = ("19_", "20_", "26_", "54_", "55_", "56_", "57_", "58_", "59_", "62_", "67_")
    for number, path in enumerate(path for path in small if not path.name.startswith(dangerous)):
        (scratch := tmp_path / str(number)).mkdir()
        verdict, code, chars = _read(path, scratch)
        assert verdict is Verdict.OK or code is not None
        assert chars > 0 or verdict is not Verdict.OK
