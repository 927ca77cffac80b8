"""`semantik config`: every setting with its value and where it came from."""

from __future__ import annotations

from typing import Annotated

import typer

from semantik.entrypoints.cli import console
from semantik.entrypoints.cli.options import chosen

app = typer.Typer(name="config", help="Settings and where their values come from.", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def show(as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of words.")] = False) -> None:
    """Print each setting, its value, and where the value came from. Secrets are hidden."""
    from semantik.entrypoints.cli import checking

    rows = checking.settings_rows()
    if as_json or chosen.as_json:
        console.emit(rows)
    else:
        console.table([checking.as_typed(row) for row in rows], {"variable": "variable", "value": "value", "origin": "from"}, empty="")


@app.command()
def explain(name: str) -> None:
    """Explain one setting: what it does, its default, its value and where that came from."""
    from semantik.entrypoints.cli import checking

    console.fields(checking.setting_row(name))
