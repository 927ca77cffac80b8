"""Temporary folders: gone with their work, and after a kill gone with the next process."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from semantik.kit.scratch import sweep, temporary_folder, temporary_folder_on_thread

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
    async with temporary_folder_on_thread() as folder:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700
        (folder / "text").write_text("of a document")
    assert not folder.exists()
    with pytest.raises(ZeroDivisionError), temporary_folder() as folder:
        _ = 1 / 0
    assert not folder.exists()


def test_what_a_killed_process_left_is_taken_away_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killed, left = _holder(tmp_path)
    living, kept = _holder(tmp_path)
    try:
        killed.send_signal(signal.SIGKILL)
        killed.wait(10)
        assert (left / "text").exists()
        (tmp_path / "semantik-work-link").symlink_to(tmp_path / "elsewhere")
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "elsewhere" / "text").touch()
        # As a removal leaves it that was cut off.
        (tmp_path / "semantik-work-half" / "deep").mkdir(parents=True)
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

        sweep()

        assert not left.parent.exists(), "a text of a document outlived its process"
        assert not (tmp_path / "semantik-work-half").exists()
        assert (kept / "text").exists(), "a living process lost its folder"
        assert (tmp_path / "elsewhere" / "text").exists(), "a link was followed"
        living.communicate("\n", timeout=10)
        assert not kept.parent.exists(), "a process that ends well leaves nothing"
    finally:
        for process in (killed, living):
            process.kill()
            process.wait()


def test_a_sweep_that_meets_what_it_cannot_read_raises_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "semantik-work-file").write_text("no folder")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    sweep()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    sweep()


async def test_a_folder_whose_maker_was_cancelled_goes_again() -> None:
    with temporary_folder() as ours:
        before = set(ours.parent.iterdir())

        async def work() -> None:
            async with temporary_folder_on_thread():
                raise AssertionError("it was cancelled before")

        task = asyncio.create_task(work())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(10):
            while set(ours.parent.iterdir()) != before:
                await asyncio.sleep(0.01)


def test_a_process_that_was_forked_off_has_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with temporary_folder() as ours:
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                with temporary_folder() as theirs:
                    os.write(write, str(theirs.parent).encode())
                code = 0
            finally:
                os._exit(code)
        assert os.waitpid(child, 0)[1] == 0
        os.close(write)
        with os.fdopen(read) as said:
            assert said.read() not in ("", str(ours.parent))
        assert ours.exists()
    sweep()
    assert not list(tmp_path.iterdir()), "its folder is swept, for a child that leaves by os._exit cleans nothing up"
