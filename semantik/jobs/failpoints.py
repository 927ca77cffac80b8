"""Named places where tests make the process die, sleep or fail; nothing happens unless SEMANTIK_TEST_FAILPOINTS is set.

The variable holds `point=action[@hit]`, joined by commas: `after_claim=kill@2` kills the process when that point is
passed the second time. Actions: kill (SIGKILL to this process), stop (SIGSTOP: until somebody continues it), sleep:<seconds>
(of the whole thread: a frozen loop), raise (a transient error), bug (an error that nobody foresaw). Points in the order a job meets them:
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter

from semantik.jobs.retry import Transient

POINTS = (
    "after_insert_before_commit",
    "after_commit_before_ring",
    "in_claim_before_commit",
    "after_claim",
    "before_process",
    "after_process",
    "in_step_before_commit",
    "after_step_commit",
    "after_commit_before_publish",
    "before_finish",
    "in_finish_before_commit",
    "after_finish",
    "in_heartbeat",
    "in_rescue_before_commit",
    "in_control_before_commit",
    "in_schedule_before_commit",
    "ingest_listed",
    "ingest_planned",
    "ingest_fetched",
    "ingest_extracted",
    "ingest_embedded",
    "ingest_upserted",
    "ingest_flushed",
    "ingest_published",
    "ingest_read",
    "ingest_swept",
    "doctor_mended",
    "bundle_member_taken",
    "move_begun",
    "move_keys_carried",
    "move_rows_written",
    "move_rows_noted",
    "move_file_stored",
    "move_points_flushed",
    "move_filled",
    "move_compared",
)

_hits: Counter[str] = Counter()


def _parse(text: str) -> dict[str, tuple[str, int]]:
    plan = {}
    for entry in filter(None, text.split(",")):
        point, _, action = entry.partition("=")
        action, _, hit = action.partition("@")
        assert point in POINTS, f"no such fail point: {point}"
        plan[point] = (action, int(hit or 1))
    return plan


_plan = _parse(os.environ.get("SEMANTIK_TEST_FAILPOINTS", ""))


def arm(plan: str) -> None:
    """Replaces the plan of this process, for workers that a test forks instead of starting."""
    global _plan
    _plan = _parse(plan)
    _hits.clear()


def fp(point: str) -> None:
    """Passes the named point."""
    if not _plan:
        return
    _hits[point] += 1
    action, hit = _plan.get(point, ("", 0))
    if _hits[point] != hit:
        return
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif action == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif action.startswith("sleep:"):
        time.sleep(float(action.removeprefix("sleep:")))
    elif action == "raise":
        raise Transient(f"fail point {point}")
    elif action == "bug":
        raise RuntimeError(f"fail point {point}")
