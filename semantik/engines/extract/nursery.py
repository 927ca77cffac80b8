"""The pool's side of the nursery: starts it, asks it for workers, has it kill them."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import semantik
from semantik.engines.extract import tessdata, wire
from semantik.kit.concurrency import run_cpu
from semantik.kit.errors import Unavailable

# What is told of a worker that ended together with its nursery: no status and no peak.
GONE = (0, 0)
_START_S = 60.0
# Parts of 1 MiB pass in a few reads; more would only be memory.
_BUFFER = 512 * 1024


class ExtractorDown(Unavailable):
    """The child processes that read documents cannot be started."""

    code = "extractor_down"


@dataclass(slots=True, eq=False)
class Worker:
    pid: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    documents: int = 0
    peak_bytes: int = 0


class Nursery:
    """One process; started when the first worker is wanted, and again when it died."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._errors: IO[bytes] | None = None
        self._killing: set[asyncio.Task[tuple[int, int]]] = set()

    async def fork(self) -> Worker:
        """A new worker. Raises `ExtractorDown` when the nursery does not come up."""
        ours, theirs = socket.socketpair()
        # A task of its own that owns `theirs`: a caller that is cancelled must not pull the socket away in the middle of a command.
        forking = asyncio.get_running_loop().create_task(self._fork(theirs))
        with ExitStack() as failed:
            failed.callback(forking.add_done_callback, self._disown)
            failed.callback(ours.close)
            pid, _, _ = await asyncio.shield(forking)
            ours.setblocking(False)
            reader, writer = await asyncio.open_connection(sock=ours, limit=_BUFFER)
            failed.pop_all()
        return Worker(pid, reader, writer)

    def _disown(self, forking: asyncio.Task[tuple[int, int, int]]) -> None:
        """Ends a worker that nobody waits for any more; an error of its start is nobody's either."""
        if forking.cancelled() or forking.exception() is not None:
            return
        killing = asyncio.get_running_loop().create_task(self.kill(forking.result()[0]))
        self._killing.add(killing)
        killing.add_done_callback(self._killing.discard)

    async def kill(self, pid: int) -> tuple[int, int]:
        """(wait status, peak resident kB) of the worker; `GONE` when nobody can tell any more."""
        async with self._lock:
            if self._control is None:
                return GONE
            try:
                _, status, peak = await self._ask(wire.KILL, pid)
            except OSError:
                # The nursery died, and its workers with it.
                await self._stop()
                return GONE
            return status, peak

    async def close(self) -> None:
        await asyncio.gather(*self._killing)
        async with self._lock:
            await self._stop()

    async def _fork(self, theirs: socket.socket) -> tuple[int, int, int]:
        with theirs:
            return await self._fork_with(theirs)

    async def _fork_with(self, theirs: socket.socket) -> tuple[int, int, int]:
        async with self._lock:
            for attempt in (1, 2):
                if self._control is None:
                    await run_cpu(self._start)
                try:
                    async with asyncio.timeout(_START_S):
                        return await self._ask(wire.FORK, 0, theirs)
                except OSError as error:
                    # TimeoutError is an OSError. A nursery that died, since its last fork or in the middle of this one, is replaced once.
                    told = self._told()
                    await self._stop()
                    if attempt == 2:
                        raise ExtractorDown(f"the processes that read documents do not start: {told or error}") from error
        raise AssertionError("the loop returns or raises")

    async def _ask(self, command: bytes, pid: int, descriptor: socket.socket | None = None) -> tuple[int, int, int]:
        assert self._control is not None, "the nursery runs"
        message = wire.COMMAND.pack(command, pid)
        if descriptor is None:
            await asyncio.get_running_loop().sock_sendall(self._control, message)
        else:
            # A few bytes on a socket with nothing else in it: this cannot block.
            socket.send_fds(self._control, [message], [descriptor.fileno()])
        reply = b""
        while len(reply) < wire.REPLY.size:
            piece = await asyncio.get_running_loop().sock_recv(self._control, wire.REPLY.size - len(reply))
            if not piece:
                raise ConnectionResetError("the nursery has ended")
            reply += piece
        pid, status, peak = wire.REPLY.unpack(reply)
        return pid, status, peak

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  # closed in _stop
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "semantik.engines.extract.child", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
                cwd="/",
                env=_environment(),
            )
        ours.setblocking(False)
        self._control = ours

    async def _stop(self) -> None:
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            await run_cpu(self._process.wait)
        if self._errors is not None:
            self._errors.close()
        self._control = self._process = self._errors = None

    def _told(self) -> str:
        """The last line that a nursery wrote before it died."""
        if self._errors is None:
            return ""
        self._errors.seek(0)
        lines = self._errors.read(64 * 1024).decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else ""


def _environment() -> dict[str, str]:
    """Only what the parsers need: no secret of the server is in a child's environment."""
    package = str(Path(semantik.__file__).resolve().parents[1])
    inherited = {name: os.environ[name] for name in ("PATH", "TMPDIR", "LD_LIBRARY_PATH", "SYSTEMROOT") if name in os.environ}
    return {
        **inherited,
        "PYTHONPATH": os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH")))),
        "LANG": "C.UTF-8",
        "PYTHONUTF8": "1",
        # Each worker is one of many: its libraries start no threads of their own where they can be told.
        "OMP_THREAD_LIMIT": "1",
        "RAYON_NUM_THREADS": "1",
        "TOKIO_WORKER_THREADS": "1",
        "MALLOC_ARENA_MAX": "2",
        "TESSDATA_PREFIX": str(tessdata.folder()),
    }
