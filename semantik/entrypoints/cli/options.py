"""The options that hold for every command, as the main command read them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(slots=True)
class Chosen:
    data_dir: Path | None = None
    server: str | None = None
    verbose: bool = False
    as_json: bool = False
    serving: bool = False


chosen = Chosen()
