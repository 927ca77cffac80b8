"""What a process does about accounts before it serves anybody: print a set-up token, stand in for the machine's owner.

The command line works before anybody has an account. Its work belongs to the default tenant and to a stand-in owner
without a password. The first browser set-up turns that very user into a person (`service.set_up`), so whoever sets up
sees what the command line ingested, and the command line goes on as them.
"""

from __future__ import annotations

from semantik.auth import credentials
from semantik.auth.actor import Actor, Scope
from semantik.auth.passwords import UNUSABLE
from semantik.features.accounts import repository
from semantik.features.accounts.values import DEFAULT_TENANT, LOCAL_OWNER, LOCAL_OWNER_EMAIL, User
from semantik.kit.clock import now
from semantik.kit.database import AsyncSession, Database


async def ensure_setup_token(database: Database) -> str | None:
    """A fresh one-time token for the first account, to be printed; the one before it stops working. None once there is an account."""
    async with database.write() as session:
        if await repository.has_account(session):
            await repository.drop_setup_token(session)
            await session.commit()
            return None
        token = credentials.new_secret()
        await repository.put_setup_token(session, credentials.digest(token), now())
        await session.commit()
    return token


async def local_actor(database: Database) -> Actor:
    """The machine's owner, as an admin of the default tenant, both made if they are missing. For in-process use only."""
    async with database.read() as session:
        owner = await repository.oldest_admin(session, DEFAULT_TENANT)
    if owner is None:
        async with database.write() as session:
            await add_default_tenant(session)
            await session.commit()
        owner = stand_in()
    return Actor(owner.tenant_id, owner.id, Scope.ADMIN, via="local")


async def add_default_tenant(session: AsyncSession) -> None:
    """The default tenant and its stand-in owner; what is there stays as it is."""
    at = now()
    await repository.add_tenant(session, DEFAULT_TENANT, "Default", at)
    await repository.add_admin(session, DEFAULT_TENANT, stand_in(), at)


def stand_in() -> User:
    return User(LOCAL_OWNER, DEFAULT_TENANT, LOCAL_OWNER_EMAIL, "Owner", "admin", UNUSABLE)
