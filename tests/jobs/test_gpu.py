"""A job that needs the memory of a GPU, on a real card that another process holds. Without a card, torch or nvidia-smi: skipped."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

import pytest

from semantik.jobs.context import JobContext
from semantik.jobs.handlers import handles
from semantik.jobs.states import Status
from semantik.jobs.values import JobArgs, Needs, Queue
from semantik.kit import resources
from tests.jobs.conftest import World

pytestmark = pytest.mark.skipif(
    shutil.which("nvidia-smi") is None or importlib.util.find_spec("torch") is None, reason="needs an NVIDIA GPU, and torch to fill it"
)

_HOLD = """
import sys
import torch
held = torch.empty(int(0.9 * torch.cuda.mem_get_info()[0]), dtype=torch.uint8, device="cuda")
torch.cuda.synchronize()
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def _full_card() -> Iterator[None]:
    """Another process holds nine tenths of what is free."""
    with subprocess.Popen([sys.executable, "-c", _HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        try:
            assert holder.stdout.readline() == "held\n"
            yield
        finally:
            holder.stdin.close()
            holder.wait(60)


async def _free() -> int:
    found = (await resources.free(gpu=True)).gpu_memory_bytes
    assert found is not None, "nvidia-smi answers"
    return found


async def test_a_job_waits_while_the_card_is_full_and_runs_once_it_is_free(world: World) -> None:
    all_of_it = await _free()
    ran: list[str] = []

    class OnCard(JobArgs):
        kind: ClassVar[str] = "on_card"
        queue: ClassVar[Queue] = "gpu"
        needs: ClassVar[Needs] = Needs(gpu_memory_bytes=all_of_it // 2)

    @handles(OnCard)
    async def compute(ctx: JobContext, args: OnCard) -> None:
        ran.append(ctx.lease.owner)

    made = await world.put(OnCard())
    with _full_card():
        left = await _free()
        await world.work(queue="gpu")
        waiting = await world.job(made.id)
    freed = await _free()
    await world.age(made.id, available_at=waiting.created_at)
    await world.work(queue="gpu")
    job = await world.job(made.id)

    assert left < all_of_it // 5
    assert (waiting.status, waiting.attempt, waiting.waits, waiting.error_class) == (Status.QUEUED, 0, 1, "resource")
    assert "of GPU memory free" in (waiting.error_message or "")
    assert freed > 0.95 * all_of_it
    assert (job.status, job.error_class, len(ran)) == (Status.COMPLETED, None, 1)
    print(f"free: {all_of_it / 2**20:,.0f} MiB, {left / 2**20:,.0f} held by another, {freed / 2**20:,.0f} after: {waiting.error_message}")
