"""The JSON of accounts."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from semantik.auth.actor import Scope
from semantik.features.accounts import values

_SCOPE = "Each scope includes the ones before it: read, write, admin."

Password = Annotated[str, Field(max_length=1000, description="At least 8 characters.", examples=["correct horse battery staple"])]
Email = Annotated[str, Field(min_length=1, max_length=320, examples=["ada@example.org"])]


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SetupState(BaseModel):
    needed: bool = Field(description="Whether the first account is still to be made.")


class SetUp(_Input):
    token: str = Field(max_length=200, description="The one-time token that the server printed at start.", examples=["G5m...Qk"])
    email: Email
    password: Password
    name: str = Field("", max_length=200, examples=["Ada Lovelace"])


class Login(_Input):
    email: Email
    password: Password


class PasswordChange(_Input):
    current: Password
    new: Password


class NewApiKey(_Input):
    name: str = Field(min_length=1, max_length=200, examples=["nightly import"])
    scope: Scope = Field(Scope.READ, description=_SCOPE)
    expires_in_days: int | None = Field(None, ge=1, le=3650, description="Null: never.", examples=[90])


class User(BaseModel):
    id: str
    email: str = Field(examples=["ada@example.org"])
    name: str = Field(examples=["Ada Lovelace"])
    role: Literal["admin", "member"]
    tenant_id: str

    @classmethod
    def of(cls, user: values.User) -> User:
        return cls(
            id=user.id, email=user.email, name=user.name, role="admin" if user.role == "admin" else "member", tenant_id=user.tenant_id
        )


class Session(BaseModel):
    access_token: str = Field(description="Send it as Authorization: Bearer. Keep it in memory only.")
    token_type: Literal["bearer"] = "bearer"  # noqa: S105  # a word of RFC 6750
    expires_in: int = Field(description="Seconds until the access token runs out.", examples=[900])
    user: User


class Me(BaseModel):
    user: User
    scope: Scope = Field(description=_SCOPE)
    via: str = Field(description="How the caller proved who they are: token, key or local.", examples=["token"])


class ApiKey(BaseModel):
    id: str
    name: str = Field(examples=["nightly import"])
    prefix: str = Field(description="The first characters, to tell keys apart.", examples=["sk_4Zk9aQx"])
    scope: Scope
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    used_at: datetime | None = Field(description="Written down at most once a minute.")

    @classmethod
    def of(cls, key: values.ApiKey) -> ApiKey:
        return cls(
            id=key.id,
            name=key.name,
            prefix=key.prefix,
            scope=key.scope,
            created_at=key.created_at,
            expires_at=key.expires_at,
            revoked_at=key.revoked_at,
            used_at=key.used_at,
        )


class CreatedApiKey(ApiKey):
    key: str = Field(description="The key itself. Shown this once.", examples=["sk_..."])
