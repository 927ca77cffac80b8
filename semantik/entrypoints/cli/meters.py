"""Budgets as they are typed, and estimates as they are read: amounts by meter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from semantik.entrypoints.cli import console
from semantik.kit.errors import InvalidInput


def _number(amount: float) -> str:
    return f"{amount:,.0f}" if amount >= 100 or amount == int(amount) else f"{amount:.2g}"


_MEASURES: dict[str, tuple[str, Callable[[float], str]]] = {
    "items": ("documents", _number),
    "chunks": ("passages", _number),
    "minutes": ("time", console.duration),
    "disk_bytes": ("on disk", console.size),
    "tokens": ("tokens", _number),
    "cost": ("price", _number),
}


class BadLimit(InvalidInput):
    code = "bad_limit"


def limits(given: Sequence[str]) -> dict[str, float]:
    """`tokens=100000` and the like. Raises `BadLimit`."""
    found: dict[str, float] = {}
    for one in given:
        meter, _, amount = one.partition("=")
        try:
            found[meter.strip()] = float(amount.replace(",", ""))
        except ValueError:
            raise BadLimit(f"{one!r} is not a limit", hint="Write a meter and a number, such as tokens=100000 or items=500.") from None
    return found


def changes(counts: Mapping[str, int]) -> str:
    """What a sync would do, or nothing."""
    names = ("added", "modified", "moved", "deleted", "unchanged")
    return " · ".join(f"{counts[name]:,} {name}" for name in names if counts[name]) or "nothing to do: the folder is empty"


def say(estimate: Mapping[str, Any] | None) -> None:
    """Each amount as a range, and what it was made of."""
    if estimate is None:
        console.say("There is nothing to read.")
        return
    for meter, (name, words) in _MEASURES.items():
        if (found := estimate.get(meter)) is not None:
            low, likely, high = (words(found[end]) for end in ("low", "likely", "high"))
            console.say(f"  {name:<9}  {likely}" if low == high else f"  {name:<9}  {low} to {high}, likely {likely}")
    looked = console.counted(estimate["sampled"], "document")
    console.say(f"  (nine times of ten; {looked} looked at, embedding speed from {estimate['speed_from']})")
