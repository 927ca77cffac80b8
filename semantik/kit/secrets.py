"""Keys at rest: generated on first start with mode 0600, rotatable, used to sign tokens and seal credentials."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import secrets as _random
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from semantik.kit.errors import Misconfigured, SemantikError

_FILE = "keys.json"


class SealBroken(SemantikError):
    code = "seal_broken"
    title = "A stored credential cannot be opened"
    default_hint = "It was sealed with a key that is gone. Enter the credential again."


@dataclass(frozen=True, slots=True, repr=False)
class Keyring:
    """Root keys, newest first: the first signs and seals, all of them verify and open."""

    roots: tuple[bytes, ...]

    def signing_keys(self) -> list[bytes]:
        """32-byte HMAC keys for access tokens, newest first."""
        return [_derive(root, b"semantik/tokens") for root in self.roots]

    def seal(self, plain: bytes) -> bytes:
        return self._fernet().encrypt(plain)

    def unseal(self, sealed: bytes) -> bytes:
        """Raises `SealBroken` when no key of the ring fits."""
        try:
            return self._fernet().decrypt(sealed)
        except InvalidToken:
            raise SealBroken("a stored credential was sealed with a key that this installation does not have") from None

    def _fernet(self) -> MultiFernet:
        return MultiFernet([Fernet(base64.urlsafe_b64encode(_derive(root, b"semantik/seal"))) for root in self.roots])


def open_keyring(data_dir: Path, given: str | None) -> Keyring:
    """The key from the settings, or the key file of the data folder, made on first use."""
    if given is not None:
        if len(given.encode()) < 32:
            raise Misconfigured("SEMANTIK_SECRET_KEY is shorter than 32 bytes", hint="Use: openssl rand -base64 48")
        return Keyring((given.encode(),))
    path = data_dir / _FILE
    if not path.exists():
        _write(path, [_random.token_bytes(32)], replace=False)
    return Keyring(_read(path))


def _read(path: Path) -> tuple[bytes, ...]:
    try:
        roots = [base64.b64decode(text, validate=True) for text in json.loads(path.read_text(encoding="ascii"))["keys"]]
        if not roots or min(map(len, roots)) < 32:
            raise ValueError("no keys, or keys that are too short")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Misconfigured(
            f"{path} is damaged and holds no keys", hint="Restore it from a backup; without it sealed credentials are lost."
        ) from error
    return tuple(roots)


class KeysDiffer(Misconfigured):
    code = "keys_differ"
    title = "The other installation has keys of its own"


def carry(source: Keyring, data_dir: Path, given: str | None) -> None:
    """Gives an installation the keys of another one, whose sealed credentials and sessions it takes over.

    `given`: the key in the receiver's settings, which stands instead of a key file. Raises `KeysDiffer` rather than replace a key.
    """
    path = data_dir / _FILE
    if given is None and not path.exists():
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(path, list(source.roots), replace=False)
    if not set(source.roots) <= set(open_keyring(data_dir, given).roots):
        where = "SEMANTIK_SECRET_KEY of the target" if given is not None else str(path)
        raise KeysDiffer(
            f"{where} holds other keys than the source, so that credentials sealed there could not be opened",
            hint="Leave SEMANTIK_SECRET_KEY out for the target, or give it that of the source; remove a keys.json that nothing uses.",
        )


def rotate(data_dir: Path) -> Keyring:
    """Puts a fresh key in front; older ones stay for what they signed and sealed."""
    ring = open_keyring(data_dir, None)
    _write(data_dir / _FILE, [_random.token_bytes(32), *ring.roots], replace=True)
    return open_keyring(data_dir, None)


class KeysInTheWay(Misconfigured):
    code = "keys_in_the_way"
    title = "There are other keys"


def write_copy(data_dir: Path, target: Path) -> None:
    """Writes the data folder's keys to another file, mode 0600. Raises `KeysInTheWay` when there is one, or no keys to copy."""
    if not (data_dir / _FILE).exists():
        raise KeysInTheWay(f"there are no keys in {data_dir}", hint="With SEMANTIK_SECRET_KEY the key is where you set it: keep that.")
    roots = list(open_keyring(data_dir, None).roots)
    try:
        if target.exists():
            raise KeysInTheWay(f"{target} exists already", hint="Name another file.")
        _write(target, roots, replace=False)
    except OSError as error:
        raise Misconfigured(f"the keys cannot be written to {target}: {error.strerror}", hint="Name another file.") from error


def put_copy(source: Path, data_dir: Path) -> None:
    """Puts a copy of keys into a data folder that has none, or the same ones."""
    roots = _read(source)
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    if (data_dir / _FILE).exists() and _read(data_dir / _FILE) != roots:
        raise KeysInTheWay(f"{data_dir} has keys of its own", hint="Restore into another data folder, or remove keys.json from this one.")
    _write(data_dir / _FILE, list(roots), replace=False)


def _write(path: Path, roots: list[bytes], *, replace: bool) -> None:
    """Puts the file in place whole or not at all. Without `replace`, whoever comes first wins, and the others read theirs."""
    # mkstemp: mode 0600, and a name of its own even where every process has the same pid, as in containers.
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".keys-")
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            json.dump({"keys": [base64.b64encode(root).decode() for root in roots]}, file)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            os.replace(name, path)
        else:
            _put_first(name, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)


def _put_first(name: str, path: Path) -> None:
    try:
        os.link(name, path)
    except FileExistsError:
        return
    except OSError:
        # A file system without hard links: the data folder's one owner makes the race unlikely there.
        os.replace(name, path)


def _derive(root: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(root)
