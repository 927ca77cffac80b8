"""Kombu's Redis, which drops a message that nobody can read: by itself it would end the worker that took it, and the next one.

Kombu 5.7 decodes in the loop of Celery's consumer and guards none of it; this may go when it does.
"""

from __future__ import annotations

from typing import Any

from kombu.transport import TRANSPORT_ALIASES, virtual
from kombu.transport import redis as kombu_redis

from semantik.kit import logs

log = logs.get(__name__)


class _Unreadable(Exception):
    """What was taken out of the list is no message."""


class _Message(virtual.Message):
    def __init__(self, payload: Any, channel: Any = None, **options: Any) -> None:
        try:
            super().__init__(payload, channel=channel, **options)  # type: ignore[no-untyped-call]
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise _Unreadable(type(error).__name__) from error


class _Patient:
    """A channel whose reading survives what is no message. It was taken out of its list before it was looked at."""

    Message = _Message

    def _brpop_read(self, **options: Any) -> bool:
        try:
            return bool(super()._brpop_read(**options))  # type: ignore[misc]
        except (_Unreadable, ValueError) as error:
            # A ValueError is JSON or UTF-8 that is none.
            log.warning("a message of the broker cannot be read and is dropped", error=type(error.__cause__ or error).__name__)
            return True


class _Channel(_Patient, kombu_redis.Channel):
    pass


class _SentinelChannel(_Patient, kombu_redis.SentinelChannel):
    pass


class Transport(kombu_redis.Transport):
    Channel = _Channel


class SentinelTransport(kombu_redis.SentinelTransport):
    Channel = _SentinelChannel


def use() -> None:
    """For every connection that this process makes from now on, also after a failover, which goes by the scheme alone."""
    TRANSPORT_ALIASES.update({"redis": f"{__name__}:Transport", "sentinel": f"{__name__}:SentinelTransport"})
