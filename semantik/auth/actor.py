"""Who is asking: a tenant, a user or key, and what they may do. Every read and write starts from one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from semantik.kit.ids import TenantId, UserId


class Scope(StrEnum):
    """Each includes the ones before it."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


_INCLUDED = {
    Scope.READ: frozenset({Scope.READ}),
    Scope.WRITE: frozenset({Scope.READ, Scope.WRITE}),
    Scope.ADMIN: frozenset(Scope),
}


@dataclass(frozen=True, slots=True)
class Actor:
    """`user_id` is None for the system itself (a job step). `via` says how they proved it: token, key, local, system."""

    tenant_id: TenantId
    user_id: UserId | None
    scope: Scope
    via: str
    credential_id: str | None = None

    def may(self, scope: Scope) -> bool:
        return scope in _INCLUDED[self.scope]


def system(tenant_id: TenantId) -> Actor:
    """The tenant's own background work: everything within the tenant, nothing outside it."""
    return Actor(tenant_id=tenant_id, user_id=None, scope=Scope.ADMIN, via="system")
