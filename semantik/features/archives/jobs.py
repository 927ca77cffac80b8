"""Taking a bundle in, member by member, each with its checkpoint."""

from __future__ import annotations

from typing import Any

from semantik.features.archives.importing import bring_in
from semantik.features.archives.job_args import ImportCollection
from semantik.jobs.context import JobContext
from semantik.jobs.handlers import handles


@handles(ImportCollection)
async def import_collection(ctx: JobContext, args: ImportCollection) -> dict[str, Any]:
    return await bring_in(ctx, args)
