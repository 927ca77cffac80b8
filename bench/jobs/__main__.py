"""What jobs cost: claims, checkpoints, jobs a second, wake-up, recovery, pause and cancel, documents, events to many sockets.

`make bench-jobs`; `ARGS="claim checkpoint"` runs some of the parts. On a busy machine compare the ratios.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from typing import Any

from bench import machine
from bench.jobs import control, documents, engine, listening, throughput
from bench.jobs.places import databases
from semantik.kit import logs
from tests import services

PARTS = ("claim", "checkpoint", "throughput", "recovery", "latency", "documents", "sockets")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; all of them without a name")
    arguments.add_argument("--waiting", type=int, default=10_000)
    arguments.add_argument("--ended", type=int, default=100_000)
    arguments.add_argument("--tenants", type=int, default=50)
    arguments.add_argument("--claims", type=int, default=300)
    arguments.add_argument("--checkpoints", type=int, default=500)
    arguments.add_argument("--jobs", type=int, default=300)
    arguments.add_argument("--wakes", type=int, default=100)
    arguments.add_argument("--times", type=int, default=20, help="pauses and cancels; recoveries are a quarter of it")
    arguments.add_argument("--documents", type=int, default=100)
    arguments.add_argument("--answer-s", type=float, default=0.1, help="how long the provider takes for an answer")
    arguments.add_argument("--sockets", type=int, default=100)
    chosen = arguments.parse_args()
    logs.configure("critical", "console")
    before, results = machine.describe(), _earlier()
    with databases() as urls, services.redis() as broker:
        for part in chosen.parts or PARTS:
            assert part in PARTS, f"no such part: {part}"
            load = machine.describe().load
            for title, columns, rows in _measure(part, urls, broker, chosen):
                machine.report("jobs", title, columns, rows, notes=[f"load when it began: {load:.1f}"])
                results[title] = {"columns": columns, "rows": rows, "load": load, "at": machine.describe().at}
    machine.keep("jobs", results, before)


def _earlier() -> dict[str, Any]:
    """Parts that were measured before stay in the file; each says when."""
    path = machine.RESULTS / "jobs.json"
    return dict(json.loads(path.read_text(encoding="utf-8"))["results"]) if path.exists() else {}


def _measure(part: str, urls: dict[str, str], broker: str, chosen: argparse.Namespace) -> list[tuple[str, list[str], list[list[object]]]]:
    rows: list[list[object]] = []
    match part:
        case "claim":
            given = {"waiting": chosen.waiting, "ended": chosen.ended, "tenants": chosen.tenants, "times": chosen.claims}
            asyncio.run(engine.claim(urls, rows=rows, **given))
            title = f"claim, {chosen.waiting:,} jobs of {chosen.tenants} tenants waiting beside {chosen.ended:,} that ended"
            return [(title, engine.COLUMNS, rows)]
        case "checkpoint":
            asyncio.run(engine.checkpoint(urls, times=chosen.checkpoints, rows=rows))
            return [("checkpoint", engine.COLUMNS, rows)]
        case "throughput":
            for name, url in urls.items():
                rows.append(asyncio.run(throughput.local(name, url, count=chosen.jobs, wakes=chosen.wakes)))
            rows.append(asyncio.run(throughput.celery(urls["PostgreSQL"], broker, count=chosen.jobs, wakes=chosen.wakes)))
            rows.append(throughput.bare(broker, count=chosen.jobs, wakes=chosen.wakes))
            return [("jobs a second, and from commit to the first line of the handler", throughput.COLUMNS, rows)]
        case "recovery":
            times = max(1, chosen.times // 4)
            rows.append(asyncio.run(control.recovery_local(urls["SQLite"], times=times)))
            rows.append(asyncio.run(control.recovery_imported(urls["SQLite"], times=times)))
            rows.append(asyncio.run(control.recovery_distributed(urls["PostgreSQL"], broker, times=times)))
            return [("recovery", control.COLUMNS, rows)]
        case "latency":
            for name, url in urls.items():
                for pace_s in (0.005, 0.2):
                    rows += asyncio.run(control.latency(name, url, pace_s=pace_s, times=chosen.times))
            return [("pause and cancel of a running job", control.COLUMNS, rows)]
        case "documents":
            rows = documents.measure(documents=chosen.documents, delay_s=chosen.answer_s)
            title = f"{chosen.documents} small documents, a model that answers after {chosen.answer_s * 1000:.0f} ms"
            return [(title, documents.COLUMNS, rows)]
        case _:
            rows.append(asyncio.run(listening.measure(urls["SQLite"], sockets=chosen.sockets, count=chosen.jobs)))
            return [("events to sockets", listening.COLUMNS, rows)]


if __name__ == "__main__":
    main()
