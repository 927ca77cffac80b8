"""Signs and verifies access tokens: short-lived JWTs (HS256) that name a tenant, a user, a session and a scope.

A token is only the first half of the answer: `auth/credentials.py` looks the session up, so that logging out or
disabling a user counts at once and not when the token runs out.
"""

from __future__ import annotations

from dataclasses import dataclass

import jwt

from semantik.auth.actor import Scope
from semantik.kit.clock import now
from semantik.kit.errors import Unauthenticated
from semantik.kit.ids import TenantId, UserId
from semantik.kit.secrets import Keyring

_ALGORITHM = "HS256"
_ISSUER = "semantik"
_NOT_OURS = "Log in again. If an API key was meant: those begin with sk_, send it whole."


class TokenInvalid(Unauthenticated):
    code = "token_invalid"
    default_hint = "Log in again."


class TokenExpired(Unauthenticated):
    code = "token_expired"
    default_hint = "Refresh the access token, or log in again."


@dataclass(frozen=True, slots=True)
class Claims:
    tenant_id: TenantId
    user_id: UserId
    session_id: str
    scope: Scope


def sign(keyring: Keyring, claims: Claims, *, ttl_s: int) -> str:
    issued = int(now().timestamp())
    body = {
        "iss": _ISSUER,
        "sub": claims.user_id,
        "tenant": claims.tenant_id,
        "sid": claims.session_id,
        "scope": claims.scope.value,
        "iat": issued,
        "exp": issued + ttl_s,
    }
    return jwt.encode(body, keyring.signing_keys()[0], algorithm=_ALGORITHM)


def verify(keyring: Keyring, token: str) -> Claims:
    """The claims of a token signed with any key of the ring. Raises `TokenExpired` and `TokenInvalid`."""
    for key in keyring.signing_keys():
        try:
            body = jwt.decode(token, key, algorithms=[_ALGORITHM], issuer=_ISSUER, options={"require": ["exp", "sub", "sid", "tenant"]})
            return Claims(
                tenant_id=TenantId(str(body["tenant"])),
                user_id=UserId(str(body["sub"])),
                session_id=str(body["sid"]),
                scope=Scope(body["scope"]),
            )
        except jwt.InvalidSignatureError:
            continue
        except jwt.ExpiredSignatureError:
            raise TokenExpired("the access token has expired") from None
        except (jwt.InvalidTokenError, ValueError, KeyError):
            break
    raise TokenInvalid("the access token is not one of this installation", hint=_NOT_OURS)
