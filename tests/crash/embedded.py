"""Starts whole embedded Semantiks that tests kill: everything is imported once, then each is a fork (commands as in tests/jobs/zygote.py).

A fork opens the data folder as `semantik serve` does, asks for the ingest if nobody has yet, and, by its seed, pauses, resumes,
cancels and retries it through the API, until the job is completed and nothing is open.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import httpx2

from semantik.entrypoints import embedded
from semantik.http.local import as_local
from semantik.kit import logs
from semantik.kit.settings import Settings

_ENDED = ("completed", "failed", "cancelled", "skipped")


async def live(command: dict[str, Any]) -> None:
    settings = Settings(
        data_dir=Path(command["data_dir"]),
        embedding_model="remote:counting",
        remote_embedding_url=command["provider"],
        ocr=False,
        extract_workers=1,
    )
    async with embedded.opened(settings) as opened:
        transport = httpx2.ASGITransport(app=as_local(opened.app, opened.actor))
        async with httpx2.AsyncClient(transport=transport, base_url="http://semantik", timeout=60) as api:
            job_id = await _asked(api, command["folder"])
            Path(command["data_dir"], "alive").write_text(str(time.time()))
            await _until_done(api, job_id, command)


async def _asked(api: httpx2.AsyncClient, folder: str) -> str:
    """The ingest of the folder: the one that was acknowledged in an earlier life, or a new one."""
    found = (await api.get("/api/v1/collections")).json()["items"]
    collection = found[0]["id"] if found else (await _sure(api, "/api/v1/collections", {"name": "Kept"}))["id"]
    sources = (await api.get(f"/api/v1/collections/{collection}/sources")).json()["items"]
    if sources:
        return str(sources[0]["last_job_id"])
    made = await _sure(api, f"/api/v1/collections/{collection}/sources", {"kind": "directory", "settings": {"path": folder}})
    return str(made["last_job_id"])


async def _sure(api: httpx2.AsyncClient, path: str, body: dict[str, Any]) -> Any:
    answer = await api.post(path, json=body)
    assert answer.status_code < 300, answer.text
    return answer.json()


async def _until_done(api: httpx2.AsyncClient, job_id: str, command: dict[str, Any]) -> None:
    chance, meddle = random.Random(command["seed"]), command.get("meddle", True)
    next_at = time.monotonic() + chance.uniform(0.2, 1.5)
    while True:
        job = (await api.get(f"/api/v1/jobs/{job_id}")).json()
        others = (await api.get("/api/v1/jobs?limit=50")).json()["items"]
        if job["status"] == "completed" and all(one["status"] in _ENDED for one in others):
            return
        verb = {"paused": "resume", "cancelled": "retry", "failed": "retry"}.get(job["status"])
        if verb is None and meddle and job["status"] == "running" and time.monotonic() > next_at:
            verb = chance.choice(["pause", "pause", "cancel"])
            next_at = time.monotonic() + chance.uniform(0.4, 2.5)
        if verb is not None:
            # 409 when it changed meanwhile: that is an answer, too.
            answer = await api.post(f"/api/v1/jobs/{job_id}/{verb}")
            assert answer.status_code in (200, 409), answer.text
            if answer.status_code == 200 and verb in ("pause", "cancel"):
                with Path(command["data_dir"], "asked").open("a") as asked:
                    asked.write(verb + "\n")
        await asyncio.sleep(0.05)


def _child(command: dict[str, Any]) -> None:
    os.dup2(2, 1)
    logs.configure("critical", "console")
    try:
        asyncio.run(live(command))
    except BaseException:  # noqa: BLE001 (the end of this process: say why)
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def main() -> None:
    for line in sys.stdin:
        command = json.loads(line)
        if command["do"] == "start":
            pid = os.fork()
            if pid == 0:
                os.close(0)
                os.setpgid(0, 0)
                _child(command)
            answer = {"pid": pid}
        else:
            answer = {"status": os.waitstatus_to_exitcode(os.waitpid(command["pid"], 0)[1])}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
