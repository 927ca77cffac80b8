"""What `semantik models` does: models belong to the data folder, so no server is asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from semantik.engines.weights import catalog, store
from semantik.engines.weights import pull as pulling
from semantik.engines.weights.catalog import Model
from semantik.entrypoints.cli import client, console
from semantik.kit.errors import SemantikError


def listing() -> list[dict[str, Any]]:
    try:
        settings = client.chosen_settings()
        return [
            asdict(model) | {"default": model.name == settings.embedding_model} for model in catalog.listing(settings.data_dir / "models")
        ]
    except SemantikError as error:
        client.fail(error)


def pull(name: str) -> None:
    _done("installed", lambda folder: pulling.pull(name, models_dir=folder, say=console.note))


def import_model(source: Path, name: str | None, languages: str, *, exact: bool) -> None:
    known = tuple(code.strip() for code in languages.split(",") if code.strip())
    _done(
        "imported",
        lambda folder: store.import_model(source, models_dir=folder, name=name, variant="fp32" if exact else "int8", languages=known),
    )


def verify(name: str) -> None:
    _done("whole", lambda folder: store.verify(name, folder))


def remove(name: str) -> None:
    try:
        store.remove(name, client.chosen_settings().data_dir / "models")
    except SemantikError as error:
        client.fail(error)
    console.note(f"{name}: removed")


def _done(word: str, work: Callable[[Path], Model]) -> None:
    try:
        model = work(client.chosen_settings().data_dir / "models")
    except SemantikError as error:
        client.fail(error)
    console.note(f"{model.name}: {word}, {model.dimensions} dimensions, {model.max_tokens} tokens")
