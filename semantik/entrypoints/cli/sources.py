"""`semantik sources`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from semantik.entrypoints.cli import console
from semantik.entrypoints.cli.options import Wait, chosen, whole

app = typer.Typer(name="sources", help="Sources: where documents come from.", no_args_is_help=True, rich_markup_mode=None)
SourceId = Annotated[str, typer.Argument(metavar="SOURCE_ID", help="The id, or 6 or more characters of its beginning or its end.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of words.")]


@app.command("list")
def list_(
    collection: Annotated[str | None, typer.Argument(help="Name or id of a collection; all of them when left out.")] = None,
    as_json: Json = False,
) -> None:
    """List sources with their ledgers, of one collection or of all."""
    from semantik.entrypoints.cli import client, lookup

    async def work(api: client.Client) -> tuple[list[dict[str, Any]], dict[str, str]]:
        if collection is not None:
            whole = await lookup.collection_id(api, collection)
            return [one async for one in api.every(f"/collections/{whole}/sources")], {}
        names = {one["id"]: one["name"] async for one in api.every("/collections")}
        return [one for whole in names async for one in api.every(f"/collections/{whole}/sources")], names

    rows, names = client.run(work)
    if as_json or chosen.as_json:
        console.emit(rows)
        return
    shown = [
        {
            **row,
            "ledger": console.ledger(row["ledger"]),
            "path": row["settings"].get("path"),
            "collection": names.get(row["collection_id"]),
        }
        for row in rows
    ]
    columns = {"name": "name", "kind": "kind", "path": "folder", "ledger": "ledger", "synced_at": "synced", "id": "id"}
    if collection is None:
        columns = {"collection": "collection", **columns}
    console.table(shown, columns, empty="There is no source yet." if collection is None else "The collection has no source yet.")


@app.command()
def add(
    collection: Annotated[str, typer.Argument(help="Name or id of the collection.")],
    path: Annotated[Path, typer.Argument(help="Folder, on the machine that runs the server.")],
    name: Annotated[str | None, typer.Option(help="Name of the source.")] = None,
    include: Annotated[list[str] | None, typer.Option(help="Only files that match this glob; may be repeated.")] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="Leave out files that match this glob; may be repeated.")] = None,
    sync: Annotated[bool, typer.Option("--sync/--no-sync", help="Sync at once.")] = True,
) -> None:
    """Add a folder as a source; prints its id."""
    from semantik.entrypoints.cli import client, lookup, waiting

    settings: dict[str, Any] = {"path": str(path.expanduser().absolute()), "include": include or []}
    if exclude:
        settings["exclude"] = exclude

    async def work(api: client.Client) -> Any:
        target = await lookup.collection_id(api, collection)
        made = await api.post(f"/collections/{target}/sources", {"kind": "directory", "name": name, "settings": settings, "sync": sync})
        if made["last_job_id"] and api.runs_jobs:
            await waiting.until_ended(api, made["last_job_id"])
        return made

    console.say(client.run(work)["id"])


@app.command()
def sync(
    source_id: SourceId,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and what it will take, and do nothing.")] = False,
    budget: Annotated[list[str] | None, typer.Option(help="Most it may use up, such as tokens=100000; may be repeated.")] = None,
    max_delete: Annotated[
        int | None, typer.Option("--max-delete", min=0, help="Delete up to so many documents, also if these are most or all.")
    ] = None,
    wait: Wait = True,
    as_json: Json = False,
) -> None:
    """Sync a source, or show what a sync would do."""
    from semantik.entrypoints.cli import client, lookup, meters, waiting

    async def work(api: client.Client) -> tuple[Any, bool]:
        """The plan, or the job and whether it was waited for."""
        body = {"budget": meters.limits(budget) if budget else None, "max_delete": max_delete}
        answer = await api.post(f"/sources/{await lookup.source_id(api, source_id)}/sync", body, dry_run=str(dry_run).lower())
        if dry_run:
            return answer, False
        waits = wait or api.runs_jobs
        return await waiting.until_ended(api, answer["job_id"]) if waits else await api.get(f"/jobs/{answer['job_id']}"), waits

    answer, waited = client.run(work)
    if as_json or chosen.as_json:
        console.emit(answer)
    elif dry_run:
        console.say(meters.changes(answer["counts"]))
        for word in ("added", "modified", "deleted"):
            for path in answer[word]:
                console.say(f"  {word:<9} {console.printable(path)}")
        for move in answer["moved"]:
            console.say(f"  moved     {console.printable(move['from'])} -> {console.printable(move['to'])}")
        if held := answer["held_deletions"]:
            console.say(f"A sync keeps the {held:,} that would be deleted; if they are to go: --max-delete {held}")
        meters.say(answer["estimate"])
    elif not waited:
        waiting.leave(answer)
    else:
        console.note(f"{answer['title']}: {console.state(answer)}")
        console.fields(answer["result"] or {})


@app.command("set")
def set_(
    source_id: SourceId,
    check_every: Annotated[
        int | None, typer.Option("--check-every", help="Seconds between looks for changes, 300 or more.", parser=whole(300))
    ] = None,
    check: Annotated[bool, typer.Option("--check/--no-check", help="Whether it is looked at for changes by itself.")] = True,
    budget: Annotated[list[str] | None, typer.Option(help="Most that each sync may use up, such as items=500; may be repeated.")] = None,
    no_budget: Annotated[bool, typer.Option("--no-budget", help="Take the budget away.")] = False,
) -> None:
    """Change how often a source is looked at, and what its syncs may use up."""
    from semantik.entrypoints.cli import client, lookup, meters

    async def work(api: client.Client) -> Any:
        change: dict[str, Any] = {}
        if not check:
            change["check_every_s"] = None
        elif check_every is not None:
            change["check_every_s"] = check_every
        if budget or no_budget:
            change["budget"] = meters.limits(budget) if budget else None
        return await api.patch(f"/sources/{await lookup.source_id(api, source_id)}", change)

    console.fields({name: value for name, value in client.run(work).items() if name in ("name", "check_every_s", "checked_at", "budget")})


@app.command()
def remove(source_id: SourceId, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Remove a source and its documents from the collection. The originals stay."""
    from semantik.entrypoints.cli import client, lookup, waiting

    if not yes:
        typer.confirm("Remove the source and all documents that came from it?", abort=True)

    async def work(api: client.Client) -> None:
        found = await api.get(f"/sources/{await lookup.source_id(api, source_id)}")
        job = await api.delete(f"/sources/{found['id']}")
        await waiting.removed(api, job["job_id"], found["name"])

    client.run(work)
