"""The options that hold for every command, as the main command read them, and the values that several options take."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Literal, get_args

import typer


@dataclass(slots=True)
class Chosen:
    data_dir: Path | None = None
    server: str | None = None
    verbose: bool = False
    as_json: bool = False
    serving: bool = False

    def command(self, words: str) -> str:
        """A command to type next, for the same installation."""
        folder = f" --data-dir {shlex.quote(str(self.data_dir))}" if self.data_dir else ""
        return f"semantik{folder}{f' --server {self.server}' if self.server else ''} {words}"


chosen = Chosen()

# The words that the API takes, written here too: its schemas would cost each --help a quarter of a second. A test compares them.
Mode = Literal["hybrid", "dense", "sparse"]
Strategy = Literal["recursive", "markdown", "tokens", "sentences"]
Scope = Literal["read", "write", "admin"]
Level = Literal["info", "warning", "error"]
JobStatus = Literal["blocked", "queued", "running", "pausing", "paused", "cancelling", "cancelled", "completed", "failed", "skipped"]
Verb = Literal["pause", "resume", "cancel", "restart", "retry", "retry-failed", "priority", "delete"]
DeadThing = Literal["job", "item"]
Overlap = Literal["skip", "buffer_one", "cancel_previous", "allow"]
Wait = Annotated[
    bool,
    typer.Option(
        "--wait/--no-wait",
        help="Wait for the end, or print the job's id and leave it. Where no server runs jobs, this command does, and waits.",
    ),
]
# Of every blocked job this is shown.
WAITING = "waiting"
# Words that are shown of some jobs in a state, and the state: by that alone the API finds them.
_FINER = {"scheduled": "queued", "retrying": "queued", "interrupted": "running", "stalled": "running", "completed in part": "completed"}
DOCUMENT_STATES = ("pending", "indexed", "partial", "skipped", "failed")


def day(text: str) -> str:
    """A day, or a moment, in the form the API takes."""
    try:
        date.fromisoformat(text)
    except ValueError:
        try:
            datetime.fromisoformat(text)
        except ValueError:
            raise typer.BadParameter(f"{text!r} is no day. Write it as 2025-03-15.") from None
    return text


def whole(least: int, most: int | None = None) -> Callable[[str], int]:
    """A whole number within bounds. Typer's own bounds do not say which value they refuse."""
    allowed = f"from {least:,} to {most:,}" if most is not None else f"{least:,} or more"

    def number(text: str | int) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least or (most is not None and value > most):
            raise typer.BadParameter(f"{str(text)!r} is no whole number {allowed}.")
        return value

    return number


def share(text: str | float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value <= 1:
        raise typer.BadParameter(f"{str(text)!r} is no number from 0 to 1.")
    return value


def language(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z]{2,3}", text):
        raise typer.BadParameter(f"{text!r} is no language code. Write two or three letters: en, de, hi.")
    return text


def language_or_auto(text: str) -> str:
    if not re.fullmatch("auto|[a-z]{2}", text):
        raise typer.BadParameter(f"{text!r} is no language code. Write auto, or two letters: en, de, hi.")
    return text


def media_type(text: str) -> str:
    if not re.fullmatch(r"[^/\s]+/[^/\s]+", text):
        raise typer.BadParameter(f"{text!r} is no media type. Write application/pdf, text/html, message/rfc822 ...")
    return text


def job_status(text: str) -> str:
    """The state as the API calls it. Typer takes no list of literals, so this word is looked at here."""
    if text == WAITING:
        return "blocked"
    if text in _FINER:
        raise typer.BadParameter(f"{text!r} cannot be searched for: such jobs are {_FINER[text]}. Choose: {_FINER[text]}.")
    if text not in get_args(JobStatus):
        raise typer.BadParameter(f"{text!r} is no state of a job. Choose of: {', '.join(get_args(JobStatus))}.")
    return text


def states(text: str) -> str:
    """States of documents, comma separated."""
    for one in text.split(","):
        if one.strip() not in DOCUMENT_STATES:
            raise typer.BadParameter(f"{one.strip()!r} is no state of a document. Choose of: {', '.join(DOCUMENT_STATES)}.")
    return text
