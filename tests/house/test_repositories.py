"""Every statement that serves a request knows whose rows it touches."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.house.source import PACKAGE, name, tree

# Functions without an actor, each with its reason. A new line here is a question to answer in review.
WITHOUT_ACTOR = {
    "accounts": {
        # Before anyone is known: setting up, logging in, refreshing, expiring.
        "has_account", "put_setup_token", "use_setup_token", "drop_setup_token", "find_by_email", "find_member", "oldest_admin",
        "add_tenant", "add_admin", "give_identity", "add_session", "find_session", "rotate_session", "revoke_session",
        "drop_dead_sessions", "set_password_hash",
    },
    # Rows that carry the tenant themselves, made by the caller from its actor.
    "collections": {"insert"},
    "ingestion": {
        "add_documents", "store_vectors", "store_chunks", "overwrite_vectors",
        # The index is one for all tenants; these speak of the index, never of its content.
        "note_space", "set_rebuild_reason", "spaces_with_points", "tenants_with_points", "files_held",
        # How fast this machine is, not on what.
        "speeds", "note_speed",
    },
    # A backup is of the whole installation; it knows the files' names and nobody's content.
    "archives": {"hold_files", "renew_hold", "drop_holds"},
    "sources": {"insert"},
    "system": {"ping"},
}  # fmt: skip


def _repositories() -> list[Path]:
    return sorted((PACKAGE / "features").glob("*/repository*.py")) + sorted((PACKAGE / "features").glob("*/repository/*.py"))


@pytest.mark.parametrize("path", _repositories(), ids=name)
def test_statements_start_from_access_or_from_the_tenant(path: Path) -> None:
    module = tree(path)
    feature = path.relative_to(PACKAGE / "features").parts[0]
    functions = {node.name: node for node in module.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    anonymous, unbound = [], []
    for function in functions.values():
        arguments = {argument.arg for argument in [*function.args.args, *function.args.kwonlyargs]}
        if function.name.startswith("_") or "session" not in arguments or function.name in WITHOUT_ACTOR.get(feature, set()):
            continue
        if "actor" not in arguments and "tenant_id" not in arguments and "corpus" not in arguments and not _takes_proof(function):
            anonymous.append(function.name)
        elif not _is_bound(function, functions, set()):
            unbound.append(function.name)
    assert not anonymous, f"{name(path)}: {anonymous} know no actor; start from auth/access, or name them in this test with the reason"
    assert not unbound, f"{name(path)}: {unbound} neither start from auth/access nor filter by actor.tenant_id"


def test_the_list_of_exceptions_holds_no_dead_names() -> None:
    defined = {
        (path.relative_to(PACKAGE / "features").parts[0], node.name)
        for path in _repositories()
        for node in tree(path).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    listed = {(feature, function) for feature, names in WITHOUT_ACTOR.items() for function in names}
    assert not listed - defined, "take these out of the list"


def _takes_proof(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """`ReadableCollectionId` is made in auth/access and nowhere else."""
    return any("ReadableCollectionId" in ast.dump(argument.annotation) for argument in function.args.args if argument.annotation)


def _is_bound(function: ast.AST, functions: dict[str, ast.FunctionDef | ast.AsyncFunctionDef], seen: set[str]) -> bool:
    for node in ast.walk(function):
        if isinstance(node, ast.Attribute) and node.attr == "tenant_id":
            return True
        if isinstance(node, ast.Name) and node.id == "tenant_id":
            return True
        called = node.func if isinstance(node, ast.Call) else None
        if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name) and called.value.id == "access":
            return True
        if isinstance(called, ast.Name):
            if called.id.startswith(("readable", "own_")):
                return True
            if called.id in functions and called.id not in seen and _is_bound(functions[called.id], functions, seen | {called.id}):
                return True
    return False
