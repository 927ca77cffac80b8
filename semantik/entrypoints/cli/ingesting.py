"""`semantik ingest`: folders become sources and are synced, files are uploaded; then the ledger."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from semantik.entrypoints.cli import client as clients
from semantik.entrypoints.cli import console, meters, waiting
from semantik.entrypoints.cli.client import Client
from semantik.entrypoints.cli.options import chosen
from semantik.kit.errors import InvalidInput

_FILES_A_REQUEST = 50
_NAMED = 5


class PathMissing(InvalidInput):
    code = "path_missing"


class PathUnreadable(InvalidInput):
    code = "path_unreadable"


def ingest(
    paths: list[Path], *, collection: str, include: list[str], exclude: list[str] | None, wait: bool, strict: bool, as_json: bool
) -> None:
    """Exit code 3 when nothing of what was listed could be read; with `strict` also when a document of it failed."""

    async def work(client: Client) -> tuple[dict[str, Any], bool]:
        waits = wait or client.runs_jobs
        return await into(client, paths, collection=collection, include=include, exclude=exclude, wait=waits), waits

    summary, waited = clients.run(work)
    if as_json:
        console.emit(summary)
    elif not waited:
        for job in summary["jobs"]:
            waiting.leave(job)
    if any(job["status"] == "failed" for job in summary["jobs"]):
        sys.exit(console.PROBLEM)
    if summary["nothing_read"] or (strict and (summary["rejected"] or summary["failed"])):
        sys.exit(console.INCOMPLETE)


def plan(paths: list[Path], *, collection: str, include: list[str], exclude: list[str] | None, as_json: bool) -> None:
    """What syncing the folders would do and take. Makes nothing."""

    async def work(client: Client) -> list[dict[str, Any]]:
        for path in paths:
            _check(path, path.expanduser())
        folders = [path.expanduser().resolve() for path in paths if path.expanduser().is_dir()]
        if not folders:
            raise PathMissing("only folders can be looked at beforehand", hint="Name a folder; single files are read at once.")
        return [{"folder": str(folder), **await _planned(client, collection, folder, include, exclude)} for folder in folders]

    plans = clients.run(work)
    if as_json:
        console.emit(plans)
        return
    for one in plans:
        counts = meters.changes(one["counts"])
        console.say(f"{console.printable(one['folder'])}: {counts}")
        meters.say(one["estimate"])


async def _planned(client: Client, collection: str, folder: Path, include: list[str], exclude: list[str] | None) -> dict[str, Any]:
    known = [found async for found in client.every("/collections", q=collection) if found["name"] == collection]
    if known and (source := await _source_of(client, known[0]["id"], folder)) is not None:
        return dict(await client.post(f"/sources/{source['id']}/sync", dry_run="true"))
    body = {"path": str(folder), "include": include, "exclude": exclude, "collection_id": known[0]["id"] if known else None}
    return dict(await client.post("/folder-plans", body))


async def _source_of(client: Client, collection_id: str, folder: Path) -> dict[str, Any] | None:
    async for source in client.every(f"/collections/{collection_id}/sources"):
        if source["kind"] == "directory" and source["settings"]["path"] == str(folder):
            return source
    return None


async def into(
    client: Client, paths: list[Path], *, collection: str, include: list[str], exclude: list[str] | None, wait: bool
) -> dict[str, Any]:
    """Ingests and, when it waits, says on stderr what became of it; returns the collection's ledger and the jobs."""
    for path in paths:
        _check(path, path.expanduser())
    target = await collection_named(client, collection)
    rejected, sent = [], set()
    folders = [path.expanduser().resolve() for path in paths if path.expanduser().is_dir()]
    job_ids = [await _sync(client, target["id"], folder, include, exclude) for folder in folders]
    files = list(_named([path.expanduser().resolve() for path in paths if path.expanduser().is_file()]).items())
    for start in range(0, len(files), _FILES_A_REQUEST):
        answer = await client.upload(f"/collections/{target['id']}/uploads", dict(files[start : start + _FILES_A_REQUEST]))
        job_ids += [answer["job_id"]] if answer["job_id"] else []
        rejected += [one for one in answer["files"] if one["state"] == "rejected"]
        sent |= {one["document_path"] for one in answer["files"] if one["state"] == "accepted"}
    for one in rejected:
        console.note(f"rejected: {console.printable(one['name'])}: {one['reason']}")
    jobs = [await waiting.until_ended(client, job_id) if wait else await client.get(f"/jobs/{job_id}") for job_id in job_ids]
    for job in jobs:
        if job["status"] == "failed":
            console.note(f"error: {job['title']}: {(job['error'] or {}).get('message', 'failed')}")
    synced, uploaded = jobs[: len(folders)], jobs[len(folders) :]
    ledgers = await _ledgers(client, target["id"], synced)
    failed = 0
    if wait:  # Before the jobs have ended, documents tell of earlier ones.
        in_files = await _failed_of(client, {job["source_id"] for job in uploaded}, sent)
        failed = sum(one["failed"] for one in ledgers) + in_files
    after = await client.get(f"/collections/{target['id']}")
    if wait:
        _say(after, await _unread(client, target["id"]))
    return {
        "collection": {"id": target["id"], "name": target["name"]},
        "ledger": after["ledger"],
        "chunks": after["chunks"],
        "jobs": jobs,
        "rejected": rejected,
        "failed": failed,
        "nothing_read": wait and _nothing_read(ledgers, synced=synced, uploaded=uploaded, files=len(files)),
    }


async def _ledgers(client: Client, collection_id: str, synced: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What became of all that the folders hold, read now or by an earlier run."""
    ids = {job["source_id"] for job in synced}
    return [one["ledger"] async for one in client.every(f"/collections/{collection_id}/sources") if one["id"] in ids]


async def _failed_of(client: Client, source_ids: set[str], sent: set[str]) -> int:
    """How many of the sent files, and of what is inside them, could not be read. Files that others sent lie in the same source."""
    failed = [document["path"] for source in source_ids async for document in client.every("/documents", source=source, state="failed")]
    return sum(path in sent or any(path[: mark.start()] in sent for mark in re.finditer("!/", path)) for path in failed)


def _nothing_read(ledgers: list[dict[str, Any]], *, synced: list[dict[str, Any]], uploaded: list[dict[str, Any]], files: int) -> bool:
    """Whether files were listed and not one is searchable now. A folder counts with what an earlier run has read of it."""
    if any(job["status"] != "completed" for job in (*synced, *uploaded)) or any(job["counts"]["done"] for job in uploaded):
        return False
    listed = files + sum(one["listed"] for one in ledgers)
    return listed > 0 and not any(one["indexed"] or one["partial"] for one in ledgers)


async def _unread(client: Client, collection_id: str) -> list[dict[str, Any]]:
    """The first few documents that failed or were skipped, failed ones first."""
    found: list[dict[str, Any]] = []
    for state in ("failed", "skipped"):
        if len(found) < _NAMED:
            page = await client.get("/documents", collection=collection_id, state=state, limit=_NAMED - len(found))
            found += page["items"]
    return found


def _check(given: Path, path: Path) -> None:
    if not path.exists():
        raise PathMissing(f"there is nothing at {given}", hint="Check the path.")
    if not path.is_dir() and not path.is_file():
        raise PathUnreadable(f"{given} is neither a file nor a folder", hint="Name a file or a folder.")
    if not os.access(path, os.R_OK):
        raise PathUnreadable(f"{given} may not be read by this user", hint="Change its permissions.")


def _named(files: list[Path]) -> dict[str, Path]:
    """Each file by the path it gets: its name, or where several share a name, the way from the folder that holds them all."""
    files = list(dict.fromkeys(files))
    counts = Counter(file.name for file in files)
    shared = Path(os.path.commonpath([file.parent for file in files])) if files else Path()
    named = {file.name if counts[file.name] == 1 else file.relative_to(shared).as_posix(): file for file in files}
    # A name need not be UTF-8 on disk; what is sent must be.
    return {os.fsencode(name).decode("utf-8", "replace"): file for name, file in named.items()}


async def collection_named(client: Client, name: str) -> dict[str, Any]:
    """The collection of that name, made if there is none."""
    async for found in client.every("/collections", q=name):
        if found["name"] == name:
            return found
    made: dict[str, Any] = await client.post("/collections", {"name": name})
    return made


async def _sync(client: Client, collection_id: str, folder: Path, include: list[str], exclude: list[str] | None) -> str:
    settings: dict[str, Any] = {"path": str(folder), "include": include}
    if exclude is not None:
        settings["exclude"] = exclude
    if (source := await _source_of(client, collection_id, folder)) is not None:
        if include or exclude is not None:
            await client.patch(f"/sources/{source['id']}", {"settings": settings})
        return str((await client.post(f"/sources/{source['id']}/sync"))["job_id"])
    made = await client.post(f"/collections/{collection_id}/sources", {"kind": "directory", "settings": settings})
    return str(made["last_job_id"])


def _say(collection: dict[str, Any], unread: list[dict[str, Any]]) -> None:
    chunks = console.counted(collection["chunks"], "chunk")
    console.note(f"{console.printable(collection['name'])}: {console.ledger(collection['ledger'])} · {chunks}")
    for reason in collection["ledger"]["reasons"]:
        console.note(f"  {reason['count']:,} {reason['state']}: {reason['code']}")
    for document in unread:
        console.note(
            f"  {document['state']}: {console.printable(document['path'])}: {console.printable(document['reason'] or document['code'])}"
        )
    if unread:
        listing = chosen.command(f"documents list --state failed,skipped --collection {shlex.quote(collection['name'])}")
        if collection["ledger"]["indexed"] or collection["ledger"]["partial"]:
            console.note("  What could be read is searchable all the same.")
        console.note(f"  All that were not read: {listing}")
