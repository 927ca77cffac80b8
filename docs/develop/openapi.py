"""Writes tests/snapshots/openapi.json, from which the web app's types are generated.

`make docs` runs it. A test compares `document()` with what is committed, so that no change of the API goes unseen.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from pathlib import Path

from semantik.entrypoints import api
from semantik.kit.settings import Settings
from semantik.runtime import open_runtime

SNAPSHOT = Path(__file__).parents[2] / "tests" / "snapshots" / "openapi.json"


def document() -> str:
    """The OpenAPI document of this version, keys sorted; nothing is served and no engine is started for it."""
    return asyncio.run(_document())


async def _document() -> str:
    with tempfile.TemporaryDirectory(prefix="semantik-openapi-") as folder:
        runtime = await open_runtime(Settings(data_dir=Path(folder)))
        try:
            return json.dumps(api.build(runtime).openapi(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"
        finally:
            await runtime.close()


if __name__ == "__main__":
    SNAPSHOT.write_text(document(), encoding="utf-8")
    print(f"tests/snapshots/{SNAPSHOT.name}", file=sys.stderr)
