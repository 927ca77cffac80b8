"""The JSON of health and version."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from semantik.features.system import health


class Alive(BaseModel):
    status: Literal["ok"] = "ok"


class PartState(BaseModel):
    name: str = Field(examples=["database"])
    state: health.State
    latency_ms: float = Field(examples=[0.8])


class Ready(BaseModel):
    """For load balancers: which parts are well, and nothing that only members may know."""

    status: Literal["ready", "not_ready"]
    parts: list[PartState]

    @classmethod
    def of(cls, parts: list[health.Part]) -> Ready:
        shown = [PartState(name=one.name, state=one.state, latency_ms=one.latency_ms) for one in parts]
        return cls(status="ready" if health.serves(parts) else "not_ready", parts=shown)


class Part(BaseModel):
    name: str = Field(examples=["database"])
    state: health.State
    latency_ms: float = Field(examples=[0.8])
    code: str | None = Field(None, description="Why it is not well.", examples=[None])
    detail: str | None = None
    hint: str | None = Field(None, description="What to do about it, where we know.", examples=[None])
    facts: dict[str, Any] = Field(default_factory=dict, description="What the part says of itself.")


class Health(BaseModel):
    status: health.State = Field(description="down: without the database, or with a dead loop; degraded: another part is unwell.")
    parts: list[Part]

    @classmethod
    def of(cls, parts: list[health.Part]) -> Health:
        shown = [
            Part(
                name=one.name,
                state=one.state,
                latency_ms=one.latency_ms,
                code=one.code,
                detail=one.detail,
                hint=one.hint,
                facts=dict(one.facts),
            )
            for one in parts
        ]
        return cls(status=health.overall(parts), parts=shown)


class Version(BaseModel):
    version: str = Field(examples=["0.1.0"])
    commit: str | None = Field(description="The commit this build was made from, where it is known.", examples=[None])
    mode: Literal["embedded", "server"] = Field(description="embedded: one process, SQLite and its own index.")
