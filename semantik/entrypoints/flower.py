"""Flower on the broker: who works and how many doorbells wait in which queue, behind a password. `semantik flower`.

It watches the transport only, and reads only: jobs are paused, retried and looked up on Semantik's own pages, which know
them from the database and so survive a restart.
"""

from __future__ import annotations

import os
from importlib.util import find_spec

from semantik.entrypoints import server
from semantik.kit import registry
from semantik.kit.errors import Misconfigured
from semantik.kit.settings import Settings

USER = "semantik"
_SHORTEST = 12


class FlowerClosed(Misconfigured):
    code = "flower_closed"
    title = "Flower does not start without a password"
    default_hint = 'Put one into .env: echo "SEMANTIK_FLOWER_PASSWORD=$(openssl rand -hex 24)" >> .env'


def run(settings: Settings, *, host: str, port: int) -> None:
    """Serves until SIGTERM or SIGINT. Raises a `SemantikError` when it cannot start, or must not without a password."""
    server.check(settings)
    password = settings.flower_password.get_secret_value() if settings.flower_password is not None else ""
    if len(password) < _SHORTEST or "," in password:
        # A comma separates accounts in Flower's own setting.
        raise FlowerClosed(f"SEMANTIK_FLOWER_PASSWORD must have at least {_SHORTEST} characters and no comma")
    if find_spec("flower") is None:
        raise Misconfigured("Flower is not installed", hint="Install the matching extra: pip install 'semantik[flower]'.")
    app = registry.load("job", server.CELERY, "app")(settings.broker)
    # By environment: the arguments of a process are everybody's to read. No file of the working folder is run as its settings.
    os.environ["FLOWER_BASIC_AUTH"] = f"{USER}:{password}"
    app.start(["flower", f"--address={host}", f"--port={port}", "--read_only=True", f"--conf={os.devnull}", "--logging=none"])
