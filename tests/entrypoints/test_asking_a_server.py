"""What the command line makes of a server's answers: a stand-in gives them, so that every state of a server is at hand."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from semantik.entrypoints.cli import options
from semantik.entrypoints.cli.main import app
from tests.entrypoints.stand_in import API, StandIn

ID = "0193a0de-0000-7000-8000-0000feed0001"
OTHER = "0193a0de-0000-7000-8000-0000feed0002"
AT = "2026-11-26T22:28:07.541000Z"


@pytest.fixture
def server() -> Iterator[StandIn]:
    stand_in = StandIn()
    yield stand_in
    stand_in.close()
    assert stand_in.strange == []


@pytest.fixture
def semantik(server: StandIn, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Result]]:
    monkeypatch.setenv("SEMANTIK_API_KEY", "sk_test")
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    # Some commands say that they serve, which holds for the process.
    monkeypatch.setattr(options.chosen, "serving", False)
    time.tzset()

    def run(*arguments: str) -> Result:
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(CliRunner().invoke, app, ["--server", server.address, *arguments]).result(100)

    yield run
    monkeypatch.undo()
    time.tzset()


Semantik = Callable[..., Result]


def page(*items: Any, **more: Any) -> dict[str, Any]:
    return {"items": [*items], "next_cursor": None, "total": len(items), **more}


def job(**values: Any) -> dict[str, Any]:
    status = values.get("status", "completed")
    return {
        "id": ID,
        "kind": "ingest_source",
        "title": "Sync papers",
        "status": status,
        "display_status": status,
        "outcome": None,
        "counts": {"total": 3, "done": 1, "failed": 0, "skipped": 0, "quarantined": 0},
        "progress": 33.3,
        "message": "boiler.pdf",
        "rate_per_s": None,
        "eta_s": None,
        "error": None,
        "result": None,
        "source_id": OTHER,
        "attempt": 1,
        "max_attempts": 3,
        "losses": 1,
        "queue": "cpu",
        "priority": 5,
        "created_at": AT,
        "started_at": AT,
        "finished_at": None,
        "checkpoint": {"current_index": 1, "in_hand": None, "expires": None},
        "waits_for": [],
        "waited_for_by": [],
        "correlation_id": None,
        "allowed": [],
        **values,
    }


def listed_job(**values: Any) -> dict[str, Any]:
    """As a list gives it: without what only the page of one job shows."""
    own = API["components"]["schemas"]["Job"]["properties"]
    return {name: value for name, value in job(**values).items() if name in own}


def worker(id: str, name: str, state: str = "up") -> dict[str, Any]:
    return {"id": id, "name": name, "state": state, "queues": ["cpu"], "slots": 1, "running": [], "last_seen_at": AT}


def test_what_was_asked_of_a_worker_is_said_and_not_its_last_word(server: StandIn, semantik: Semantik) -> None:
    one, other, third = worker("vm:1", "semantik-1@vm", "draining"), worker("vm:2", "semantik-1@vm"), worker("vm:3", "semantik-1@vm2")
    server.answers |= {"GET /workers": page(one, other, third), "POST /workers/vm:2/drain": other, "POST /workers/vm:2/resume": one}
    server.answers |= {"POST /workers/vm:3/resume": third, "GET /recoveries": {"items": [], "words": "No lease was lost"}}

    drained = semantik("workers", "drain", "semantik-1@vm")
    resumed = semantik("workers", "resume", "vm")
    listed = semantik("workers")

    assert drained.stdout == "semantik-1@vm (2 processes) takes no more jobs; what it runs goes back to the queue\n"
    assert resumed.stdout == "semantik-1@vm (2 processes) takes jobs again\nsemantik-1@vm2 takes jobs again\n"
    assert "semantik-1@vm2" in listed.stdout and "vm:3" in listed.stdout and "2026-11-27 03:58" in listed.stdout


def health(**states: str) -> dict[str, Any]:
    names = ("database", "redis", "broker", "workers", "vectors", "blobs")
    parts = [{"name": name, "state": states.get(name, "ok"), "latency_ms": 1.0, "detail": None} for name in names]
    return {"status": "ok", "parts": parts}


def lines(result: Result) -> dict[str, str]:
    return {line[5:17].strip(): line[:4].strip() + " " + line[18:] for line in result.stdout.splitlines()}


def test_doctor_names_the_server_that_answers_and_compares_without_redis(
    server: StandIn, semantik: Semantik, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {"checked": {"originals": 1, "chunks": 2}, "found": {}, "mended": {}, "examples": {}, "lost": 0}
    server.answers |= {"GET /health/full": (503, health(redis="down", broker="down")), "GET /version": {"version": "1.2.3"}}
    server.answers |= {"POST /doctor": {"job_id": ID}, f"GET /jobs/{ID}": job(result=found)}

    told = lines(semantik("doctor"))

    assert told["server"] == f"ok {server.address} answers, version 1.2.3"
    assert told["redis"].startswith("BAD down") and "engines" not in told
    assert told["agreement"] == "ok compared: 1 original, 2 chunks"


def test_a_right_that_doctor_lacks_is_no_broken_part(server: StandIn, semantik: Semantik) -> None:
    missing = {"code": "scope_missing", "detail": "this needs the scope admin, and these credentials have write", "hint": "Ask an admin."}
    server.answers |= {"GET /health/full": health(), "GET /version": {"version": "1.2.3"}, "POST /doctor": (403, missing)}

    refused = semantik("doctor")
    as_data = {one["check"]: one["ok"] for one in json.loads(semantik("doctor", "--json").stdout)}

    assert lines(refused)["agreement"] == ("- not compared: this needs the scope admin, and these credentials have write. Ask an admin.")
    assert refused.exit_code == 1 and "engines" not in lines(refused)
    assert as_data["agreement"] is None


def test_doctor_says_that_a_server_does_not_answer(server: StandIn, semantik: Semantik) -> None:
    server.close()

    told = lines(semantik("doctor"))

    assert told["server"].startswith(f"BAD the server at {server.address} does not answer") and "engines" not in told


def test_who_does_not_wait_gets_the_job_and_how_to_follow_it(server: StandIn, semantik: Semantik, tmp_path: Any) -> None:
    collection = {"id": OTHER, "name": "House", "ledger": {"listed": 0, "reasons": []}, "chunks": 0}
    server.answers |= {"GET /collections": page(collection), f"GET /collections/{OTHER}": collection}
    server.answers |= {f"GET /collections/{OTHER}/sources": page(), f"POST /collections/{OTHER}/sources": {"last_job_id": ID}}
    server.answers |= {f"GET /jobs/{ID}": job(status="queued"), f"POST /sources/{OTHER}/sync": (202, {"job_id": ID})}

    ingested = semantik("ingest", str(tmp_path), "-c", "House", "--no-wait")
    synced = semantik("sources", "sync", OTHER, "--no-wait")

    for one in (ingested, synced):
        assert one.exit_code == 0 and one.stdout == f"{ID}\n"
        assert one.stderr == f"Sync papers: queued. To follow it: semantik --server {server.address} jobs watch {ID}\n"


def test_jobs_have_one_word_for_one_state(server: StandIn, semantik: Semantik) -> None:
    rows = [listed_job(id=ID, status="blocked", display_status="waiting"), listed_job(id=OTHER, outcome="partial")]
    summary = {"blocked": 1, "completed": 2}
    server.answers["GET /jobs"] = page(*rows, summary=summary, verbs={"cancel": 0})

    some = semantik("jobs", "list", "--status", "waiting")
    server.answers["GET /jobs"] = page(*rows, summary={**summary, "completed": 1}, verbs={})
    every = semantik("jobs", "list")
    finer = semantik("jobs", "list", "--status", "scheduled")
    in_part = semantik("jobs", "bulk", "delete", "--status", "completed in part")

    assert "waiting" in some.stdout and "completed in part" in some.stdout
    assert any(path.startswith("GET /jobs?") and "status=blocked" in path for path, _ in server.asked)
    assert some.stderr == "2 completed, 1 of those above in part · 1 waiting\n"
    assert every.stderr == "1 completed in part · 1 waiting\n"
    assert finer.exit_code == in_part.exit_code == 2 and "Choose: queued" in finer.stderr and "Choose: completed" in in_part.stderr


def test_a_job_completed_in_part_is_called_so_wherever_it_is_named(server: StandIn, semantik: Semantik) -> None:
    rhythm = {"cron": "0 3 * * *", "timezone": "UTC", "paused_at": None, "next_fire_at": AT, "next_five": [AT]}
    last = {"job_id": OTHER, "status": "completed", "outcome": "partial", "created_at": AT, "finished_at": AT}
    schedule = {"id": ID, "name": "Nightly", "kind": "sweep", "params": {}, "overlap": "skip", "last_job": last, **rhythm}
    runs = [
        {"fire_at": AT, "job_id": OTHER, "status": "completed", "outcome": "partial"},
        {"fire_at": AT, "job_id": None, "status": "left_out", "outcome": None},
    ]
    server.answers |= {"GET /schedules": page(schedule), f"GET /schedules/{ID}": schedule, f"GET /schedules/{ID}/runs": page(*runs)}
    ended = job(outcome="partial", finished_at=AT)
    server.answers |= {f"GET /jobs/{ID}": ended, f"POST /sources/{OTHER}/sync": (202, {"job_id": ID})}

    assert "completed in part" in semantik("schedules", "list").stdout
    shown = semantik("schedules", "show", ID).stdout
    assert "completed in part" in shown and "left_out" in shown
    assert semantik("jobs", "watch", ID).stdout == "Sync papers: completed in part\n"
    assert semantik("sources", "sync", OTHER).stderr.startswith("Sync papers: completed in part\n")


def test_ids_and_times_in_a_list_are_as_short_as_they_may_be(server: StandIn, semantik: Semantik) -> None:
    alike = ["0193a0de-0000-7000-8000-aaaa00000001", "0193a0de-0000-7000-8000-bbbb00000001"]
    server.answers["GET /jobs"] = page(*(listed_job(id=one) for one in alike), summary={}, verbs={})

    listed = semantik("jobs", "list")
    as_data = json.loads(semantik("jobs", "list", "--json").stdout)

    assert [line.split()[-1] for line in listed.stdout.splitlines()[-2:]] == ["a00000001", "b00000001"]
    assert "2026-11-27 03:58 " in listed.stdout and "541000" not in listed.stdout
    assert [(one["id"], one["created_at"]) for one in as_data] == [(one, AT) for one in alike]


@pytest.mark.parametrize(("status", "now"), [("running", True), ("paused", False), ("queued", False)])
def test_only_a_job_at_work_has_something_in_hand(server: StandIn, semantik: Semantik, status: str, now: bool) -> None:
    server.answers[f"GET /jobs/{ID}"] = job(status=status)

    shown = semantik("jobs", "show", ID)

    assert ("boiler.pdf" in shown.stdout) is now
    assert "1 of 3, 1 worker lost" in shown.stdout and "2026-11-27 03:58" in shown.stdout


def hit(score: float) -> dict[str, Any]:
    document = {"path": "manual.txt", "media_type": "text/plain"}
    passage = {"passage": {"text": "Stop the pump."}, "highlights": [], "more_in_document": 1}
    return {"document": document, "page": None, "position": {}, "heading_path": [], "score": score, **passage}


@pytest.mark.parametrize(("scores", "weak"), [((0.05, 0.02), "0.05"), ((0.0951,), None), ((0.0949,), "0.09"), ((0.05, 0.4), None)])
def test_a_search_says_when_probably_nothing_answers(
    server: StandIn, semantik: Semantik, scores: tuple[float, ...], weak: str | None
) -> None:
    server.answers["POST /search"] = {"hits": [hit(score) for score in scores]}

    found = semantik("search", "xqzv")

    sentence = f"Probably nothing here answers the question: even the best passage scores only {weak} of 1.\n"
    assert found.stderr == (sentence if weak else "")
    assert "1 more passage in this document" in found.stdout


def test_sources_of_all_collections_are_listed_with_their_collection(server: StandIn, semantik: Semantik) -> None:
    ledger = {"listed": 1, "indexed": 1, "partial": 0, "skipped": 0, "failed": 0, "pending": 0}
    source = {"id": ID, "name": "papers", "kind": "directory", "ledger": ledger, "settings": {}, "synced_at": None}
    server.answers |= {
        "GET /collections": page({"id": ID, "name": "House"}, {"id": OTHER, "name": "Garden"}),
        f"GET /collections/{ID}/sources": page({**source, "collection_id": ID}),
        f"GET /collections/{OTHER}/sources": page({**source, "id": OTHER, "collection_id": OTHER}),
    }

    listed = semantik("sources", "list")
    of_one = semantik("sources", "list", OTHER)

    assert [line.split()[0] for line in listed.stdout.splitlines()[-2:]] == ["House", "Garden"]
    assert "Garden" not in of_one.stdout and of_one.stdout.splitlines()[-1].split()[-1] == "feed0002"


def test_documents_take_their_collection_as_sources_do(server: StandIn, semantik: Semantik) -> None:
    server.answers["GET /documents"] = page()

    semantik("documents", "list", OTHER)
    semantik("documents", "list", "-c", OTHER)
    twice = semantik("documents", "list", OTHER, "-c", OTHER)

    assert [f"collection={OTHER}" in path for path, _ in server.asked] == [True, True]
    assert twice.exit_code == 2 and "named twice" in twice.stderr


def test_what_was_deleted_is_said(server: StandIn, semantik: Semantik) -> None:
    for kind, name, field in (("collections", "House", "name"), ("sources", "papers", "name"), ("documents", "a/b.txt", "path")):
        thing = {"id": ID, field: name}
        server.answers |= {f"GET /{kind}/{ID}": thing, f"DELETE /{kind}/{ID}": (202, {"job_id": OTHER})}
    server.answers |= {f"GET /jobs/{ID}": job(), f"DELETE /jobs/{ID}": (204, None)}
    server.answers |= {f"GET /schedules/{ID}": {"id": ID, "name": "Nightly"}, f"DELETE /schedules/{ID}": (204, None)}
    server.answers[f"DELETE /api-keys/{ID}"] = (204, None)

    assert semantik("collections", "delete", ID, "--yes").stderr == "House: deleted; a job clears away what it held\n"
    assert semantik("sources", "remove", ID, "--yes").stderr == "papers: deleted; a job clears away what it held\n"
    assert semantik("documents", "delete", ID).stderr == "a/b.txt: deleted; a job clears away what it held\n"
    assert semantik("jobs", "delete", ID).stderr == "Sync papers: deleted\n"
    assert semantik("schedules", "delete", ID).stderr == "Nightly: deleted\n"
    assert semantik("keys", "revoke", ID).stderr == f"API key {ID}: revoked\n"


def test_a_schedule_goes_by_its_name_or_a_piece_of_its_id_and_tells_its_runs_in_local_time(server: StandIn, semantik: Semantik) -> None:
    schedule = {"id": ID, "name": "Nightly", "kind": "clean_up_jobs", "next_five": [AT, AT]}
    server.answers |= {"GET /schedules": page(schedule), f"POST /schedules/{ID}/resume": schedule, "POST /schedules": schedule}

    for which in ("Nightly", ID, "feed0001"):
        assert semantik("schedules", "resume", which).stderr == "Next: 2026-11-27 03:58, 2026-11-27 03:58\n"
    made = semantik("schedules", "create", "Nightly", "clean_up_jobs", "--cron", "0 3 * * *")
    assert (made.stdout, made.stderr) == (f"{ID}\n", "Next: 2026-11-27 03:58, 2026-11-27 03:58\n")


def test_one_job_that_waits_for_a_worker_is_one(server: StandIn, semantik: Semantik) -> None:
    server.answers["GET /queues"] = page({"queue": "cpu", "ready": 1, "workers": 0, "kinds": []})

    assert semantik("queues", "list").stderr == "No worker serves cpu: its 1 ready job does not start.\n"


@pytest.mark.parametrize(("command", "who"), [("worker", "workers need"), ("scheduler", "schedulers need"), ("flower", "Flower needs")])
def test_a_process_that_needs_a_server_names_itself(semantik: Semantik, command: str, who: str) -> None:
    refused = semantik(command)

    assert refused.exit_code == 78
    assert refused.stderr.startswith(f"error: {who} a PostgreSQL in SEMANTIK_DATABASE_URL")
