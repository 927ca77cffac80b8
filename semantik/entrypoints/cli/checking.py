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
from semantik.kit.errors import NotFound, SemantikError

# Without these there is nothing to compare, or nobody who does it.
_COMPARED = ("database", "workers", "vectors", "blobs")

# Takes down a check: its name, whether it is good, and what it says.
Note = Callable[[str, bool, str], None]


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
    """Exit code 1 when a check fails or something does not agree (with `fix`: still), 0 otherwise."""
    checks: list[dict[str, Any]] = []

    def note(name: str, good: bool, says: str) -> None:
        checks.append({"check": name, "ok": good, "says": says})

    try:
        chosen = client.chosen_settings()
    except SemantikError as error:
        client.fail(error)
    _installation(note, chosen)
    try:
        asyncio.run(client.connected(lambda api: _compared(note, api, fix=fix, quick=quick)))
    except SemantikError as error:
        note("engines", False, error.detail + (f" {error.hint}" if error.hint else ""))
    if as_json:
        console.emit(checks)
    else:
        for check in checks:
            console.say(f"{'ok  ' if check['ok'] else 'BAD '} {check['check']:<12} {console.printable(check['says'])}")
    if not all(check["ok"] for check in checks):
        sys.exit(console.PROBLEM)


def _installation(note: Note, chosen: settings.Settings) -> None:
    """What this machine has for it: version, folder, room, server, model, languages."""
    note("version", True, f"Semantik {__version__}, Python {platform.python_version()}, {platform.machine()}")
    folder = chosen.data_dir
    writable = not folder.exists() or os.access(folder, os.W_OK)
    note("data folder", writable, str(folder) if folder.exists() else f"{folder} (made on first use)")
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    note("disk", free > 1024**3, f"{free / 1024**3:.1f} GiB free")
    owner = ownership.present_owner(folder)
    note("server", True, f"running, process {owner.pid} at {owner.address}" if owner else "not running; this command looks by itself")
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


async def _compared(note: Note, api: Client, *, fix: bool, quick: bool) -> None:
    """How the parts are, and whether what they hold agrees; with `fix` it is mended."""
    await api.work()
    parts = (await api.health())["parts"]
    for part in parts:
        if part["name"] == "disk" and part["state"] == "ok":
            continue  # What is free has been said above.
        says = f"{part['state']}, {part['latency_ms']:.0f} ms" + (f": {part['detail']}" if part.get("detail") else "")
        note(part["name"], part["state"] == "ok", says)
    if any(part["state"] != "ok" and part["name"] in _COMPARED for part in parts):
        note("agreement", False, "not compared: a part of what is stored, or every worker, is out of reach")
        return
    job = await api.post("/doctor", {"fix": fix, "hashes": not quick})
    _agreement(note, await waiting.until_ended(api, job["job_id"]))
    if fix and api.in_process:
        # What is to be read again is read by this very process, so it stays until that is done.
        async for reading in api.every("/jobs", kind="ingest_source"):
            if reading["finished_at"] is None:
                await waiting.until_ended(api, reading["id"])


def _agreement(note: Note, job: Mapping[str, Any]) -> None:
    """What the doctor's job found, a line for each kind of fault."""
    result = job["result"]
    if result is None:
        note("agreement", False, f"the comparison {job['status']}: {(job.get('error') or {}).get('message') or 'see its log'}")
        return
    checked = ", ".join(f"{count:,} {name}" for name, count in result["checked"].items()) or "nothing stored yet"
    note("agreement", True, f"compared: {checked}")
    for kind, count in sorted(result["found"].items()):
        mended = result["mended"].get(kind, 0)
        named = ", ".join(result["examples"].get(kind, []))
        note(kind, mended == count, f"{count:,} found, {mended:,} mended: {named}")
    if result["lost"]:
        note("lost", False, f"{result['lost']:,} documents cannot be mended and are failed now: semantik documents list --state failed")
