"""Reads a BERT-family encoder from a folder in Hugging Face layout: sizes, pooling, prompts and tensors, mapped, not loaded.

`model.safetensors` is u64 header length, a JSON header {name: {dtype, shape, data_offsets}}, then the bytes; no package needed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from semantik.engines.weights.base import BertShape, WeightsDamaged, WeightsUnsupported

# Position tables of the RoBERTa family begin after the padding index.
_POSITION_OFFSET = {"bert": 0, "roberta": 2, "xlm-roberta": 2, "camembert": 2}
_MODULES = {"Transformer", "Pooling", "Normalize"}
_LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
_PART = {"w": "weight", "b": "bias"}
_WORDS = "embeddings.word_embeddings.weight"
_DTYPES: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2"), "BF16": np.dtype("<u2")}


class SafetensorsFolder:
    """`BertWeights` over the folder. Raises `WeightsUnsupported` for another family, `WeightsDamaged` for a broken file."""

    def __init__(self, folder: Path) -> None:
        config = read_json(folder / "config.json")
        family = str(config.get("model_type"))
        if family not in _POSITION_OFFSET:
            raise WeightsUnsupported(f"{folder.name} holds a model of type {family!r}", hint=f"Known: {', '.join(_POSITION_OFFSET)}.")
        if config.get("hidden_act", "gelu") != "gelu" or config.get("position_embedding_type", "absolute") != "absolute":
            raise WeightsUnsupported(f"{folder.name} uses another activation or position scheme than BERT")
        self._offset = _POSITION_OFFSET[family]
        self._read_header(folder / "model.safetensors")
        try:
            positions = int(config["max_position_embeddings"]) - self._offset
            self.shape = BertShape(
                hidden=int(config["hidden_size"]),
                layers=int(config["num_hidden_layers"]),
                heads=int(config["num_attention_heads"]),
                intermediate=int(config["intermediate_size"]),
                vocabulary=self._header[self._name(_WORDS)]["shape"][0],
                max_tokens=min(positions, _sequence_limit(folder) or positions),
                layer_norm_eps=float(config.get("layer_norm_eps", 1e-12)),
                pooling=_pooling(folder),
            )
        except KeyError as error:
            raise WeightsDamaged(f"{folder.name} lacks {error.args[0]!r}") from error

    def _read_header(self, path: Path) -> None:
        try:
            self._bytes = np.memmap(path, dtype=np.uint8, mode="r")
            length = int.from_bytes(self._bytes[:8].tobytes(), "little")
            if not 2 <= length <= len(self._bytes) - 8:
                raise ValueError("header length")
            self._header: dict[str, Any] = json.loads(self._bytes[8 : 8 + length].tobytes())
        except FileNotFoundError:
            raise WeightsUnsupported(
                f"{path.parent.name} holds no model.safetensors", hint="Save the model in the safetensors format."
            ) from None
        except ValueError as error:
            raise WeightsDamaged(f"{path.name} is not a safetensors file") from error
        self._start = 8 + length
        # Files of the whole pretraining model name their encoder `bert.` or `roberta.`.
        self._prefix = next((name.removesuffix(_WORDS) for name in self._header if name.endswith(_WORDS)), "")

    def _name(self, name: str) -> str:
        return self._prefix + name

    def tensor(self, name: str) -> NDArray[np.float32]:
        if name == "emb.pos":
            position = self._read(self._name("embeddings.position_embeddings.weight"))
            types = self._read(self._name("embeddings.token_type_embeddings.weight"))
            return np.asarray(position[self._offset : self._offset + self.shape.max_tokens] + types[0], dtype=np.float32)
        if name.startswith("emb.ln."):
            return self._read(self._name(f"embeddings.LayerNorm.{_PART[name[-1]]}"))
        layer, part, side = name.split(".")
        return self._read(self._name(f"encoder.layer.{layer[1:]}.{_LAYER[part]}.{_PART[side]}"))

    def words(self, start: int, end: int) -> NDArray[np.float32]:
        return self._read(self._name(_WORDS), start, end)

    def _read(self, name: str, start: int = 0, end: int | None = None) -> NDArray[np.float32]:
        """Rows [start, end) of a tensor as float32."""
        try:
            entry = self._header[name]
            dtype, shape = _DTYPES[entry["dtype"]], list(entry["shape"])
            first, last = entry["data_offsets"]
        except KeyError as error:
            raise WeightsDamaged(f"the weights lack {name!r}, or hold it in an unknown type") from error
        raw = self._bytes[self._start + first : self._start + last]
        if raw.nbytes != int(np.prod(shape)) * dtype.itemsize:
            raise WeightsDamaged(f"the weights end within {name!r}")
        rows = raw.view(dtype).reshape(shape)[start:end]
        if entry["dtype"] == "BF16":
            rows = (rows.astype(np.uint32) << 16).view(np.float32)
        return np.asarray(rows, dtype=np.float32).copy()


def prompts(folder: Path) -> tuple[str, str]:
    """The prefixes of queries and passages that the folder asks for."""
    path = folder / "config_sentence_transformers.json"
    given = read_json(path).get("prompts") or {} if path.is_file() else {}
    return str(given.get("query") or ""), str(given.get("passage") or given.get("document") or "")


def read_json(path: Path) -> dict[str, Any]:
    """Raises `WeightsUnsupported` when the file is not there, `WeightsDamaged` when it is no JSON object."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise WeightsUnsupported(f"{path.parent.name} holds no {path.name}", hint="Point at a folder in Hugging Face layout.") from None
    except ValueError as error:
        raise WeightsDamaged(f"{path.name} is not JSON") from error
    if not isinstance(value, dict):
        raise WeightsDamaged(f"{path.name} is not a JSON object")
    return value


def _sequence_limit(folder: Path) -> int | None:
    path = folder / "sentence_bert_config.json"
    limit = read_json(path).get("max_seq_length") if path.is_file() else None
    return int(limit) if limit else None


def _pooling(folder: Path) -> Literal["mean", "cls"]:
    modules = folder / "modules.json"
    if modules.is_file():
        kinds = {str(module.get("type", "")).rpartition(".")[2] for module in json.loads(modules.read_text(encoding="utf-8"))}
        if not kinds <= _MODULES:
            raise WeightsUnsupported(f"{folder.name} has layers after the encoder: {', '.join(sorted(kinds - _MODULES))}")
    path = folder / "1_Pooling" / "config.json"
    if not path.is_file():
        return "mean"
    config = read_json(path)
    chosen = sorted(name for name, on in config.items() if name.startswith("pooling_mode_") and on is True)
    if chosen == ["pooling_mode_cls_token"]:
        return "cls"
    if chosen == ["pooling_mode_mean_tokens"]:
        return "mean"
    raise WeightsUnsupported(f"{folder.name} pools by {', '.join(chosen) or 'nothing'}", hint="Mean and first-token pooling are known.")
