"""The small app of tests/http serves the tests of accounts too."""

from tests.http.conftest import admin, app, client, spine

__all__ = ["admin", "app", "client", "spine"]
