"""The first commands a person types, run in this process on a data folder of their own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from semantik.entrypoints.cli.main import app

Semantik = Callable[..., Result]


@pytest.fixture
def semantik(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Semantik:
    monkeypatch.setenv("SEMANTIK_EMBEDDING_MODEL", "hashing")
    monkeypatch.setenv("SEMANTIK_OCR", "false")
    monkeypatch.setenv("SEMANTIK_EXTRACT_WORKERS", "1")

    def run(*arguments: str, stdin: str | None = None) -> Result:
        # On a thread of its own: the command starts an event loop, and this one may have a session's loop.
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(CliRunner().invoke, app, ["--data-dir", str(tmp_path / "data"), *arguments], input=stdin).result(100)

    return run


@pytest.mark.slow
def test_ingest_search_and_look_around(semantik: Semantik, tmp_path: Path) -> None:
    folder = tmp_path / "papers"
    folder.mkdir()
    (folder / "boiler.md").write_text("# Boiler\n\nThe boiler is serviced every October.\n")
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7\nnothing of a document follows")

    ingested = semantik("ingest", str(folder), "-c", "House")
    found = semantik("search", "boiler service", "--explain")
    nothing = semantik("search", "boiler service", "--language", "de", "--min-score", "0")
    as_data = json.loads(semantik("search", "boiler service", "--json").stdout)
    collections = semantik("collections", "list")
    shown = semantik("collections", "show", "House")
    sources = json.loads(semantik("sources", "list", "House", "--json").stdout)
    plan = semantik("sources", "sync", sources[0]["id"], "--dry-run")
    synced = semantik("sources", "sync", sources[0]["id"])
    documents = json.loads(semantik("documents", "list", "-c", "House", "--json").stdout)
    boiler = next(one["id"] for one in documents if one["path"] == "boiler.md")
    text = semantik("documents", "text", boiler)
    chunks = semantik("documents", "chunks", boiler)
    detail = semantik("documents", "show", boiler)
    failed = semantik("documents", "list", "--state", "failed")
    retried = semantik("documents", "retry-failed", "House")
    saved = semantik("documents", "original", boiler, str(tmp_path / "copy.md"))
    jobs = json.loads(semantik("jobs", "list", "--json").stdout)
    job = semantik("jobs", "show", jobs[0]["id"])
    history = semantik("jobs", "logs", jobs[0]["id"])
    refused = semantik("jobs", "pause", jobs[0]["id"])

    assert ingested.exit_code == 3, "one document failed"
    assert found.exit_code == 0 and "boiler.md" in found.stdout
    assert "by words: rank 1" in found.stdout and "holds boiler, service" in found.stdout
    assert nothing.exit_code == 0 and "boiler.md" not in nothing.stdout
    assert as_data["hits"][0]["document"]["path"] == "boiler.md"
    assert "House" in collections.stdout and "2 listed" in shown.stdout
    assert "2 unchanged" in plan.stdout or "modified" in plan.stdout
    assert synced.exit_code == 0
    assert "serviced every October" in text.stdout and "serviced every October" in chunks.stdout
    assert boiler in detail.stdout and "broken.pdf" in failed.stdout
    assert retried.exit_code == 0 and saved.exit_code == 0
    assert (tmp_path / "copy.md").read_bytes() == (folder / "boiler.md").read_bytes()
    assert job.exit_code == 0 and history.exit_code == 0
    assert refused.exit_code == 1, "an ended job cannot be paused"


@pytest.mark.slow
def test_jobs_are_steered_from_the_command_line(semantik: Semantik, tmp_path: Path) -> None:
    folder = tmp_path / "papers"
    folder.mkdir()
    (folder / "boiler.md").write_text("# Boiler\n\nThe boiler is serviced every October.\n")
    command = [sys.executable, "-m", "semantik.entrypoints.cli.main", "--data-dir", str(tmp_path / "data"), "serve", "--port", "18280"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        _steer(semantik, folder, tmp_path / "log")
    finally:
        process.terminate()
        process.wait(timeout=60)


def _steer(semantik: Semantik, folder: Path, log: Path) -> None:
    """Against a server that owns the data folder: each command finds it by itself."""
    deadline = time.monotonic() + 60
    while "http://" not in log.read_text(errors="replace"):
        assert time.monotonic() < deadline, log.read_text(errors="replace")
        time.sleep(0.1)
    semantik("ingest", str(folder), "-c", "House")
    job = json.loads(semantik("jobs", "list", "--json", "-c", "House").stdout)[0]["id"]
    made = semantik("schedules", "create", "Nightly", "clean_up_jobs", "--cron", "0 3 * * *", "--param", "keep_days=7")

    shown = semantik("jobs", "show", job)
    told = semantik("jobs", "logs", job, "--follow")
    quiet = json.loads(semantik("jobs", "logs", job, "--level", "error", "--json").stdout)
    letters = semantik("jobs", "dead")
    retried = semantik("jobs", "dead", "--retry")
    refused = semantik("jobs", "retry-failed", job)
    late = semantik("jobs", "priority", job, "1")
    items = semantik("jobs", "items", job)
    schedule = semantik("schedules", "show", "Nightly")
    changed = semantik("schedules", "change", "Nightly", "--every", "2h")
    wrong = semantik("schedules", "change", "Nightly", "--every", "soon")
    semantik("schedules", "pause", "Nightly")
    paused = semantik("schedules", "list")
    semantik("schedules", "resume", "Nightly")
    kinds = semantik("schedules", "kinds")
    started = semantik("schedules", "run", "Nightly").stdout.strip()
    watched = semantik("jobs", "watch", started)
    limited = semantik("queues", "limit", "cpu", "3")
    kind = semantik("queues", "limit", "cpu", "2", "--per-tenant", "1", "--kind", "ingest_source")
    held = semantik("queues", "pause", "cpu")
    queues = semantik("queues", "list")
    workers = semantik("workers")
    gone = semantik("schedules", "delete", "Nightly")
    removed = semantik("jobs", "bulk", "delete", "--status", "completed", "--yes")

    assert made.exit_code == 0 and schedule.stdout.count("T03:00") >= 5
    assert "kept until" in shown.stdout and "possible" in shown.stdout
    assert "Listed 1 files: 1 added" in told.stdout
    assert "Created" in told.stdout and "Completed" in told.stdout
    assert quiet == [] and letters.exit_code == 0 and "0 jobs and 0 items" in retried.stdout
    assert refused.exit_code == 1 and late.exit_code == 1 and items.exit_code == 0
    assert changed.exit_code == 0 and wrong.exit_code == 2
    assert "every 7200 s" in paused.stdout and "paused" in paused.stdout
    assert "clean_up_jobs" in kinds.stdout and "delete_collection" not in kinds.stdout
    assert watched.exit_code == 0 and "completed" in watched.stdout
    assert limited.stdout.strip() == "cpu: open, limit 3" and held.stdout.strip() == "cpu: paused, limit 3"
    assert kind.stdout.strip() == "cpu: open, limit 3" and "cpu: ingest_source, limit 2, 1 of each tenant" in kind.stderr
    assert "cpu" in queues.stdout and workers.exit_code == 0 and "No lease was lost" in workers.stderr
    assert gone.exit_code == 0 and "2 changed, 0 not possible" in removed.stdout


@pytest.mark.slow
def test_keys_models_settings_and_doctor(semantik: Semantik) -> None:
    created = semantik("collections", "create", "Empty")
    renamed = semantik("collections", "rename", "Empty", "Still empty")
    deleted = semantik("collections", "delete", "Still empty", "--yes")
    unknown = semantik("collections", "show", "Nowhere")
    key = semantik("keys", "create", "reader")
    keys = semantik("keys", "list")
    rotated = semantik("keys", "rotate")
    models = json.loads(semantik("models", "list", "--json").stdout)
    settings = semantik("config", "show")
    explained = semantik("config", "explain", "port")
    stray = semantik("config", "explain", "nothing")
    doctor = semantik("doctor")

    assert (created.exit_code, renamed.exit_code, deleted.exit_code, unknown.exit_code) == (0, 0, 0, 1)
    assert key.stdout.startswith("sk_") and "reader" in keys.stdout and key.stdout.strip() not in keys.stdout
    assert rotated.exit_code == 0
    assert any(model["name"] == "multilingual-e5-small" for model in models)
    assert "SEMANTIK_PORT" in settings.stdout and "8080" in explained.stdout
    assert stray.exit_code == 1
    assert "data folder" in doctor.stdout


def test_a_search_before_anything_is_indexed_says_how_to_start(semantik: Semantik) -> None:
    found = semantik("search", "boiler")

    assert found.exit_code == 0
    assert "Nothing is indexed yet" in found.output and "semantik ingest" in found.output


@pytest.mark.slow
def test_a_folder_can_be_weighed_before_it_is_read_and_a_sync_kept_to_a_budget(semantik: Semantik, tmp_path: Path) -> None:
    folder = tmp_path / "papers"
    folder.mkdir()
    for number in range(4):
        (folder / f"{number}.txt").write_text(f"Letter {number} about the boiler.")

    weighed = json.loads(semantik("ingest", str(folder), "-c", "House", "--dry-run", "--json").stdout)
    nothing_left = json.loads(semantik("collections", "list", "--json").stdout)
    semantik("collections", "create", "House")
    source = semantik("sources", "add", "House", str(folder), "--no-sync").stdout.strip()
    plan = semantik("sources", "sync", source, "--dry-run")
    kept = semantik("sources", "set", source, "--no-check", "--budget", "items=3")
    paused = json.loads(semantik("sources", "sync", source, "--json").stdout)
    refused = semantik("jobs", "budget", paused["id"], "many")
    raised = semantik("jobs", "budget", paused["id"], "items=10", "--resume")
    ended = semantik("jobs", "watch", paused["id"])

    assert weighed[0]["estimate"]["items"] == {"low": 4, "likely": 4, "high": 4}
    assert nothing_left == [], "a look leaves nothing behind"
    assert "4 added" in plan.stdout and "nine times of ten" in plan.stdout
    assert kept.exit_code == 0 and "items" in kept.stdout
    assert (paused["status"], paused["counts"]["done"]) == ("paused", 3)
    assert refused.exit_code == 1 and raised.exit_code == 0 and ended.exit_code == 0
