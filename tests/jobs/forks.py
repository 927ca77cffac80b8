"""Worker processes for tests that kill them: started, watched, frozen and reaped through a zygote."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

KILLED = -signal.SIGKILL
# A worker that lost the database while it started; a supervisor starts it anew.
CUT_OFF = 75
_ROOT = Path(__file__).parents[2]


class Zygote:
    """One process that forks others. `start` takes what the module's commands hold; `wait` gives the exit code, negative for a signal.

    Several threads may share it, as long as they wait for none but the dead.
    """

    def __init__(self, module: str = "tests.jobs.zygote") -> None:
        command = [sys.executable, "-m", module]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=_ROOT)
        self.alive: set[int] = set()
        self._asking = threading.Lock()

    def _ask(self, **command: Any) -> dict[str, int]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._asking:
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
            answer: dict[str, int] = json.loads(self._process.stdout.readline())
        return answer

    def start(self, url: str = "", **command: Any) -> int:
        pid = self._ask(do="start", url=url, **command)["pid"]
        self.alive.add(pid)
        return pid

    def wait(self, pid: int) -> int:
        status = self._ask(do="wait", pid=pid)["status"]
        self.alive.discard(pid)
        return status

    def run(self, url: str, **command: Any) -> int:
        return self.wait(self.start(url, **command))

    def kill(self, pid: int, how: int = signal.SIGKILL) -> int:
        """Ends the process and its children; its exit code."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, how)
        return self.wait(pid)

    def close(self) -> None:
        for pid in list(self.alive):
            self.kill(pid)
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)


def fork_on_command(child: Callable[[dict[str, Any]], None]) -> None:
    """The zygote's own side: reads one JSON command a line on stdin and answers each with one line.

    {"do": "start", ...} answers {"pid": n}, and `child` gets the command in a process and group of its own, and never returns;
    {"do": "wait", "pid": n} answers {"status": n}.
    """
    for line in sys.stdin:
        command = json.loads(line)
        if command["do"] == "start":
            pid = os.fork()
            if pid == 0:
                os.close(0)
                # Whatever is read must not be the commands.
                os.open(os.devnull, os.O_RDONLY)
                os.setpgid(0, 0)
                child(command)
            # By both, for whoever learns the number may kill the group before the child has come to run.
            os.setpgid(pid, pid)
            answer = {"pid": pid}
        else:
            answer = {"status": os.waitstatus_to_exitcode(os.waitpid(command["pid"], 0)[1])}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def state(pid: int) -> str:
    """R, S, T (stopped), Z (dead, not reaped) ... as the kernel says; Z for one that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def family(pid: int) -> list[int]:
    """The process and everything below it, top down."""
    found = [pid]
    for one in found:
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found += map(int, task.read_text(encoding="ascii").split())
    return found


def until_state(pid: int, *states: str, within_s: float = 20) -> str:
    """Waits until the process is in one of these states, or dead."""
    end = time.monotonic() + within_s
    while (found := state(pid)) not in (*states, "Z") and time.monotonic() < end:
        time.sleep(0.01)
    return found


def freeze(pid: int, database_url: str) -> None:
    """Stops the process, but not inside a transaction: on SQLite that would stop every other writer with it."""
    while True:
        os.kill(pid, signal.SIGSTOP)
        if not database_url.startswith("sqlite"):
            return
        try:
            with contextlib.closing(sqlite3.connect(database_url.removeprefix("sqlite:///"), timeout=0.3)) as connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.rollback()
        except sqlite3.OperationalError:
            os.kill(pid, signal.SIGCONT)
            time.sleep(0.05)
        else:
            return
