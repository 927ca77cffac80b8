"""Whose fault an error was: what waits for room, and what has used up a try."""

from __future__ import annotations

import errno

import pytest

from semantik.engines.blobs.spool import writing
from semantik.engines.vectors.base import IndexDiskFull, IndexUnavailable
from semantik.jobs.retry import ErrorClass, ResourceExhausted, classify
from semantik.kit.database_errors import DatabaseUnwritable
from semantik.kit.errors import DiskFull, Unavailable

READ_ONLY = OSError(errno.EROFS, "Read-only file system")


@pytest.mark.parametrize(
    "error",
    [
        IndexDiskFull("full"),
        DiskFull("full"),
        ResourceExhausted("full"),
        MemoryError(),
        OSError(errno.ENOSPC, "full"),
        DatabaseUnwritable("read-only"),
        READ_ONLY,
    ],
)
def test_a_job_waits_for_room_and_burns_no_try(error: BaseException) -> None:
    verdict = classify(error)
    assert (verdict.error_class, verdict.again, verdict.burns) == (ErrorClass.RESOURCE, True, False)
    assert verdict.retry_after_s is not None and verdict.retry_after_s >= 10


def test_a_file_that_a_read_only_disk_refused_burns_no_try() -> None:
    with pytest.raises(Unavailable) as caught, writing():
        raise READ_ONLY
    verdict = classify(caught.value)
    assert (verdict.error_class, verdict.burns) == (ErrorClass.RESOURCE, False)


def test_an_index_that_is_away_burns_a_try() -> None:
    assert classify(IndexUnavailable("away")).burns
