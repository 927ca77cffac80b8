"""The SQL of users, browser sessions, API keys and the set-up token.

Log-in, refresh and set-up come before there is an actor; all that serves one starts from `auth/access`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from semantik.auth import access
from semantik.auth.actor import Actor, Scope
from semantik.auth.passwords import UNUSABLE
from semantik.features.accounts.values import ApiKey, BrowserSession, User
from semantik.kit.database import AsyncSession, insert_ignore, upsert
from semantik.kit.ids import TenantId, UserId
from semantik.tables.accounts import api_keys, members, sessions, setup_tokens, tenants, users

_SETUP = "setup"
_USER_COLUMNS = (users.c.id, members.c.tenant_id, users.c.email, users.c.name, members.c.role, users.c.password_hash)


# Before anybody is known -----------------------------------------------------------------------------------------


async def has_account(session: AsyncSession) -> bool:
    """Whether anybody can log in with a password."""
    return await session.scalar(sa.select(users.c.id).where(users.c.password_hash != UNUSABLE).limit(1)) is not None


async def put_setup_token(session: AsyncSession, token_hash: str, at: datetime) -> None:
    # Replicas of a server start at once: the last one's token counts, and none of them fails.
    await upsert(session, setup_tokens, [{"id": _SETUP, "token_hash": token_hash, "created_at": at}], keys=["id"])


async def use_setup_token(session: AsyncSession, token_hash: str) -> bool:
    """Takes the token out; True for the one caller that did. A second one waits for the first and finds nothing."""
    statement = sa.delete(setup_tokens).where(setup_tokens.c.token_hash == token_hash).returning(setup_tokens.c.id)
    return await session.scalar(statement) is not None


async def drop_setup_token(session: AsyncSession) -> None:
    await session.execute(sa.delete(setup_tokens))


async def find_by_email(session: AsyncSession, email: str) -> User | None:
    """A living user in their oldest tenant."""
    statement = _users().where(users.c.email == email, users.c.disabled_at.is_(None)).order_by(members.c.created_at, members.c.tenant_id)
    return _user((await session.execute(statement.limit(1))).one_or_none())


async def find_member(session: AsyncSession, tenant_id: TenantId, user_id: UserId) -> User | None:
    statement = _users().where(users.c.id == user_id, members.c.tenant_id == tenant_id, users.c.disabled_at.is_(None))
    return _user((await session.execute(statement)).one_or_none())


async def oldest_admin(session: AsyncSession, tenant_id: TenantId) -> User | None:
    statement = (
        _users()
        .where(members.c.tenant_id == tenant_id, members.c.role == "admin", users.c.disabled_at.is_(None))
        .order_by(users.c.created_at, users.c.id)
        .limit(1)
    )
    return _user((await session.execute(statement)).one_or_none())


async def add_tenant(session: AsyncSession, tenant_id: TenantId, name: str, at: datetime) -> None:
    """Leaves a tenant that is there as it is."""
    await insert_ignore(session, tenants, [{"id": tenant_id, "name": name, "created_at": at}])


async def add_admin(session: AsyncSession, tenant_id: TenantId, user: User, at: datetime) -> None:
    """Leaves a user that is there as it is."""
    row = {"id": user.id, "email": user.email, "name": user.name, "password_hash": user.password_hash, "created_at": at}
    await insert_ignore(session, users, [row])
    await insert_ignore(session, members, [{"tenant_id": tenant_id, "user_id": user.id, "role": "admin", "created_at": at}])


async def give_identity(session: AsyncSession, user_id: UserId, *, email: str, name: str, password_hash: str) -> None:
    """Turns the machine's owner into a person who can log in; all that is theirs stays theirs."""
    await session.execute(sa.update(users).where(users.c.id == user_id).values(email=email, name=name, password_hash=password_hash))


# Browser sessions ------------------------------------------------------------------------------------------------


async def add_session(
    session: AsyncSession, user: User, *, session_id: str, refresh_hash: str, user_agent: str, at: datetime, expires_at: datetime
) -> None:
    await session.execute(
        sa.insert(sessions).values(
            id=session_id,
            tenant_id=user.tenant_id,
            user_id=user.id,
            refresh_hash=refresh_hash,
            user_agent=user_agent[:300],
            created_at=at,
            used_at=at,
            expires_at=expires_at,
        )
    )


async def find_session(session: AsyncSession, refresh_hash: str) -> BrowserSession | None:
    """The unrevoked session whose present or previous refresh token has this hash."""
    statement = sa.select(sessions).where(
        sa.or_(sessions.c.refresh_hash == refresh_hash, sessions.c.previous_hash == refresh_hash), sessions.c.revoked_at.is_(None)
    )
    row = (await session.execute(statement)).one_or_none()
    if row is None:
        return None
    return BrowserSession(
        id=row.id,
        user_id=UserId(row.user_id),
        tenant_id=TenantId(row.tenant_id),
        refresh_hash=row.refresh_hash,
        previous_hash=row.previous_hash,
        used_at=row.used_at,
        expires_at=row.expires_at,
    )


async def rotate_session(
    session: AsyncSession, session_id: str, *, old_hash: str, new_hash: str, at: datetime, expires_at: datetime
) -> bool:
    """True for the one caller that turned old into new."""
    statement = (
        sa.update(sessions)
        .where(sessions.c.id == session_id, sessions.c.refresh_hash == old_hash, sessions.c.revoked_at.is_(None))
        .values(refresh_hash=new_hash, previous_hash=old_hash, used_at=at, expires_at=expires_at)
        .returning(sessions.c.id)
    )
    return await session.scalar(statement) is not None


async def revoke_session(session: AsyncSession, session_id: str, at: datetime) -> None:
    await session.execute(sa.update(sessions).where(sessions.c.id == session_id, sessions.c.revoked_at.is_(None)).values(revoked_at=at))


async def revoke_other_sessions(session: AsyncSession, actor: Actor, at: datetime) -> None:
    """All of the actor's browser sessions but the one that asks."""
    own = access.own_sessions(actor).with_only_columns(sessions.c.id).where(sessions.c.id != (actor.credential_id or ""))
    await session.execute(sa.update(sessions).where(sessions.c.id.in_(own), sessions.c.revoked_at.is_(None)).values(revoked_at=at))


async def drop_dead_sessions(session: AsyncSession, before: datetime) -> None:
    await session.execute(sa.delete(sessions).where(sessions.c.expires_at < before))


# The actor's own -------------------------------------------------------------------------------------------------


async def own_user(session: AsyncSession, actor: Actor) -> User | None:
    statement = (
        access.readable_members(actor)
        .join(users, users.c.id == members.c.user_id)
        .where(members.c.user_id == actor.user_id)
        .with_only_columns(*_USER_COLUMNS)
    )
    return _user((await session.execute(statement)).one_or_none())


async def set_password_hash(session: AsyncSession, user_id: UserId, password_hash: str) -> None:
    await session.execute(sa.update(users).where(users.c.id == user_id).values(password_hash=password_hash))


async def list_api_keys(session: AsyncSession, actor: Actor, *, before: str | None, limit: int) -> list[ApiKey]:
    """Newest first; `before` is the id that ended the page before."""
    statement = access.own_api_keys(actor).order_by(api_keys.c.id.desc()).limit(limit)
    if before is not None:
        statement = statement.where(api_keys.c.id < before)
    return [_api_key(row) for row in await session.execute(statement)]


async def count_api_keys(session: AsyncSession, actor: Actor, *, living_at: datetime | None = None) -> int:
    """All of them, or those that still open something at `living_at`."""
    counted = access.own_api_keys(actor).with_only_columns(sa.func.count())
    if living_at is not None:
        counted = counted.where(api_keys.c.revoked_at.is_(None), sa.or_(api_keys.c.expires_at.is_(None), api_keys.c.expires_at > living_at))
    return int(await session.scalar(counted) or 0)


async def add_api_key(session: AsyncSession, actor: Actor, key: ApiKey, *, key_hash: str) -> None:
    await session.execute(
        sa.insert(api_keys).values(
            id=key.id,
            tenant_id=actor.tenant_id,
            user_id=actor.user_id,
            name=key.name,
            prefix=key.prefix,
            key_hash=key_hash,
            scopes=[key.scope.value],
            created_at=key.created_at,
            expires_at=key.expires_at,
        )
    )


async def revoke_api_key(session: AsyncSession, actor: Actor, key_id: str, at: datetime) -> bool:
    """Idempotent; False when the actor has no such key."""
    own = access.own_api_keys(actor).with_only_columns(api_keys.c.id).where(api_keys.c.id == key_id)
    if await session.scalar(own) is None:
        return False
    await session.execute(sa.update(api_keys).where(api_keys.c.id.in_(own), api_keys.c.revoked_at.is_(None)).values(revoked_at=at))
    return True


def _users() -> sa.Select[Any]:
    return sa.select(*_USER_COLUMNS).join(members, members.c.user_id == users.c.id)


def _user(row: Any) -> User | None:
    if row is None:
        return None
    return User(
        id=UserId(row.id),
        tenant_id=TenantId(row.tenant_id),
        email=row.email,
        name=row.name,
        role=row.role,
        password_hash=row.password_hash,
    )


def _api_key(row: Any) -> ApiKey:
    return ApiKey(
        id=row.id,
        name=row.name,
        prefix=row.prefix,
        scope=Scope(row.scopes[0]),
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        used_at=row.used_at,
    )
