"""What users can meet is in docs/reference: settings, metrics, errors, job states and kinds, document codes, commands, licences."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from semantik.engines.extract.base import CODES
from semantik.features.activity.words import MEANINGS
from tests.house.source import ROOT


def _script(name: str) -> ModuleType:
    """A script of docs/develop as a module: it lives outside of any package."""
    spec = importlib.util.spec_from_file_location(f"docs_develop_{name}", ROOT / "docs" / "develop" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


reference = _script("reference")
licences = _script("licences")


@pytest.mark.parametrize("name", ["settings", "metrics", "errors", "jobs", "documents", "cli"])
def test_the_reference_says_what_the_code_says(name: str) -> None:
    committed = Path(reference.FOLDER / f"{name}.md")
    assert committed.exists(), "run `make docs`"
    assert committed.read_text(encoding="utf-8") == reference.page(name), "run `make docs`"


def test_every_document_code_is_explained() -> None:
    assert set(reference.OUTCOMES) == set(CODES)


def test_every_type_of_event_is_explained() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "semantik" / "jobs").rglob("*.py"))
    told = set(re.findall(r'"((?:job|item)\.[a-z_]+)"', sources)) | {f"item.{state}" for state in ("failed", "quarantined")}
    assert set(MEANINGS) == told


def test_no_runtime_dependency_is_gpl_or_agpl() -> None:
    forbidden = [package for package in licences.runtime() if licences.FORBIDDEN.search(package.licence)]
    assert not forbidden


def test_every_runtime_dependency_states_its_licence() -> None:
    assert not [package.name for package in licences.runtime() if package.licence in {"not stated", "UNKNOWN"}]


def test_the_licence_report_names_every_runtime_dependency() -> None:
    committed = (reference.FOLDER / "licences.md").read_text(encoding="utf-8")
    missing = [package.name for package in licences.runtime() if f"| {package.name} |" not in committed]
    assert not missing, "run `make docs`"


@pytest.mark.parametrize("licence", ["GPL-3.0-or-later", "AGPL-3.0", "GNU General Public License v2", "Affero General Public License"])
def test_the_check_for_licences_finds_what_it_looks_for(licence: str) -> None:
    assert licences.FORBIDDEN.search(licence)


@pytest.mark.parametrize("licence", ["LGPL-3.0-only", "MIT", "GNU Lesser General Public License v3 (LGPLv3)"])
def test_the_check_for_licences_lets_the_others_be(licence: str) -> None:
    assert not licences.FORBIDDEN.search(licence)
