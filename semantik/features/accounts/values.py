"""What flows between the accounts' routes, service and repository."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from semantik.auth.actor import Scope
from semantik.kit.ids import TenantId, UserId, derived_id

# The same on every machine, so that two processes that start at once make one tenant and one owner, not two.
DEFAULT_TENANT = TenantId(derived_id("default tenant"))
# Stands for the machine's owner until somebody sets up an account in the browser and takes its place.
LOCAL_OWNER = UserId(derived_id("local owner"))
LOCAL_OWNER_EMAIL = "owner@localhost"


@dataclass(frozen=True, slots=True)
class User:
    id: UserId
    tenant_id: TenantId
    email: str
    name: str
    role: str
    password_hash: str


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """`refresh_token` goes into the cookie; None leaves the one that the browser holds."""

    user: User
    session_id: str
    refresh_token: str | None


@dataclass(frozen=True, slots=True)
class BrowserSession:
    id: str
    user_id: UserId
    tenant_id: TenantId
    refresh_hash: str
    previous_hash: str | None
    used_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class ApiKey:
    id: str
    name: str
    prefix: str
    scope: Scope
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    used_at: datetime | None
