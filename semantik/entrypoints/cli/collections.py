"""`semantik collections`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from semantik.entrypoints.cli import console
from semantik.entrypoints.cli.options import Strategy, chosen, language_or_auto, whole

app = typer.Typer(name="collections", help="Collections: searchable wholes.", no_args_is_help=True, rich_markup_mode=None)
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of words.")]
Name = Annotated[str, typer.Argument(help="Name, id, or a part of the id.")]


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List collections with their ledgers."""
    from semantik.entrypoints.cli import client

    async def work(api: client.Client) -> list[dict[str, Any]]:
        return [one async for one in api.every("/collections")]

    rows = client.run(work)
    if as_json or chosen.as_json:
        console.emit(rows)
        return
    shown = [{**row, **row["ledger"]} for row in rows]
    columns = {
        "name": "name",
        "listed": "listed",
        "indexed": "indexed",
        "partial": "partial",
        "skipped": "skipped",
        "failed": "failed",
        "pending": "pending",
        "chunks": "chunks",
        "id": "id",
    }
    console.table(shown, columns, empty="There is no collection yet. `semantik ingest PATH` makes one.")


@app.command()
def create(
    name: str,
    description: Annotated[str, typer.Option(help="What it holds.")] = "",
    model: Annotated[str | None, typer.Option(help="Embedding model, see `semantik models list`.")] = None,
    strategy: Annotated[Strategy, typer.Option(help="How documents are cut.")] = "recursive",
    max_tokens: Annotated[int | None, typer.Option(help="Most tokens in a chunk.", parser=whole(16))] = None,
    overlap_tokens: Annotated[int | None, typer.Option(help="Tokens a chunk repeats of the one before.", parser=whole(0))] = None,
    language: Annotated[str, typer.Option(parser=language_or_auto, help="Language of short documents: auto or two letters.")] = "auto",
) -> None:
    """Create an empty collection; prints its id."""
    from semantik.entrypoints.cli import client

    chunking: dict[str, Any] = {"strategy": strategy}
    if max_tokens is not None:
        chunking["max_tokens"] = max_tokens
    if overlap_tokens is not None:
        chunking["overlap_tokens"] = overlap_tokens
    body = {"name": name, "description": description, "embedding_model": model, "chunking": chunking, "language": language}
    console.say(client.run(lambda api: api.post("/collections", body))["id"])


@app.command()
def show(name: Name, as_json: Json = False) -> None:
    """Show one collection with its ledger."""
    from semantik.entrypoints.cli import client, lookup

    async def work(api: client.Client) -> Any:
        return await api.get(f"/collections/{await lookup.collection_id(api, name)}")

    found = client.run(work)
    if as_json or chosen.as_json:
        console.emit(found)
        return
    console.fields(
        {
            key: found[key]
            for key in ("id", "name", "description", "embedding_model", "chunking", "language", "sources", "chunks", "created_at")
        }
    )
    console.say(console.ledger(found["ledger"]))
    for reason in found["ledger"]["reasons"]:
        console.say(f"  {reason['count']:,} {reason['state']}: {reason['code']}")


@app.command()
def rename(name: Name, new_name: str) -> None:
    """Rename a collection."""
    from semantik.entrypoints.cli import client, lookup

    async def work(api: client.Client) -> Any:
        return await api.patch(f"/collections/{await lookup.collection_id(api, name)}", {"name": new_name})

    console.note(f"{console.printable(name)}: now {console.printable(client.run(work)['name'])}")


@app.command()
def delete(name: Name, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Delete a collection and all that was read into it. Originals stay where they came from."""
    from semantik.entrypoints.cli import client, lookup, waiting

    if not yes and typer.prompt("Type the collection's name to delete it") != name:
        console.note("The names differ; nothing was deleted.")
        raise typer.Exit(console.PROBLEM)

    async def work(api: client.Client) -> None:
        found = await api.get(f"/collections/{await lookup.collection_id(api, name)}")
        job = await api.delete(f"/collections/{found['id']}")
        await waiting.removed(api, job["job_id"], found["name"])

    client.run(work)


@app.command()
def export(
    name: Name,
    file: Annotated[Path, typer.Argument(help="File to write. It appears when it is whole; one of that name is never replaced.")],
) -> None:
    """Write a collection with originals, chunks, vectors and settings into one file."""
    from semantik.entrypoints.cli import client, lookup
    from semantik.kit.files import appearing

    async def work(api: client.Client) -> int:
        path = f"/collections/{await lookup.collection_id(api, name)}/export"
        with appearing(file) as writing:
            return await api.download_into(path, writing)

    console.say(f"{file}: {console.counted(client.run(work), 'byte')}")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A file that an export wrote.")],
    name: Annotated[str | None, typer.Option("--name", help="What to call it, instead of its own name.")] = None,
) -> None:
    """Take in a collection from such a file; prints its id. Nothing is embedded when the model is the same."""
    from semantik.entrypoints.cli import client, waiting

    async def work(api: client.Client) -> Any:
        return await waiting.until_ended(api, (await api.send_file("/collections/import", file, name=name))["job_id"])

    job = client.run(work)
    if job["status"] != "completed":
        console.note(f"error: {(job['error'] or {}).get('message') or job['status']}")
        raise typer.Exit(console.PROBLEM)
    console.say(job["result"]["collection_id"])
    documents, chunks = (console.counted(job["result"][f"{noun}s"], noun) for noun in ("document", "chunk"))
    console.note(f"{job['result']['name']}: {documents}, {chunks}")
