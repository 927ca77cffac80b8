"""Nothing in the repository tells on which machine it was made, and nothing is larger than it must be."""

from __future__ import annotations

import json
import re

import pytest

from tests.house.source import ROOT, name, tracked

# Paths of someone's machine (the workers of our API are none), and options that name a package index.
_MACHINE = re.compile(r"(?<![\w.:/-])/(?!workers/)(?:work|root|home/[a-z]|Users/[a-z]|tmp/[a-z])/?[\w.-]*/")
# In pieces: this file is tracked, too.
_INDEX = re.compile("--(?:extra-)?index" + "-url|^registry" + r"\s*=|find-" + "links", re.MULTILINE)
_TEXT = {".py", ".md", ".txt", ".toml", ".yaml", ".yml", ".json", ".ts", ".tsx", ".css", ".html", ".npmrc", ".cfg", ".ini", ".sh", ""}
_LARGEST_BYTES = 700_000


def test_no_tracked_file_names_a_machine_or_a_package_index() -> None:
    files = tracked()
    if files is None:
        pytest.skip("this is no git checkout")
    found = []
    for path in files:
        if path.suffix not in _TEXT:
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        for pattern in (_MACHINE, _INDEX):
            found += [f"{name(path)}: {match.group(0)}" for match in pattern.finditer(text)]
    assert not found, f"take these out: {found[:10]}"


@pytest.mark.parametrize("path", sorted((ROOT / "requirements").glob("*.txt")), ids=name)
def test_python_locks_hold_hashes_and_no_host(path: object) -> None:
    text = (ROOT / str(path)).read_text(encoding="utf-8")
    assert "://" not in text
    pinned = [line for line in text.splitlines() if re.match(r"^[a-z0-9]", line)]
    assert pinned
    assert all("==" in line and line.endswith("\\") for line in pinned), "every package is pinned and hashed"


def test_the_web_lock_holds_no_host() -> None:
    path = ROOT / "web" / "package-lock.json"
    if not path.exists():
        pytest.skip("the web app is not here")
    packages = json.loads(path.read_text(encoding="utf-8"))["packages"]
    assert not [key for key, entry in packages.items() if "resolved" in entry]
    assert all("integrity" in entry for key, entry in packages.items() if key.startswith("node_modules/") and not entry.get("link"))


def test_no_tracked_file_is_large() -> None:
    files = tracked()
    if files is None:
        pytest.skip("this is no git checkout")
    large = [f"{name(path)}: {path.stat().st_size}" for path in files if path.stat().st_size > _LARGEST_BYTES]
    assert not large


def test_the_sample_corpus_stays_below_five_megabytes() -> None:
    files = list((ROOT / "semantik" / "sample" / "files").rglob("*"))
    assert len([path for path in files if path.is_file()]) >= 36
    assert sum(path.stat().st_size for path in files if path.is_file()) < 5_000_000


def test_decisions_are_numbered_in_order_and_say_their_number() -> None:
    files = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [path.name[:4] for path in files] == [f"{number:04}" for number in range(1, len(files) + 1)]
    assert all(path.read_text(encoding="utf-8").startswith(f"# {path.name[:4]} ") for path in files)


def test_every_change_has_a_line_in_the_changelog_folder() -> None:
    fragments = [path for path in (ROOT / "changelog.d").glob("*.md") if path.name != "README.md"]
    assert all(path.read_text(encoding="utf-8").strip() for path in fragments)
