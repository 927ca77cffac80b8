"""One owner for a data folder: the second is refused with the first's pid and address."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from semantik.kit import ownership

_HOLDER = """
import sys, time
from pathlib import Path
from semantik.kit import ownership
owner = ownership.claim(Path(sys.argv[1])); owner.announce("http://127.0.0.1:8080")
print("held", flush=True); time.sleep(60)
"""


def test_a_second_process_learns_who_holds_the_folder_and_takes_over_when_it_dies(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", _HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"

        with pytest.raises(ownership.DataDirBusy, match=f"process {holder.pid} at http://127.0.0.1:8080"):
            ownership.claim(tmp_path)
        owner = ownership.present_owner(tmp_path)
    finally:
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()

    assert owner is not None and owner.pid == holder.pid and owner.token
    assert ownership.present_owner(tmp_path) is None
    ownership.claim(tmp_path).release()


def test_the_lock_file_is_for_its_user_alone_and_hides_its_token(tmp_path: Path) -> None:
    owner = ownership.claim(tmp_path / "data")
    owner.announce("http://127.0.0.1:1")

    assert (tmp_path / "data" / "owner.lock").stat().st_mode & 0o077 == 0
    assert owner.token not in repr(ownership.Owner(1, "x", owner.token))
    owner.release()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(ownership.DataDirUnusable, match="file/data cannot be made: a file is in its way"):
        ownership.claim(tmp_path / "file" / "data")


def test_those_who_share_a_folder_keep_an_owner_out_and_an_owner_them(tmp_path: Path) -> None:
    one, two = ownership.share(tmp_path), ownership.share(tmp_path)
    one.announce("http://127.0.0.1:8080")

    with pytest.raises(ownership.DataDirBusy, match="processes of a server"):
        ownership.claim(tmp_path)
    assert ownership.present_owner(tmp_path) is None
    one.release()
    two.release()

    owner = ownership.claim(tmp_path)
    with pytest.raises(ownership.DataDirBusy, match=f"process {os.getpid()}"):
        ownership.share(tmp_path)
    owner.release()


def test_who_only_reads_a_folder_keeps_others_out_and_changes_nothing(tmp_path: Path) -> None:
    with ownership.held(tmp_path):
        assert list(tmp_path.iterdir()) == [], "a folder that nobody ever owned"
    ownership.claim(tmp_path).release()
    before = (tmp_path / "owner.lock").read_bytes()
    with ownership.held(tmp_path):
        with pytest.raises(ownership.DataDirBusy):
            ownership.claim(tmp_path)
        with pytest.raises(ownership.DataDirBusy, match=r"in use by another command, such as semantik migrate$") as refused:
            with ownership.held(tmp_path):
                pass
        assert refused.value.data["pid"] is None and str(refused.value.hint).startswith("Wait until")
        assert (tmp_path / "owner.lock").read_bytes() == before
    owner = ownership.claim(tmp_path)
    with pytest.raises(ownership.DataDirBusy, match=f"process {os.getpid()}"), ownership.held(tmp_path):
        pass
    owner.release()
