"""Time: aware UTC datetimes in the application. Leases and schedules compare database time only."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    return datetime.now(UTC)
