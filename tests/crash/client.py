"""A user of the API while it dies and comes back: asks for the ingest, pauses, resumes, cancels and starts it again."""

from __future__ import annotations

import json
import random
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import httpx2

from tests.crash.provider import Provider
from tests.crash.site import Site

_ENDED = ("completed", "failed", "cancelled", "skipped")
_LOOK_S = 0.05


class Client(threading.Thread):
    """`over` is set once the ingest is completed and nothing is open. `again`: how it starts what it cancelled, retry or restart.

    Its verbs come after so many calls of the provider, or so many looks at a running job, never by the clock.
    """

    def __init__(self, site: Site, key: str, provider: Provider, folder: Path, chance: random.Random | None) -> None:
        super().__init__(daemon=True)
        self.over = threading.Event()
        self.asked: Counter[str] = Counter()
        self.acks: list[str] = []
        self.failures: list[str] = []
        # From then on it lets the job run to its end.
        self.quiet = chance is None
        self.job_id: str | None = None
        self._site = site
        self._key = key
        self.provider = provider
        self._folder = folder
        self._chance = chance or random.Random(0)
        self.again = self._chance.choice(["retry", "restart"])
        self._closed = threading.Event()
        self._at_call = self._chance.randint(1, 4)
        self._at_look = self._chance.randint(3, 20)

    def close(self) -> None:
        self._closed.set()
        self.join(60)

    def run(self) -> None:
        while not self._closed.is_set() and not self.over.is_set() and len(self.failures) < 5:
            address = self._site.address
            if address is not None:
                headers = {"Authorization": f"Bearer {self._key}"}
                with httpx2.Client(base_url=f"{address}/api/v1", headers=headers, timeout=20, trust_env=False) as api:
                    while not self._closed.is_set() and not self.over.is_set() and self._site.address == address:
                        try:
                            self._look(api)
                        except httpx2.TransportError:
                            break
                        except (AssertionError, KeyError, ValueError) as error:
                            self.failures.append(f"{type(error).__name__}: {error}"[:500])
                            break
                        self._closed.wait(_LOOK_S)
            self._closed.wait(_LOOK_S)

    def _look(self, api: httpx2.Client) -> None:
        if self.job_id is None:
            self.job_id = self._ingest(api)
            self.acks.append(f"made {self.job_id}")
        job = _answer(api.get(f"/jobs/{self.job_id}"))
        others = _answer(api.get("/jobs", params={"limit": 50}))["items"]
        if job["status"] == "completed" and all(one["status"] in _ENDED for one in others):
            self.over.set()
            return
        verb = {"paused": "resume", "cancelled": self.again, "failed": "retry"}.get(job["status"])
        if verb is None and job["status"] == "running" and not self.quiet:
            self._at_look -= 1
            if self.provider.requests >= self._at_call or self._at_look <= 0:
                verb = self._chance.choice(["pause", "pause", "cancel"])
                self._at_call = self.provider.requests + self._chance.randint(2, 8)
                self._at_look = self._chance.randint(10, 40)
        if verb is None:
            return
        answer = api.post(f"/jobs/{self.job_id}/{verb}")
        # 409 when it changed meanwhile: that is an answer, too.
        if answer.status_code != 409:
            _answer(answer)
            self.asked[verb] += 1

    def _ingest(self, api: httpx2.Client) -> str:
        """The ingest of the folder: the one that was asked for in an earlier life, acknowledged or not, or a new one."""
        found = _answer(api.get("/collections"))["items"]
        collection = found[0]["id"] if found else _answer(api.post("/collections", json={"name": "Kept"}))["id"]
        sources = _answer(api.get(f"/collections/{collection}/sources"))["items"]
        if not sources:
            body = {"kind": "directory", "settings": {"path": str(self._folder)}}
            sources = [_answer(api.post(f"/collections/{collection}/sources", json=body))]
        return str(sources[0]["last_job_id"])


def _answer(response: httpx2.Response) -> Any:
    assert response.status_code < 300, (
        f"{response.request.method} {response.request.url.path}: {response.status_code} {response.text[:300]}"
    )
    return json.loads(response.text)
