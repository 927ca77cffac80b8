"""The first commands a person types, run in this process on a data folder of their own."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
from typer.testing import Result

from semantik.entrypoints.cli import options
from semantik.features.documents.schemas import State

Semantik = Callable[..., Result]


@pytest.mark.slow
def test_ingest_search_and_look_around(semantik: Semantik, tmp_path: Path) -> None:
    folder = tmp_path / "papers"
    folder.mkdir()
    (folder / "boiler.md").write_text("# Boiler\n\nThe boiler is serviced every October.\n")
    (folder / "parts.csv").write_text("part,supplier\ngasket,Arriaga\n")
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7\nnothing of a document follows")

    ingested = semantik("ingest", str(folder), "-c", "House")
    strict = semantik("ingest", str(folder), "-c", "House", "--strict")
    nothing_read = semantik("ingest", str(folder / "broken.pdf"), "-c", "Ruin")
    found = semantik("search", "boiler service", "--explain")
    row = semantik("search", "gasket supplier")
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
    table = semantik("jobs", "list")
    partial = next(one["id"] for one in jobs if one["outcome"] == "partial")
    job = semantik("jobs", "show", partial)
    history = semantik("jobs", "logs", jobs[0]["id"])
    refused = semantik("jobs", "pause", jobs[0]["id"])

    assert ingested.exit_code == 0, "a document that failed is a row, and the next command goes on"
    assert "failed: broken.pdf: " in ingested.stderr and "documents list --state failed,skipped --collection House" in ingested.stderr
    assert strict.exit_code == 3, "one document failed"
    assert nothing_read.exit_code == 3, "nothing of what was named could be read"
    assert found.exit_code == 0 and "boiler.md" in found.stdout
    assert "by words: rank 1" in found.stdout and "holds boiler, service" in found.stdout
    assert "parts.csv · row " in row.stdout and "row_start" not in row.stdout
    assert nothing.exit_code == 0 and "boiler.md" not in nothing.stdout
    assert as_data["hits"][0]["document"]["path"] == "boiler.md"
    assert "House" in collections.stdout and "3 listed" in shown.stdout
    assert "3 unchanged" in plan.stdout or "modified" in plan.stdout
    assert synced.exit_code == 0
    assert "serviced every October" in text.stdout and "serviced every October" in chunks.stdout
    assert boiler in detail.stdout and "broken.pdf" in failed.stdout
    assert retried.exit_code == 0 and saved.exit_code == 0
    assert (tmp_path / "copy.md").read_bytes() == (folder / "boiler.md").read_bytes()
    assert job.exit_code == 0 and history.exit_code == 0
    assert "completed in part" in table.stdout and "100.000" not in table.stdout and "skipped" in table.stdout
    assert "completed in part" in job.stdout and not [line for line in job.stdout.splitlines() if line.startswith("now ")]
    assert refused.exit_code == 1, "an ended job cannot be paused"


@pytest.mark.long
def test_a_strict_ingest_minds_only_what_it_was_given(semantik: Semantik, tmp_path: Path) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    for folder in (good, bad):
        folder.mkdir()
        (folder / "boiler.md").write_text("# Boiler\n\nThe boiler is serviced every October.\n")
    (bad / "broken.pdf").write_bytes(b"%PDF-1.7\nnothing of a document follows")
    with zipfile.ZipFile(tmp_path / "box.zip", "w") as box:
        box.write(bad / "broken.pdf", "broken.pdf")
    semantik("ingest", str(bad), str(tmp_path / "box.zip"), "-c", "House")

    folder_beside = semantik("ingest", str(good), "-c", "House", "--strict")
    file_beside = semantik("ingest", str(good / "boiler.md"), "-c", "House", "--strict", "--json")
    folder_again = semantik("ingest", str(bad), "-c", "House", "--strict", "--json")
    file_again = semantik("ingest", str(good / "boiler.md"), str(tmp_path / "box.zip"), "-c", "House", "--strict", "--json")

    assert (folder_beside.exit_code, file_beside.exit_code) == (0, 0), "the collection has failures, of other runs"
    assert json.loads(file_beside.stdout)["failed"] == 0 and json.loads(file_beside.stdout)["ledger"]["failed"] == 2
    assert folder_again.exit_code == 3, "unchanged, and still not read"
    assert file_again.exit_code == 3
    assert [json.loads(one.stdout)["failed"] for one in (folder_again, file_again)] == [1, 1]


@pytest.mark.long
def test_a_failed_job_goes_on_when_it_is_retried(semantik: Semantik, tmp_path: Path) -> None:
    folder, away = tmp_path / "papers", tmp_path / "away"
    folder.mkdir()
    for number in range(12):
        (folder / f"{number}.txt").write_text(f"Letter {number} about the boiler.")
    semantik("ingest", str(folder), "-c", "House")
    source = json.loads(semantik("sources", "list", "House", "--json").stdout)[0]["id"]
    folder.rename(away)
    folder.mkdir()
    failed = json.loads(semantik("sources", "sync", source, "--json").stdout)
    folder.rmdir()
    away.rename(folder)
    (folder / "12.txt").write_text("Letter 12 about the boiler.")

    retried = semantik("jobs", "retry", failed["id"])
    ended = semantik("jobs", "watch", failed["id"])
    (source_after,) = json.loads(semantik("sources", "list", "House", "--json").stdout)

    assert (failed["status"], failed["error"]["code"]) == ("failed", "deletions_held")
    assert retried.exit_code == 0 and retried.stdout.strip() == "Sync papers: completed", "no server would run it later"
    assert ended.exit_code == 0 and ended.stdout.strip() == "Sync papers: completed"
    assert source_after["ledger"]["indexed"] == 13, "the letter that came meanwhile is read as well"


def test_what_a_command_starts_runs_here_or_is_left_with_a_word(semantik: Semantik, tmp_path: Path) -> None:
    broken = tmp_path / "broken.pdf"
    broken.write_bytes(b"%PDF-1.7\nnothing of a document follows")
    semantik("ingest", str(broken), "-c", "Ruin")

    started = semantik("schedules", "run", "Clean up old jobs")
    ran = json.loads(semantik("jobs", "show", started.stdout.strip(), "--json").stdout)
    again = semantik("jobs", "dead-letters", "--retry")

    assert ran["status"] == "completed"
    assert again.stdout == "tried again: 0 jobs and 1 item; 0 could not be\n"
    assert again.stderr.startswith("Nothing runs them until a server does: semantik") and again.stderr.endswith(" serve\n")


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
    assert "Context impl" not in log.read_text(), "nobody who starts a server asked how the schema is kept"
    semantik("ingest", str(folder), "-c", "House")
    job = json.loads(semantik("jobs", "list", "--json", "-c", "House").stdout)[0]["id"]
    hourly = semantik("schedules", "create", "Hourly", "ingest_source", "--every", "1h", "--param", f"source_id={folder.name}")
    unknown = semantik("schedules", "create", "Never", "ingest_source", "--every", "1h", "--param", "source_id=nothing")
    made = semantik("schedules", "create", "Nightly", "clean_up_jobs", "--cron", "0 3 * * *", "--param", "keep_days=7")

    shown = semantik("jobs", "show", job)
    told = semantik("jobs", "logs", job, "--follow")
    quiet = json.loads(semantik("jobs", "logs", job, "--level", "error", "--json").stdout)
    letters = semantik("jobs", "dead-letters")
    retried = semantik("jobs", "dead-letters", "--retry")
    refused = semantik("jobs", "retry-failed", job)
    late = semantik("jobs", "priority", job, "1")
    ended = semantik("jobs", "retry", job)
    anew = semantik("jobs", "restart", job)
    newest = json.loads(semantik("jobs", "list", "--json", "-c", "House").stdout)[0]["id"]
    over = semantik("jobs", "watch", newest)
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
    nobody = semantik("workers", "drain", "nobody")
    gone = semantik("schedules", "delete", "Nightly")
    removed = semantik("jobs", "bulk", "delete", "--status", "completed", "--yes")

    assert hourly.exit_code == 0, hourly.stderr
    assert unknown.exit_code == 1 and "there is no source 'nothing'" in unknown.stderr
    assert made.exit_code == 0 and len(re.findall(r"\d{4}-\d\d-\d\d \d\d:\d\d", schedule.stdout)) >= 5
    assert "kept until" in shown.stdout and "possible" in shown.stdout
    assert "Listed 1 files: 1 added" in told.stdout
    assert "Created" in told.stdout and "Completed" in told.stdout
    assert quiet == [] and letters.exit_code == 0 and "0 jobs and 0 items" in retried.stdout
    assert nobody.exit_code == 1 and "no worker nobody" in nobody.stderr
    assert ended.exit_code == 1 and "restart" in ended.stderr, "what ended well is not retried, it is started over"
    assert (anew.exit_code, over.exit_code) == (0, 0) and newest != job
    assert refused.exit_code == 1 and late.exit_code == 1 and items.exit_code == 0
    assert changed.exit_code == 0 and wrong.exit_code == 2
    assert "every 7200 s" in paused.stdout and "paused" in paused.stdout
    assert "clean_up_jobs" in kinds.stdout and "delete_collection" not in kinds.stdout
    assert watched.exit_code == 0 and "completed" in watched.stdout
    assert limited.stdout.strip() == "cpu: open, limit 3" and held.stdout.strip() == "cpu: paused, limit 3"
    assert kind.stdout.strip() == "cpu: open, limit 3" and "cpu: ingest_source, limit 2, 1 of each tenant" in kind.stderr
    assert "cpu" in queues.stdout and workers.exit_code == 0 and "No lease was lost" in workers.stderr
    assert gone.exit_code == 0 and "3 changed, 0 not possible" in removed.stdout


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
    assert deleted.stderr == "Still empty: deleted\n"
    assert rotated.exit_code == 0
    assert any(model["name"] == "multilingual-e5-small" for model in models)
    assert "SEMANTIK_PORT" in settings.stdout and "8080" in explained.stdout
    assert stray.exit_code == 1
    assert "not running; this command looks by itself" in doctor.stdout
    assert "data folder" in doctor.stdout and "compared: nothing stored yet" in doctor.stdout


@pytest.mark.long
def test_a_backup_is_restored_elsewhere_with_its_keys(semantik: Semantik, tmp_path: Path) -> None:
    folder = tmp_path / "papers"
    folder.mkdir()
    (folder / "boiler.txt").write_text("The boiler is serviced every October.")
    semantik("ingest", str(folder), "-c", "House")
    file, keys, elsewhere = tmp_path / "all.semantik", tmp_path / "all.keys", tmp_path / "elsewhere"

    taken = semantik("backup", str(file), "--keys", str(keys))
    again = semantik("backup", str(file))
    restored = semantik("--data-dir", str(elsewhere), "restore", str(file), "--keys", str(keys))
    twice = semantik("--data-dir", str(elsewhere), "restore", str(file))
    found = semantik("--data-dir", str(elsewhere), "search", "boiler service")
    checked = semantik("--data-dir", str(elsewhere), "doctor")

    assert taken.exit_code == 0 and "1 document, 1 chunk, 2 stored files, " in taken.stdout
    assert "tenants" not in taken.output + restored.output, "tables are no affair of who takes a backup"
    assert again.exit_code == 1 and "exists already" in again.stderr
    assert restored.exit_code == 0, restored.output
    assert "1 document, 1 chunk, 2 stored files" in restored.stdout
    assert [line.split()[1] for line in checked.stdout.splitlines()].count("disk") == 1
    assert (elsewhere / "keys.json").read_bytes() == (tmp_path / "data" / "keys.json").read_bytes()
    assert keys.stat().st_mode & 0o077 == 0
    assert twice.exit_code == 1 and "into an empty one only" in twice.stderr
    assert "boiler.txt" in found.stdout and "compared: 1 original, 1 chunk, 1 point" in checked.stdout


@pytest.mark.long
def test_a_collection_leaves_and_comes_in_even_when_the_import_is_killed(semantik: Semantik, tmp_path: Path) -> None:
    folder = tmp_path / "papers"
    folder.mkdir()
    (folder / "boiler.txt").write_text("The boiler is serviced every October.")
    semantik("ingest", str(folder), "-c", "House")
    file = tmp_path / "house.semantik-collection"

    left = semantik("collections", "export", "House", str(file))
    again = semantik("collections", "export", "House", str(file))
    came = semantik("collections", "import", str(file), "--name", "Second house")
    refused = semantik("collections", "import", str(folder / "boiler.txt"))
    command = [
        sys.executable,
        "-m",
        "semantik.entrypoints.cli.main",
        "--data-dir",
        str(tmp_path / "data"),
        "collections",
        "import",
        str(file),
    ]
    dying = {**os.environ, "SEMANTIK_TEST_FAILPOINTS": "bundle_member_taken=kill@3"}
    killed = subprocess.run(command, env=dying, timeout=100, check=False, capture_output=True)
    job = next(one for one in json.loads(semantik("jobs", "list", "--json").stdout) if one["kind"] == "import_collection")
    watched = semantik("jobs", "watch", job["id"])
    listed = {one["name"]: one["chunks"] for one in json.loads(semantik("collections", "list", "--json").stdout)}
    checked = semantik("doctor")

    assert left.exit_code == 0 and again.exit_code == 1 and "exists already" in again.stderr
    assert came.exit_code == 0 and "Second house: 1 document, 1 chunk\n" in came.stderr
    assert refused.exit_code == 2 and "no archive of Semantik" in refused.stderr
    assert killed.returncode == -signal.SIGKILL
    assert watched.exit_code == 0, watched.output
    assert listed == {"House": 1, "House (2)": 1, "Second house": 1}
    assert not [line for line in checked.stdout.splitlines() if line.startswith("BAD") and " found, " in line]


@pytest.mark.long
def test_the_doctor_says_what_is_missing_and_mends_it_when_asked(semantik: Semantik, tmp_path: Path) -> None:
    folder = tmp_path / "papers"
    folder.mkdir()
    (folder / "boiler.txt").write_text("The boiler is serviced every October.")
    semantik("ingest", str(folder), "-c", "House")
    (stored,) = (tmp_path / "data" / "blobs").rglob(hashlib.sha256((folder / "boiler.txt").read_bytes()).hexdigest())
    stored.unlink()

    found = semantik("doctor")
    untouched = not stored.exists()
    mended = semantik("doctor", "--fix")
    quick = semantik("doctor", "--quick")

    assert found.exit_code == 1 and "1 found, 0 mended: boiler.txt" in found.stdout and untouched
    assert "1 found, 1 mended: boiler.txt" in mended.stdout and stored.exists()
    assert "BAD  blob" not in quick.stdout


_WRONG = [
    (("search", "x", "--after", "yesterday"), "'yesterday' is no day", "2025-03-15"),
    (("search", "x", "--mode", "foo"), "'foo'", "'dense'"),
    (("search", "x", "-n", "0"), "'0' is no whole number", "from 1 to 100"),
    (("search", "x", "--min-score", "3"), "'3' is no number", "from 0 to 1"),
    (("jobs", "priority", "feed12", "12"), "'12' is no whole number", "from 0 to 9"),
    (("search", "x", "--language", "german"), "'german' is no language code", "en, de"),
    (("search", "x", "--media-type", "pdf"), "'pdf' is no media type", "application/pdf"),
    (("collections", "create", "x", "--strategy", "foo"), "'foo'", "'markdown'"),
    (("documents", "list", "--state", "lost"), "'lost' is no state of a document", "indexed"),
    (("keys", "create", "x", "--scope", "root"), "'root'", "'admin'"),
    (("jobs", "list", "--status", "foo"), "'foo' is no state of a job", "running"),
    (("jobs", "bulk", "foo"), "'foo'", "'pause'"),
    (("jobs", "bulk", "priority"), "--priority", "0 (first)"),
    (("jobs", "dead-letters", "--what", "foo"), "'foo'", "'item'"),
    (("schedules", "create", "x", "y", "--overlap", "foo"), "'foo'", "'buffer_one'"),
    (("serve", "--data-dir", "x"), "No such option: --data-dir", "stands before it: semantik --data-dir ... serve"),
    (("jobs", "list", "--server", "x"), "No such option: --server", "stands before it: semantik --server ... jobs"),
]


@pytest.mark.parametrize(("arguments", "value", "allowed"), _WRONG, ids=[" ".join(one[0]) for one in _WRONG])
def test_a_wrong_value_is_named_with_what_is_allowed(semantik: Semantik, arguments: tuple[str, ...], value: str, allowed: str) -> None:
    refused = semantik(*arguments)

    assert refused.exit_code == 2
    assert value in refused.stderr and allowed in refused.stderr


def test_the_words_of_the_command_line_are_those_of_the_api() -> None:
    schemas = json.dumps(json.loads((Path(__file__).parents[1] / "snapshots" / "openapi.json").read_text()))

    for words in (options.Mode, options.Strategy, options.Scope, options.Level, options.JobStatus, options.Verb, options.DeadThing):
        assert json.dumps(list(get_args(words))) in schemas, words
    assert set(options.DOCUMENT_STATES) == set(get_args(State))


@pytest.mark.long
def test_ids_may_be_cut_and_what_is_not_found_names_the_command_that_lists_it(semantik: Semantik) -> None:
    ids = [semantik("collections", "create", name).stdout.strip() for name in ("House", "Garden")]
    key = semantik("keys", "create", "reader")
    key_id = json.loads(semantik("keys", "list", "--json").stdout)[0]["id"]
    alike = next(length for length in range(len(ids[0])) if ids[0][: length + 1] != ids[1][: length + 1])

    by_end = semantik("collections", "show", ids[1][-8:])
    by_name = semantik("collections", "show", "garden")
    ambiguous = semantik("collections", "show", ids[0][:alike].rstrip("-"))
    short = semantik("collections", "show", ids[1][-3:])
    unknown = [
        semantik(*command, which)
        for command in (("sources", "sync"), ("documents", "show"), ("jobs", "show"), ("keys", "revoke"))
        for which in ("feed12", "00000000-0000-7000-8000-000000000000")
    ]
    revoked = semantik("keys", "revoke", key_id[-12:])
    none = semantik("jobs", "bulk", "pause")

    assert ids[1] in by_end.stdout and ids[1] in by_name.stdout and key.exit_code == 0
    assert ambiguous.exit_code == 2 and all(
        f"{one}  {name}" in ambiguous.stderr for one, name in zip(ids, ("House", "Garden"), strict=True)
    )
    assert short.exit_code == 1 and "6 or more" in short.stderr
    assert all(one.exit_code == 1 and "See: semantik " in one.stderr and "/api/" not in one.stderr for one in unknown)
    assert revoked.exit_code == 0
    assert none.exit_code == 0 and "nothing was done" in none.stderr


@pytest.mark.slow
def test_doctor_says_which_languages_of_ocr_are_missing_and_which_are_there(semantik: Semantik, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMANTIK_OCR", "true")
    good = semantik("doctor")
    monkeypatch.setenv("SEMANTIK_OCR_LANGUAGES", "eng+xyz")
    bad = semantik("doctor")

    assert "reads eng; installed in" in good.stdout
    assert bad.exit_code == 1 and "xyz.traineddata of SEMANTIK_OCR_LANGUAGES is not in" in bad.stdout and "(there: eng" in bad.stdout


def test_a_search_before_anything_is_indexed_says_how_to_start(semantik: Semantik) -> None:
    found = semantik("search", "boiler")

    assert found.exit_code == 0
    assert "Nothing is indexed yet" in found.output and "semantik ingest" in found.output


@pytest.mark.long
def test_a_folder_can_be_weighed_before_it_is_read_and_a_sync_kept_to_a_budget(semantik: Semantik, tmp_path: Path) -> None:
    folder = tmp_path / "papers"
    folder.mkdir()
    for number in range(4):
        (folder / f"{number}.txt").write_text(f"Letter {number} about the boiler.")

    weighed = json.loads(semantik("ingest", str(folder), "-c", "House", "--dry-run", "--json").stdout)
    nothing_left = [json.loads(semantik(what, "list", "--json").stdout) for what in ("collections", "jobs")]
    told = semantik("ingest", str(folder), "-c", "House", "--dry-run").stdout
    semantik("collections", "create", "House")
    source = semantik("sources", "add", "House", str(folder), "--no-sync").stdout.strip()
    plan = semantik("sources", "sync", source, "--dry-run")
    kept = semantik("sources", "set", source, "--no-check", "--budget", "items=3")
    paused = json.loads(semantik("sources", "sync", source, "--json").stdout)
    refused = semantik("jobs", "budget", paused["id"], "many")
    raised = semantik("jobs", "budget", paused["id"], "items=10", "--resume")
    ended = semantik("jobs", "watch", paused["id"])

    assert weighed[0]["estimate"]["items"] == {"low": 4, "likely": 4, "high": 4}
    assert nothing_left == [[], []], "a look leaves nothing behind"
    assert "less than a minute" in told and "minutes" not in told and "4 added" in told and "0 modified" not in told
    assert "4 added" in plan.stdout and "nine times of ten" in plan.stdout
    assert kept.exit_code == 0 and "items" in kept.stdout
    assert (paused["status"], paused["counts"]["done"]) == ("paused", 3)
    assert refused.exit_code == 2 and raised.exit_code == 0 and ended.exit_code == 0
