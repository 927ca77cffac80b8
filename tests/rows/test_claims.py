"""One at a time fills a database, and says so when that cannot be said of all of the time."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from semantik.kit.errors import SemantikError
from semantik.rows.opening import alone, writing


def test_a_claim_is_free_again_the_moment_it_is_given_back(postgresql_url: str) -> None:
    for _ in range(20):
        with alone(postgresql_url) as taken:
            assert taken
            with alone(postgresql_url) as second:
                assert not second


def test_a_claim_that_was_lost_meanwhile_is_no_success(postgresql_url: str) -> None:
    with pytest.raises(SemantikError), alone(postgresql_url):
        assert cut_off(postgresql_url) == 1
    with alone(postgresql_url) as taken:
        assert taken


def cut_off(url: str) -> int:
    """Ends every connection that holds a claim. Returns how many."""
    ended = sa.text("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid()")
    with writing(url) as connection:
        return len(connection.scalars(ended).all())


def test_an_error_inside_passes_as_it_is(postgresql_url: str) -> None:
    with pytest.raises(ZeroDivisionError), alone(postgresql_url):
        raise ZeroDivisionError
