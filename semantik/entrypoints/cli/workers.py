"""`semantik queues` and `semantik workers`: where jobs wait, and who runs them."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any

import typer

from semantik.entrypoints.cli import console
from semantik.entrypoints.cli.options import chosen, whole

workers = typer.Typer(name="workers", invoke_without_command=True, rich_markup_mode=None)
queues = typer.Typer(name="queues", help="Queues: where jobs wait.", no_args_is_help=True, rich_markup_mode=None)
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of words.")]


@queues.command("list")
def list_(as_json: Json = False) -> None:
    """List queues with their jobs and who serves them."""
    from semantik.entrypoints.cli import client

    rows = client.run(lambda api: api.get("/queues"))["items"]
    if as_json or chosen.as_json:
        console.emit(rows)
        return
    columns = {
        "queue": "queue",
        "ready": "ready",
        "running": "running",
        "later": "later",
        "blocked": "blocked",
        "paused": "paused jobs",
        "oldest_ready_at": "oldest ready",
        "workers": "workers",
        "max_running": "limit",
        "max_per_tenant": "of each tenant",
        "paused_at": "paused since",
    }
    console.table(rows, columns, empty="There is no queue.")
    for row in rows:
        if row["ready"] and not row["workers"]:
            verb = "does" if row["ready"] == 1 else "do"
            console.note(f"No worker serves {row['queue']}: its {console.counted(row['ready'], 'ready job')} {verb} not start.")
        _say_kinds(row)


@queues.command()
def pause(queue: str) -> None:
    """Start no more jobs of a queue, for everybody; what runs goes on."""
    _change(queue, {"paused": True})


@queues.command()
def resume(queue: str) -> None:
    """Let a paused queue start jobs again."""
    _change(queue, {"paused": False})


_Most = Annotated[int | None, typer.Argument(help="Most jobs at once; no limit when left out.", parser=whole(1, 10_000))]
_PerTenant = Annotated[int | None, typer.Option(help="Most jobs at once of each tenant; no limit when left out.", parser=whole(1, 10_000))]
_Kind = Annotated[str | None, typer.Option(help="Limit the jobs of this kind only, beside the limits of the queue.")]


@queues.command()
def limit(queue: str, most: _Most = None, per_tenant: _PerTenant = None, kind: _Kind = None) -> None:
    """Limit how many jobs of a queue, or of one kind in it, run at once; replaces the limits of before."""
    _change(queue, {"max_running": most, "max_per_tenant": per_tenant}, kind)


def _change(queue: str, body: dict[str, Any], kind: str | None = None) -> None:
    from semantik.entrypoints.cli import client

    now = client.run(lambda api: api.patch(f"/queues/{queue}" + (f"/kinds/{kind}" if kind is not None else ""), body))
    console.say(f"{now['queue']}: {'paused' if now['paused_at'] else 'open'}, {_limits(now)}")
    _say_kinds(now)


def _say_kinds(row: dict[str, Any]) -> None:
    for one in row["kinds"]:
        if one["max_running"] is not None or one["max_per_tenant"] is not None:
            console.note(f"{row['queue']}: {one['kind']}, {_limits(one)}")


def _limits(row: dict[str, Any]) -> str:
    most, each = row["max_running"], row["max_per_tenant"]
    words = [f"limit {most:,}" if most is not None else None, f"{each:,} of each tenant" if each is not None else None]
    return ", ".join(word for word in words if word) or "no limit"


@workers.callback()
def list_workers(
    context: typer.Context,
    days: Annotated[int, typer.Option(help="How far to look back for lost workers.", parser=whole(1, 366))] = 7,
    as_json: Json = False,
) -> None:
    """Show who runs jobs, and what became of workers that were lost; drain and resume them."""
    if context.invoked_subcommand is not None:
        return
    from semantik.entrypoints.cli import client

    async def work(api: client.Client) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        return (await api.get("/workers"))["items"], await api.get("/recoveries", days=days)

    rows, recoveries = client.run(work)
    if as_json or chosen.as_json:
        console.emit({"workers": rows, "recoveries": recoveries})
        return
    shown = [{**row, "running": [job["title"] for job in row["running"]]} for row in rows]
    columns = {
        "name": "worker",
        "id": "id",
        "state": "state",
        "queues": "queues",
        "slots": "slots",
        "running": "your jobs",
        "last_seen_at": "last seen",
    }
    console.table(shown, columns, empty="No worker has signed in.")
    lost = {"lost_at": "lost at", "title": "job", "owner": "worker", "became": "became", "resumed_at": "resumed at"}
    if recoveries["items"]:
        console.table(recoveries["items"], lost, empty="")
    console.note(f"{recoveries['words']} in the last {'day' if days == 1 else f'{days} days'}.")


_Worker = Annotated[str, typer.Argument(help="Its name or id, or how these begin: a host's name means all workers there.")]


@workers.command()
def drain(worker: _Worker) -> None:
    """Have a worker take no more jobs; what it runs goes back to the queue from its next item."""
    for name in _asked(worker, "drain"):
        console.say(f"{name} takes no more jobs; what it runs goes back to the queue")


@workers.command("resume")
def resume_worker(worker: _Worker) -> None:
    """Let a drained worker take jobs again."""
    for name in _asked(worker, "resume"):
        console.say(f"{name} takes jobs again")


def _asked(given: str, verb: str) -> list[str]:
    """The workers that do so from now on, each with the number of its processes. Their state says so with their next sign of life."""
    from semantik.entrypoints.cli import client

    async def work(api: client.Client) -> list[str]:
        rows = (await api.get("/workers"))["items"]
        living = [row for row in rows if row["state"] in ("up", "draining")]
        # For one that does not live, or that we do not see, the server says why not.
        ids = _meant(given, living) or _meant(given, rows) or {given: given}
        names = [(await api.post(f"/workers/{worker_id}/{verb}"))["name"] for worker_id in ids.values()]
        processes = Counter(row["name"] for row in living)
        return [f"{name} ({processes[name]:,} processes)" if processes[name] > 1 else name for name in names]

    return client.run(work)


def _meant(given: str, rows: list[dict[str, Any]]) -> dict[str, str]:
    """The id of one process of each worker that is called so, or else begins so, by name or by id."""
    exact = {row["name"]: row["id"] for row in rows if given in (row["name"], row["id"])}
    return exact or {row["name"]: row["id"] for row in rows if row["name"].startswith(given) or row["id"].startswith(given)}
