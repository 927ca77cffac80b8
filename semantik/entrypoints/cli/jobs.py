"""`semantik jobs`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from semantik.entrypoints.cli import console
from semantik.entrypoints.cli.options import chosen

app = typer.Typer(name="jobs", help="Jobs: long work, durable.", no_args_is_help=True, rich_markup_mode=None)
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of words.")]


@app.command("list")
def list_(
    status: Annotated[str | None, typer.Option(help="Only jobs in this state.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only jobs of this kind.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", help="Most jobs.")] = 50,
    as_json: Json = False,
) -> None:
    """List jobs, newest first."""
    from semantik.entrypoints.cli import client

    async def work(api: client.Client) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        async for row in api.every("/jobs", status=status, kind=kind):
            rows.append(row)
            if len(rows) >= limit:
                break
        return rows

    rows = client.run(work)
    if as_json or chosen.as_json:
        console.emit(rows)
        return
    shown = [{**row, **row["counts"]} for row in rows]
    columns = {
        "title": "job",
        "display_status": "state",
        "progress": "%",
        "total": "total",
        "done": "done",
        "failed": "failed",
        "created_at": "created",
        "id": "id",
    }
    console.table(shown, columns, empty="There is no job.")


@app.command()
def show(job_id: str, as_json: Json = False) -> None:
    """Show one job."""
    from semantik.entrypoints.cli import client

    found = client.run(lambda api: api.get(f"/jobs/{job_id}"))
    if as_json or chosen.as_json:
        console.emit(found)
    else:
        console.fields({key: value for key, value in found.items() if key not in ("why_not",)})


@app.command()
def watch(job_id: str) -> None:
    """Follow a job until it ends; exits with 3 when documents failed, 1 when the job did."""
    from semantik.entrypoints.cli import client, waiting

    job = client.run(lambda api: waiting.until_ended(api, job_id))
    console.say(f"{job['title']}: {job['display_status']}")
    if job["status"] == "failed":
        raise typer.Exit(console.PROBLEM)
    if job["counts"]["failed"] or job["counts"]["quarantined"]:
        raise typer.Exit(console.INCOMPLETE)


@app.command()
def logs(job_id: str, as_json: Json = False) -> None:
    """Print a job's history."""
    from semantik.entrypoints.cli import client

    async def work(api: client.Client) -> list[dict[str, Any]]:
        page = await api.get(f"/jobs/{job_id}/events")
        return list(page["items"])

    rows = client.run(work)
    if as_json or chosen.as_json:
        console.emit(rows)
        return
    for row in rows:
        console.say(f"{row['seq']:>5}  {row.get('created_at', '')}  {row['type']}  {console.printable(str(row.get('message') or ''))}")


def _verb(job_id: str, verb: str, **query: Any) -> None:
    from semantik.entrypoints.cli import client

    job = client.run(lambda api: api.post(f"/jobs/{job_id}/{verb}", **query))
    console.say(f"{job['title']}: {job['display_status']}")


@app.command()
def pause(job_id: str) -> None:
    """Pause a job; it keeps its place."""
    _verb(job_id, "pause")


@app.command()
def resume(job_id: str) -> None:
    """Go on with a paused job."""
    _verb(job_id, "resume")


@app.command()
def cancel(job_id: str, force: Annotated[bool, typer.Option("--force", help="At once, without waiting for its worker.")] = False) -> None:
    """Cancel a job. What it finished stays."""
    _verb(job_id, "cancel", force=str(force).lower())


@app.command()
def restart(job_id: str) -> None:
    """Start an ended job over, from the beginning."""
    _verb(job_id, "restart")


@app.command()
def retry(job_id: str) -> None:
    """Go on with a failed or cancelled job from where it stopped."""
    _verb(job_id, "retry")
