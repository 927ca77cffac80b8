"""`semantik documents`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from semantik.entrypoints.cli import console
from semantik.entrypoints.cli.options import chosen, states

app = typer.Typer(name="documents", help="Documents: what was listed, and what became of it.", no_args_is_help=True, rich_markup_mode=None)
DocumentId = Annotated[str, typer.Argument(metavar="DOCUMENT_ID", help="The id, or 6 or more characters of its beginning or its end.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of words.")]


@app.command("list")
def list_(
    collection: Annotated[str | None, typer.Argument(help="Name or id of a collection; all of them when left out.")] = None,
    named: Annotated[str | None, typer.Option("--collection", "-c", help="The same, as an option.")] = None,
    source: Annotated[str | None, typer.Option(help="Id of a source, or a part of it.")] = None,
    state: Annotated[str | None, typer.Option(parser=states, help="pending, indexed, partial, skipped, failed; comma separated.")] = None,
    name: Annotated[str | None, typer.Option(help="Only paths that contain this.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", help="Most documents.")] = 100,
    as_json: Json = False,
) -> None:
    """List documents with their states and reasons."""
    from semantik.entrypoints.cli import client, lookup

    if collection is not None and named is not None:
        raise typer.BadParameter("The collection is named twice.", param_hint="'--collection'")
    within = collection or named

    async def work(api: client.Client) -> list[dict[str, Any]]:
        wanted = await lookup.collection_id(api, within) if within else None
        origin = await lookup.source_id(api, source) if source else None
        rows: list[dict[str, Any]] = []
        async for row in api.every("/documents", collection=wanted, source=origin, state=state, q=name):
            rows.append(row)
            if len(rows) >= limit:
                break
        return rows

    rows = client.run(work)
    if as_json or chosen.as_json:
        console.emit(rows)
        return
    shown = [{**row, "why": " ".join(part for part in (row["reason"], row["hint"]) if part)} for row in rows]
    columns = {
        "path": "path",
        "state": "state",
        "media_type": "kind",
        "pages": "pages",
        "chunk_count": "chunks",
        "code": "code",
        "why": "why",
        "id": "id",
    }
    console.table(shown, columns, empty="No document fits.")


@app.command()
def show(document_id: DocumentId, as_json: Json = False) -> None:
    """Show one document."""
    from semantik.entrypoints.cli import client, lookup

    async def work(api: client.Client) -> Any:
        return await api.get(f"/documents/{await lookup.document_id(api, document_id)}")

    found = client.run(work)
    if as_json or chosen.as_json:
        console.emit(found)
    else:
        console.fields({key: value for key, value in found.items() if key != "outline"})
        for entry in found["outline"]:
            console.say("  " * entry["level"] + console.printable(entry["title"]))


@app.command()
def text(document_id: DocumentId) -> None:
    """Print the text that was read from a document."""
    from semantik.entrypoints.cli import client, lookup

    async def work(api: client.Client) -> None:
        whole = await lookup.document_id(api, document_id)
        start = 0
        while True:
            piece = await api.get(f"/documents/{whole}/text", start=start)
            print(piece["text"], end="")
            start = piece["end"]
            if start >= piece["total_chars"] or not piece["text"]:
                return

    client.run(work)


@app.command()
def chunks(document_id: DocumentId, as_json: Json = False) -> None:
    """List a document's chunks."""
    from semantik.entrypoints.cli import client, lookup

    async def work(api: client.Client) -> list[dict[str, Any]]:
        return [one async for one in api.every(f"/documents/{await lookup.document_id(api, document_id)}/chunks")]

    rows = client.run(work)
    if as_json or chosen.as_json:
        console.emit(rows)
        return
    for row in rows:
        console.say(
            f"#{row['ordinal']} [{row['start']}:{row['end']}] {row['tokens']} tokens  {console.printable(' › '.join(row['heading_path']))}"
        )
        console.say(console.printable(row["text"]))
        console.say()


@app.command()
def original(document_id: DocumentId, target: Annotated[Path, typer.Argument(help="File to write.")]) -> None:
    """Save the original file."""
    from semantik.entrypoints.cli import client, lookup

    async def work(api: client.Client) -> int:
        return await api.download(f"/documents/{await lookup.document_id(api, document_id)}/original", target)

    size = client.run(work)
    console.note(f"{console.counted(size, 'byte')} written to {target}")


@app.command()
def retry(
    document_id: DocumentId,
    password: Annotated[bool, typer.Option("--password", help="Ask for the password that opens it.")] = False,
) -> None:
    """Read one document again."""
    from semantik.entrypoints.cli import client, lookup, waiting

    body = {"password": typer.prompt("Password", hide_input=True)} if password else {}

    async def work(api: client.Client) -> Any:
        whole = await lookup.document_id(api, document_id)
        job = await api.post(f"/documents/{whole}/retry", body)
        await waiting.until_ended(api, job["job_id"])
        return await api.get(f"/documents/{whole}")

    found = client.run(work)
    console.say(f"{found['state']}{': ' + found['reason'] if found['reason'] else ''}")
    if found["state"] == "failed":
        raise typer.Exit(console.INCOMPLETE)


@app.command("retry-failed")
def retry_failed(
    collection: Annotated[str, typer.Argument(help="Name or id of the collection.")],
    code: Annotated[list[str] | None, typer.Option(help="Only failures with this code; may be repeated.")] = None,
) -> None:
    """Read every failed document of a collection again."""
    from semantik.entrypoints.cli import client, lookup, waiting

    async def work(api: client.Client) -> Any:
        target = await lookup.collection_id(api, collection)
        answer = await api.post(f"/collections/{target}/retry-failed", {"codes": code or []})
        if answer["job_id"]:
            await waiting.until_ended(api, answer["job_id"])
        return answer, await api.get(f"/collections/{target}")

    answer, after = client.run(work)
    console.note(f"{console.counted(answer['documents'], 'document')} read again. {console.ledger(after['ledger'])}")


@app.command()
def delete(document_id: DocumentId) -> None:
    """Delete an uploaded document."""
    from semantik.entrypoints.cli import client, lookup, waiting

    async def work(api: client.Client) -> None:
        found = await api.get(f"/documents/{await lookup.document_id(api, document_id)}")
        job = await api.delete(f"/documents/{found['id']}")
        await waiting.removed(api, job["job_id"], found["path"])

    client.run(work)
