"""`semantik migrate`: says what will move, moves it under a progress bar, and prints what the verification compared."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from semantik.entrypoints.cli import client, console
from semantik.features.moving import compare, walk
from semantik.features.moving.ends import Ends, ends
from semantik.features.moving.opening import claimed, held
from semantik.features.moving.predict import predict
from semantik.features.moving.values import Prediction, Report, Watcher
from semantik.kit.settings import Settings
from semantik.rows.opening import place


def migrate(to: Sequence[str], *, dry_run: bool, verify: bool, as_json: bool) -> None:
    """Exit code 1 when the verification found a difference."""

    async def work() -> Report | None:
        found = ends(client.chosen_settings(), to)
        with held(found) as both:
            if dry_run:
                _say_prediction(found, await predict(both), as_json=as_json)
                return None
            with _watched(quiet=as_json) as watcher:
                if verify:
                    compare.require_filled(both)
                with claimed(found):
                    if not verify:
                        await walk.carry(both, watcher)
                    return await compare.verify(both, watcher)

    began = time.monotonic()
    report = client.guarded(work())
    if report is None:
        return
    _say_report(report, seconds=time.monotonic() - began, as_json=as_json)
    if report.differences:
        sys.exit(console.PROBLEM)


def _say_prediction(found: Ends, prediction: Prediction, *, as_json: bool) -> None:
    if as_json:
        parts = [asdict(part) for part in prediction.parts]
        console.emit({"parts": parts, "content_bytes": prediction.content_bytes, "seconds": round(prediction.seconds, 1)})
        return
    console.note(f"{_places(found.source)}  ->  {_places(found.target)}")
    rows = [asdict(part) | {"seconds": round(part.seconds, 1)} for part in prediction.parts if part.count]
    console.table(
        rows, {"what": "What", "count": "Count", "content_bytes": "Bytes", "seconds": "Seconds"}, empty="There is nothing to move."
    )
    size, takes = console.size(prediction.content_bytes), console.duration(prediction.seconds / 60)
    console.say(f"About {size} in {takes}, verification included. Nothing was written.")


def _say_report(report: Report, *, seconds: float, as_json: bool) -> None:
    if as_json:
        checks = [asdict(check) | {"agrees": check.difference is None} for check in report.checks]
        proved = not report.differences
        console.emit(
            {"proved": proved, "seconds": round(seconds, 1), "checks": checks, "differences": report.differences, "notes": report.notes}
        )
        return
    told = [check for check in report.checks if check.difference is not None or not check.source.startswith("0 rows")]
    rows = [asdict(check) | {"agrees": check.difference is None} for check in told]
    console.table(rows, {"what": "What", "source": "Source", "target": "Target", "agrees": "Agrees"}, empty="There was nothing to compare.")
    for note in report.notes:
        console.note(note)
    if not report.differences:
        console.say(f"Proved in {console.duration(seconds / 60)}: the target holds what the source does. The source was not changed.")
        return
    console.say("The target differs from the source and is marked unusable; the source was not changed:")
    for difference in report.differences:
        console.say(f"  {console.printable(difference)}")


def _places(settings: Settings) -> str:
    return ", ".join(
        [
            place(settings.sqlalchemy_url),
            settings.blobs_url or f"{settings.data_dir}/blobs",
            "Qdrant" if settings.qdrant_url else "embedded index",
        ]
    )


@contextmanager
def _watched(*, quiet: bool) -> Iterator[Watcher]:
    """A bar for each step on a terminal, else a line for each on stderr; nothing beside JSON."""
    if sys.stderr.isatty() and not quiet:
        from rich.progress import MofNCompleteColumn, TimeRemainingColumn

        with console.bars(MofNCompleteColumn(), TimeRemainingColumn(), described=34) as progress:
            yield _Bars(progress)
    else:
        yield _Lines(quiet=quiet)


class _Bars(Watcher):
    def __init__(self, progress: Any) -> None:
        self._progress = progress
        self._task: Any = None

    def step(self, name: str, total: int | None, done: int = 0) -> None:
        # One bar at a time: there are more steps than lines on a screen.
        if self._task is not None:
            self._progress.update(self._task, visible=False)
        self._task = self._progress.add_task(name, total=total, completed=done, visible=total != 0)

    def seen(self, count: int) -> None:
        self._progress.advance(self._task, count)


class _Lines(Watcher):
    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet

    def step(self, name: str, total: int | None, done: int = 0) -> None:
        if not self._quiet and total != 0:
            already = f", {done:,} there already" if done else ""
            console.note(name + ("" if total is None else f": {total:,}{already}"))

    def seen(self, count: int) -> None:
        """A line a step is enough for a log."""
