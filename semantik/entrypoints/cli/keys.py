"""`semantik keys`: API keys, and the keys at rest."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from semantik.entrypoints.cli import console
from semantik.entrypoints.cli.options import Scope, chosen, whole

app = typer.Typer(name="keys", help="API keys, and the key that signs and seals.", no_args_is_help=True, rich_markup_mode=None)
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of words.")]


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List API keys."""
    from semantik.entrypoints.cli import client

    async def work(api: client.Client) -> list[dict[str, Any]]:
        return [one async for one in api.every("/api-keys")]

    rows = client.run(work)
    if as_json or chosen.as_json:
        console.emit(rows)
        return
    columns = {
        "name": "name",
        "prefix": "prefix",
        "scope": "scope",
        "created_at": "created",
        "expires_at": "expires",
        "used_at": "used",
        "revoked_at": "revoked",
        "id": "id",
    }
    console.table(rows, columns, empty="There is no API key. `semantik keys create NAME` makes one.")


@app.command()
def create(
    name: str,
    scope: Annotated[Scope, typer.Option(help="What it may do.")] = "read",
    days: Annotated[int | None, typer.Option(help="Days until it expires; never when left out.", parser=whole(1))] = None,
) -> None:
    """Create an API key; it is printed once and kept nowhere."""
    from semantik.entrypoints.cli import client

    made = client.run(lambda api: api.post("/api-keys", {"name": name, "scope": scope, "expires_in_days": days}))
    console.say(made["key"])


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="KEY_ID", help="The id, or 6 or more characters of its beginning or its end.")],
) -> None:
    """Revoke an API key."""
    from semantik.entrypoints.cli import client, lookup

    async def work(api: client.Client) -> str:
        whole = await lookup.key_id(api, key_id)
        await api.delete(f"/api-keys/{whole}")
        return whole

    console.note(f"API key {client.run(work)}: revoked")


@app.command()
def rotate() -> None:
    """Put a fresh signing and sealing key in front; older ones keep opening what they sealed. Stop the server first."""
    from semantik.entrypoints.cli import checking

    checking.rotate_keys()
