"""What a job may use up, meter by meter, and the sentence for a job that came to the end of it. Pure.

Every kind has `items` (what was processed) and `minutes` (of work); a kind adds meters of its own, such as tokens, and
counts them with `JobContext.spend`. The same meters carry what was expected (`estimate`) and what it came to (`spent`).
"""

from __future__ import annotations

from collections.abc import Mapping

from semantik.jobs.values import Job, JobArgs
from semantik.kit.errors import InvalidInput

ITEMS, MINUTES = "items", "minutes"
OF_EVERY_KIND = (ITEMS, MINUTES)


class BadBudget(InvalidInput):
    code = "bad_budget"
    title = "This budget cannot be kept"
    default_hint = "Give each meter that the kind has a limit of 0 or more."


def check(args: type[JobArgs] | JobArgs, budget: Mapping[str, float]) -> None:
    """Raises `BadBudget` for a meter that the kind does not have, and for a limit below zero."""
    known = (*OF_EVERY_KIND, *args.meters)
    for meter, limit in budget.items():
        if meter not in known:
            raise BadBudget(f"jobs of kind {args.kind} have no meter {meter!r}", hint=f"They have: {', '.join(known)}.")
        if not limit >= 0:
            raise BadBudget(f"the budget of {meter} is {limit:g}, and nothing can cost less than nothing")


def spent(job: Job, *, active_s: float = 0.0, more: Mapping[str, float] | None = None) -> dict[str, float]:
    """What the job used up so far. `active_s` and `more`: what is not in its row yet."""
    found = {**(job.spent or {}), ITEMS: float(job.processed), MINUTES: (job.active_seconds + active_s) / 60}
    for meter, amount in (more or {}).items():
        found[meter] = found.get(meter, 0.0) + amount
    return found


def over(limits: Mapping[str, float], used: Mapping[str, float], cost: Mapping[str, float]) -> str | None:
    """Which limit the cost would exceed, as a sentence for the user; None while there is room. Time is up when it is up."""
    for meter, limit in limits.items():
        has, next_ = used.get(meter, 0.0), cost.get(meter, 0.0)
        if meter == MINUTES:
            if has >= limit:
                return f"It has worked for the {shown(limit)} minutes of its budget. {HOW_TO_GO_ON}"
        elif next_ > 0 and has + next_ > limit * (1 + 1e-9):
            left = "and more are waiting" if meter == ITEMS else f"and the next step needs about {shown(next_)}"
            return f"{shown(has)} of the {shown(limit)} {meter} of its budget are used, {left}. {HOW_TO_GO_ON}"
    return None


HOW_TO_GO_ON = "Raise the budget, then resume."


def shown(amount: float) -> str:
    """A number as people read it: whole where it is large, with two digits where it is small."""
    return f"{amount:,.0f}" if amount >= 100 or amount == int(amount) else f"{amount:.3g}"
