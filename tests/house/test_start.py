"""What starts often starts at once: `semantik --help`, and the processes beside the serving one, import nothing that they do not need."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys

import pytest

from tests.house.source import ROOT

HEAVY = {
    "alembic", "celery", "chardet", "cryptography", "fastapi", "httpx2", "kreuzberg", "lxml", "numpy", "onnx", "onnxruntime", "PIL",
    "pptx", "psycopg", "pydantic", "pypdfium2", "qdrant_client", "qdrant_edge", "redis", "rich", "sqlalchemy", "starlette", "structlog",
    "tokenizers", "uvicorn", "websockets",
}  # fmt: skip

HELP_CPU_S = 0.3

_SHOW = """
import json, sys
from semantik.entrypoints.cli.main import main
sys.argv = ["semantik", *json.loads(sys.argv[1])]
try:
    main()
except SystemExit:
    pass
print(json.dumps(sorted({name.split(".")[0] for name in sys.modules})), file=sys.stderr)
"""


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["search", "--help"], ["config", "--help"]], ids=" ".join)
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _SHOW, json.dumps(arguments)], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip()
    # typer itself imports pydantic to read the types of a command's own options.
    expected = {"pydantic"} if len(arguments) > 1 else set()
    assert HEAVY & set(json.loads(done.stderr.splitlines()[-1])) <= expected


def test_numpy_has_one_thread() -> None:
    code = "import os, semantik.entrypoints.cli.main, numpy; print(len(os.listdir('/proc/self/task')))"
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60, env=environment)
    assert done.stdout.strip() == "1"


def test_help_takes_less_than_a_third_of_a_second_of_cpu() -> None:
    def cpu_of_one_run() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
        command = [sys.executable, "-m", "semantik.entrypoints.cli.main", "--help"]
        subprocess.run(command, cwd=ROOT, capture_output=True, check=True, timeout=60, env=environment)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    cpu_of_one_run()  # writes the byte code
    assert min(cpu_of_one_run() for _ in range(5)) < HELP_CPU_S


@pytest.mark.parametrize(("module", "needed"), [("vectors.edge_process", {"numpy", "qdrant_edge"}), ("extract.child", {"chardet"})])
def test_a_process_of_an_engine_imports_what_it_works_with(module: str, needed: set[str]) -> None:
    show = f"import json, sys, semantik.engines.{module}; print(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", show], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert (HEAVY | {"asyncio"}) & set(json.loads(done.stdout)) == needed
