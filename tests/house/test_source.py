"""The rules of `docs/architecture.md` that a syntax tree can see."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.house.source import PACKAGE, calls, modules, name, tree

LONGEST_FILE = 450

# Whoever commits ends a thought of the user's: the request, the job's step (alone or by items), the job store, the command line.
COMMITTERS = {
    "semantik/http/dependencies.py": "the request",
    "semantik/jobs/context.py": "the job step",
    "semantik/jobs/items.py": "the job step of handlers that work by items",
    "semantik/jobs/runner.py": "the job store's word that a job stalls",
    "semantik/jobs/schedule.py": "the job store's schedules",
    "semantik/jobs/store": "the job store",
    "semantik/entrypoints/cli/": "the command line",
    "semantik/migrations/": "the schema; no session of ours",
    "semantik/features/accounts/startup.py": "start-up: there is no request yet",
    "semantik/features/schedules/startup.py": "start-up: there is no request yet",
    "semantik/features/ingestion/guard.py": "start-up and damage: enqueues the rebuild of a lost index",
    "semantik/features/archives/hold.py": "a backup: it is a command of its own, and is neither request nor job",
}

# Duties that are for every tenant at once, so that their sessions name none (`Database.read`).
FOR_EVERY_TENANT = {
    "semantik/http/dependencies.py": "finds out who is asking",
    "semantik/features/accounts/service.py": "logging in: the tenant is not known yet",
    "semantik/features/accounts/startup.py": "start-up: the first account",
    "semantik/features/schedules/startup.py": "start-up: default schedules",
    "semantik/features/ingestion/guard.py": "watches the index of all",
    "semantik/features/archives/hold.py": "a backup is of the whole installation",
    "semantik/features/system/gauges.py": "metrics of the installation",
    "semantik/features/system/health.py": "asks whether the database answers",
}

# The boundaries that may catch everything: the request, the job runner, the document. Then those that catch to hand the error on.
BOUNDARIES = {
    "semantik/http/middleware.py": "the request",
    "semantik/http/problems.py": "the request",
    "semantik/jobs/runner.py": "the job runner",
    "semantik/jobs/items.py": "the job runner, for one item",
    "semantik/features/ingestion/stages.py": "the document",
    "semantik/features/ingestion/embedder.py": "hands the error to every waiter",
    "semantik/engines/vectors/edge_process.py": "a child's loop: the binding raises bare Exception; the parent gets it",
}


@pytest.mark.parametrize("path", modules("semantik", "tests", "bench", "docs"), ids=name)
def test_files_are_short_and_say_first_what_they_are_for(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    lines = text.count("\n")
    assert lines <= LONGEST_FILE, f"{name(path)} has {lines} lines: look for the second noun in it"
    if text.strip():
        assert ast.get_docstring(tree(path)), f"{name(path)} opens without the sentence that says what is in it"


def test_only_requests_job_steps_the_job_store_and_the_command_line_commit() -> None:
    found = [
        f"{name(path)}:{call.lineno}"
        for path in modules("semantik")
        for call in calls(tree(path))
        if isinstance(call.func, ast.Attribute) and call.func.attr == "commit" and not name(path).startswith(tuple(COMMITTERS))
    ]
    assert not found, f"commit() outside of its places: {found}"


def test_sessions_that_serve_a_tenant_name_it() -> None:
    found = [
        f"{name(path)}:{call.lineno}"
        for path in modules("semantik")
        if name(path).startswith(("semantik/features/", "semantik/http/")) and name(path) not in FOR_EVERY_TENANT
        for call in calls(tree(path))
        if isinstance(call.func, ast.Attribute)
        and call.func.attr in {"read", "write", "lookup"}
        and ast.unparse(call.func.value).endswith("database")
        and not call.args
    ]
    assert not found, f"these sessions see the rows of every tenant: {found}"


def test_everything_is_caught_at_the_named_boundaries_only() -> None:
    found = []
    for path in modules("semantik"):
        if name(path) in BOUNDARIES:
            continue
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ExceptHandler) and _is_broad(node.type) and not _raises_again(node):
                found.append(f"{name(path)}:{node.lineno}")
    assert not found, f"these swallow errors nobody named: {found}"


def _is_broad(caught: ast.expr | None) -> bool:
    if isinstance(caught, ast.Tuple):
        return any(_is_broad(part) for part in caught.elts)
    return caught is None or (isinstance(caught, ast.Name) and caught.id in {"Exception", "BaseException"})


def _raises_again(handler: ast.ExceptHandler) -> bool:
    """Cleans up and lets the error go on: nothing is swallowed."""
    last = handler.body[-1]
    return isinstance(last, ast.Raise)


def test_the_package_does_not_know_its_tests() -> None:
    found = []
    for path in modules("semantik"):
        for node in ast.walk(tree(path)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            shipped_suite = path.is_relative_to(PACKAGE / "testing")
            found += [
                f"{name(path)}: {item}"
                for item in names
                if item.startswith(("unittest.mock", "tests.", "mock")) or (item.startswith(("pytest", "hypothesis")) and not shipped_suite)
            ]
    assert not found, f"the package imports what belongs to tests: {found}"


def test_tests_do_not_patch_our_own_code() -> None:
    found = [
        f"{name(path)}:{node.lineno}"
        for path in modules("tests")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ImportFrom | ast.Import)
        and any("unittest.mock" in text for text in [getattr(node, "module", None) or "", *(alias.name for alias in node.names)])
    ]
    assert not found, f"move the seam instead of patching: {found}"
