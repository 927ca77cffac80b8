"""`semantik schedules`."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any

import typer

from semantik.entrypoints.cli import console
from semantik.entrypoints.cli.options import Overlap as OverlapWord
from semantik.entrypoints.cli.options import chosen

app = typer.Typer(name="schedules", help="Schedules: jobs that start by the clock.", no_args_is_help=True, rich_markup_mode=None)
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of words.")]
Which = Annotated[str, typer.Argument(metavar="SCHEDULE", help="Name or id, also 6 or more characters of the id's beginning or its end.")]
Cron = Annotated[str | None, typer.Option(help="Five fields, such as '0 3 * * *'.")]
Every = Annotated[str | None, typer.Option(help="Instead of cron: 90, 5m, 2h or 1d.")]
Timezone = Annotated[str | None, typer.Option(help="In which cron is read, such as Europe/Berlin.")]
Param = Annotated[
    list[str] | None,
    typer.Option(help="NAME=VALUE for the job; JSON, or else text. source_id takes a source's name, too. May be repeated."),
]
Overlap = Annotated[OverlapWord | None, typer.Option(help="What to do while the last run goes on.")]

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List schedules with their next and last run."""
    from semantik.entrypoints.cli import client

    rows = client.run(lambda api: api.get("/schedules"))["items"]
    if as_json or chosen.as_json:
        console.emit(rows)
        return
    shown = [
        {
            **row,
            "rhythm": _rhythm(row),
            "next": "paused" if row["paused_at"] else console.moment(row["next_fire_at"]),
            "last": console.state(row["last_job"]) if row["last_job"] else None,
        }
        for row in rows
    ]
    columns = {"name": "schedule", "kind": "kind", "rhythm": "rhythm", "next": "next", "last": "last run", "id": "id"}
    console.table(shown, columns, empty="There is no schedule. `semantik schedules create NAME KIND --cron ...` makes one.")


def _rhythm(row: dict[str, Any]) -> str:
    return f"{row['cron']} {row['timezone']}" if row["cron"] else f"every {row['every_s']} s"


@app.command()
def show(schedule: Which, as_json: Json = False) -> None:
    """Show a schedule, by name or id: its next five runs and its last ones."""
    from semantik.entrypoints.cli import client, lookup

    async def work(api: client.Client) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        whole = await lookup.schedule_id(api, schedule)
        return await api.get(f"/schedules/{whole}"), (await api.get(f"/schedules/{whole}/runs", limit=10))["items"]

    found, runs = client.run(work)
    if as_json or chosen.as_json:
        console.emit({**found, "runs": runs})
        return
    console.fields(
        {
            "schedule": found["name"],
            "id": found["id"],
            "kind": found["kind"],
            "params": found["params"],
            "rhythm": _rhythm(found),
            "overlap": found["overlap"],
            "paused since": console.moment(found["paused_at"]),
            "next": [console.moment(at) for at in found["next_five"]],
        }
    )
    came = [{**run, "became": console.state(run)} for run in runs]
    console.table(came, {"fire_at": "time", "became": "became", "job_id": "job"}, empty="It has not fired yet.")


def _next(schedule: dict[str, Any]) -> str:
    return f"Next: {', '.join(console.moment(at) for at in schedule['next_five']) or 'paused'}"


@app.command()
def kinds(as_json: Json = False) -> None:
    """List the kinds of job that a schedule can start, and what they take."""
    from semantik.entrypoints.cli import client

    rows = client.run(lambda api: api.get("/schedules/kinds"))["items"]
    if as_json or chosen.as_json:
        console.emit(rows)
        return
    shown = [{**row, "takes": ", ".join(row["params"].get("properties", {}))} for row in rows]
    console.table(shown, {"kind": "kind", "takes": "params", "about": "what it does"}, empty="There is none.")


@app.command()
def create(
    name: str,
    kind: Annotated[str, typer.Argument(help="See: semantik schedules kinds.")],
    cron: Cron = None,
    every: Every = None,
    timezone: Timezone = "UTC",
    param: Param = None,
    overlap: Overlap = "skip",
) -> None:
    """Create a schedule; prints its id."""
    from semantik.entrypoints.cli import client

    async def work(api: client.Client) -> dict[str, Any]:
        body = {"name": name, "kind": kind, "params": await _meant(api, _params(param)), **_given(cron, every, timezone, overlap)}
        return dict(await api.post("/schedules", body))

    made = client.run(work)
    console.say(made["id"])
    console.note(_next(made))


@app.command()
def change(
    schedule: Which,
    name: Annotated[str | None, typer.Option(help="Another name.")] = None,
    cron: Cron = None,
    every: Every = None,
    timezone: Timezone = None,
    param: Param = None,
    overlap: Overlap = None,
) -> None:
    """Change a schedule; a new rhythm counts from now."""
    from semantik.entrypoints.cli import client, lookup

    async def work(api: client.Client) -> dict[str, Any]:
        params = {"params": await _meant(api, _params(param))} if param else {}
        body = {**_given(cron, every, timezone, overlap), **({"name": name} if name else {}), **params}
        return dict(await api.patch(f"/schedules/{await lookup.schedule_id(api, schedule)}", body))

    console.note(_next(client.run(work)))


def _given(cron: str | None, every: str | None, timezone: str | None, overlap: str | None) -> dict[str, Any]:
    values = {"cron": cron, "every_s": _seconds(every), "timezone": timezone, "overlap": overlap}
    return {name: value for name, value in values.items() if value is not None}


def _seconds(every: str | None) -> int | None:
    if every is None:
        return None
    found = re.fullmatch(r"(\d{1,9})([smhd]?)", every.strip())
    if found is None:
        raise typer.BadParameter(f"{every!r} is no length of time; write 90, 5m, 2h or 1d")
    return int(found[1]) * _UNITS[found[2]]


def _params(given: list[str] | None) -> dict[str, Any]:
    params: dict[str, Any] = {}
    for one in given or []:
        name, equals, text = one.partition("=")
        if not equals:
            raise typer.BadParameter(f"{one!r} is not NAME=VALUE")
        try:
            params[name] = json.loads(text)
        except ValueError:
            params[name] = text
    return params


async def _meant(api: Any, params: dict[str, Any]) -> dict[str, Any]:
    """The params with a source that was named, or whose id was cut, by its whole id."""
    from semantik.entrypoints.cli import lookup

    if params.get("source_id") is None:
        return params
    return {**params, "source_id": await lookup.source_id(api, str(params["source_id"]))}


def _act(schedule: str, verb: str) -> dict[str, Any]:
    from semantik.entrypoints.cli import client, lookup

    async def work(api: client.Client) -> dict[str, Any]:
        return dict(await api.post(f"/schedules/{await lookup.schedule_id(api, schedule)}/{verb}"))

    return client.run(work)


@app.command()
def pause(schedule: Which) -> None:
    """Keep a schedule from firing."""
    console.note(f"{console.printable(_act(schedule, 'pause')['name'])}: paused")


@app.command()
def resume(schedule: Which) -> None:
    """Let a paused schedule fire again, from its next time on."""
    console.note(_next(_act(schedule, "resume")))


@app.command()
def run(schedule: Which) -> None:
    """Start the schedule's job now; prints the job's id."""
    from semantik.entrypoints.cli import client, lookup, waiting

    async def work(api: client.Client) -> str:
        job_id = str((await api.post(f"/schedules/{await lookup.schedule_id(api, schedule)}/run-now"))["job_id"])
        if api.runs_jobs:
            await waiting.until_ended(api, job_id)
        return job_id

    console.say(client.run(work))


@app.command()
def delete(schedule: Which) -> None:
    """Delete a schedule; jobs it made stay."""
    from semantik.entrypoints.cli import client, lookup

    async def work(api: client.Client) -> str:
        found = await api.get(f"/schedules/{await lookup.schedule_id(api, schedule)}")
        await api.delete(f"/schedules/{found['id']}")
        return str(found["name"])

    console.note(f"{console.printable(client.run(work))}: deleted")
