"""Goes through all looks, batch by batch, each with its checkpoint: what was seen and mended so far is in the job's cursor."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from semantik.engines.vectors.base import Space
from semantik.features.ingestion.doctor import mends
from semantik.features.ingestion.doctor.looks import STAGES
from semantik.features.ingestion.doctor.values import Fault
from semantik.features.ingestion.job_args import Doctor
from semantik.features.ingestion.removal import sweep
from semantik.jobs.context import JobContext
from semantik.jobs.failpoints import fp

# Of each kind so many are named in the report; all are counted.
_EXAMPLES = 5


@dataclass(slots=True)
class _Report:
    """As far as the examination has come. JSON in the cursor and, at the end, in the job's result."""

    stage: str = ""
    after: str = ""
    checked: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    mended: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    examples: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, cursor: Any) -> _Report:
        kept = dict(cursor or {})
        for name in ("checked", "found", "mended"):
            kept[name] = Counter(kept.get(name, {}))
        return cls(**kept)

    def note(self, faults: tuple[Fault, ...]) -> None:
        for fault in faults:
            self.found[fault.kind] += 1
            named = self.examples.setdefault(fault.kind, [])
            if len(named) < _EXAMPLES:
                named.append(fault.label or fault.subject)

    def as_cursor(self) -> dict[str, Any]:
        return {"stage": self.stage, "after": self.after, **self.as_result()}

    def as_result(self) -> dict[str, Any]:
        return {
            "checked": dict(self.checked),
            "found": {str(kind): count for kind, count in self.found.items()},
            "mended": {str(kind): count for kind, count in self.mended.items()},
            "lost": self.lost,
            "examples": self.examples,
        }


async def examine(ctx: JobContext, args: Doctor) -> dict[str, Any]:
    """Returns how many things were checked, found, mended and lost, by name. Without `fix` nothing but the job itself is written."""
    report = _Report.of(ctx.job.cursor)
    stages = list(STAGES)
    for stage in stages[stages.index(report.stage) if report.stage else 0 :]:
        look, message = STAGES[stage]
        after = report.after if stage == report.stage else ""
        async for batch in look(ctx, args, after):
            await ctx.check()
            report.stage, report.after = stage, batch.after
            report.checked[stage] += batch.checked
            report.note(batch.faults)
            mended = await mends.mend(ctx, batch.faults) if args.fix and batch.faults else mends.Mended()
            fp("doctor_mended")
            report.mended.update(mended.counts)
            report.lost += len(mended.lost)
            done = batch.checked - len(mended.lost)
            async with ctx.step(
                cursor=report.as_cursor(), done=max(0, done), failed=len(mended.lost), message=message, items=mended.lost
            ) as session:
                for effect in mended.effects:
                    await effect(session)
            for key in sorted(mended.spaces):
                await sweep(ctx, Space.of_key(key))
    return report.as_result()
