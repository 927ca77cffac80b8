"""docs/fault-report.md, from what the parts of the campaign left behind."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from tests.crash.broken import BROKEN

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "fault-report.md"


def write(results: Path) -> Path:
    kept = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(results.glob("*.json"))]
    PAGE.write_text(page(kept), encoding="utf-8")
    return PAGE


def page(kept: list[dict[str, Any]]) -> str:
    tallies = [one["tally"] for one in kept]
    proof = [one for one in tallies if one["part"] != "sabotage"]
    kills, effects = sum(one["kills"] for one in proof), sum(one["effects"] for one in proof)
    failures = [f"{_name(one)}: {failure}" for one in tallies for failure in one["failures"]]
    faults = Counter[str]()
    for one in proof:
        faults.update(one["faults"])
    verdict = "None was broken." if not failures else f"{len(failures)} cases broke them:"
    lines = [
        "# Fault report",
        "",
        "<!-- Written by `make crash`. -->",
        "",
        f"**{kills:,} processes killed, {effects:,} item effects, {len(failures)} violations.** Workers, the processes that ask,",
        "their database and their broker were killed at every named point of the engine and at random, as the parts below say, while",
        "jobs ran and users paused and cancelled them. After each round one oracle (`tests/jobs/oracle.py`) asks the database",
        "for the six invariants:",
        "",
        "1. each item has exactly one effect, or one row that says why not;",
        "2. done + failed + skipped + quarantined = total;",
        "3. events are numbered without a gap, and their states form a legal path;",
        "4. fences grow, and no effect was written under an older fence than one before it;",
        "5. nothing is left that nobody will ever touch;",
        "6. what was acknowledged is there.",
        "",
        verdict,
        *[f"- {failure}" for failure in failures],
        "",
        "Which fault of the engine's list is tried by which test: [faults](develop/faults.md).",
        "",
        "## Parts",
        "",
        "| Part | Database | Mode | Cases | Kills | Item effects | Leases lost and resumed | Quarantined | Seconds | Seed | Violations |",
        "|---|---|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {one['part']} | {one['database']} | {one['mode']} | {one['cases']:,} | {one['kills']:,} | {one['effects']:,} "
        f"| {one['losses']:,} | {one['quarantined']:,} | {one['seconds']:.0f} | {one['seed']} | {len(one['failures'])} |"
        for one in proof
    ]
    lines += ["", "## What was done to them", "", "| Fault | Times |", "|---|---:|"]
    lines += [f"| {name} | {count:,} |" for name, count in sorted(faults.items())]
    lines += ["", "## Points", "", "How often a 5-item job passes each point; it was killed at every one of these passings.", ""]
    modes = [one for one in proof if one["part"] == "points"]
    heads = " | ".join(f"{one['database']}, {one['mode']}" for one in modes)
    lines += [f"| Point | {heads} |", "|---|" + "---:|" * len(modes)]
    names = sorted({point for one in modes for point in one["points"]})
    lines += [f"| `{point}` | {' | '.join(str(one['points'].get(point, '')) for one in modes)} |" for point in names]
    lines += _ended(proof) + _bill(proof) + _sabotage(tallies) + _how(kept)
    return "\n".join(lines) + "\n"


def _name(tally: dict[str, Any]) -> str:
    return f"{tally['part']} ({tally['database']}, {tally['mode']})"


def _ended(proof: list[dict[str, Any]]) -> list[str]:
    ended = Counter[str]()
    for one in proof:
        ended.update(one["ended"])
    wanted = ended.total() - ended["cancelled"] - ended["skipped"] - ended["paused"]
    share = 100 * ended["completed"] / wanted if wanted else 0.0
    said = ", ".join(f"{count:,} {state}" for state, count in sorted(ended.items()))
    return ["", "## Completion", "", f"{said}. Of the jobs that nobody cancelled, {share:.2f} % completed (target: above 99.9 %)."]


def _bill(proof: list[dict[str, Any]]) -> list[str]:
    bills = [one for one in proof if one.get("bill")]
    if not bills:
        return []
    lines = ["", "## What a paid provider would have charged", ""]
    for one in bills:
        bill = one["bill"]
        lines.append(
            f"{_name(one)}: {bill['texts']:,} texts had to be embedded, {bill['charged']:,} were charged over {one['kills']:,} kills, "
            f"none more than {bill['most_for_one_text']} times. Ledger, chunks, stored vectors, points and counters of its "
            f"{one['cases']:,} rounds were compared with those of a calm run, one by one, and the events "
            "of every job checked for gaps. Its kills were met: "
            f"{', '.join(f'{count:,} {place}' for place, count in sorted(one['places'].items()))}."
        )
        lines.append("")
    return [
        *lines,
        "A restart counts from zero and finds unchanged what was settled by then: the counters before each restart and those at the end",
        "together must be those of the calm run. Kills of rounds that did not end count for nothing.",
    ]


def _sabotage(tallies: list[dict[str, Any]]) -> list[str]:
    broken = [one for one in tallies if one["part"] == "sabotage"]
    lines = ["", "## Is the oracle awake?", "", "Engines broken on purpose, each of which it has to catch:", ""]
    lines += [f"| Broken | {' | '.join(one['database'] for one in broken)} |", "|---|" + "---|" * len(broken)]
    for name, (_, what) in BROKEN.items():
        caught = [
            next((point.rpartition(": ")[2] for point in one["points"] if point.startswith(name)), "**not caught**") for one in broken
        ]
        lines.append(f"| {what} | {' | '.join(one if one.startswith('*') else f'caught by {one}' for one in caught)} |")
    return lines


def _how(kept: list[dict[str, Any]]) -> list[str]:
    lines = [
        "",
        "## How to repeat it",
        "",
        '`make crash` runs all of it and writes this page; `make crash ARGS="storm --seed 7"` one part with that seed.',
        "One part after the other takes the better part of an hour on two cores; on sixteen,",
        '`make crash ARGS="--at-once 13 --lanes 12"` takes three minutes.',
        "",
    ]
    lines += ["The machine, when each part began:", ""]
    return [*lines, *[f"- {_name(one['tally'])}: {one['machine']}" for one in kept]]
