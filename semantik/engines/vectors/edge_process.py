"""The index process: owns every shard under one folder and answers one request after another, searches before writes.

Started by `EdgeStore` with one end of a socket pair; ends when the other end closes, closing and sealing its shards.
Also run as a throw-away: `try FOLDER DIMENSIONS` opens a shard that may abort the process, `optimize FOLDER DIMENSIONS`
builds search structures in a copy while the serving shard goes on.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from semantik.engines.vectors import frames
from semantik.engines.vectors.edge_seal import Damaged
from semantik.engines.vectors.edge_shard import SPACE, Found, Shard, described, optimize, try_open, vectors_of
from semantik.kit.sparse import SparseVector

_READS = frozenset({"query", "count", "health", "spaces", "present", "scroll"})
# Writes that an optimised copy has missed are kept for replay; beyond this many bytes the optimisation is given up.
_JOURNAL_BYTES = 512 * 1024**2
_OWNER_WAIT_S = 15.0


# Two slots of the write-ahead log and as much again for the mapped files of a segment (62 MB were too little, measured).
_LEAST_FREE_BYTES = 128 * 1024**2


class Refused(Exception):
    """A request that cannot be done, with the kind of error the caller shall raise."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind


@dataclass(slots=True)
class _Optimizing:
    request: int
    target: Path
    child: subprocess.Popen[bytes]
    journal: list[tuple[dict[str, Any], list[frames.Array]]] = field(default_factory=list)
    bytes: int = 0


class Server:
    def __init__(self, root: Path, connection: socket.socket) -> None:
        self._root = root
        self._socket = connection
        self._buffer = bytearray()
        self._urgent: deque[bytes] = deque()
        self._later: deque[bytes] = deque()
        self._shards: dict[str, Shard] = {}
        self._damage: dict[str, str] = {}
        self._checks: dict[str, Iterator[str | None]] = {}
        self._optimizing: dict[str, _Optimizing] = {}

    def run(self) -> None:
        self._socket.setblocking(False)
        alive = True
        while alive:
            busy = self._urgent or self._later or self._checks
            alive = self._receive(0.0 if busy else 0.25 if self._optimizing else None)
            if self._urgent or self._later:
                self._serve((self._urgent or self._later).popleft())
            elif self._checks:
                self._check_some()
            self._reap()
        self._close_all()

    def _receive(self, timeout: float | None) -> bool:
        """Takes in what has arrived; False when the other end is closed."""
        select.select([self._socket], [], [], timeout)
        while True:
            try:
                received = self._socket.recv(1 << 20)
            except BlockingIOError:
                break
            except ConnectionError:
                return False
            if not received:
                return False
            self._buffer += received
        while len(self._buffer) >= frames.LENGTH.size:
            (length,) = frames.LENGTH.unpack_from(self._buffer)
            end = frames.LENGTH.size + length
            if len(self._buffer) < end:
                break
            body = bytes(self._buffer[frames.LENGTH.size : end])
            del self._buffer[:end]
            (self._urgent if frames.is_urgent(body) else self._later).append(body)
        return True

    def _serve(self, body: bytes) -> None:
        head, arrays = frames.unpack(body)
        space = head.get("space", "")
        try:
            if head["op"] == "optimize":
                self._start_optimizing(head["id"], space, head["least"])
                return
            result, out = self._do(head, arrays)
            self._journal(space, head, arrays, len(body))
            self._reply({"id": head["id"], "result": result}, out)
        except Refused as refused:
            self._reply({"id": head["id"], "error": refused.kind, "detail": str(refused)})
        except Damaged as damage:
            self._set_aside(space, str(damage))
            self._reply({"id": head["id"], "error": "damaged", "detail": self._damage.pop(space)})
        except Exception as error:  # noqa: BLE001 - the binding raises bare Exception; the caller gets it as unavailable
            if space in self._shards and head["op"] in _READS:
                # A read that fails is how cut or flipped files first show: look at every point now.
                self._checks.setdefault(space, self._shards[space].faults())
            self._reply({"id": head["id"], "error": "failed", "detail": f"{type(error).__name__}: {error}"})

    def _reply(self, head: dict[str, Any], arrays: Sequence[frames.Array] = ()) -> None:
        self._socket.setblocking(True)
        try:
            self._socket.sendall(frames.pack(head, arrays))
        except ConnectionError:
            pass  # The other end is gone; the next receive says so and everything is closed.
        finally:
            self._socket.setblocking(False)

    def _do(self, head: dict[str, Any], arrays: list[frames.Array]) -> tuple[Any, Sequence[frames.Array]]:
        space = head.get("space", "")
        match head["op"]:
            case "health":
                return {"pid": os.getpid(), "open": sorted(self._shards), "checking": sorted(self._checks)}, ()
            case "spaces":
                return self._spaces(), ()
            case "ensure":
                self._ensure(space, head["dimensions"])
                return None, ()
            case "drop":
                self._drop(space)
                return None, ()
        shard = self._shard(space)
        match head["op"]:
            case "query":
                dense = arrays.pop(0) if head["dense"] else None
                sparse = SparseVector(arrays.pop(0), arrays.pop(0)) if head["sparse"] else None
                told = frames.ids_of(arrays.pop(0)) if head["told"] else None
                return _answer(shard.query(head, dense, sparse, told))
            case "count":
                return shard.count(head["tenant"], head["collections"], head["filters"]), ()
            case "present":
                return shard.present(head["ids"]), ()
            case "scroll":
                return self._scroll(shard, head)
            case "flush":
                shard.flush()
            case _:
                write(shard, head, arrays)
        return None, ()

    def _shard(self, space: str) -> Shard:
        if space in self._damage:
            raise Refused("damaged", self._damage.pop(space))
        if space not in self._shards:
            if not (self._root / space).exists():
                raise Refused("missing", f"there is no index named {space}")
            self._require_room()
            shard, unclean = Shard.open(self._root / space)
            self._shards[space] = shard
            if unclean:
                self._checks[space] = shard.faults()
        return self._shards[space]

    def _require_room(self) -> None:
        """The engine maps files that it then fills: on a full disk that ends the process, and would look like damage."""
        free = shutil.disk_usage(self._root).free
        if free < _LEAST_FREE_BYTES:
            raise Refused("full", f"{free // 1024**2} MB are left on its disk, and opening it needs {_LEAST_FREE_BYTES // 1024**2} MB")

    def _ensure(self, space: str, dimensions: int) -> None:
        if space in self._damage:
            # Said once before an empty index takes the place: whoever asks next knows that it has to be filled.
            raise Refused("damaged", self._damage.pop(space))
        folder = self._root / space
        if folder.exists() and not (folder / SPACE).exists() and not any(folder.glob("shard-*/segments/*")):
            shutil.rmtree(folder)
        if not folder.exists() and space not in self._shards:
            self._require_room()
            self._shards[space] = Shard.create(folder, dimensions)
            return
        shard = self._shard(space)
        if shard.dimensions != dimensions:
            raise Refused("mismatch", f"index {space} holds vectors of {shard.dimensions} dimensions, not {dimensions}")

    def _spaces(self) -> list[list[Any]]:
        found = []
        for file in sorted(self._root.glob(f"*/{SPACE}")):
            if ".damaged-" in file.parent.name:
                continue
            name = file.parent.name
            try:
                found.append([name, self._shard(name).dimensions])
            except Damaged as damage:
                # Named here, for the request names no space and the folder of all of them is not what is damaged.
                self._set_aside(name, str(damage))
                raise Refused("damaged", f"{name}: {self._damage.pop(name)}") from None
        return found

    def _drop(self, space: str) -> None:
        self._stop_optimizing(space)
        self._checks.pop(space, None)
        self._damage.pop(space, None)
        shard = self._shards.pop(space, None)
        if shard is not None:
            shard.abandon()
        shutil.rmtree(self._root / space, ignore_errors=True)

    def _scroll(self, shard: Shard, head: dict[str, Any]) -> tuple[Any, Sequence[frames.Array]]:
        records, after = shard.scroll(head["after"], head["limit"], vectors=head["vectors"], tenant=head["tenant"])
        listed = [described(record) for record in records]
        if not head["vectors"]:
            return {"points": listed, "after": after}, ()
        pairs = [vectors_of(record) for record in records]
        dense = [vector for vector, _ in pairs if vector is not None]
        return {"points": listed, "after": after}, (
            np.array([vector is not None for vector, _ in pairs], np.bool_),
            np.array(dense, np.float32).reshape(len(dense), shard.dimensions),
            np.array([len(sparse.indices) for _, sparse in pairs], np.uint32),
            np.concatenate([sparse.indices for _, sparse in pairs] or [np.empty(0, np.uint32)]),
            np.concatenate([sparse.values for _, sparse in pairs] or [np.empty(0, np.float32)]),
        )

    # Damage -----------------------------------------------------------------------------------------------------

    def _check_some(self) -> None:
        space, check = next(iter(self._checks.items()))
        try:
            fault = next(check, "done")
        except Exception as error:  # noqa: BLE001 - whatever reading a point raises is damage
            fault = f"its points cannot be read: {error}"
        if fault == "done":
            del self._checks[space]
        elif fault is not None:
            self._set_aside(space, fault)

    def _set_aside(self, space: str, reason: str) -> None:
        """Keeps the damaged files for whoever wants to look, and says so to the next request of this space."""
        self._stop_optimizing(space)
        self._checks.pop(space, None)
        shard = self._shards.pop(space, None)
        if shard is not None:
            try:
                shard.abandon()
            except Exception:  # noqa: BLE001, S110 - it is damaged; what its close says adds nothing
                pass
        folder = self._root / space
        if folder.exists():
            folder.rename(self._root / f"{space}.damaged-{time.time_ns() // 1_000_000}")
        self._damage[space] = reason
        self._reply({"id": -1, "notice": "damaged", "space": space, "detail": reason})

    # Optimising -------------------------------------------------------------------------------------------------

    def _start_optimizing(self, request: int, space: str, least: int) -> None:
        shard = self._shard(space)
        if space in self._optimizing or not shard.wants_optimizing(least):
            self._reply({"id": request, "result": False})
            return
        target = shard.copy()
        module = "semantik.engines.vectors.edge_process"
        command = [sys.executable, "-m", module, "optimize", str(target), str(shard.dimensions), str(os.getpid())]
        self._optimizing[space] = _Optimizing(request, target, subprocess.Popen(command, stdin=subprocess.DEVNULL))

    def _journal(self, space: str, head: dict[str, Any], arrays: list[frames.Array], size: int) -> None:
        running = self._optimizing.get(space)
        if running is None or head["op"] in _READS or head["op"] in ("flush", "ensure"):
            return
        running.journal.append((head, arrays))
        running.bytes += size
        if running.bytes > _JOURNAL_BYTES:
            self._stop_optimizing(space)

    def _stop_optimizing(self, space: str) -> None:
        running = self._optimizing.pop(space, None)
        if running is not None:
            running.child.kill()
            running.child.wait()
            shutil.rmtree(running.target, ignore_errors=True)
            self._reply({"id": running.request, "result": False})

    def _reap(self) -> None:
        for space, running in list(self._optimizing.items()):
            status = running.child.poll()
            if status is None:
                continue
            if status != 0:
                self._stop_optimizing(space)
                continue
            del self._optimizing[space]
            old = self._shards[space]
            new = old.swapped(running.target)
            for head, arrays in running.journal:
                write(new, head, arrays)
            new.install(old)
            self._shards[space] = new
            # A check in progress walks the shard that has just gone; the copy starts it anew.
            if space in self._checks:
                self._checks[space] = new.faults()
            self._reply({"id": running.request, "result": True})

    def _close_all(self) -> None:
        for space in list(self._optimizing):
            self._stop_optimizing(space)
        for name, shard in self._shards.items():
            try:
                shard.close()
            except Exception as error:  # noqa: BLE001 - one that cannot be closed (its folder is gone) stays unsealed and is checked at start
                print(f"index {name} was not closed properly: {error}", file=sys.stderr)  # noqa: T201


def _answer(sides: Sequence[Found | None]) -> tuple[Any, Sequence[frames.Array]]:
    """The moments of each side as JSON, its ids and scores as arrays."""
    arrays: list[frames.Array] = []
    for side in sides:
        if side is not None:
            for ids, scores in ((side.ids, side.scores), (side.cross_ids, side.cross_scores)):
                arrays += [frames.array_of(ids), np.array(scores, np.float64)]
    return [None if side is None else {"moments": side.moments} for side in sides], arrays


def write(shard: Shard, head: dict[str, Any], arrays: list[frames.Array]) -> None:
    match head["op"]:
        case "upsert":
            has_dense, dense, lengths, indices, values = arrays
            ends = np.cumsum(lengths)
            sparse = [
                SparseVector(indices[end - length : end], values[end - length : end])
                for end, length in zip(ends.tolist(), lengths.tolist(), strict=True)
            ]
            shard.upsert(head["ids"], head["payloads"], dense, has_dense, sparse)
        case "delete":
            shard.delete(head["ids"])
        case "delete_where":
            shard.delete_where(head["conditions"])
        case other:
            raise Refused("failed", f"unknown request {other!r}")


def _own(root: Path) -> None:
    """Takes the folder's lock, which the system gives back when this process ends; waits a little for a dying owner."""
    root.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(root / ".owner", os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + _OWNER_WAIT_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except OSError:
            owner = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            if time.monotonic() > deadline or not _ending(owner):
                raise Refused("owned", f"the index in {root.name} belongs to the running process {owner}") from None
            time.sleep(0.05)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)


def _ending(owner: str) -> bool:
    """Whether the owner's parent is gone: it is then closing its shards and will be through in a moment."""
    try:
        fields = Path(f"/proc/{int(owner)}/stat").read_text().rpartition(")")[2].split()
        return fields[0] in "ZX" or int(fields[1]) == 1
    except (OSError, ValueError, IndexError):
        return True


def _die_with_parent(parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        sys.exit(0)


def main(arguments: Sequence[str]) -> int:
    command, path, number = arguments[0], Path(arguments[1]), int(arguments[2])
    match command:
        case "try":
            try_open(path, number)
        case "optimize":
            _die_with_parent(int(arguments[3]))
            os.nice(15)
            optimize(path, number)
        case "serve":
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            _die_with_parent(int(arguments[3]))
            connection = socket.socket(fileno=number)
            server = Server(path, connection)
            try:
                _own(path)
            except Refused as refused:
                server._reply({"id": 0, "error": refused.kind, "detail": str(refused)})
                return 1
            server._reply({"id": 0, "result": os.getpid()})
            server.run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
