"""Passwords are argon2id, checked off the loop; an unusable hash matches nothing and costs the same."""

from __future__ import annotations

import asyncio
import time

import pytest

from semantik.auth import passwords


async def test_a_password_matches_its_own_hash_only() -> None:
    first, second = await passwords.hashed("four good words"), await passwords.hashed("four good words")
    assert first != second
    assert first.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert await passwords.matches(first, "four good words")
    assert not await passwords.matches(first, "four good word")
    assert not passwords.outdated(first)
    assert passwords.outdated("$argon2id$v=19$m=8192,t=1,p=1$c29tZXNhbHRzb21l$YWJjZGVmZ2hpamtsbW5vcA")


async def test_the_same_password_typed_on_two_keyboards_matches() -> None:
    assert await passwords.matches(await passwords.hashed("gr\u00fc\u00dfe an alle"), "gru\u0308\u00dfe an alle")


@pytest.mark.parametrize("broken", [passwords.UNUSABLE, "", "$argon2id$nonsense", "plain"])
async def test_what_is_no_hash_matches_nothing(broken: str) -> None:
    assert not await passwords.matches(broken, "!")
    assert not await passwords.matches(broken, broken)


async def test_the_loop_goes_on_while_a_password_is_checked() -> None:
    longest, running = 0.0, True

    async def tick() -> None:
        nonlocal longest
        while running:
            started_at = time.perf_counter()
            await asyncio.sleep(0.001)
            longest = max(longest, time.perf_counter() - started_at)

    ticking = asyncio.create_task(tick())
    hash_s = time.perf_counter()
    await asyncio.gather(*(passwords.hashed("four good words") for _ in range(6)))
    hash_s = time.perf_counter() - hash_s
    running = False
    await ticking
    assert longest < hash_s / 2


@pytest.mark.parametrize("weak", ["short", "aaaaaaaaaaaa", "ada@example.org", "ADA@EXAMPLE.ORG", "x" * 201])
def test_weak_passwords_are_refused(weak: str) -> None:
    with pytest.raises(passwords.PasswordTooWeak):
        passwords.check_strength(weak, email="ada@example.org")


def test_length_is_enough() -> None:
    passwords.check_strength("allslow ercase", email="ada@example.org")
