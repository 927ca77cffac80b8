"""What the command line prints: data on stdout, words about it on stderr, and how it exits."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from semantik.entrypoints.cli import lookup

if TYPE_CHECKING:
    from rich.progress import Progress

OK, PROBLEM, USAGE, INCOMPLETE, UNAVAILABLE, CONFIGURATION, INTERRUPTED = 0, 1, 2, 3, 75, 78, 130

EXIT_CODES = {
    OK: "done",
    PROBLEM: "refused, or the thing does not exist, or a job failed",
    USAGE: "the command line cannot be used: a wrong option or value, also one that only the server could judge",
    INCOMPLETE: "nothing could be read of what was listed, or some of it not: `ingest --strict`, `jobs watch`, `backup`, `restore`",
    UNAVAILABLE: "the server or something that it needs does not answer; trying again may help",
    CONFIGURATION: "it cannot start as configured",
    INTERRUPTED: "interrupted; what was done is kept",
}

# Shown of a completed job of which items failed.
IN_PART = "completed in part"


def say(text: str = "") -> None:
    """A line of data on stdout."""
    print(text)


def note(text: str = "") -> None:
    """A line for the person at the terminal, on stderr."""
    print(text, file=sys.stderr)


def emit(data: Any) -> None:
    """Data for machines: one JSON value on stdout."""
    json.dump(data, sys.stdout, ensure_ascii=False, indent=2)
    sys.stdout.write("\n")


def table(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], *, empty: str) -> None:
    """Prints rows under headings; `columns` maps keys to headings. Without rows, `empty` on stderr.

    Numbers stand right. Keys are those of the API: what ends in `_at` is shown as a local time, what ends in `id` is cut.
    """
    if not rows:
        note(empty)
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for key, heading in columns.items():
        numeric = all(isinstance(row.get(key), int | float | None) for row in rows)
        drawn.add_column(heading, justify="right" if numeric else "left", overflow="fold")
    cut = {key: lookup.ends([row[key] for row in rows if row.get(key)]) for key in columns if key == "id" or key.endswith("_id")}
    for row in rows:
        drawn.add_row(*(Text(cut[key].get(row.get(key) or "", "-") if key in cut else _of(key, row.get(key))) for key in columns))
    Console(file=sys.stdout, highlight=False, width=None if sys.stdout.isatty() else 200).print(drawn)


def bars(*columns: Any, described: int = 0, transient: bool = False) -> Progress:
    """Progress bars on stderr, each after what it is of, in `described` places at least; `columns` of rich stand behind the bar."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    what = TextColumn(f"{{task.description:<{described}}}")
    return Progress(what, BarColumn(), *columns, console=Console(stderr=True), transient=transient)


def state(job: Mapping[str, Any]) -> str:
    """The word for a job's state. A run of a schedule and its last job have no `display_status`."""
    return IN_PART if job.get("outcome") == "partial" else str(job.get("display_status") or job["status"])


def duration(minutes: float) -> str:
    """A time as a person says it; what is shorter than a minute has no digits."""
    if minutes < 1:
        return "less than a minute"
    whole = round(minutes)
    hours, rest = divmod(whole, 60)
    return f"{whole} min" if not hours else f"{hours:,} h {rest} min" if rest else f"{hours:,} h"


def moment(at: str | None, *, seconds: bool = False) -> str:
    """A time of the API as the clock on the wall says it."""
    if at is None:
        return shown(None)
    return datetime.fromisoformat(at).astimezone().strftime("%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M")


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """1 page, 2 pages, 1,000 pages."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def size(amount: float) -> str:
    for unit, one in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if amount >= one:
            return f"{amount / one:.3g} {unit}" if amount < 999.5 * one else f"{amount / one:,.0f} {unit}"
    return f"{amount:.0f} bytes"


def fields(values: Mapping[str, Any]) -> None:
    """Prints names and values, one a line."""
    width = max((len(name) for name in values), default=0)
    for name, value in values.items():
        say(f"{name:<{width}}  {_of(name, value)}")


def _of(key: str, value: Any) -> str:
    return shown(moment(value) if key == "at" or key.endswith("_at") else value)


def shown(value: Any) -> str:
    """A value as a person reads it; control characters and direction marks cannot disturb the terminal."""
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:.3f}"
        case list() | tuple():
            return ", ".join(shown(one) for one in value) or "-"
        case dict():
            return json.dumps(value, ensure_ascii=False)
        case _:
            return printable(str(value))


# Joiners have no shape of their own, and words of Hindi or Persian fall apart without them.
_JOINERS = "\u200c\u200d"


def printable(text: str) -> str:
    return "".join(char if char.isprintable() or char == "\n" or char in _JOINERS else f"\\u{ord(char):04x}" for char in text)


def ledger(values: Mapping[str, Any]) -> str:
    """listed = indexed + partial + skipped + failed + pending, as one line."""
    parts = [
        f"{values[name]:,} {name}" for name in ("indexed", "partial", "skipped", "failed", "pending") if values[name] or name == "indexed"
    ]
    return f"{values['listed']:,} listed = " + " + ".join(parts)
