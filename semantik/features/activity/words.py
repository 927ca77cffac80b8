"""What an event says in words: the one place, for the log of a job on its page, in the API and at the command line. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Every type of event, as docs/reference/jobs.md lists them; a test finds those that are missing.
MEANINGS = {
    "job.created": "it was enqueued",
    "job.unblocked": "one of the jobs that it waits for has ended",
    "job.started": "a worker took it; `metadata.owner` says which",
    "job.progress": "it moved; stored at most once a second, and in between sent with `seq` null",
    "job.log": "a line of its own; `metadata.text`",
    "item.failed": "an item failed and the job goes on; `metadata.label`, `code`, `text`",
    "item.quarantined": "an item was set aside: it ended its process three times",
    "job.pausing": "somebody asked to pause; it stops after the item in hand",
    "job.paused": "it stopped and keeps its place",
    "job.resumed": "it goes on",
    "job.cancelling": "somebody asked to cancel",
    "job.cancelled": "it ended; what was done stays",
    "job.priority": "its priority was changed",
    "job.budget": "its budget was changed",
    "job.stalled": "it is alive and has not moved for long",
    "job.lost": "its worker was lost; it is queued again and goes on from its checkpoint",
    "job.released": "its worker gave it back (shutdown, fair share, no memory, rate limit); it goes on later",
    "job.retrying": "the attempt failed and there will be another; `metadata.delay_s`, `error_message`",
    "job.completed": "it ended; `metadata.outcome` is `ok` or `partial`",
    "job.failed": "it ended without success; `metadata.error_code`, `error_message`",
    "job.skipped": "it ended unrun: a job that it needs did not succeed",
    "job.retried": "somebody had it tried again from its checkpoint",
    "job.restarted": "somebody had it start again from zero",
}

_PLAIN = {
    "job.created": "Created",
    "job.pausing": "Asked to pause",
    "job.paused": "Paused",
    "job.resumed": "Resumed",
    "job.budget": "Budget changed",
    "job.cancelling": "Asked to cancel",
    "job.cancelled": "Cancelled",
    "job.retried": "Tried again from its last checkpoint",
    "job.restarted": "Restarted from the beginning",
    "job.stalled": "No progress for a while",
    "job.skipped": "Skipped: a job that it needs did not succeed",
    "job.unblocked": "A job that it waits for has ended",
}


def of(type_: str, metadata: Mapping[str, Any], *, message: str | None) -> str:
    """One line without a full stop. `message` is what the job was doing; it speaks only for progress."""
    error = metadata.get("error_message")
    match type_:
        case "job.log":
            return str(metadata.get("text", ""))
        case "job.progress":
            return message or "Progress"
        case "job.started":
            return f"Started on {metadata.get('owner', 'a worker')}"
        case "job.completed":
            return "Completed in part: some items failed" if metadata.get("outcome") == "partial" else "Completed"
        case "job.failed":
            return f"Failed: {error}" if error else "Failed"
        case "job.retrying":
            return f"Failed, next try in {_seconds(metadata)}: {error}" if error else f"Next try in {_seconds(metadata)}"
        case "job.released":
            return f"Put back for {_seconds(metadata)}: {error}" if error else "Handed back to the queue"
        case "job.lost":
            return f"Worker {metadata.get('owner', '')} was lost; the job goes on from its last checkpoint".replace("  ", " ")
        case "job.paused" if metadata.get("reason"):
            return f"Paused: {str(metadata['reason']).removesuffix('.')}"
        case "job.priority":
            return f"Priority set to {metadata.get('priority')}"
        case "item.failed" | "item.quarantined":
            name = metadata.get("label") or metadata.get("key") or "an item"
            return f"{name}: {metadata.get('text') or metadata.get('code') or type_.removeprefix('item.')}"
        case _:
            return _PLAIN.get(type_) or type_.removeprefix("job.").replace("_", " ").replace(".", " ").capitalize()


def _seconds(metadata: Mapping[str, Any]) -> str:
    delay_s = metadata.get("delay_s")
    return f"{delay_s:g} s" if isinstance(delay_s, int | float) else "a moment"
