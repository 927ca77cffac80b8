"""Budgets as they are typed, and estimates as they are read: amounts by meter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from semantik.entrypoints.cli import console
from semantik.kit.errors import InvalidInput

_NAMES = {
    "items": "documents",
    "chunks": "passages",
    "minutes": "minutes",
    "disk_bytes": "bytes on disk",
    "tokens": "tokens",
    "cost": "price",
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


def say(estimate: Mapping[str, Any] | None) -> None:
    """Each amount as a range, and what it was made of."""
    if estimate is None:
        console.say("There is nothing to read.")
        return
    for meter, name in _NAMES.items():
        if (found := estimate.get(meter)) is not None:
            low, likely, high = (_number(found[end]) for end in ("low", "likely", "high"))
            console.say(f"  {name:<14} {likely}" if low == high else f"  {name:<14} {low} to {high}, likely {likely}")
    console.say(f"  (nine times of ten; {estimate['sampled']} documents looked at, embedding speed from {estimate['speed_from']})")


def _number(amount: float) -> str:
    return f"{amount:,.0f}" if amount >= 100 or amount == int(amount) else f"{amount:.2g}"
