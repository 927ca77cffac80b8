"""Runs Playwright with a real server of its own, fresh and not set up yet: `python -m tests.browser CHROMIUM [arguments]`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
READY_S = 120


def main(chromium: str, arguments: list[str]) -> int:
    with tempfile.TemporaryDirectory(prefix="semantik-browser-") as scratch:
        command = [sys.executable, "-m", "semantik.entrypoints.cli.main", "--data-dir", f"{scratch}/data", "serve", "--port", "0"]
        clean = {name: value for name, value in os.environ.items() if not name.startswith("SEMANTIK_")}
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, env=clean, cwd=scratch)
        lines: list[str] = []
        reader = threading.Thread(target=_read, args=(server, lines), daemon=True)
        reader.start()
        try:
            found = _link(server, lines)
            environment = {**os.environ, "SEMANTIK_CHROMIUM": chromium, "SEMANTIK_E2E_URL": found[1], "SEMANTIK_E2E_SETUP_TOKEN": found[2]}
            return subprocess.run(["npm", "run", "--silent", "e2e", "--", *arguments], cwd=ROOT / "web", env=environment).returncode
        finally:
            server.terminate()
            try:
                server.wait(30)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _read(server: subprocess.Popen[str], lines: list[str]) -> None:
    assert server.stdout is not None
    lines.extend(server.stdout)


def _link(server: subprocess.Popen[str], lines: list[str]) -> re.Match[str]:
    """The ready link with the one-time token, which the server prints once it listens."""
    until = time.monotonic() + READY_S
    while time.monotonic() < until and server.poll() is None:
        for line in list(lines):
            if found := re.search(r"(http://\S+?)/setup#token=(\S+)", line):
                return found
        time.sleep(0.05)
    raise SystemExit(f"the server for the browser tests did not start: {''.join(lines)[-500:]}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
