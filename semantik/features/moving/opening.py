"""Opens both ends for a move: the source held and never written, the target ours alone, empty or half-filled from this source."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from semantik import migrations
from semantik.engines.blobs.base import BlobStore
from semantik.features.moving.ends import Ends
from semantik.kit import ownership
from semantik.kit.errors import Conflict, DiskFull
from semantik.kit.files import appearing, opened
from semantik.kit.secrets import Keyring, carry, open_keyring
from semantik.kit.settings import Settings
from semantik.rows import moves
from semantik.rows.opening import Connection, alone, encoding, exists, place, processes, reading, revision
from semantik.rows.pages import filled, pages
from semantik.runtime import open_blobs
from semantik.tables.accounts import tenants

# A kill leaves it behind; the next comparison removes it.
_SCRATCH = ".index-of-the-source-"


class SourceUnfit(Conflict):
    code = "source_unfit"
    title = "This installation cannot be migrated as it is"


class TargetUnfit(Conflict):
    code = "target_unfit"
    title = "The target cannot take the installation"


@dataclass(frozen=True, slots=True)
class Held:
    """Both ends, kept from everybody else. `source` is one snapshot; `move` is the target's mark, None for an empty target."""

    ends: Ends
    source: Connection
    fingerprint: str
    move: moves.Move | None


@contextmanager
def held(ends: Ends) -> Iterator[Held]:
    """Raises `SourceUnfit`, `TargetUnfit` or `DataDirBusy`, and has changed nothing then."""
    with ExitStack() as stack:
        stack.enter_context(ownership.held(ends.source.data_dir))
        if not exists(ends.source.sqlalchemy_url):
            raise SourceUnfit(f"there is no database at {place(ends.source.sqlalchemy_url)}", hint="Name its folder with --data-dir.")
        source = stack.enter_context(reading(ends.source.sqlalchemy_url, still=True))
        stack.enter_context(source.begin())
        _require_still(source, ends.source)
        standing = revision(source)
        if standing != migrations.head():
            raise SourceUnfit(
                f"the source's schema stands at revision {standing}, this version needs {migrations.head()}",
                hint="Bring it up to date first: start it once with this version, or run semantik migrate-schema.",
            )
        fingerprint = _fingerprint(source)
        yield Held(ends, source, fingerprint, _mark(ends.target, fingerprint) if ends.rows else None)


@contextmanager
def claimed(ends: Ends) -> Iterator[None]:
    """Makes the target's data folder ours and brings its schema up, for whoever is about to write."""
    with ExitStack() as stack:
        if ends.folder:
            stack.callback(ownership.claim(ends.target.data_dir).release)
        if ends.rows and not stack.enter_context(alone(ends.target.sqlalchemy_url)):
            raise TargetUnfit(f"another migration fills {place(ends.target.sqlalchemy_url)}", hint="Wait for it; this one can go on then.")
        if ends.rows:
            migrations.upgrade(ends.target.sqlalchemy_url)
        yield


def require_still(held: Held) -> None:
    """Again, at the end: a server that began to use the source meanwhile has made the copy old."""
    with reading(held.ends.source.sqlalchemy_url, still=True) as connection:
        _require_still(connection, held.ends.source)


def keys_and_models(ends: Ends) -> None:
    """Keys first: whatever opens the target without them would make new ones. Models are copied where the target has none."""
    keyring = _keyring(ends.source)
    if keyring is not None and (ends.folder or ends.source.secret_key != ends.target.secret_key):
        carry(keyring, ends.target.data_dir, _given(ends.target))
    models = ends.source.data_dir / "models"
    if ends.folder and models.is_dir():
        _copy(models, ends.target.data_dir / "models")


@contextmanager
def copied_index(ends: Ends) -> Iterator[Settings | None]:
    """Settings under which the source's index can be asked without a trace in it: an embedded one is copied, for it writes as it opens.

    None where there is none. Raises `DiskFull` when there is no room for the copy.
    """
    if ends.source.qdrant_url is not None:
        yield ends.source
        return
    index = ends.source.data_dir / "index"
    if not index.is_dir():
        yield None
        return
    size = sum(path.stat().st_size for path in index.rglob("*") if path.is_file())
    ends.target.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    for left in ends.target.data_dir.glob(f"{_SCRATCH}*"):
        shutil.rmtree(left, ignore_errors=True)
    free = shutil.disk_usage(ends.target.data_dir).free
    if free < size + 512 * 1024**2:
        raise DiskFull(f"the source's index is compared from a copy of {size:,} bytes, and {free:,} are free in the target's data folder")
    scratch = Path(tempfile.mkdtemp(dir=ends.target.data_dir, prefix=_SCRATCH))
    try:
        shutil.copytree(index, scratch / "index", ignore=shutil.ignore_patterns(".owner"))
        yield ends.source.model_copy(update={"data_dir": scratch})
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


async def source_files(ends: Ends) -> BlobStore:
    """The source's store, for reading. What a bucket keeps as local copies lies in the target's folder meanwhile."""
    elsewhere = {} if ends.source.blobs_url is None else {"data_dir": ends.target.data_dir}
    return await open_blobs(ends.source.model_copy(update=elsewhere), read_only=True)


def _mark(target: Settings, fingerprint: str) -> moves.Move | None:
    """The target's mark; raises `TargetUnfit` for one that is neither empty nor a move of this source."""
    url = target.sqlalchemy_url
    if not exists(url):
        return None
    with reading(url) as connection:
        if processes(connection):
            raise TargetUnfit(f"a server or worker is connected to {place(url)}", hint="Stop it until the migration has ended.")
        if encoding(connection) != "UTF8":
            raise TargetUnfit(f"{place(url)} is kept in {encoding(connection)}", hint="Make the database with ENCODING 'UTF8'.")
        move = moves.present(connection)
        if move is None:
            migrations.require_known(url)
            if found := filled(connection):
                raise TargetUnfit(
                    f"{place(url)} is not empty: there are rows in {', '.join(found[:4])}",
                    hint="Migrate into a new database; nothing is ever overwritten.",
                )
        elif move.source != fingerprint:
            raise TargetUnfit(
                f"{place(url)} was filled from another installation, or the source has changed since",
                hint="Migrate into a new database.",
            )
        elif move.state is moves.State.USED:
            raise TargetUnfit(
                f"{place(url)} was filled from this source, and has been used since; it is an installation of its own now",
                hint="To go back, migrate from there into a new database.",
            )
    return move


def _require_still(connection: Connection, source: Settings) -> None:
    if others := processes(connection):
        raise SourceUnfit(
            f"{others} connections of servers or workers use {place(source.sqlalchemy_url)}",
            hint="Stop them (semantik serve, worker, scheduler), so that what is read is all there is, and try again.",
        )


def _fingerprint(connection: Connection) -> str:
    """Who lives there, which tells one installation from another wherever it lies."""
    digest = hashlib.sha256()
    for page in pages(connection, tenants):
        digest.update(repr(sorted((row[0], row[2].isoformat()) for row in page.rows)).encode())
    return digest.hexdigest()


def _keyring(settings: Settings) -> Keyring | None:
    """The source's keys. Where it has none, nothing was ever sealed with one, and the target makes its own."""
    given = _given(settings)
    if given is None and not (settings.data_dir / "keys.json").exists():
        return None
    return open_keyring(settings.data_dir, given)


def _given(settings: Settings) -> str | None:
    return settings.secret_key.get_secret_value() if settings.secret_key else None


def _copy(source: Path, target: Path) -> None:
    """Copies files that the target lacks, each whole or not at all."""
    for path in sorted(source.rglob("*")):
        to = target / path.relative_to(source)
        if not path.is_file() or to.exists():
            continue
        to.parent.mkdir(parents=True, exist_ok=True)
        with opened(path) as source_file, appearing(to) as target_file:
            shutil.copyfileobj(source_file, target_file)
