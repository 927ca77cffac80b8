"""Sets up the first account, logs people in and out, keeps their browser sessions, and issues API keys."""

from __future__ import annotations

import base64
import hashlib
import hmac
import unicodedata
from dataclasses import replace
from datetime import datetime, timedelta

from semantik.auth import credentials, passwords
from semantik.auth.actor import Actor, Scope
from semantik.auth.credentials import SessionEnded
from semantik.auth.tokens import Claims, sign
from semantik.features.accounts import repository
from semantik.features.accounts.startup import add_default_tenant, stand_in
from semantik.features.accounts.values import LOCAL_OWNER, ApiKey, BrowserSession, OpenedSession, User
from semantik.kit.clock import now
from semantik.kit.database import AsyncSession, Database
from semantik.kit.errors import Conflict, Forbidden, InvalidInput, NotFound, Unauthenticated
from semantik.kit.ids import new_id
from semantik.kit.secrets import Keyring

# Two tabs wake up together, or a page is reloaded while its refresh is under way: the old token still counts so long.
_GRACE = timedelta(seconds=15)
_MAX_KEYS = 100


class SetupDone(Conflict):
    code = "setup_done"
    title = "This installation is set up already"
    default_hint = "Log in; an admin can add you."


class SetupTokenWrong(Forbidden):
    code = "setup_token_wrong"
    title = "This is not the set-up token"
    default_hint = "It is printed when the server starts, and each start prints a new one."


class LoginFailed(Unauthenticated):
    """The same for an unknown e-mail, a wrong password and a disabled user: it tells nobody who has an account."""

    code = "login_failed"
    title = "E-mail and password do not match"
    default_hint = "Check both for typing errors."


class SessionReused(SessionEnded):
    """An old refresh token came back: somebody holds a copy, so the session was ended for both."""

    code = "session_reused"
    default_hint = "Log in again. If this happens often, change your password."


class PasswordWrong(Forbidden):
    code = "password_wrong"
    title = "The present password is not right"
    default_hint = "Enter the password that you log in with now."


class BadEmail(InvalidInput):
    code = "bad_email"
    title = "This is no e-mail address"
    default_hint = "Write it like name@example.org."


class ScopeTooWide(Forbidden):
    code = "scope_too_wide"
    title = "A key cannot do more than whoever makes it"
    default_hint = "Choose a narrower scope, or ask an admin for the key."


class TooManyKeys(Conflict):
    code = "too_many_keys"
    title = "There are too many API keys"
    default_hint = "Revoke those that nothing uses."


class KeyUnknown(NotFound):
    code = "key_unknown"
    title = "No such API key"
    default_hint = "It may have been revoked. The list of API keys shows those there are."


# Set-up and log-in -----------------------------------------------------------------------------------------------


async def setup_needed(session: AsyncSession) -> bool:
    return not await repository.has_account(session)


async def set_up(session: AsyncSession, *, token: str, email: str, password_hash: str, name: str) -> User:
    """Makes the first account an admin of the default tenant, in the place of the machine's stand-in owner.

    Raises `SetupDone` and `SetupTokenWrong`. The token is used up in the same transaction, so of two callers one wins.
    """
    if await repository.has_account(session):
        raise SetupDone("there is an account already")
    if not await repository.use_setup_token(session, credentials.digest(token)):
        raise SetupTokenWrong("the set-up token is wrong or was used")
    await add_default_tenant(session)
    await repository.give_identity(session, LOCAL_OWNER, email=email, name=name, password_hash=password_hash)
    return replace(stand_in(), email=email, name=name, password_hash=password_hash)


async def check_login(database: Database, *, email: str, password: str) -> User:
    """The user, after a hash that takes as long for nobody as for somebody. Raises `LoginFailed`. Holds no session meanwhile."""
    async with database.read() as session:
        user = await repository.find_by_email(session, _normal_email(email))
    fits = await passwords.matches(user.password_hash if user else passwords.UNUSABLE, password)
    if user is None or not fits:
        raise LoginFailed("the e-mail and the password do not match an account")
    return user


async def open_session(session: AsyncSession, user: User, *, user_agent: str, ttl_s: int) -> OpenedSession:
    at, refresh_token, session_id = now(), credentials.new_secret(), new_id()
    await repository.drop_dead_sessions(session, at - timedelta(days=7))
    await repository.add_session(
        session,
        user,
        session_id=session_id,
        refresh_hash=credentials.digest(refresh_token),
        user_agent=user_agent,
        at=at,
        expires_at=at + timedelta(seconds=ttl_s),
    )
    return OpenedSession(user, session_id, refresh_token)


async def refresh(session: AsyncSession, keyring: Keyring, *, refresh_token: str, ttl_s: int) -> OpenedSession | SessionEnded:
    """Turns the refresh token over. A `SessionEnded` is returned, not raised: what it wrote must be committed.

    The next token follows from the old one and the server's key, so that whoever asks twice with the old one within the
    grace (a second tab, a reload that lost the answer) gets the same next token and not a second line of them.
    """
    at, presented = now(), credentials.digest(refresh_token)
    found = await repository.find_session(session, presented)
    if found is None or found.expires_at <= at:
        return SessionEnded("there is no session for this cookie")
    user = await repository.find_member(session, found.tenant_id, found.user_id)
    if user is None:
        await repository.revoke_session(session, found.id, at)
        return SessionEnded("the user of this session cannot log in any more")
    following = _following(keyring, refresh_token)
    if found.refresh_hash == presented:
        turned = await repository.rotate_session(
            session,
            found.id,
            old_hash=presented,
            new_hash=credentials.digest(following),
            at=at,
            expires_at=at + timedelta(seconds=ttl_s),
        )
        # Not turned: another tab did it between our two statements, which is the grace below at its shortest.
        return OpenedSession(user, found.id, following if turned else None)
    return await _again(session, found, user, following, at)


async def log_out(session: AsyncSession, *, refresh_token: str | None, session_id: str | None) -> None:
    """Ends the session of the cookie and the one of the access token; unknown ones are no error."""
    at = now()
    if refresh_token:
        found = await repository.find_session(session, credentials.digest(refresh_token))
        if found is not None:
            await repository.revoke_session(session, found.id, at)
    if session_id:
        await repository.revoke_session(session, session_id, at)


def access_token(keyring: Keyring, opened: OpenedSession, *, ttl_s: int) -> str:
    user = opened.user
    return sign(keyring, Claims(user.tenant_id, user.id, opened.session_id, credentials.ROLE_SCOPE[user.role]), ttl_s=ttl_s)


# The actor's own -------------------------------------------------------------------------------------------------


async def me(session: AsyncSession, actor: Actor) -> User:
    user = await repository.own_user(session, actor)
    if user is None:
        raise NotFound("these credentials belong to no user")
    return user


async def check_own_password(database: Database, actor: Actor, password: str) -> User:
    async with database.read() as session:
        user = await me(session, actor)
    if not await passwords.matches(user.password_hash, password):
        raise PasswordWrong("the present password is not right")
    return user


async def change_password(session: AsyncSession, actor: Actor, user: User, password_hash: str) -> None:
    """Sets the new password and ends every other browser session of this user."""
    await repository.set_password_hash(session, user.id, password_hash)
    await repository.revoke_other_sessions(session, actor, now())


async def create_api_key(
    session: AsyncSession, actor: Actor, *, name: str, scope: Scope, expires_in_days: int | None
) -> tuple[ApiKey, str]:
    """The key's row and the key itself, which nobody can read again. Raises `ScopeTooWide`."""
    if not actor.may(scope):
        raise ScopeTooWide(f"a key with the scope {scope.value} needs credentials that have it; these have {actor.scope.value}")
    if actor.via == "key" and not actor.may(Scope.ADMIN):
        raise ScopeTooWide("a key that makes keys needs the scope admin", hint="Log in and make the key in the browser.")
    at, secret = now(), credentials.KEY_PREFIX + credentials.new_secret()
    if await repository.count_api_keys(session, actor, living_at=at) >= _MAX_KEYS:
        raise TooManyKeys(f"one user may have {_MAX_KEYS} living API keys")
    key = ApiKey(
        id=new_id(),
        name=name,
        prefix=secret[:10],
        scope=scope,
        created_at=at,
        expires_at=at + timedelta(days=expires_in_days) if expires_in_days else None,
        revoked_at=None,
        used_at=None,
    )
    await repository.add_api_key(session, actor, key, key_hash=credentials.digest(secret))
    return key, secret


async def revoke_api_key(session: AsyncSession, actor: Actor, key_id: str) -> None:
    if not await repository.revoke_api_key(session, actor, key_id, now()):
        raise KeyUnknown(f"there is no API key {key_id}")


def checked_email(email: str) -> str:
    """The address as it is stored. Raises `BadEmail`; whether it exists, only a mail could tell."""
    normal = _normal_email(email)
    local, at, domain = normal.rpartition("@")
    if not at or not local or not domain or any(character.isspace() for character in normal) or len(normal) > 320:
        raise BadEmail(f"{email[:100]!r} is no e-mail address")
    return normal


def _normal_email(email: str) -> str:
    return unicodedata.normalize("NFC", email).strip().lower()


async def _again(session: AsyncSession, found: BrowserSession, user: User, following: str, at: datetime) -> OpenedSession | SessionEnded:
    if at - found.used_at > _GRACE:
        await repository.revoke_session(session, found.id, at)
        return SessionReused("an old refresh token was used again, so its session was ended")
    same = hmac.compare_digest(credentials.digest(following), found.refresh_hash)
    return OpenedSession(user, found.id, following if same else None)


def _following(keyring: Keyring, refresh_token: str) -> str:
    mac = hmac.new(keyring.signing_keys()[0], b"semantik/refresh/" + refresh_token.encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(mac.digest()).rstrip(b"=").decode()
