"""Keys at rest: made once, readable by their owner alone, rotated without losing what they sealed."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest

from semantik.kit import secrets
from semantik.kit.errors import Misconfigured


def test_keys_are_made_once_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    first = secrets.open_keyring(tmp_path, None)
    assert secrets.open_keyring(tmp_path, None) == first
    (file,) = tmp_path.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(first.roots[0]) == 32
    assert repr(first.roots[0]) not in repr(first)


def test_what_was_sealed_opens_after_a_rotation_and_with_no_other_key(tmp_path: Path) -> None:
    ring = secrets.open_keyring(tmp_path, None)
    sealed = ring.seal(b"a password")
    assert b"password" not in sealed
    rotated = secrets.rotate(tmp_path)
    assert rotated.unseal(sealed) == b"a password"
    assert rotated.signing_keys()[1:] == ring.signing_keys()
    assert rotated.signing_keys()[0] != ring.signing_keys()[0]
    with pytest.raises(secrets.SealBroken):
        ring.unseal(rotated.seal(b"newer"))
    with pytest.raises(secrets.SealBroken):
        rotated.unseal(sealed[:-4] + b"AAAA")


def test_signing_and_sealing_use_different_keys() -> None:
    ring = secrets.Keyring((b"r" * 32,))
    assert ring.signing_keys() != [b"r" * 32]
    assert len(ring.signing_keys()[0]) == 32


def test_a_given_key_is_used_and_a_short_one_refused(tmp_path: Path) -> None:
    given = "given " * 10
    assert secrets.open_keyring(tmp_path, given).roots == (given.encode(),)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(Misconfigured, match="32 bytes"):
        secrets.open_keyring(tmp_path, "short")


@pytest.mark.parametrize("content", ["", "{", "{}", '{"keys": 1}', '{"keys": []}', '{"keys": ["???"]}', '{"keys": ["YQ=="]}'])
def test_a_damaged_key_file_is_never_replaced(tmp_path: Path, content: str) -> None:
    file = tmp_path / "keys.json"
    file.write_text(content)
    with pytest.raises(Misconfigured, match="damaged"):
        secrets.open_keyring(tmp_path, None)
    assert file.read_text() == content


def test_two_that_start_at_once_agree_on_the_keys(tmp_path: Path) -> None:
    found: list[secrets.Keyring] = []
    threads = [threading.Thread(target=lambda: found.append(secrets.open_keyring(tmp_path, None))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_another_installation_takes_over_the_keys_and_never_loses_its_own(tmp_path: Path) -> None:
    source = secrets.open_keyring(tmp_path, None)
    sealed = source.seal(b"a password")
    target, taken, named = tmp_path / "target", tmp_path / "taken", tmp_path / "named"

    secrets.carry(source, target, None)
    secrets.carry(source, target, None)
    assert secrets.open_keyring(target, None).unseal(sealed) == b"a password"
    assert stat.S_IMODE((target / "keys.json").stat().st_mode) == 0o600

    taken.mkdir()
    own = secrets.open_keyring(taken, None)
    with pytest.raises(secrets.KeysDiffer, match=r"keys\.json"):
        secrets.carry(source, taken, None)
    assert secrets.open_keyring(taken, None) == own
    with pytest.raises(secrets.KeysDiffer, match="SEMANTIK_SECRET_KEY"):
        secrets.carry(source, named, "x" * 40)

    given = secrets.open_keyring(tmp_path, "y" * 40)
    secrets.carry(given, named, "y" * 40)
    secrets.carry(given, named, None)
    assert secrets.open_keyring(named, None).unseal(given.seal(b"another")) == b"another"


@pytest.mark.parametrize("name", ["n" * 10_000, "nowhere/keys", "taken"])
def test_a_copy_of_the_keys_that_cannot_be_written_is_a_sentence(tmp_path: Path, name: str) -> None:
    secrets.open_keyring(tmp_path, None)
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(Misconfigured):
        secrets.write_copy(tmp_path, tmp_path / name)
    assert (tmp_path / "taken").read_text() == "mine"
