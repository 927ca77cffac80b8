"""The app and clients of the activity tests."""

from tests.features.activity.conftest import app, client, dispatcher, stranger  # noqa: F401 - fixtures
from tests.jobs.conftest import own_kinds, world  # noqa: F401 - fixtures
