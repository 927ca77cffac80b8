"""The folder connector: what it lists, what it refuses, in which order."""

from __future__ import annotations

import os
import socket
import string
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from semantik.engines.connectors.base import BadSourceSettings, Item, ItemGone, SourceUnreachable
from semantik.engines.connectors.directory import DirectoryConnector, glob, open_directory


async def _listed(root: Path, **settings: object) -> dict[str, Item]:
    connector = await open_directory({"path": str(root), **settings}, None)
    return {item.path: item async for item in connector.list()}


async def test_it_lists_files_below_the_folder_and_leaves_out_litter(tmp_path: Path) -> None:
    for path in ("a.txt", "sub/b.md", ".git/config", "node_modules/x/index.js", "~$open.docx"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("x")

    assert set(await _listed(tmp_path)) == {"a.txt", "sub/b.md"}


async def test_include_and_exclude_narrow_the_listing(tmp_path: Path) -> None:
    for path in ("a.pdf", "deep/b.pdf", "deep/c.txt", "drafts/d.pdf"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("x")

    assert set(await _listed(tmp_path, include=["*.pdf"], exclude=["drafts/**"])) == {"a.pdf", "deep/b.pdf"}


async def test_a_link_out_of_the_folder_is_listed_as_refused_and_never_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    root = tmp_path / "root"
    root.mkdir()
    (root / "inside.txt").write_text("x")
    (root / "out.txt").symlink_to(secret)
    (root / "up").symlink_to(tmp_path, target_is_directory=True)
    (root / "good.txt").symlink_to(root / "inside.txt")

    listed = await _listed(root)
    connector = DirectoryConnector(root.resolve(), [], [])

    assert set(listed) == {"inside.txt", "out.txt", "good.txt", "up"}
    assert {path for path, item in listed.items() if item.problem and item.problem[0] == "link_outside"} == {"out.txt", "up"}
    with pytest.raises(ItemGone):
        _ = [piece async for piece in connector.fetch(listed["out.txt"])]
    with pytest.raises(ItemGone):
        _ = [piece async for piece in connector.fetch(Item(path="../secret.txt", name="secret.txt"))]


async def test_a_pipe_a_socket_and_a_vanished_file_do_not_hang_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.pdf")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.path.relpath(tmp_path / "socket.txt"))
    (tmp_path / "loop").symlink_to(".")
    (tmp_path / "self.txt").symlink_to("self.txt")
    connector = DirectoryConnector(tmp_path, [], [])

    problems = {path: item.problem and item.problem[0] for path, item in (await _listed(tmp_path)).items()}

    assert problems == {"pipe.pdf": "not_a_file", "socket.txt": "not_a_file", "self.txt": "unreadable"}
    for path in ("pipe.pdf", "socket.txt", "self.txt", "gone.txt", "gone/x.txt", "pipe.pdf/x"):
        with pytest.raises(ItemGone):
            _ = [piece async for piece in connector.fetch(Item(path=path, name=path))]


async def test_names_that_are_no_utf8_are_listed_apart_with_the_reason(tmp_path: Path) -> None:
    for name in (b"bad-\xff.txt", b"bad-\xfe.txt", b"two\nlines.txt", b"n" * 251 + b".txt"):
        (tmp_path / os.fsdecode(name)).write_text("x")

    listed = await _listed(tmp_path)

    assert [path for path, item in listed.items() if item.problem and "UTF-8" in item.problem[1]] == ["bad-\\xfe.txt", "bad-\\xff.txt"]
    assert sorted(path for path, item in listed.items() if item.problem is None) == ["n" * 251 + ".txt", "two\nlines.txt"]
    for path in listed:
        path.encode()


async def test_a_file_whose_folder_was_swapped_for_a_link_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "note.txt").write_text("secret")
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / "sub" / "note.txt").write_text("mine")
    item = (await _listed(root))["sub/note.txt"]
    connector = DirectoryConnector(root, [], [])
    real = connector._inside("sub/note.txt")
    (root / "sub").rename(root / "old")
    (root / "sub").symlink_to(tmp_path / "outside")

    class Late(DirectoryConnector):
        """Looked at the path before the swap, opens it after."""

        def _inside(self, relative: str) -> Path:
            return real

    with pytest.raises(ItemGone):
        _ = [piece async for piece in Late(root, [], []).fetch(item)]


async def test_a_missing_folder_means_that_nothing_may_be_concluded(tmp_path: Path) -> None:
    with pytest.raises(SourceUnreachable, match="not there"):
        await _listed(tmp_path / "nowhere")
    with pytest.raises(BadSourceSettings):
        await open_directory({"path": "relative/path"}, None)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(
    st.sets(
        st.lists(st.text(string.ascii_letters + "-. ", min_size=1, max_size=4).filter(lambda s: s.strip(". ")), min_size=1, max_size=3).map(
            tuple
        ),
        max_size=12,
    )
)
async def test_paths_come_in_ascending_order(tmp_path_factory: pytest.TempPathFactory, paths: set[tuple[str, ...]]) -> None:
    root = tmp_path_factory.mktemp("order")
    for path in paths:
        target = root.joinpath(*path)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text("x")
        except OSError:
            continue

    listed = [item.path async for item in DirectoryConnector(root, [], []).list()]

    assert listed == sorted(listed)
    assert len(listed) == sum(1 for found in root.rglob("*") if found.is_file())


@pytest.mark.parametrize(
    ("pattern", "matches", "misses"),
    [
        ("*.pdf", ["a.pdf", "x/y/a.pdf"], ["a.pdfx"]),
        ("docs/*.md", ["docs/a.md"], ["docs/x/a.md", "a.md"]),
        ("docs/**/*.md", ["docs/a.md", "docs/x/y/a.md"], ["a.md"]),
        ("/top.txt", ["top.txt", "x/top.txt"], ["top.txt2"]),
        ("**/.git/**", [".git/config", "x/.git/hooks/y"], ["x.git"]),
    ],
)
def test_globs_mean_what_people_expect(pattern: str, matches: list[str], misses: list[str]) -> None:
    assert [bool(glob(pattern).match(path)) for path in matches] == [True] * len(matches)
    assert [bool(glob(pattern).match(path)) for path in misses] == [False] * len(misses)
