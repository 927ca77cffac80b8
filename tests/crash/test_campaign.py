"""A few cases of each part of the campaign, so that `make crash` is never found broken; and the table of faults names real tests."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash import ingest
from tests.crash.lab import DIALECTS, Lab, Tally
from tests.crash.lab import lab as open_lab
from tests.crash.outages import outages
from tests.crash.report import page
from tests.crash.storm import storm

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "docs" / "develop" / "faults.md"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with open_lab() as opened:
        yield opened


@pytest.mark.crash
@pytest.mark.long
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_small_storm_loses_and_doubles_nothing(lab: Lab, dialect: str) -> None:
    tally = storm(lab, dialect, "local", seed=3, kills=6, effects=500)
    assert not tally.failures
    assert tally.kills >= 6
    assert tally.effects >= 500


@pytest.mark.crash
@pytest.mark.long
def test_a_database_that_crashes_and_stays_away_longer_than_a_lease_doubles_nothing() -> None:
    tally = outages(seed=6, crashes=2, items=150)
    assert not tally.failures
    assert tally.faults["PostgreSQL gone for longer than a lease"] == 1


@pytest.mark.crash
@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("mode", ["embedded", "server"])
def test_a_killed_ingest_ends_as_a_calm_one(tmp_path: Path, mode: str) -> None:
    for number in range(6):
        parts = "\n\n".join(
            f"## Part {part}\n\nReport {number} says in part {part} that valve {number}-{part} is shut." for part in range(8)
        )
        (tmp_path / f"report-{number}.md").write_text(f"# Report {number}\n\n{parts}\n")
    found = ingest.campaign(mode, seed=5, kills=1, lanes=1, folder=tmp_path, kills_a_round=(3, 3))
    assert found["failures"] == []
    assert found["kills"] >= 1


def test_the_report_names_what_broke_and_counts_what_was_done() -> None:
    tally = Tally("points", "sqlite", "local", 7, cases=2, effects=10, failures=["after_claim@1: I1: doubled"])
    tally.faults["kill -9 at a point"] += 2
    text = page([{"machine": "a machine", "tally": tally.as_json()}])
    assert "**2 processes killed, 10 item effects, 1 violations.**" in text
    assert "after_claim@1: I1: doubled" in text


def test_every_fault_of_the_list_has_a_test_that_exists_or_a_reason() -> None:
    rows = re.findall(r"^\| (\d+) \| (.+?) \| (.+?) \|$", TABLE.read_text(encoding="utf-8"), re.MULTILINE)
    assert [int(number) for number, _, _ in rows] == list(range(1, 41))
    known = {
        f"{path.relative_to(ROOT)}::{node.name}"
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    for number, _, how in rows:
        named = re.findall(r"`(tests/[\w/]+\.py::\w+)`", how)
        assert named or "`make " in how or "Not here:" in how, f"fault {number} has neither a test nor a reason"
        missing = [one for one in named if one not in known]
        assert not missing, f"fault {number} names tests that do not exist: {missing}"
