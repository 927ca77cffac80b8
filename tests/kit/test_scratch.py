"""Temporary folders: gone with their work, and after a kill gone with the next process."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from semantik.kit.scratch import temporary_folder, temporary_folder_beside

# Says where its folder is, and waits to be told to end.
_HOLDS = """
import sys
from semantik.kit.scratch import temporary_folder
with temporary_folder() as folder:
    (folder / "text").write_text("of a document")
    print(folder, flush=True)
    sys.stdin.readline()
"""


def _holder(place: Path) -> tuple[subprocess.Popen[str], Path]:
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLDS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(place)}
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


async def test_a_folder_is_ours_alone_and_gone_with_its_block() -> None:
    async with temporary_folder_beside() as folder:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700
        (folder / "text").write_text("of a document")
    assert not folder.exists()
    with pytest.raises(ZeroDivisionError), temporary_folder() as folder:
        _ = 1 / 0
    assert not folder.exists()


def test_what_a_killed_process_left_is_taken_away_by_the_next(tmp_path: Path) -> None:
    killed, left = _holder(tmp_path)
    living, kept = _holder(tmp_path)
    try:
        killed.send_signal(signal.SIGKILL)
        killed.wait(10)
        assert (left / "text").exists()
        foreign = tmp_path / "semantik-work-of-somebody"
        foreign.mkdir()
        (tmp_path / "semantik-work-link").symlink_to(left)

        next_one, _ = _holder(tmp_path)
        next_one.communicate("\n", timeout=10)

        assert not left.exists(), "a text of a document outlived its process"
        assert (kept / "text").exists(), "a living process lost its folder"
        assert foreign.exists(), "one without a lock is not known to be ours"
        living.communicate("\n", timeout=10)
        assert not kept.parent.exists(), "a process that ends well leaves nothing"
    finally:
        for process in (killed, living):
            process.kill()
            process.wait()


def test_a_process_that_was_forked_off_has_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with temporary_folder() as ours:
        # A child that leaves by os._exit cleans nothing up.
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            with temporary_folder() as theirs:
                os.write(write, str(theirs.parent).encode())
            os._exit(0)
        os.waitpid(child, 0)
        os.close(write)
        with os.fdopen(read) as said:
            assert said.read() not in ("", str(ours.parent))
        assert ours.exists()
