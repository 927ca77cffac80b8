"""The encoder in plain numpy, read off the paper: what the built graphs are compared with. And a tiny model to build."""

from __future__ import annotations

import json
from math import erf, sqrt
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semantik.engines.weights.base import BertWeights

Matrix = NDArray[np.float32]
_erf = np.vectorize(erf, otypes=[np.float32])


class Held(BertWeights):
    """Keeps what was read: dequantising takes longer than the sums of a short text."""

    def __init__(self, weights: BertWeights) -> None:
        self.shape = weights.shape
        self._weights = weights
        self._tensors: dict[str, Matrix] = {}

    def tensor(self, name: str) -> Matrix:
        if name not in self._tensors:
            self._tensors[name] = self._weights.tensor(name)
        return self._tensors[name]

    def words(self, start: int, end: int) -> Matrix:
        return self._weights.words(start, end)


def embed(weights: BertWeights, ids: list[int]) -> Matrix:
    """One L2-normalised vector: embeddings, post-norm transformer layers with exact GELU, pooling."""
    shape = weights.shape
    size = shape.hidden // shape.heads
    words = np.concatenate([weights.words(index, index + 1) for index in ids])
    x = _norm(words + weights.tensor("emb.pos")[: len(ids)], weights, "emb.ln")
    for layer in range(shape.layers):
        name = f"l{layer}"
        query, key, value = (
            _linear(x, weights, f"{name}.{side}").reshape(len(ids), shape.heads, size).transpose(1, 0, 2) for side in "qkv"
        )
        scores = query @ key.transpose(0, 2, 1) / sqrt(size)
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        scores /= scores.sum(axis=-1, keepdims=True)
        attended = (scores @ value).transpose(1, 0, 2).reshape(len(ids), shape.hidden)
        x = _norm(x + _linear(attended, weights, f"{name}.ao"), weights, f"{name}.aln")
        inner = _linear(x, weights, f"{name}.fi")
        inner = inner * 0.5 * (1 + _erf(inner / sqrt(2)))
        x = _norm(x + _linear(inner, weights, f"{name}.fo"), weights, f"{name}.oln")
    pooled = x.mean(axis=0) if shape.pooling == "mean" else x[0]
    return np.asarray(pooled / np.linalg.norm(pooled), dtype=np.float32)


def _linear(x: Matrix, weights: BertWeights, name: str) -> Matrix:
    return np.asarray(x @ weights.tensor(f"{name}.w").T + weights.tensor(f"{name}.b"))


def _norm(x: Matrix, weights: BertWeights, name: str) -> Matrix:
    centred = x - x.mean(axis=-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + weights.shape.layer_norm_eps)
    return np.asarray(scaled * weights.tensor(f"{name}.w") + weights.tensor(f"{name}.b"))


VOCABULARY = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    *"abcdefghijklmnopqrstuvwxyz0123456789.,!?",
    *(f"##{c}" for c in "abcdefghijklmnopqrstuvwxyz"),
]
VOCABULARY += ["cat", "dog", "sat", "mat", "the", "on", "bread", "bake", "##s", "##ing"]


def write_folder(
    folder: Path, *, family: str = "bert", dtype: str = "F32", pooling: str = "mean", prefix: str = "", seed: int = 7, **config: Any
) -> Path:
    """A tiny random model in Hugging Face layout: 2 layers, 32 wide, WordPiece vocabulary."""
    hidden, layers, inner, positions = 32, 2, 64, 64
    offset = 0 if family == "bert" else 2
    random = np.random.default_rng(seed)
    tensors: dict[str, Matrix] = {}

    def put(name: str, *size: int, scale: float = 0.2, shift: float = 0.0) -> None:
        tensors[prefix + name] = (random.standard_normal(size) * scale + shift).astype(np.float32)

    put("embeddings.word_embeddings.weight", len(VOCABULARY), hidden, scale=1)
    put("embeddings.position_embeddings.weight", positions + offset, hidden)
    put("embeddings.token_type_embeddings.weight", 2, hidden)
    for name in ["embeddings.LayerNorm"] + [
        f"encoder.layer.{n}.{part}.LayerNorm" for n in range(layers) for part in ("attention.output", "output")
    ]:
        put(f"{name}.weight", hidden, shift=1)
        put(f"{name}.bias", hidden)
    for n in range(layers):
        for part in ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"):
            put(f"encoder.layer.{n}.{part}.weight", hidden, hidden)
            put(f"encoder.layer.{n}.{part}.bias", hidden)
        put(f"encoder.layer.{n}.intermediate.dense.weight", inner, hidden)
        put(f"encoder.layer.{n}.intermediate.dense.bias", inner)
        put(f"encoder.layer.{n}.output.dense.weight", hidden, inner)
        put(f"encoder.layer.{n}.output.dense.bias", hidden)
    folder.mkdir(parents=True, exist_ok=True)
    write_safetensors(folder / "model.safetensors", tensors, dtype)
    sizes = {
        "model_type": family,
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "intermediate_size": inner,
        "max_position_embeddings": positions + offset,
        "layer_norm_eps": 1e-12,
        "hidden_act": "gelu",
    }
    _json(folder / "config.json", sizes | config)
    _json(folder / "sentence_bert_config.json", {"max_seq_length": 48})
    (folder / "1_Pooling").mkdir(exist_ok=True)
    _json(folder / "1_Pooling" / "config.json", {"pooling_mode_mean_tokens": pooling == "mean", "pooling_mode_cls_token": pooling == "cls"})
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    return folder


def write_safetensors(path: Path, tensors: dict[str, Matrix], dtype: str = "F32") -> None:
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    body = b""
    for name, tensor in tensors.items():
        match dtype:
            case "F16":
                packed = tensor.astype("<f2").tobytes()
            case "BF16":
                packed = (tensor.view(np.uint32) >> 16).astype("<u2").tobytes()
            case _:
                packed = tensor.astype("<f4").tobytes()
        header[name] = {"dtype": dtype, "shape": list(tensor.shape), "data_offsets": [len(body), len(body) + len(packed)]}
        body += packed
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + body)


def _json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value), encoding="utf-8")
