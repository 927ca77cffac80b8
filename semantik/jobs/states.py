"""The states of a job: one table of allowed transitions, the verbs a user has in each, and what is derived from them.

              enqueue                          claim                       last item
    (new) ─────────────▶ queued ─────────────────────────▶ running ─────────────────▶ completed (ok | partial)
      │                  ▲ │ ▲                             │ │ │ │
      │ depends_on       │ │ │   drain, snooze, retry,     │ │ │ │ permanent error, attempts or losses used up
      ▼    last parent   │ │ └───── lease lost ────────────┘ │ │ └────────────────▶ failed
    blocked ─────────────┘ │                               │ │
      │  │                 │ pause                   pause │ │ cancel
      │  │ pause           ▼                               ▼ ▼
      │  └──────────────▶ paused ◀──── owner ────── pausing ─▶ cancelling
      │                    │  │    or reaper          cancel     │ owner, reaper, or force
      │ a parent failed    │  └─ resume ─▶ queued | blocked      ▼
      └─▶ skipped ◀────────┘ ───────────── cancel ────────▶ cancelled
                                  retry (cursor kept), restart (from zero): failed, cancelled ─▶ queued | blocked

Every edge is one conditional UPDATE in `jobs/store`; a row that is no longer in the state we thought makes the
statement touch nothing, and a user then gets 409 with the state and the verbs that are allowed in it. `running`,
`pausing` and `cancelling` are leased: an owner, a time of expiry and a fence stand in the row. Pause and cancel of a
leased job are requests: the owner follows them at its next item, `rescue` in place of an owner that died. If the last
item is done before the owner hears of the request, the job is completed all the same. A job that comes to the end of its
budget is paused by its owner: running ─▶ paused, at once.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from semantik.kit.errors import Conflict

if TYPE_CHECKING:
    from semantik.jobs.values import Job


class Status(StrEnum):
    BLOCKED = "blocked"
    QUEUED = "queued"
    RUNNING = "running"
    PAUSING = "pausing"
    PAUSED = "paused"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"


class Outcome(StrEnum):
    """Of a completed job: ok, or partial when items of it failed."""

    OK = "ok"
    PARTIAL = "partial"


S = Status

LEASED = frozenset({S.RUNNING, S.PAUSING, S.CANCELLING})
ENDED = frozenset({S.CANCELLED, S.COMPLETED, S.FAILED, S.SKIPPED})

TRANSITIONS: dict[Status, frozenset[Status]] = {
    S.BLOCKED: frozenset({S.QUEUED, S.PAUSED, S.CANCELLED, S.SKIPPED}),
    S.QUEUED: frozenset({S.RUNNING, S.PAUSED, S.CANCELLED}),
    S.RUNNING: frozenset({S.QUEUED, S.PAUSED, S.PAUSING, S.CANCELLING, S.CANCELLED, S.COMPLETED, S.FAILED}),
    S.PAUSING: frozenset({S.PAUSED, S.CANCELLING, S.CANCELLED, S.COMPLETED, S.FAILED}),
    S.PAUSED: frozenset({S.QUEUED, S.BLOCKED, S.CANCELLED, S.SKIPPED}),
    S.CANCELLING: frozenset({S.CANCELLED, S.COMPLETED, S.FAILED}),
    S.CANCELLED: frozenset({S.QUEUED, S.BLOCKED}),
    S.FAILED: frozenset({S.QUEUED, S.BLOCKED}),
    S.COMPLETED: frozenset(),
    S.SKIPPED: frozenset(),
}


class Verb(StrEnum):
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    RESTART = "restart"
    RETRY = "retry"
    RETRY_FAILED = "retry-failed"
    PRIORITY = "priority"
    BUDGET = "budget"
    DELETE = "delete"


_VERBS: dict[Verb, frozenset[Status]] = {
    Verb.PAUSE: frozenset({S.BLOCKED, S.QUEUED, S.RUNNING}),
    Verb.RESUME: frozenset({S.PAUSED}),
    Verb.CANCEL: frozenset({S.BLOCKED, S.QUEUED, S.RUNNING, S.PAUSING, S.PAUSED}),
    Verb.RESTART: frozenset({S.FAILED, S.CANCELLED, S.COMPLETED, S.SKIPPED}),
    Verb.RETRY: frozenset({S.FAILED, S.CANCELLED}),
    Verb.RETRY_FAILED: ENDED,
    Verb.PRIORITY: frozenset(S) - ENDED,
    Verb.BUDGET: frozenset(S) - ENDED,
    Verb.DELETE: ENDED,
}

_STATE_SAYS: dict[Status, str] = {
    S.BLOCKED: "it waits for another job",
    S.QUEUED: "it has not started yet",
    S.RUNNING: "it is running",
    S.PAUSING: "it is pausing: it stops after the item in hand",
    S.PAUSED: "it is paused",
    S.CANCELLING: "it is being cancelled",
    S.CANCELLED: "it was cancelled",
    S.COMPLETED: "it is completed",
    S.FAILED: "it failed",
    S.SKIPPED: "it was skipped, because a job that it needs did not succeed",
}


class WrongState(Conflict):
    """`state` and `allowed` in data say what is possible instead."""

    code = "wrong_job_state"
    title = "The job is not in a state that allows this"


def verbs(job: Job) -> tuple[Verb, ...]:
    """The verbs that make sense for the job as it is now."""
    return tuple(verb for verb in Verb if why_not(job, verb) is None)


def why_not(job: Job, verb: Verb) -> str | None:
    """Why the verb is not allowed now, as half a sentence for a disabled control; None when it is allowed."""
    if job.status not in _VERBS[verb]:
        return _STATE_SAYS[job.status]
    if verb is Verb.RETRY_FAILED and job.failed_items == 0:
        return "no item of it failed on its own"
    return None


def statuses_for(verb: Verb) -> frozenset[Status]:
    """The states in which the verb may make sense."""
    return _VERBS[verb]


def wrong_state(job: Job, verb: Verb) -> WrongState:
    allowed = [str(one) for one in verbs(job)]
    reason = why_not(job, verb) or "its state changed meanwhile"
    return WrongState(
        f"job {job.id} cannot take {verb!s}: {reason}",
        hint=f"Allowed now: {', '.join(allowed)}." if allowed else "Nothing can be done to it now.",
        state=str(job.status),
        allowed=allowed,
    )


def display(job: Job, now: datetime, stall_timeout_s: float = 900) -> str:
    """What people see: the state, or the finer word for a queued job that waits and a running one that does not move.

    scheduled: queued for later, never run. retrying: queued for later after an error. waiting: blocked by other jobs.
    interrupted: its lease has run out and nobody has taken it back yet. stalled: alive, but no progress for long.
    """
    match job.status:
        case S.QUEUED if job.available_at > now:
            return "retrying" if job.error_class is not None else "scheduled"
        case S.BLOCKED:
            return "waiting"
        case S.RUNNING if job.lease_expires_at is not None and job.lease_expires_at < now:
            return "interrupted"
        case S.RUNNING if job.last_progress_at is not None and (now - job.last_progress_at).total_seconds() > stall_timeout_s:
            return "stalled"
        case _:
            return str(job.status)
