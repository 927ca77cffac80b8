"""Hashes and checks passwords with argon2id (RFC 9106, second recommended option), off the event loop."""

from __future__ import annotations

import asyncio
import unicodedata
import weakref

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from semantik.kit.concurrency import run_cpu
from semantik.kit.errors import InvalidInput

MIN_CHARS = 8
# Long enough for any passphrase, short enough that hashing it costs nothing extra.
MAX_CHARS = 200
# Stands where a user has no password: no hash, so nothing matches it.
UNUSABLE = "!"

_HASHER = PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=4, hash_len=32, salt_len=16, type=Type.ID)
# 64 MiB each: a burst of logins must not take the machine's memory with it.
_AT_ONCE = 2
# A semaphore belongs to one loop; tests and the command line open several in a row.
_semaphores: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = weakref.WeakKeyDictionary()


class PasswordTooWeak(InvalidInput):
    code = "password_too_weak"
    title = "Choose another password"
    default_hint = "Choose a few words that nobody would put together."


def check_strength(password: str, *, email: str) -> None:
    """Raises `PasswordTooWeak`. Length is what counts (NIST SP 800-63B); rules about characters are not made."""
    if len(password) < MIN_CHARS:
        raise PasswordTooWeak(f"a password needs at least {MIN_CHARS} characters, and this one has {len(password)}")
    if len(password) > MAX_CHARS:
        raise PasswordTooWeak(f"a password may have at most {MAX_CHARS} characters, and this one has {len(password)}")
    if password.lower() in (email.lower(), email.lower().partition("@")[0]) or len(set(password)) < 3:
        raise PasswordTooWeak("this password is too easy to guess", hint="Use a few words that nobody would put together.")


async def hashed(password: str) -> str:
    async with _semaphore():
        return await run_cpu(_HASHER.hash, _normal(password))


async def matches(password_hash: str, password: str) -> bool:
    """Whether the password is the one that was hashed. An unusable hash costs the same time and never matches."""
    usable = password_hash.startswith("$argon2")
    async with _semaphore():
        fits = await run_cpu(_verify, password_hash if usable else _decoy(), _normal(password))
    return fits and usable


def outdated(password_hash: str) -> bool:
    """Whether it was made with weaker parameters than today's and should be made anew at the next login."""
    return _HASHER.check_needs_rehash(password_hash)


def _verify(password_hash: str, password: str) -> bool:
    try:
        return _HASHER.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


def _normal(password: str) -> str:
    # The same password typed on two keyboards may come in two compositions.
    return unicodedata.normalize("NFKC", password)


def _decoy() -> str:
    """A hash with today's parameters that no password is known for."""
    return (
        f"$argon2id$v=19$m={_HASHER.memory_cost},t={_HASHER.time_cost},p={_HASHER.parallelism}"
        "$c2VtYW50aWstZGVjb3ktMQ$YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXowMTIzNDU"
    )


def _semaphore() -> asyncio.Semaphore:
    return _semaphores.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(_AT_ONCE))
