"""How much memory this machine, container and GPU have free right now."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from pathlib import Path

_GPU_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Free:
    """Bytes; None where the system does not tell."""

    memory_bytes: int | None
    gpu_memory_bytes: int | None


async def free(*, gpu: bool) -> Free:
    """`gpu`: ask for it too, which starts a process. Without any GPU, 0 bytes of it are free."""
    return Free(free_memory(), await _free_gpu() if gpu else None)


def free_memory(proc: Path = Path("/proc"), cgroup: Path = Path("/sys/fs/cgroup")) -> int | None:
    """The smaller of what the machine and what the container (cgroup v2) can still give; caches that can be dropped count as free."""
    found = [one for one in (_of_machine(proc), _of_container(cgroup)) if one is not None]
    return min(found, default=None)


def _of_machine(proc: Path) -> int | None:
    with contextlib.suppress(OSError, ValueError):
        for line in (proc / "meminfo").read_text().splitlines():
            name, _, value = line.partition(":")
            if name == "MemAvailable":
                return int(value.split()[0]) * 1024
    return None


def _of_container(cgroup: Path) -> int | None:
    with contextlib.suppress(OSError, ValueError, KeyError):
        limit = int((cgroup / "memory.max").read_text())  # "max" is no number: no limit
        used = int((cgroup / "memory.current").read_text())
        rows = dict(line.split() for line in (cgroup / "memory.stat").read_text().splitlines())
        return max(0, limit - used + int(rows["inactive_file"]))
    return None


async def _free_gpu() -> int | None:
    """Of the GPU with the most; by nvidia-smi, so that no GPU library has to be installed."""
    try:
        asked = await asyncio.create_subprocess_exec(
            "nvidia-smi", "--query-gpu=memory.free", "--format=csv,noheader,nounits",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
    except OSError:
        return 0
    try:
        told, _ = await asyncio.wait_for(asked.communicate(), _GPU_TIMEOUT_S)
        return max((int(line) for line in told.decode().split()), default=0) * 1024**2
    except (TimeoutError, ValueError):
        return None
    finally:
        if asked.returncode is None:
            asked.kill()
