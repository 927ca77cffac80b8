"""The committed OpenAPI document is the one the app gives; run `make docs` after a change of the API."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_committed_openapi_document_is_that_of_this_version() -> None:
    code = "import runpy; print(runpy.run_path('docs/develop/openapi.py')['document'](), end='')"
    made = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=100).stdout

    assert made == (ROOT / "tests" / "snapshots" / "openapi.json").read_text(encoding="utf-8")
