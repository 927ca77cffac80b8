"""HTTP of accounts: set-up, log-in, the browser's session, the caller, API keys.

The refresh token is the only cookie and only /auth/refresh and /auth/logout read it. SameSite=Strict keeps other sites
from sending it, and the header X-Requested-With keeps a plain form from it where a browser forgets that.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Cookie, Depends, Header, Request, Response

from semantik.auth import credentials, passwords
from semantik.auth.tokens import verify
from semantik.features.accounts import repository, schemas, service
from semantik.features.accounts.values import OpenedSession
from semantik.http import limits, problems
from semantik.http.dependencies import PUBLIC, CurrentRuntime, Reader, ReadSession, Writer, WriteSession, bearer_of
from semantik.http.pagination import Cursor, Limit, Page, decode_cursor, encode_cursor
from semantik.http.unit_of_work import UnitOfWork
from semantik.kit.errors import Forbidden, Unauthenticated

COOKIE = "semantik_refresh"
_COOKIE_PATH = "/api/v1/auth"

router = APIRouter(prefix="/api/v1", tags=["accounts"], route_class=UnitOfWork)


class NotFromOurPage(Forbidden):
    code = "not_from_our_page"
    default_hint = "Send the header X-Requested-With: semantik."


async def _from_our_page(x_requested_with: Annotated[str | None, Header(description="Must be `semantik`.")] = None) -> None:
    if x_requested_with != "semantik":
        raise NotFromOurPage("this call reads a cookie and needs the header that only our own page sends")


RefreshCookie = Annotated[str | None, Cookie(alias=COOKIE, max_length=200, include_in_schema=False)]


@router.get("/setup", dependencies=[PUBLIC])
async def setup_state(session: ReadSession) -> schemas.SetupState:
    """Says whether the first account is still to be made"""
    return schemas.SetupState(needed=await service.setup_needed(session))


@router.post("/setup", status_code=201, dependencies=[PUBLIC])
async def set_up(
    body: schemas.SetUp, request: Request, response: Response, runtime: CurrentRuntime, session: WriteSession
) -> schemas.Session:
    """Makes the first account, an admin, with the token that the server printed at start"""
    guard = limits.guard(request, "setup", limit=runtime.settings.login_attempts_per_minute)
    guard.take()
    email = service.checked_email(body.email)
    passwords.check_strength(body.password, email=email)
    password_hash = await passwords.hashed(body.password)
    user = await service.set_up(session, token=body.token, email=email, password_hash=password_hash, name=body.name)
    guard.succeeded()
    ttl_s = runtime.settings.refresh_token_ttl_s
    opened = await service.open_session(session, user, user_agent=request.headers.get("user-agent", ""), ttl_s=ttl_s)
    return _answer(opened, request, response, runtime)


@router.post("/auth/login", dependencies=[PUBLIC])
async def login(
    body: schemas.Login, request: Request, response: Response, runtime: CurrentRuntime, session: WriteSession
) -> schemas.Session:
    """Logs in with e-mail and password; sets the refresh cookie of the browser"""
    guard = limits.guard(request, body.email.strip().lower(), limit=runtime.settings.login_attempts_per_minute)
    guard.take()
    user = await service.check_login(runtime.database, email=body.email, password=body.password)
    guard.succeeded()
    if passwords.outdated(user.password_hash):
        await repository.set_password_hash(session, user.id, await passwords.hashed(body.password))
    ttl_s = runtime.settings.refresh_token_ttl_s
    opened = await service.open_session(session, user, user_agent=request.headers.get("user-agent", ""), ttl_s=ttl_s)
    return _answer(opened, request, response, runtime)


@router.post("/auth/refresh", dependencies=[PUBLIC, Depends(_from_our_page)], response_model=schemas.Session)
async def refresh(
    request: Request, response: Response, runtime: CurrentRuntime, session: WriteSession, cookie: RefreshCookie = None
) -> schemas.Session | Response:
    """Trades the refresh cookie for a fresh access token; the cookie is turned over each time"""
    if not cookie:
        raise credentials.CredentialsMissing("there is no session in this browser", hint="Log in.")
    ttl_s = runtime.settings.refresh_token_ttl_s
    outcome = await service.refresh(session, runtime.keyring, refresh_token=cookie, ttl_s=ttl_s)
    if isinstance(outcome, OpenedSession):
        return _answer(outcome, request, response, runtime)
    # Returned and not raised, so that the end of the session is committed.
    refusal = problems.respond(request, outcome)
    refusal.delete_cookie(COOKIE, path=_COOKIE_PATH)
    return refusal


@router.post("/auth/logout", status_code=204, dependencies=[PUBLIC, Depends(_from_our_page)])
async def logout(
    request: Request, response: Response, runtime: CurrentRuntime, session: WriteSession, cookie: RefreshCookie = None
) -> None:
    """Ends the session of the cookie and of the access token, whichever are sent"""
    await service.log_out(session, refresh_token=cookie, session_id=_session_of(request, runtime))
    response.delete_cookie(COOKIE, path=_COOKIE_PATH)


@router.get("/me")
async def me(actor: Reader, session: ReadSession) -> schemas.Me:
    """Says who the caller is and what they may do"""
    return schemas.Me(user=schemas.User.of(await service.me(session, actor)), scope=actor.scope, via=actor.via)


@router.post("/me/password", status_code=204)
async def change_password(
    body: schemas.PasswordChange, actor: Reader, request: Request, runtime: CurrentRuntime, session: WriteSession
) -> None:
    """Changes the caller's password and ends their other browser sessions"""
    guard = limits.guard(request, f"password {actor.user_id}", limit=runtime.settings.login_attempts_per_minute)
    guard.take()
    user = await service.check_own_password(runtime.database, actor, body.current)
    guard.succeeded()
    passwords.check_strength(body.new, email=user.email)
    await service.change_password(session, actor, user, await passwords.hashed(body.new))


@router.get("/api-keys")
async def list_api_keys(actor: Reader, session: ReadSession, limit: Limit = 50, cursor: Cursor = None) -> Page[schemas.ApiKey]:
    """Lists the caller's API keys, newest first"""
    key = decode_cursor(cursor, str)
    found = await repository.list_api_keys(session, actor, before=key[0] if key else None, limit=limit + 1)
    total = await repository.count_api_keys(session, actor)
    following = encode_cursor(found[limit - 1].id) if len(found) > limit else None
    return Page(items=[schemas.ApiKey.of(one) for one in found[:limit]], next_cursor=following, total=total)


@router.post("/api-keys", status_code=201)
async def create_api_key(body: schemas.NewApiKey, actor: Writer, session: WriteSession) -> schemas.CreatedApiKey:
    """Makes an API key for the caller; the answer is the only time it is shown"""
    key, secret = await service.create_api_key(session, actor, name=body.name, scope=body.scope, expires_in_days=body.expires_in_days)
    return schemas.CreatedApiKey(**schemas.ApiKey.of(key).model_dump(), key=secret)


@router.delete("/api-keys/{key_id}", status_code=204)
async def revoke_api_key(key_id: str, actor: Writer, session: WriteSession) -> None:
    """Revokes one of the caller's API keys at once"""
    await service.revoke_api_key(session, actor, key_id)


def _answer(opened: OpenedSession, request: Request, response: Response, runtime: CurrentRuntime) -> schemas.Session:
    settings = runtime.settings
    if opened.refresh_token is not None:
        response.set_cookie(
            COOKIE,
            opened.refresh_token,
            max_age=settings.refresh_token_ttl_s,
            path=_COOKIE_PATH,
            secure=request.url.scheme == "https" or (settings.public_url or "").startswith("https:"),
            httponly=True,
            samesite="strict",
        )
    ttl_s = settings.access_token_ttl_s
    token = service.access_token(runtime.keyring, opened, ttl_s=ttl_s)
    return schemas.Session(access_token=token, expires_in=ttl_s, user=schemas.User.of(opened.user))


def _session_of(request: Request, runtime: CurrentRuntime) -> str | None:
    """The session of a valid access token; whoever logs out with an expired one is not told off."""
    bearer = bearer_of(request)
    if not bearer or bearer.startswith(credentials.KEY_PREFIX):
        return None
    try:
        return verify(runtime.keyring, bearer).session_id
    except Unauthenticated:
        return None
