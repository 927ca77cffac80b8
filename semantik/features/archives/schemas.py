"""The JSON of bundles."""

from __future__ import annotations

from pydantic import BaseModel


class ImportAccepted(BaseModel):
    """The bundle is stored; a job takes it in, and its result names the collection."""

    job_id: str
