"""Builds the ONNX graph of a BERT-family encoder: token ids in, one L2-normalised vector out; fp32 or int8.

One text a run, so there is no mask and no padding. int8 quantises activations row by row (one scale a token), which makes a
text's vector independent of whatever else is embedded, and weights channel by channel to 7 bits: with 8 bits the AVX2
instruction for u8 x s8 saturates silently while VNNI does not, and two machines would give different vectors.
The word table is 8 bits with one scale a row in both variants of a large vocabulary; it stays on disk as external data, which the
runtime maps, so only the rows in use take memory. The `onnx` package is needed here only: run this in a child process.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from semantik.engines.weights.base import BertWeights

Variant = Literal["fp32", "int8"]

# Part of every model key: raise it whenever the same weights would give other vectors.
VERSION = 1
GRAPH = "graph.onnx"
DATA = "graph.data"

_OPSET = 20  # the first with Gelu
_IR = 9
_VENDOR = "com.microsoft"
_TABLE_ROWS = 8192
_ALIGN = 4096  # a page, so that the runtime can map tensors in place


def build(weights: BertWeights, variant: Variant, folder: Path) -> None:
    """Writes `graph.onnx` and `graph.data` into the folder and flushes both to disk."""
    with (folder / DATA).open("wb") as data:
        model = _Builder(weights, variant, data).model()
        data.flush()
        os.fsync(data.fileno())
    with (folder / GRAPH).open("wb") as file:
        file.write(model.SerializeToString())
        file.flush()
        os.fsync(file.fileno())


class _Builder:
    def __init__(self, weights: BertWeights, variant: Variant, data: BinaryIO) -> None:
        self._weights = weights
        self._int8 = variant == "int8"
        self._data = data
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: list[onnx.TensorProto] = []
        self._known: set[str] = set()

    def model(self) -> onnx.ModelProto:
        shape = self._weights.shape
        x = self._embeddings()
        for layer in range(shape.layers):
            x = self._layer(f"l{layer}", x)
        if shape.pooling == "mean":
            pooled = self._add("ReduceMean", [x, self._ints("axis_tokens", [1])], keepdims=0)
        else:
            pooled = self._add("Gather", [x, self._scalar_int("first", 0)], axis=1)
        self._add("LpNormalization", [pooled], output="vector", axis=-1, p=2)
        graph = helper.make_graph(
            self._nodes,
            "encoder",
            [helper.make_tensor_value_info("ids", TensorProto.INT64, ["tokens"])],
            [helper.make_tensor_value_info("vector", TensorProto.FLOAT, [1, shape.hidden])],
            self._initializers,
        )
        return helper.make_model(
            graph,
            ir_version=_IR,
            opset_imports=[helper.make_opsetid("", _OPSET), helper.make_opsetid(_VENDOR, 1)],
            producer_name="semantik",
            producer_version=str(VERSION),
        )

    def _embeddings(self) -> str:
        table, scales = self._word_table()
        rows = self._add("Cast", [self._add("Gather", [table, "ids"])], to=TensorProto.FLOAT)
        words = self._add("Mul", [rows, self._add("Gather", [scales, "ids"])])
        count = self._add("Shape", ["ids"])
        position = self._add("Slice", [self._weight("emb.pos"), self._ints("zero", [0]), count, self._ints("zero", [0])])
        summed = self._add("Add", [words, position])
        batched = self._add("Unsqueeze", [summed, self._ints("zero", [0])])
        return self._layer_norm(batched, "emb.ln")

    def _word_table(self) -> tuple[str, str]:
        shape = self._weights.shape
        scales = np.empty((shape.vocabulary, 1), dtype=np.float32)

        def blocks() -> Iterator[bytes]:
            for start in range(0, shape.vocabulary, _TABLE_ROWS):
                end = min(start + _TABLE_ROWS, shape.vocabulary)
                rows = self._weights.words(start, end)
                scales[start:end] = np.maximum(np.abs(rows).max(axis=1, keepdims=True), 1e-12) / 127
                yield np.round(rows / scales[start:end]).astype(np.int8).tobytes()

        table = self._external("emb.word", [shape.vocabulary, shape.hidden], TensorProto.INT8, blocks())
        return table, self._constant("emb.word.scale", scales)

    def _layer(self, name: str, x: str) -> str:
        shape = self._weights.shape
        quantised = self._quantised(x)
        query, key, value = (self._linear(f"{name}.{side}", quantised) for side in "qkv")
        attended = self._add("MultiHeadAttention", [query, key, value], domain=_VENDOR, num_heads=shape.heads)
        projected = self._linear(f"{name}.ao", self._quantised(attended))
        x = self._layer_norm(self._add("Add", [projected, x]), f"{name}.aln")
        inner = self._add("Gelu", [self._linear(f"{name}.fi", self._quantised(x))])
        outer = self._linear(f"{name}.fo", self._quantised(inner))
        return self._layer_norm(self._add("Add", [outer, x]), f"{name}.oln")

    def _quantised(self, x: str) -> tuple[str, str]:
        """The activation as unsigned bytes around 128 and each row's largest magnitude; in fp32 the activation itself."""
        if not self._int8:
            return x, ""
        largest = self._add("ReduceMax", [self._add("Abs", [x]), self._ints("axis_last", [-1])], keepdims=1)
        largest = self._add("Max", [largest, self._constant("tiny", np.array(1e-9, dtype=np.float32))])
        unit = self._add("Div", [x, largest])
        scale = self._constant("step", np.array(1 / 127, dtype=np.float32))
        return self._add("QuantizeLinear", [unit, scale, self._constant("middle", np.array(128, dtype=np.uint8))]), largest

    def _linear(self, name: str, x: tuple[str, str]) -> str:
        activation, largest = x
        weight = self._weights.tensor(f"{name}.w")
        bias = self._weight(f"{name}.b")
        if not self._int8:
            product = self._add("MatMul", [activation, self._constant(f"{name}.w", np.ascontiguousarray(weight.T))])
            return self._add("Add", [product, bias])
        scale = np.maximum(np.abs(weight).max(axis=1), 1e-12) / 63
        packed = np.ascontiguousarray(np.round(weight / scale[:, None]).astype(np.int8).T)
        product = self._add(
            "MatMulIntegerToFloat",
            [
                activation,
                self._constant(f"{name}.w", packed),
                self._constant("step", np.array(1 / 127, dtype=np.float32)),
                self._constant(f"{name}.scale", scale.astype(np.float32)),
                self._constant("middle", np.array(128, dtype=np.uint8)),
            ],
            domain=_VENDOR,
        )
        return self._add("Add", [self._add("Mul", [product, largest]), bias])

    def _layer_norm(self, x: str, name: str) -> str:
        weights = [self._weight(f"{name}.w"), self._weight(f"{name}.b")]
        return self._add("LayerNormalization", [x, *weights], axis=-1, epsilon=self._weights.shape.layer_norm_eps)

    def _add(self, operator: str, inputs: list[str], *, domain: str = "", output: str | None = None, **attributes: int | float) -> str:
        output = output or f"t{len(self._nodes)}"
        node = helper.make_node(operator, inputs, [output], domain=domain)
        node.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
        self._nodes.append(node)
        return output

    def _weight(self, name: str) -> str:
        return self._constant(name, self._weights.tensor(name))

    def _ints(self, name: str, values: list[int]) -> str:
        return self._constant(name, np.array(values, dtype=np.int64))

    def _scalar_int(self, name: str, value: int) -> str:
        return self._constant(name, np.array(value, dtype=np.int64))

    def _constant(self, name: str, array: NDArray[np.generic]) -> str:
        if name in self._known:
            return name
        kind = helper.np_dtype_to_tensor_dtype(array.dtype)
        if array.nbytes >= _ALIGN:
            return self._external(name, list(array.shape), kind, iter([array.tobytes()]))
        self._known.add(name)
        self._initializers.append(helper.make_tensor(name, kind, array.shape, array.tobytes(), raw=True))
        return name

    def _external(self, name: str, dimensions: list[int], kind: int, blocks: Iterator[bytes]) -> str:
        start = -(-self._data.tell() // _ALIGN) * _ALIGN
        self._data.write(b"\0" * (start - self._data.tell()))
        for block in blocks:
            self._data.write(block)
        tensor = onnx.TensorProto(name=name, data_type=kind, dims=dimensions, data_location=TensorProto.EXTERNAL)
        for key, value in (("location", DATA), ("offset", str(start)), ("length", str(self._data.tell() - start))):
            tensor.external_data.add(key=key, value=value)
        self._known.add(name)
        self._initializers.append(tensor)
        return name
