"""The built graph gives the vectors of the plain-numpy encoder, whatever the folder's layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from semantik.engines.weights import bert_graph
from semantik.engines.weights.base import BertWeights, WeightsDamaged, WeightsUnsupported
from semantik.engines.weights.safetensors_file import SafetensorsFolder
from tests.engines.weights import oracle

IDS = [[2, 3], [2, 50, 51, 60, 3], [2, *range(5, 40), 3]]


def run(weights: BertWeights, variant: bert_graph.Variant, folder: Path, ids: list[int]) -> NDArray[np.float32]:
    folder.mkdir(exist_ok=True)
    bert_graph.build(weights, variant, folder)
    session = onnxruntime.InferenceSession(str(folder / bert_graph.GRAPH), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"ids": np.array(ids, dtype=np.int64)})[0][0], dtype=np.float32)


@pytest.mark.parametrize(
    "layout",
    [
        {},
        {"pooling": "cls"},
        {"family": "xlm-roberta", "prefix": "roberta."},
        {"dtype": "F16"},
        {"dtype": "BF16", "prefix": "bert."},
    ],
    ids=str,
)
@pytest.mark.parametrize(("variant", "least"), [("fp32", 0.9995), ("int8", 0.99)])
def test_vectors_equal_the_plain_encoder(tmp_path: Path, layout: dict[str, Any], variant: bert_graph.Variant, least: float) -> None:
    weights = SafetensorsFolder(oracle.write_folder(tmp_path / "model", **layout))
    for ids in IDS:
        assert float(run(weights, variant, tmp_path / variant, ids) @ oracle.embed(weights, ids)) > least


def test_fp32_differs_from_the_plain_encoder_by_the_word_tables_eight_bits_only(tmp_path: Path) -> None:
    weights = SafetensorsFolder(oracle.write_folder(tmp_path / "model"))

    class Rounded(SafetensorsFolder):
        def words(self, start: int, end: int) -> NDArray[np.float32]:
            rows = super().words(start, end)
            scale = np.abs(rows).max(axis=1, keepdims=True) / 127
            return np.asarray(np.round(rows / scale) * scale, dtype=np.float32)

    vector = run(weights, "fp32", tmp_path / "graph", IDS[1])
    assert np.allclose(vector, oracle.embed(Rounded(tmp_path / "model"), IDS[1]), atol=1e-6)


@pytest.mark.parametrize(
    ("config", "pooling", "said"),
    [
        ({"model_type": "t5"}, "mean", "'t5'"),
        ({"hidden_act": "relu"}, "mean", "activation"),
        ({"position_embedding_type": "relative_key"}, "mean", "position"),
        ({}, "max", "pools by nothing"),
    ],
)
def test_what_the_builder_does_not_know_is_refused(tmp_path: Path, config: dict[str, Any], pooling: str, said: str) -> None:
    folder = oracle.write_folder(tmp_path / "model", pooling=pooling, **config)
    with pytest.raises(WeightsUnsupported, match=said):
        SafetensorsFolder(folder)


def test_layers_after_the_encoder_are_refused(tmp_path: Path) -> None:
    folder = oracle.write_folder(tmp_path / "model")
    (folder / "modules.json").write_text('[{"type": "sentence_transformers.models.Dense"}]')
    with pytest.raises(WeightsUnsupported, match="Dense"):
        SafetensorsFolder(folder)


@pytest.mark.parametrize("keep", [0, 4, 100, -100])
def test_a_cut_file_is_damaged(tmp_path: Path, keep: int) -> None:
    folder = oracle.write_folder(tmp_path / "model")
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:keep])

    def read_all() -> None:
        weights = SafetensorsFolder(folder)
        for name in ("emb.pos", "l1.fo.w", "l1.fo.b"):
            weights.tensor(name)

    with pytest.raises(WeightsDamaged):
        read_all()


def test_a_folder_without_weights_says_so(tmp_path: Path) -> None:
    folder = oracle.write_folder(tmp_path / "model")
    (folder / "model.safetensors").unlink()
    with pytest.raises(WeightsUnsupported, match="safetensors"):
        SafetensorsFolder(folder)
    (folder / "config.json").unlink()
    with pytest.raises(WeightsUnsupported, match=r"config\.json"):
        SafetensorsFolder(folder)
