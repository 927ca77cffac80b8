"""What every process that serves the API holds open, and the choice between its two kinds."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from fastapi import FastAPI

from semantik.auth.actor import Actor
from semantik.jobs.dispatch import Dispatcher
from semantik.kit.ownership import Ownership
from semantik.kit.settings import Settings
from semantik.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Opened:
    app: FastAPI
    actor: Actor
    runtime: Runtime
    dispatcher: Dispatcher
    owner: Ownership


def open_all(settings: Settings, *, at_work: bool = True) -> AbstractAsyncContextManager[Opened]:
    """Everything in this one process, or an API replica whose jobs run in workers, as the settings say. `at_work`: see `embedded`."""
    from semantik.entrypoints import embedded, server

    return server.opened(settings) if settings.server_mode else embedded.opened(settings, at_work=at_work)
