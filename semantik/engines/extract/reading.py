"""One document inside a worker: limits, sniffing, guards, the reader, and the outcome that its findings amount to."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import socket
import stat
import struct
import zlib
from pathlib import Path
from typing import Any

from semantik.engines.extract import readers, wire
from semantik.engines.extract.base import Limits, Outcome, Verdict
from semantik.engines.extract.document import Document, Kind
from semantik.engines.extract.refusal import Refused, damaged, failed, skipped
from semantik.engines.extract.sink import Sink
from semantik.engines.extract.sniff import HEAD, sniff

# What parsers raise on input that is not what it claims to be. Anything else is our mistake and ends the worker.
_PARSER_ERRORS = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    EOFError,
    struct.error,
    zlib.error,
    AssertionError,
    RuntimeError,
    OSError,
)
# Readers that nothing can stop: for many small texts each frame counts.
_QUICK = frozenset({"plain", "delimited"})
# A worker that writes more than its budget of members into the scratch folder gets EFBIG.
_FILE_SLACK = 16 * 1024**2


def read_request(channel: socket.socket) -> bool:
    """Serves one request; False when the pool has closed the socket."""
    head = _receive(channel, wire.HEAD.size)
    if head is None:
        return False
    _, header_size, body_size = wire.HEAD.unpack(head)
    packed = _receive(channel, header_size + body_size)
    if packed is None:
        return False
    request = json.loads(packed)
    limits = Limits(**request["limits"])
    _limit(limits.memory_bytes, limits.member_bytes_left + _FILE_SLACK)
    sink = Sink(channel.sendall, limits)
    outcome = _read(request, limits, sink)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    channel.sendall(wire.outcome(outcome, peak_bytes=peak))
    return True


def _receive(channel: socket.socket, size: int) -> bytes | None:
    data = bytearray()
    while len(data) < size:
        piece = channel.recv(size - len(data))
        if not piece:
            return None
        data += piece
    return bytes(data)


def _limit(memory: int, file: int) -> None:
    # Soft limits only: the next document may be allowed more.
    resource.setrlimit(resource.RLIMIT_AS, (memory, resource.getrlimit(resource.RLIMIT_AS)[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, (file, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


def _allow_memory(memory: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    if soft != resource.RLIM_INFINITY and soft < memory:
        resource.setrlimit(resource.RLIMIT_AS, (memory, hard))


def _read(request: dict[str, Any], limits: Limits, sink: Sink) -> Outcome:
    kind: Kind | None = None
    try:
        document = _open(Path(request["path"]), request["name"], limits, Path(request["scratch"]), request["password"])
        kind = document.kind
        sink.media_type = kind.media_type
        if kind.reader not in _QUICK:
            sink.start(kind.media_type)
        readers.load(kind.reader)(document, sink)
        kind = document.kind
        refusal = None
    except Refused as error:
        refusal = error
    except MemoryError:
        _trim()
        refusal = failed(
            "memory_limit",
            f"Reading the file takes more than {limits.memory_bytes // 1024**2:,} MiB of memory.",
            "Split the file, or raise SEMANTIK_EXTRACT_MEMORY_BYTES.",
        )
    except RecursionError:
        refusal = failed("nesting_limit", "The file is nested more deeply than can be read.", "Save it in a flatter form.")
    except (BrokenPipeError, ConnectionResetError):
        raise
    except _PARSER_ERRORS as error:
        refusal = damaged(kind.words if kind else "file", f"the reader stopped with {type(error).__name__}")
    return _outcome(sink, kind, refusal)


def _open(path: Path, name: str, limits: Limits, scratch: Path, password: str | None) -> Document:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise failed("unreadable", "This is no regular file.")
        with open(path, "rb") as file:
            head = file.read(HEAD)
    except FileNotFoundError:
        raise failed("gone", "The file is no longer there.", "Sync the source again.") from None
    except OSError as error:
        raise failed(
            "unreadable", f"The file cannot be opened: {os.strerror(error.errno or 0)}.", "Give the server the right to read it."
        ) from None
    kind, charset = sniff(path, name, status.st_size, head, password)
    return Document(path, name, status.st_size, head, kind, limits, scratch, password, charset, _allow_memory)


def _outcome(sink: Sink, kind: Kind | None, refusal: Refused | None) -> Outcome:
    """What was given decides: a loss after text is PARTIAL, a loss without text FAILED, nothing at all SKIPPED."""
    some = sink.chars > 0
    found = refusal or (sink.losses[0] if sink.losses else None)
    if found is None and not some:
        words = kind.words if kind else "file"
        found = skipped("no_text", f"The {words} holds no text.")
    verdict = Verdict.OK
    if found is not None:
        verdict = found.verdict
        if some:
            verdict = Verdict.PARTIAL
        elif verdict is Verdict.PARTIAL:
            verdict = Verdict.FAILED
    warnings = [loss.reason for loss in sink.losses if loss is not found]
    return Outcome(
        verdict=verdict,
        code=found.code if found else None,
        reason=found.reason if found else None,
        hint=found.hint if found else None,
        media_type=kind.media_type if kind else None,
        pages=sink.pages,
        title=sink.title,
        metadata=sink.metadata,
        warnings=(*sink.warnings, *warnings),
    )


def _trim() -> None:
    ctypes.CDLL(None).malloc_trim(0)
