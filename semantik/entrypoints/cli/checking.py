"""`semantik doctor`, `semantik config`, and what is done to a data folder while no server runs."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from semantik import __version__, migrations
from semantik.engines.extract import tessdata
from semantik.engines.weights import catalog
from semantik.entrypoints.cli import client, console, options, waiting
from semantik.entrypoints.cli.client import Client
from semantik.kit import ownership, secrets, settings
from semantik.kit.errors import Forbidden, NotFound, SemantikError

# Without these there is nothing to compare, or nobody who does it.
_COMPARED = ("database", "workers", "vectors", "blobs")

# Takes down a check: its name, whether it is good (None: it was not made), and what it says.
Note = Callable[[str, bool | None, str], None]

_MARKS = {True: "ok  ", False: "BAD ", None: "-   "}


class SettingUnknown(NotFound):
    code = "setting_unknown"


def settings_rows() -> list[dict[str, Any]]:
    try:
        return [asdict(row) for row in settings.origins(data_dir=options.chosen.data_dir, server_url=options.chosen.server)]
    except SemantikError as error:
        client.fail(error)


def setting_row(name: str) -> dict[str, Any]:
    wanted = name.removeprefix(settings.PREFIX).lower()
    rows = {row["name"]: row for row in settings_rows()}
    if wanted not in rows:
        client.fail(SettingUnknown(f"there is no setting {name!r}", hint="See: semantik config show"))
    return as_typed(rows[wanted])


def as_typed(row: dict[str, Any]) -> dict[str, Any]:
    """Ports and sizes as they are typed, without separators."""
    return {key: str(value) if type(value) is int else value for key, value in row.items()}


def rotate_keys() -> None:
    try:
        chosen = client.chosen_settings()
        owner = ownership.claim(chosen.data_dir)
        secrets.rotate(chosen.data_dir)
        owner.release()
    except SemantikError as error:
        client.fail(error)
    console.note("A fresh key signs from now on. Everyone logs in again when their present session ends.")


def migrate_schema() -> None:
    try:
        chosen = client.chosen_settings()
        before = migrations.current(chosen.sqlalchemy_url)
        migrations.upgrade(chosen.sqlalchemy_url)
    except SemantikError as error:
        client.fail(error)
    console.say(f"{before or 'empty'} -> {migrations.head()}")


def doctor(*, fix: bool, quick: bool, as_json: bool) -> None:
    """Exit code 1 when a check fails or may not be made, or something does not agree (with `fix`: still), 0 otherwise."""
    checks: list[dict[str, Any]] = []

    def note(name: str, good: bool | None, says: str) -> None:
        checks.append({"check": name, "ok": good, "says": says})

    try:
        chosen = client.chosen_settings()
    except SemantikError as error:
        client.fail(error)
    _installation(note, chosen)
    address = _address(chosen)
    try:
        asyncio.run(client.connected(lambda api: _examined(note, api, address, fix=fix, quick=quick)))
    except SemantikError as error:
        note("server" if address is not None else "engines", False, _sentences(error.detail, error.hint))
    if as_json:
        console.emit(checks)
    else:
        for check in checks:
            console.say(f"{_MARKS[check['ok']]} {check['check']:<12} {console.printable(check['says'])}")
    if not all(check["ok"] for check in checks):
        sys.exit(console.PROBLEM)


def _installation(note: Note, chosen: settings.Settings) -> None:
    """What this machine has for it: version, folder, room, model, languages."""
    note("version", True, f"Semantik {__version__}, Python {platform.python_version()}, {platform.machine()}")
    folder = chosen.data_dir
    writable = not folder.exists() or os.access(folder, os.W_OK)
    note("data folder", writable, str(folder) if folder.exists() else f"{folder} (made on first use)")
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    note("disk", free > 1024**3, f"{free / 1024**3:.1f} GiB free")
    note("model", *_model(chosen))
    note("ocr", *_ocr(chosen))


def _model(chosen: settings.Settings) -> tuple[bool, str]:
    try:
        model = catalog.describe(chosen.embedding_model, chosen.data_dir / "models")
    except SemantikError as error:
        return False, error.detail
    return model.installed, f"{model.name}: {'installed' if model.installed else f'missing; run: semantik models pull {model.name}'}"


def _ocr(chosen: settings.Settings) -> tuple[bool, str]:
    """Whether the languages that OCR is to read are there, and which there are."""
    if not chosen.ocr:
        return True, "off (SEMANTIK_OCR)"
    here, missing = ", ".join(tessdata.installed()) or "no language", tessdata.languages(chosen.ocr_languages)[1]
    if not missing:
        return True, f"reads {chosen.ocr_languages}; installed in {tessdata.folder()}: {here}"
    wanted = " and ".join(f"{name}.traineddata" for name in missing)
    return False, f"{wanted} of SEMANTIK_OCR_LANGUAGES is not in {tessdata.folder()} (there: {here}); see the guide to installing"


def _address(chosen: settings.Settings) -> str | None:
    """Of the server that is asked; None: there is none, and this command looks by itself."""
    if chosen.server_url is not None:
        return chosen.server_url
    owner = ownership.present_owner(chosen.data_dir)
    return owner.address if owner is not None else None


def _sentences(detail: str, hint: str | None) -> str:
    return f"{detail.rstrip('.')}. {hint}" if hint else detail


async def _examined(note: Note, api: Client, address: str | None, *, fix: bool, quick: bool) -> None:
    """Who answers, how the parts are, and whether what they hold agrees."""
    await api.work()
    parts = (await api.health())["parts"]
    note("server", True, await _server(api, address))
    for part in parts:
        if part["name"] == "disk" and part["state"] == "ok":
            continue  # What is free has been said above.
        told = f": {_sentences(part['detail'], part.get('hint'))}" if part.get("detail") else ""
        says = f"{part['state']}, {part['latency_ms']:.0f} ms{told}"
        note(part["name"], part["state"] == "ok", says)
    if any(part["state"] != "ok" and part["name"] in _COMPARED for part in parts):
        note("agreement", False, "not compared: a part of what is stored, or every worker, is out of reach")
        return
    await _compared(note, api, fix=fix, quick=quick)


async def _server(api: Client, address: str | None) -> str:
    if address is not None:
        return f"{address} answers, version {(await api.get('/version'))['version']}"
    if api.runs_jobs:
        return "not running; this command looks by itself"
    return (
        "no address is set; this command looks at the same database, index and blobs by itself; API processes beside it are not known here"
    )


async def _compared(note: Note, api: Client, *, fix: bool, quick: bool) -> None:
    """Whether what the parts hold agrees; with `fix` it is mended."""
    try:
        job = await api.post("/doctor", {"fix": fix, "hashes": not quick})
        ended = await waiting.until_ended(api, job["job_id"])
    except SemantikError as error:
        # A right that is missing is no fault of what is stored.
        forbidden = isinstance(error, client.Problem) and error.answered_status == Forbidden.status
        note("agreement", None if forbidden else False, f"not compared: {_sentences(error.detail, error.hint)}")
        return
    _agreement(note, ended)
    if fix and api.runs_jobs:
        # What is to be read again is read by this very process, so it stays until that is done.
        async for reading in api.every("/jobs", kind="ingest_source"):
            if reading["finished_at"] is None:
                await waiting.until_ended(api, reading["id"])


def _agreement(note: Note, job: Mapping[str, Any]) -> None:
    """What the doctor's job found, a line for each kind of fault."""
    result = job["result"]
    if result is None:
        note("agreement", False, f"the comparison {console.state(job)}: {(job.get('error') or {}).get('message') or 'see its log'}")
        return
    checked = ", ".join(console.counted(count, name.removesuffix("s")) for name, count in result["checked"].items()) or "nothing stored yet"
    note("agreement", True, f"compared: {checked}")
    for kind, count in sorted(result["found"].items()):
        mended = result["mended"].get(kind, 0)
        named = ", ".join(result["examples"].get(kind, []))
        note(kind, mended == count, f"{count:,} found, {mended:,} mended: {named}")
    if result["lost"]:
        documents = console.counted(result["lost"], "document")
        note("lost", False, f"{documents} cannot be mended; they are marked as failed: semantik documents list --state failed")
