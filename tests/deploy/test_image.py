"""deploy/Dockerfile, without Docker: what goes in, what must not, and that a read-only root is enough."""

from __future__ import annotations

import fnmatch
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from semantik.kit import settings
from tests.deploy import files
from tests.house.source import ROOT

DOCKERFILE = (files.DEPLOY / "Dockerfile").read_text(encoding="utf-8")
STEPS = [line for line in re.sub(r"\\\n", " ", DOCKERFILE).splitlines() if line and not line.startswith("#")]


def _in_context(path: str) -> bool:
    """Whether .dockerignore lets the path into the build; of its lines, the last that fits decides."""
    inside = True
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        pattern = line.removeprefix("!")
        parts = path.split("/")
        # A line names a path, or with **/ a name at any depth; what is below a folder shares its lot.
        tried = parts if pattern.startswith("**/") else ["/".join(parts[: end + 1]) for end in range(len(parts))]
        if any(fnmatch.fnmatchcase(one, pattern.removeprefix("**/")) for one in tried):
            inside = line.startswith("!")
    return inside


def test_the_build_gets_what_it_copies() -> None:
    copied = [part for step in STEPS if step.startswith("COPY ") and "--from=" not in step for part in step.split()[1:-1]]
    assert {"semantik", "web", "requirements/server.txt", "web/.npmrc"} <= set(copied)
    for path in copied:
        assert (ROOT / path).exists(), path
        assert _in_context(path), path


@pytest.mark.parametrize(
    "path",
    [
        ".env",
        "deploy/.env",
        "web/.env",
        "semantik/.env.local",
        ".git/config",
        ".demo-data/keys.json",
        "semantik-data/semantik.db",
        "web/node_modules/a/index.js",
        "semantik/webui/index.html",
        "semantik/kit/__pycache__/ids.pyc",
        "tests/conftest.py",
    ],
)
def test_no_secret_and_nothing_built_here_goes_into_an_image(path: str) -> None:
    assert not _in_context(path)


def test_the_image_runs_semantik_as_nobody() -> None:
    final = STEPS[max(index for index, step in enumerate(STEPS) if step.startswith("FROM ")) :]
    assert "USER 10001:10001" in final
    assert not [step for step in final if step.startswith("RUN") and "pip" in step]
    assert 'ENTRYPOINT ["semantik"]' in final
    command = next(step for step in final if step.startswith("CMD "))
    files.is_a_command(re.findall(r'"([^"]+)"', command))
    assert any(step.startswith("HEALTHCHECK") and "/readyz" in step for step in final)
    assert 'VOLUME ["/data", "/tmp"]' in final
    loaded = settings.load(dict(re.findall(r"(SEMANTIK_\w+)=(\S+)", " ".join(final))), None)
    assert (loaded.data_dir, loaded.host, loaded.port) == (Path("/data"), "0.0.0.0", 8080)


def test_the_image_has_what_was_tested_and_every_client() -> None:
    pinned = {}
    for name in ("server", "test"):
        text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
        pinned[name] = set(re.findall(r"^([a-z0-9][\w.-]*(?:\[[^\]]*\])?==[^ \\;]+)", text, re.MULTILINE))
    assert pinned["server"] <= pinned["test"]
    names = {re.split(r"[=\[]", pin)[0] for pin in pinned["server"]}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for extra, wanted in project["optional-dependencies"].items():
        for requirement in wanted:
            assert re.split(r"[\[<>=;]", requirement)[0] in names, f"{requirement} of {extra}: run `make lock`"
    assert "pytest" not in names


def test_the_wheel_carries_the_web_ui(tmp_path: Path) -> None:
    hatchling = pytest.importorskip("hatchling.build", reason="hatchling is not installed: make types")
    shutil.copytree(ROOT / "semantik", tmp_path / "semantik", ignore=shutil.ignore_patterns("__pycache__", "webui"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "semantik" / "webui").mkdir()
    (tmp_path / "semantik" / "webui" / "index.html").write_text("<title>Semantik</title>", encoding="utf-8")
    (tmp_path / "semantik" / "COMMIT").write_text("0" * 40, encoding="ascii")

    script = f"from {hatchling.__name__} import build_wheel; print(build_wheel('.'))"
    made = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)

    with zipfile.ZipFile(tmp_path / made.stdout.split()[-1]) as wheel:
        names = set(wheel.namelist())
    assert {"semantik/webui/index.html", "semantik/COMMIT", "semantik/migrations/__init__.py"} <= names
    assert not [name for name in names if name.startswith("tests/")]


_READ_ONLY = """
mount --bind "$1" "$1" && mount --bind "$2" "$2" && mount -o remount,bind,ro / || exit 99
export TMPDIR="$2" HOME=/nonexistent
shift 2
touch "$1" 2>/dev/null && exit 99
shift
exec "$@"
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_read_only_root_is_enough(tmp_path: Path) -> None:
    """The root of a mount namespace of its own is made read-only, all but the data folder and the one for scratch."""
    data, scratch, sources = (tmp_path / name for name in ("data", "scratch", "sources"))
    for folder in (data, scratch, sources):
        folder.mkdir()
    shutil.copy(ROOT / "semantik" / "sample" / "files" / "board" / "minutes-2025-02-11.docx", sources)
    semantik = [sys.executable, "-m", "semantik.entrypoints.cli.main", "--data-dir", str(data)]
    own_mounts = ["unshare", "--mount"] if files.is_root() else ["unshare", "--map-root-user", "--mount"]
    command = [*own_mounts, "sh", "-c", _READ_ONLY, "sh", str(data), str(scratch), str(ROOT / "pyproject.toml"), *semantik]
    command += ["ingest", str(sources), "--collection", "here"]

    ran = _run(command)
    for _ in range(2):
        # 75 says that trying again may help: a machine with much to do answers late.
        ran = _run(command) if ran.returncode == 75 else ran

    if ran.returncode == 99 or "unshare" in ran.stderr:
        pytest.skip("this machine lets nobody make a file system read-only for one process")
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert "here: 1 listed = 1 indexed" in ran.stderr
    assert not list(scratch.iterdir()), "scratch is left behind"


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=files.without_settings(), capture_output=True, text=True, timeout=200, check=False)


def test_hadolint_finds_nothing() -> None:
    linter = files.tool("hadolint")
    if linter is None:
        pytest.skip("hadolint is not installed: make deploy-lint")
    checked = subprocess.run([linter, str(files.DEPLOY / "Dockerfile")], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
