"""Turns what a request carries, an access token or an API key, into an Actor, or refuses it."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from semantik.auth import tokens
from semantik.auth.actor import Actor, Scope
from semantik.kit.clock import now
from semantik.kit.database import AsyncSession
from semantik.kit.errors import Unauthenticated
from semantik.kit.ids import TenantId, UserId
from semantik.kit.secrets import Keyring
from semantik.tables.accounts import api_keys, members, sessions, users

KEY_PREFIX = "sk_"
# What a role may do at most; a key's scope is cut down to it, so that a demoted user's keys shrink with them.
ROLE_SCOPE = {"admin": Scope.ADMIN, "member": Scope.WRITE}
_ORDER = (Scope.READ, Scope.WRITE, Scope.ADMIN)


class CredentialsMissing(Unauthenticated):
    default_hint = "Send Authorization: Bearer <access token or API key>."


class KeyInvalid(Unauthenticated):
    code = "key_invalid"
    default_hint = "Make a new key under Settings, API keys."


class SessionEnded(Unauthenticated):
    code = "session_ended"
    title = "The session has ended"
    default_hint = "Log in again."


@dataclass(frozen=True, slots=True)
class Proven:
    """An actor and, for an API key, when its use was last written down."""

    actor: Actor
    key_used_at: datetime | None = None


def new_secret() -> str:
    """43 url-safe characters: 256 random bits."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """SHA-256 in hex. Enough for what is random; a password goes through `auth/passwords.py`."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def lesser(one: Scope, other: Scope) -> Scope:
    return min(one, other, key=_ORDER.index)


async def resolve(session: AsyncSession, keyring: Keyring, bearer: str) -> Proven:
    """Raises a subclass of `Unauthenticated` for whatever is not a living credential of a living user."""
    if bearer.startswith(KEY_PREFIX):
        return await _of_key(session, bearer)
    return await _of_token(session, keyring, bearer)


async def _of_token(session: AsyncSession, keyring: Keyring, token: str) -> Proven:
    claims = tokens.verify(keyring, token)
    statement = (
        sa.select(members.c.role)
        .join(users, users.c.id == members.c.user_id)
        .join(sessions, sa.and_(sessions.c.user_id == users.c.id, sessions.c.tenant_id == members.c.tenant_id))
        .where(
            sessions.c.id == claims.session_id,
            sessions.c.revoked_at.is_(None),
            members.c.tenant_id == claims.tenant_id,
            members.c.user_id == claims.user_id,
            users.c.disabled_at.is_(None),
        )
    )
    role = await session.scalar(statement)
    if role is None:
        raise tokens.TokenInvalid("the session of this access token has ended")
    scope = lesser(claims.scope, ROLE_SCOPE[role])
    return Proven(Actor(claims.tenant_id, claims.user_id, scope, via="token", credential_id=claims.session_id))


async def _of_key(session: AsyncSession, key: str) -> Proven:
    statement = (
        sa.select(api_keys, members.c.role)
        .join(members, sa.and_(members.c.user_id == api_keys.c.user_id, members.c.tenant_id == api_keys.c.tenant_id))
        .join(users, users.c.id == api_keys.c.user_id)
        .where(api_keys.c.key_hash == digest(key), users.c.disabled_at.is_(None))
    )
    row = (await session.execute(statement)).one_or_none()
    if row is None:
        raise KeyInvalid("the API key is not known")
    if row.revoked_at is not None:
        raise KeyInvalid("the API key was revoked")
    if row.expires_at is not None and row.expires_at <= now():
        raise KeyInvalid("the API key has expired")
    granted = max((Scope(scope) for scope in row.scopes), key=_ORDER.index)
    actor = Actor(TenantId(row.tenant_id), UserId(row.user_id), lesser(granted, ROLE_SCOPE[row.role]), via="key", credential_id=row.id)
    return Proven(actor, key_used_at=row.used_at)


async def alive(session: AsyncSession, actor: Actor) -> bool:
    """Whether the session or key that proved this actor still stands."""
    table = api_keys if actor.via == "key" else sessions
    statement = (
        sa.select(table.c.expires_at)
        .join(users, users.c.id == table.c.user_id)
        .where(table.c.id == actor.credential_id, table.c.revoked_at.is_(None), users.c.disabled_at.is_(None))
    )
    row = (await session.execute(statement)).one_or_none()
    return row is not None and (row.expires_at is None or row.expires_at > now())


async def touch_key(session: AsyncSession, key_id: str, at: datetime) -> None:
    await session.execute(sa.update(api_keys).where(api_keys.c.id == key_id).values(used_at=at))
