"""`semantik backup` and `semantik restore`: a whole installation as one file. Both work beside a server, and without one."""

from __future__ import annotations

import sys
from pathlib import Path

from semantik.entrypoints.cli import client, console
from semantik.features.archives import backup as backups
from semantik.features.archives.backup import Summary
from semantik.kit import secrets


def backup(file: Path, keys: Path | None) -> None:
    """Exit code 3 when stored files were missing or damaged."""

    async def work() -> Summary:
        settings = client.chosen_settings()
        summary = await backups.take(settings, file, told=console.note)
        if keys is not None:
            secrets.write_copy(settings.data_dir, keys)
        return summary

    summary = client.guarded(work())
    console.say(f"{file}: {_held(summary)}, {console.size(summary.size_bytes)}")
    if keys is None:
        console.note("The keys are not in it: without them everyone logs in anew and sealed credentials are entered again. See --keys.")
    else:
        console.note(f"{keys} holds the keys. Whoever has both files can open everything: keep them apart.")
    _tell(summary)


def restore(file: Path, keys: Path | None) -> None:
    """Exit code 3 when stored files of the backup were missing or damaged."""

    async def work() -> Summary:
        settings = client.chosen_settings()
        if keys is not None:
            secrets.put_copy(keys, settings.data_dir)
        return await backups.restore(settings, file, told=console.note)

    summary = client.guarded(work())
    console.say(f"Here are {_held(summary)}.")
    console.note("The index is filled from the database at the next start; nothing is embedded. Then run: semantik doctor")
    _tell(summary)


def _held(summary: Summary) -> str:
    counts = ((summary.documents, "document"), (summary.chunks, "chunk"), (summary.files, "stored file"))
    return ", ".join(console.counted(count, noun) for count, noun in counts)


def _tell(summary: Summary) -> None:
    if summary.problems:
        files = console.counted(summary.problems, "stored file")
        console.note(f"{files} missing or damaged. `semantik doctor` names the documents.")
        sys.exit(console.INCOMPLETE)
