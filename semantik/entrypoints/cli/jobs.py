"""`semantik jobs`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from semantik.entrypoints.cli import console
from semantik.entrypoints.cli.options import WAITING, DeadThing, Level, Verb, chosen, job_status, whole

app = typer.Typer(name="jobs", help="Jobs: long work, durable.", no_args_is_help=True, rich_markup_mode=None)
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of words.")]
Status = Annotated[list[str] | None, typer.Option(parser=job_status, help="Only jobs in this state; may be repeated.")]
Kind = Annotated[str | None, typer.Option(help="Only jobs of this kind.")]
JobId = Annotated[str, typer.Argument(metavar="JOB_ID", help="The id, or 6 or more characters of its beginning or its end.")]
Collection = Annotated[str | None, typer.Option("--collection", "-c", help="Only jobs of this collection, by name or id.")]


@app.command("list")
def list_(
    status: Status = None,
    kind: Kind = None,
    collection: Collection = None,
    limit: Annotated[int, typer.Option("--limit", "-n", help="Most jobs.")] = 50,
    as_json: Json = False,
) -> None:
    """List jobs, newest first, with their number by state."""
    from semantik.entrypoints.cli import client

    async def work(api: client.Client) -> tuple[list[dict[str, Any]], dict[str, int]]:
        where = await _where(api, status, kind, collection)
        rows: list[dict[str, Any]] = []
        async for row in api.every("/jobs", **where):
            rows.append(row)
            if len(rows) >= limit:
                break
        summary: dict[str, int] = (await api.get("/jobs", **{**where, "limit": 1}))["summary"]
        return rows, summary

    rows, summary = client.run(work)
    if as_json or chosen.as_json:
        console.emit(rows)
        return
    shown = [{**row, **row["counts"], "state": console.state(row), "percent": _percent(row)} for row in rows]
    columns = {
        "title": "job",
        "state": "state",
        "percent": "%",
        "total": "total",
        "done": "done",
        "failed": "failed",
        "skipped": "skipped",
        "created_at": "created",
        "id": "id",
    }
    console.table(shown, columns, empty="There is no job.")
    if summary:
        console.note(_summary(summary, rows))


def _summary(summary: Mapping[str, int], rows: Sequence[Mapping[str, Any]]) -> str:
    """Jobs by state, in the words of the table. Which were completed in part, the rows tell, and these need not be all."""
    counts = {WAITING if status == "blocked" else status: count for status, count in summary.items()}
    completed = [row for row in rows if row["status"] == "completed"]
    in_part = sum(row["outcome"] == "partial" for row in completed)
    if in_part and len(completed) == counts["completed"]:
        counts |= {"completed": len(completed) - in_part, console.IN_PART: in_part}
    words = {word: f"{count:,} {word}" for word, count in sorted(counts.items()) if count}
    if in_part and console.IN_PART not in words:
        words["completed"] += f", {in_part:,} of those above in part"
    return " · ".join(words.values())


def _percent(job: dict[str, Any]) -> int | None:
    """Cut, not rounded: 100 is only what is done."""
    return int(job["progress"]) if job["progress"] is not None else None


async def _where(api: Any, status: Sequence[str] | None, kind: str | None, collection: str | None) -> dict[str, Any]:
    from semantik.entrypoints.cli import lookup

    return {
        "status": list(status) if status else None,
        "kind": kind,
        "collection": await lookup.collection_id(api, collection) if collection is not None else None,
    }


@app.command()
def show(job_id: JobId, as_json: Json = False) -> None:
    """Show one job: how far it is, its checkpoint, what it waits for, and what can be done."""
    from semantik.entrypoints.cli import client, lookup, waiting

    async def work(api: client.Client) -> Any:
        return await api.get(f"/jobs/{await lookup.job_id(api, job_id)}")

    found = client.run(work)
    if as_json or chosen.as_json:
        console.emit(found)
        return
    counts, checkpoint = found["counts"], found["checkpoint"]
    values = {
        "job": found["title"],
        "id": found["id"],
        "kind": found["kind"],
        "state": console.state(found),
        "now": waiting.note_of(found) or None,
        "items": ", ".join(f"{count:,} {name}" for name, count in counts.items() if count) or None,
        "error": f"{found['error']['code']}: {found['error']['message']}" if found["error"] else None,
        "attempts": f"{found['attempt']} of {found['max_attempts']}"
        + (f", {console.counted(found['losses'], 'worker')} lost" if found["losses"] else ""),
        "queue": f"{found['queue']}, priority {found['priority']}",
        "created": console.moment(found["created_at"]),
        "started": found["started_at"] and console.moment(found["started_at"]),
        "ended": found["finished_at"] and console.moment(found["finished_at"]),
        "checkpoint": f"item {checkpoint['current_index']}" + (f", in hand: {checkpoint['in_hand']}" if checkpoint["in_hand"] else ""),
        "kept until": checkpoint["expires"] and console.moment(checkpoint["expires"]),
        "waits for": [edge["title"] for edge in found["waits_for"]] or None,
        "waited for by": [edge["title"] for edge in found["waited_for_by"]] or None,
        "request": found["correlation_id"],
        "possible": found["allowed"] or "nothing",
    }
    console.fields({name: value for name, value in values.items() if value is not None})


@app.command()
def watch(job_id: JobId) -> None:
    """Follow a job until it ends; exits with 3 when documents failed, 1 when the job did."""
    from semantik.entrypoints.cli import client, lookup, waiting

    async def work(api: client.Client) -> dict[str, Any]:
        return await waiting.until_ended(api, await lookup.job_id(api, job_id))

    job = client.run(work)
    console.say(f"{job['title']}: {console.state(job)}")
    if job["status"] == "failed":
        raise typer.Exit(console.PROBLEM)
    if job["counts"]["failed"] or job["counts"]["quarantined"]:
        raise typer.Exit(console.INCOMPLETE)


@app.command()
def logs(
    job_id: JobId,
    level: Annotated[Level, typer.Option(help="Lines of this level and above.")] = "info",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job ends.")] = False,
    as_json: Json = False,
) -> None:
    """Print a job's log: what it said, what happened to it, and which items failed."""
    from semantik.entrypoints.cli import client, lookup, waiting

    wanted = as_json or chosen.as_json

    def tell(line: dict[str, Any]) -> None:
        if not wanted:
            console.say(
                f"{line['seq']:>5}  {console.moment(line['at'], seconds=True)}  {line['level']:<7}  {console.printable(line['text'])}"
            )

    async def work(api: client.Client) -> list[dict[str, Any]]:
        lines: list[dict[str, Any]] = []
        whole = await lookup.job_id(api, job_id)
        if follow:
            await api.work()
        while True:
            job = await api.get(f"/jobs/{whole}") if follow else None
            after = lines[-1]["seq"] if lines else 0
            async for line in api.every(f"/jobs/{whole}/logs", level=level):
                if line["seq"] > after:
                    lines.append(line)
                    tell(line)
            if job is None or job["status"] in waiting.ENDED:
                return lines
            await waiting.a_moment()

    lines = client.run(work)
    if wanted:
        console.emit(lines)


@app.command()
def items(job_id: JobId, as_json: Json = False) -> None:
    """List the items of a job that did not simply succeed."""
    from semantik.entrypoints.cli import client, lookup

    async def work(api: client.Client) -> list[dict[str, Any]]:
        return [one async for one in api.every(f"/jobs/{await lookup.job_id(api, job_id)}/items")]

    rows = client.run(work)
    if as_json or chosen.as_json:
        console.emit(rows)
        return
    shown = [{**row, "name": row["label"] or row["key"], "retried_id": row["retried_in"], **(row["error"] or {})} for row in rows]
    columns = {"name": "item", "state": "state", "code": "code", "message": "reason", "retried_id": "retried in", "key": "key"}
    console.table(shown, columns, empty="Every item so far succeeded.")


# Without a server nobody would run the job once the command has ended.
_STARTING = ("resume", "restart", "retry", "retry-failed")


def _acted(job_id: str, verb: str, body: Any = None, **query: Any) -> Any:
    """The job after it, or a new one that the verb made; as it ended, where this process runs it."""
    from semantik.entrypoints.cli import client, lookup, waiting

    async def work(api: client.Client) -> Any:
        job = await api.post(f"/jobs/{await lookup.job_id(api, job_id)}/{verb}", body, **query)
        return await waiting.until_ended(api, job["id"]) if verb in _STARTING and api.runs_jobs else job

    return client.run(work)


def _verb(job_id: str, verb: str, body: Any = None, **query: Any) -> None:
    job = _acted(job_id, verb, body, **query)
    console.say(f"{job['title']}: {console.state(job)}")


@app.command()
def pause(job_id: JobId) -> None:
    """Pause a job; it keeps its place."""
    _verb(job_id, "pause")


@app.command()
def resume(job_id: JobId) -> None:
    """Go on with a paused job."""
    _verb(job_id, "resume")


@app.command()
def cancel(job_id: JobId, force: Annotated[bool, typer.Option("--force", help="At once, without waiting for its worker.")] = False) -> None:
    """Cancel a job. What it finished stays."""
    _verb(job_id, "cancel", force=str(force).lower())


@app.command()
def restart(job_id: JobId) -> None:
    """Start an ended job over, with its counts at zero. An ingest lists its source again; what is indexed and unchanged stays."""
    _verb(job_id, "restart")


@app.command()
def retry(job_id: JobId) -> None:
    """Go on with a failed or cancelled job from where it stopped."""
    _verb(job_id, "retry")


@app.command("retry-failed")
def retry_failed(
    job_id: JobId, item: Annotated[list[str] | None, typer.Option(help="Only the item with this key; may be repeated.")] = None
) -> None:
    """Try the failed items of an ended job again, as a new job."""
    job = _acted(job_id, "retry-failed", {"keys": item} if item else None)
    console.say(job["id"])
    console.note(f"{job['title']}: {console.counted(job['counts']['total'], 'item')}")


@app.command()
def priority(job_id: JobId, value: Annotated[int, typer.Argument(help="0 first, 9 last.", parser=whole(0, 9))]) -> None:
    """Move a job forward or back in its queue."""
    _verb(job_id, "priority", {"priority": value})


@app.command()
def delete(job_id: JobId) -> None:
    """Delete an ended job with its log."""
    from semantik.entrypoints.cli import client, lookup

    async def work(api: client.Client) -> str:
        found = await api.get(f"/jobs/{await lookup.job_id(api, job_id)}")
        await api.delete(f"/jobs/{found['id']}")
        return str(found["title"])

    console.note(f"{console.printable(client.run(work))}: deleted")


@app.command()
def bulk(
    verb: Annotated[Verb, typer.Argument(help="What to do with each.")],
    status: Status = None,
    kind: Kind = None,
    collection: Collection = None,
    value: Annotated[int | None, typer.Option("--priority", help="With the verb priority: 0 first, 9 last.", parser=whole(0, 9))] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Apply a verb to all jobs that the filter finds."""
    from semantik.entrypoints.cli import client, waiting

    async def count(api: client.Client) -> tuple[dict[str, Any], int]:
        where = await _where(api, status, kind, collection)
        page = await api.get("/jobs", **{**where, "limit": 1})
        return where, int(page["verbs"].get(verb, 0))

    async def work(api: client.Client, where: dict[str, Any]) -> dict[str, int]:
        asked = {"verb": verb, "priority": value, **where, "status": where["status"] or []}
        done = {"changed": 0, "refused": 0}
        cursor = None
        while True:
            answer = await api.post("/jobs/bulk", {**asked, "cursor": cursor})
            done = {name: many + answer[name] for name, many in done.items()}
            cursor = answer["next_cursor"]
            if cursor is None:
                waiting.leave_many(api, done["changed"] if verb in _STARTING else 0)
                return done

    if verb == "priority" and value is None:
        raise typer.BadParameter("The verb priority needs a value, 0 (first) to 9 (last).", param_hint="'--priority'")
    where, many = client.run(count)
    done = {"changed": 0, "refused": 0}
    if many:
        if not yes and not typer.confirm(f"{verb} {console.counted(many, 'job')}?", err=True):
            raise typer.Exit(console.PROBLEM)
        done = client.run(lambda api: work(api, where))
    if as_json or chosen.as_json:
        console.emit(done)
    elif not many:
        console.note(f"No job {'fits' if status or kind or collection else 'there is'} to which {verb} applies; nothing was done.")
    else:
        console.say(f"{done['changed']:,} changed, {done['refused']:,} not possible")


@app.command("dead-letters")
def dead_letters(
    what: Annotated[DeadThing | None, typer.Option(help="Only failed jobs, or only failed items.")] = None,
    kind: Kind = None,
    collection: Collection = None,
    code: Annotated[str | None, typer.Option(help="Only with this reason.")] = None,
    again: Annotated[bool, typer.Option("--retry", help="Try all of them again.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", help="Most lines.")] = 50,
    as_json: Json = False,
) -> None:
    """List dead letters: failed jobs, and failed items of ended jobs that nothing took over."""
    from semantik.entrypoints.cli import client, waiting

    async def find(api: client.Client) -> tuple[list[dict[str, Any]], int]:
        where = await _letters(api, what, kind, collection, code)
        rows: list[dict[str, Any]] = []
        async for row in api.every("/dead-letters", **where):
            rows.append(row)
            if len(rows) >= limit:
                break
        return rows, (await api.get("/dead-letters", **{**where, "limit": 1}))["total"]

    async def retry_all(api: client.Client) -> dict[str, int]:
        where = await _letters(api, what, kind, collection, code)
        done = {"failed_jobs": 0, "failed_items": 0, "refused": 0}
        while True:
            answer = await api.post("/dead-letters/retry", where)
            done = {name: many + answer[name] for name, many in done.items()}
            # What was refused comes again each time: without progress there is nothing left to try.
            if not answer["more"] or not (answer["failed_jobs"] or answer["failed_items"]):
                waiting.leave_many(api, done["failed_jobs"] + done["failed_items"])
                return done

    if again:
        done = client.run(retry_all)
        if as_json or chosen.as_json:
            console.emit(done)
        else:
            jobs, items = console.counted(done["failed_jobs"], "job"), console.counted(done["failed_items"], "item")
            console.say(f"tried again: {jobs} and {items}; {done['refused']:,} could not be")
        return
    rows, total = client.run(find)
    if as_json or chosen.as_json:
        console.emit(rows)
        return
    shown = [{**row, "name": row["label"] or row["key"] or row["title"]} for row in rows]
    columns = {"what": "what", "name": "name", "code": "code", "message": "reason", "at": "at", "job_id": "job"}
    console.table(shown, columns, empty="Nothing has failed for good.")
    if total > len(rows):
        console.note(f"{total:,} in all")


async def _letters(api: Any, what: str | None, kind: str | None, collection: str | None, code: str | None) -> dict[str, Any]:
    where = await _where(api, None, kind, collection)
    return {"what": what, "kind": kind, "collection": where["collection"], "code": code}


@app.command()
def budget(
    job_id: JobId,
    limits: Annotated[list[str] | None, typer.Argument(help="Limits such as tokens=100000 items=500; none: no limit.")] = None,
    go_on: Annotated[bool, typer.Option("--resume", help="Let a paused job go on with it.")] = False,
) -> None:
    """Change what a job that has not ended may use up."""
    from semantik.entrypoints.cli import client, lookup, meters, waiting

    async def work(api: client.Client) -> Any:
        whole = await lookup.job_id(api, job_id)
        job = await api.post(f"/jobs/{whole}/budget", {"budget": meters.limits(limits or [])})
        if not go_on:
            return job
        resumed = await api.post(f"/jobs/{whole}/resume")
        return await waiting.until_ended(api, whole) if api.runs_jobs else resumed

    job = client.run(work)
    console.say(f"{job['title']}: {console.state(job)}")
