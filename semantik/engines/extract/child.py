"""The program of the children: `python -m semantik.engines.extract.child FD` is the nursery, which forks workers on demand.

The server never forks itself and no worker imports the server's `__main__`. The nursery imports the parsers once, takes
away what they do not need (network, core files, priority) and stays idle: one thread, no document, so forking it is safe and
a new worker costs milliseconds. It ends, and its workers with it, when the pool's end of the control socket closes.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import resource
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from types import TracebackType

import chardet

from semantik.engines.extract import readers, wire
from semantik.engines.extract.reading import read_request

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_PR_SET_PDEATHSIG = 1
_NICE = 10
_OPEN_FILES = 128


def main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    for name in readers.NAMES:
        readers.load(name)
    # The statistics of charsets are loaded at the first guess; workers share them.
    chardet.detect("Größe und Maß: Übergrößen ab 5 €".encode("cp1252"))
    _give_up_rights()
    gc.collect()
    gc.freeze()
    _nurse(control)


def _nurse(control: socket.socket) -> None:
    living: set[int] = set()
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, wire.COMMAND.size, 1)
        if not message:
            break
        command, pid = wire.COMMAND.unpack(message)
        if command == wire.FORK:
            pid = os.fork()
            if pid == 0:
                control.close()
                _become_worker(descriptors[0])
            living.add(pid)
            os.close(descriptors[0])
            control.sendall(wire.REPLY.pack(pid, 0, 0))
        else:
            # A pid may be sent twice: the second time there is nothing left to do.
            status, peak = _kill(pid) if pid in living else (0, 0)
            living.discard(pid)
            control.sendall(wire.REPLY.pack(pid, status, peak))
    for pid in living:
        _kill(pid)


def _kill(pid: int) -> tuple[int, int]:
    """Kills the worker and whatever it started. Only the nursery reaps, so the number cannot be another's by now."""
    for kill in (os.killpg, os.kill):
        # The group does not exist yet when the worker was forked a moment ago.
        with contextlib.suppress(ProcessLookupError):
            kill(pid, signal.SIGKILL)
    _, status, usage = os.wait4(pid, 0)
    return status, usage.ru_maxrss


def _become_worker(descriptor: int) -> None:
    os.setsid()
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() == 1:
        os._exit(0)
    # What parsers print belongs to nobody.
    os.dup2(os.open(os.devnull, os.O_RDWR), 2)
    channel = socket.socket(fileno=descriptor)
    sys.excepthook = _tell(channel)
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        while read_request(channel):
            pass
    os._exit(0)


def _tell(channel: socket.socket) -> Callable[[type[BaseException], BaseException, TracebackType | None], None]:
    """The last words of a worker that met an error nobody foresaw: where it was, without the document's text."""

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        frames = [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(trace)]
        with contextlib.suppress(OSError):
            channel.sendall(wire.frame(wire.TRACE, {"error": kind.__name__, "frames": frames[-12:]}))
        os._exit(70)

    return hook


def _give_up_rights() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    files = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    os.nice(_NICE)
    with contextlib.suppress(OSError):
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
            file.write("900")
    # No network: as root in a namespace of its own, otherwise by way of a user namespace, where the system allows either.
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(_CLONE_NEWNET) != 0:
            libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    main()
