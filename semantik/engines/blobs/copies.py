"""Local copies of blobs that live elsewhere: bounded, oldest use first out, and never taken from under a reader.

    incoming/                 being written, or downloaded; strays of a crash go by age
    <tenant>/<2>/<hash>       a copy; its modification time is its last use
    lent/<random>/<hash>      a hard link to a copy, one for each reader

A copy may be dropped at any time, also by another process on the same folder: a reader's link keeps the bytes.
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from semantik.engines.blobs.base import STRAY_AGE_S
from semantik.engines.blobs.spool import remove_strays, writing
from semantik.kit.ids import TenantId


class LocalCopies:
    def __init__(self, root: Path, *, max_bytes: int) -> None:
        self.incoming = root / "incoming"
        self._root = root
        self._lent = root / "lent"
        self._max_bytes = max_bytes
        self._added = 0
        with writing():
            for folder in (self.incoming, self._lent):
                folder.mkdir(parents=True, exist_ok=True)
            self.remove_strays(older_than_s=STRAY_AGE_S)
            self._walk()

    def keep(self, path: Path, tenant: TenantId, blob_hash: str) -> None:
        """Moves a file of `incoming` among the copies. `shrink` keeps to the bound."""
        copy = self._copy(tenant, blob_hash)
        with writing():
            copy.parent.mkdir(parents=True, exist_ok=True)
            self._added += path.stat().st_size
            os.replace(path, copy)

    @contextmanager
    def lent_new(self, path: Path, tenant: TenantId, blob_hash: str) -> Iterator[Path]:
        """Keeps a file of `incoming` and lends it out at once: linked first, since another process may drop the copy."""
        with self._lending(path, blob_hash) as link:
            assert link is not None, "a file of our own spool is there"
            self.keep(path, tenant, blob_hash)
            yield link

    @contextmanager
    def lent(self, tenant: TenantId, blob_hash: str) -> Iterator[Path | None]:
        """A path that stays until the block ends; None when there is no copy."""
        with self._lending(self._copy(tenant, blob_hash), blob_hash) as link:
            yield link

    def drop(self, tenant: TenantId, blob_hash: str) -> None:
        self._copy(tenant, blob_hash).unlink(missing_ok=True)

    def remove_strays(self, *, older_than_s: float) -> int:
        removed = remove_strays(self.incoming, older_than_s=older_than_s)
        latest = time.time() - older_than_s
        for folder in self._lent.iterdir():
            try:
                stray = folder.stat().st_mtime <= latest
            except FileNotFoundError:
                continue
            if stray:
                shutil.rmtree(folder, ignore_errors=True)
                removed += 1
        return removed

    @contextmanager
    def _lending(self, copy: Path, blob_hash: str) -> Iterator[Path | None]:
        folder = self._lent / secrets.token_hex(16)
        with writing():
            folder.mkdir()
        try:
            yield self._link(copy, folder / blob_hash)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _link(self, copy: Path, link: Path) -> Path | None:
        try:
            os.link(copy, link)
            os.utime(copy)
        except FileNotFoundError:
            # Dropped in between: the link, if it came to be, still has the bytes.
            return link if link.exists() else None
        return link

    def _copy(self, tenant: TenantId, blob_hash: str) -> Path:
        return self._root / tenant / blob_hash[:2] / blob_hash

    def shrink(self) -> None:
        """Drops the least used copies beyond the bound. Walks all of them when it is time to: not for the event loop."""
        # Walking for each new copy would cost more than the copies do: a twentieth over is close enough.
        if self._added > self._max_bytes // 20:
            self._walk()

    def _walk(self) -> None:
        self._added = 0
        found: list[tuple[float, int, Path]] = []
        for tenant in self._root.iterdir():
            if tenant not in (self.incoming, self._lent):
                for folder, _, names in os.walk(tenant):
                    for name in names:
                        try:
                            facts = Path(folder, name).stat()
                        except FileNotFoundError:
                            continue
                        found.append((facts.st_mtime, facts.st_size, Path(folder, name)))
        over = sum(size for _, size, _ in found) - self._max_bytes
        for _, size, path in sorted(found):
            if over <= 0:
                break
            path.unlink(missing_ok=True)
            over -= size
