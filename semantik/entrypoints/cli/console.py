"""What the command line prints: data on stdout, words about it on stderr, and how it exits."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

# Exit codes, documented in docs/reference/cli.md. 2 is a wrong command line (from the parser), 130 an interrupt.
OK = 0
PROBLEM = 1  # the request was refused or the thing does not exist
INCOMPLETE = 3  # the work ended, and some documents failed
UNAVAILABLE = 75  # a dependency or the server does not answer; trying again may help (EX_TEMPFAIL)
CONFIGURATION = 78  # it cannot start as configured (EX_CONFIG)


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
    """Prints rows under headings; `columns` maps keys to headings. Numbers stand right. Without rows, `empty` on stderr."""
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
    for row in rows:
        drawn.add_row(*(Text(shown(row.get(key))) for key in columns))
    Console(file=sys.stdout, highlight=False, width=None if sys.stdout.isatty() else 200).print(drawn)


def fields(values: Mapping[str, Any]) -> None:
    """Prints names and values, one a line."""
    width = max((len(name) for name in values), default=0)
    for name, value in values.items():
        say(f"{name:<{width}}  {shown(value)}")


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
