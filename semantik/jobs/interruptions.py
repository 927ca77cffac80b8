"""What stops a handler from outside. Derived from BaseException, so that no `except Exception` of a handler can eat it.

Interruption
  Paused       a user asked for a pause; the cursor stays
  Cancelled    a user asked to stop for good
  BudgetReached  the next item would cost more than the job may use up; it is paused, and a user decides
  Drained      this process is going down, or others deserve the slot: another attempt goes on from the cursor
  LeaseLost    the job belongs to someone else now; nothing of this attempt may be written any more
"""

from __future__ import annotations

from semantik.jobs.values import Control, Lease


class Interruption(BaseException):
    """Let it pass. Clean up in `finally`; write nothing."""


class Paused(Interruption):
    pass


class Cancelled(Interruption):
    pass


class Drained(Interruption):
    pass


class BudgetReached(Interruption):
    """Its text is the sentence for the user: what is used up, and how to go on."""


class LeaseLost(Interruption):
    def __init__(self, lease: Lease) -> None:
        super().__init__(f"job {lease.job_id} is no longer held under fence {lease.fence}")


_BY_CONTROL: dict[Control, type[Interruption]] = {Control.PAUSE: Paused, Control.CANCEL: Cancelled, Control.DRAIN: Drained}


def interruption(control: Control) -> Interruption:
    return _BY_CONTROL[control](f"asked to {control}")


def find(error: BaseException) -> Interruption | None:
    """The interruption that `error` is, or holds when a task group wrapped it together with nothing but its like."""
    if isinstance(error, Interruption):
        return error
    if isinstance(error, BaseExceptionGroup):
        found = [find(inner) for inner in error.exceptions]
        if found and all(found):
            # A lost lease outranks a request: whatever else was asked, nothing may be written.
            return next((one for one in found if isinstance(one, LeaseLost)), found[0])
    return None
