"""The seal of a closed shard: sizes and checksums of its files, so that a cut or flipped one is noticed before it answers.

The engine itself opens most damage without a word: a flipped vector file gives wrong vectors, a removed segment gives
fewer points, a flipped id mapping aborts the process (measured). So a shard that is closed properly is sealed; opening
checks the seal. The write-ahead log is left out: after a close it holds nothing that the segments lack.
A shard without a seal was not closed: it is tried in a process that may die, and all its points are checked one by one.
"""

from __future__ import annotations

import json
import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semantik.kit.sparse import SparseVector

SEAL = "seal.json"
CHECK = "_check"
_BLOCK = 1 << 20


class Damaged(Exception):
    """What was found wrong, in a sentence; inside the index process only."""


def seal(space: Path, shard: Path, points: int) -> None:
    """Writes the seal of a closed shard; on disk when it returns."""
    write_json(space / SEAL, {"points": points, "files": _files(shard)})


def break_seal(space: Path) -> None:
    (space / SEAL).unlink(missing_ok=True)
    _sync_folder(space)


def sealed_points(space: Path, shard: Path) -> int | None:
    """Number of points under an intact seal, None when there is no seal. Raises `Damaged` when a file differs."""
    try:
        manifest = json.loads((space / SEAL).read_text())
        expected, points = dict(manifest["files"]), int(manifest["points"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, UnicodeDecodeError):
        return None  # A torn seal proves nothing: the shard counts as not closed, and every point is checked.
    for name, (size, checksum) in expected.items():
        path = shard / name
        if not path.is_file():
            raise Damaged(f"{name} is missing")
        if path.stat().st_size != size:
            raise Damaged(f"{name} has {path.stat().st_size} bytes instead of {size}")
        if _checksum(path) != checksum:
            raise Damaged(f"{name} has changed since the index was closed")
    return points


def point_check(dense: NDArray[np.float32] | None, sparse: SparseVector, payload: dict[str, Any]) -> list[float]:
    """What a point carries to be checked by: a checksum of payload and terms, and a projection of its dense vector.

    The engine normalises vectors, so their bits are not ours to sum; their projection on fixed signs is.
    """
    return [_exact_sum(sparse.indices, sparse.values, payload), _projection(dense)]


def point_fault(dense: NDArray[np.float32] | None, sparse: SparseVector, payload: dict[str, Any]) -> str | None:
    """What is wrong with a stored point, or None."""
    check = payload.get(CHECK)
    plain = {key: value for key, value in payload.items() if key != CHECK}
    if not isinstance(check, list) or len(check) != 2 or _exact_sum(sparse.indices, sparse.values, plain) != check[0]:
        return "its terms or payload have changed"
    if dense is not None and abs(float(np.dot(dense, dense)) - 1.0) > 1e-4:
        return "its vector has lost its length"
    # A vector that is gone projects to 0, as does none; random vectors do not come this close.
    return None if abs(_projection(dense) - check[1]) < 5e-5 else "its vector has changed"


def _exact_sum(indices: NDArray[np.uint32], values: NDArray[np.float32], payload: dict[str, Any]) -> int:
    order = np.argsort(indices)
    text = json.dumps(payload, sort_keys=True, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return zlib.crc32(text, zlib.crc32(values[order].tobytes(), zlib.crc32(indices[order].tobytes())))


_signs: dict[int, NDArray[np.float64]] = {}


def _projection(dense: NDArray[np.float32] | None) -> float:
    if dense is None:
        return 0.0
    signs = _signs.get(len(dense))
    if signs is None:
        signs = _signs[len(dense)] = np.random.default_rng(len(dense)).choice([-1.0, 1.0], len(dense))
    exact = dense.astype(np.float64)
    return round(float(exact @ signs / np.sqrt(exact @ exact)), 7)


def _files(shard: Path) -> dict[str, tuple[int, int]]:
    return {
        path.relative_to(shard).as_posix(): (path.stat().st_size, _checksum(path))
        for path in sorted(shard.rglob("*"))
        if path.is_file() and "wal" not in path.relative_to(shard).parts
    }


def _checksum(path: Path) -> int:
    """CRC-32 of the written parts of a file and where they lie: the holes of sparse files cost nothing."""
    total = 0
    size = path.stat().st_size
    with path.open("rb") as file:
        at = 0
        while at < size:
            start, end = _extent(file.fileno(), at, size)
            file.seek(start)
            while start < end:
                block = file.read(min(_BLOCK, end - start))
                if not block:
                    return total
                if block.strip(b"\0"):
                    total = zlib.crc32(block, zlib.crc32(start.to_bytes(8, "little"), total))
                start += len(block)
            at = end
    return total


def _extent(descriptor: int, at: int, size: int) -> tuple[int, int]:
    """The next written part at or after `at`, widened to whole blocks so that its borders do not depend on the file system."""
    if not hasattr(os, "SEEK_DATA"):
        return at, size
    try:
        start = os.lseek(descriptor, at, os.SEEK_DATA)
    except OSError:  # ENXIO: only a hole is left.
        return size, size
    end = os.lseek(descriptor, start, os.SEEK_HOLE)
    return start // _BLOCK * _BLOCK, min(size, -(-end // _BLOCK) * _BLOCK)


def write_json(path: Path, value: Any) -> None:
    """Replaces a small file in one step that survives a power cut."""
    temporary = path.with_name(path.name + ".new")
    with temporary.open("w") as file:
        json.dump(value, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
