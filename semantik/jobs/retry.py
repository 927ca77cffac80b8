"""Pure decisions about errors: whose fault it was, whether to try again, and when.

Transient           network, 5xx, a dependency that is down                again, with backoff, burns an attempt
Contention          a deadlock, a lost race, a database that is busy       again soon, burns nothing
RateLimited         429 and friends (kit.errors.RateLimited)               again after retry_after_s, burns nothing
ResourceExhausted   memory, disk, GPU memory, a disk that is read-only     again later, burns nothing
PermanentFailure    configuration, access, missing model                   failed at once
ItemFailed          this one item cannot be processed                      the item is failed, the job goes on
anything else       a bug or a surprise                                    again, with backoff, burns an attempt
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from semantik.jobs.values import Failure
from semantik.kit.database_errors import DatabaseBusy, DatabaseUnavailable, DatabaseUnwritable, WriteConflict
from semantik.kit.errors import (
    EXHAUSTED,
    RESOURCE_RETRY_S,
    Conflict,
    DiskFull,
    Forbidden,
    InvalidInput,
    Misconfigured,
    NotFound,
    RateLimited,
    SemantikError,
    TooLarge,
    Unauthenticated,
    Unavailable,
)

# Full jitter between zero and min(cap, base * 2^n) seconds (the paper's section 4.7).
_BASE_S = 2.0
_CAP_S = 300.0
# Below this many failed items a job goes on; above the larger of this and the share, the fault is the job's own.
_CIRCUIT_ITEMS = 20
_CIRCUIT_SHARE = 0.05


class Transient(Unavailable):
    """Worth another try soon."""

    code = "transient"


class ResourceExhausted(Unavailable):
    """This process lacks memory, disk or a device for the job at the moment."""

    code = "resource_exhausted"
    default_retry_after_s = RESOURCE_RETRY_S


class PermanentFailure(SemantikError):
    """Trying again cannot help."""

    code = "job_failed"


class ItemFailed(SemantikError):
    """The item in hand cannot be processed; the others can. `code` in the row is `reason_code` when given."""

    code = "item_failed"

    def __init__(self, detail: str, *, reason_code: str | None = None, hint: str | None = None, **data: object) -> None:
        super().__init__(detail, hint=hint, **data)
        self.reason_code = reason_code


class TooManyFailures(PermanentFailure):
    code = "too_many_failed_items"


class ErrorClass(StrEnum):
    TRANSIENT = "transient"
    RATE_LIMITED = "rate_limited"
    RESOURCE = "resource"
    PERMANENT = "permanent"
    ITEM = "item"
    UNKNOWN = "unknown"
    LOST = "lost"


_PERMANENT = (PermanentFailure, InvalidInput, NotFound, Forbidden, Unauthenticated, Conflict, Misconfigured, TooLarge)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`again`: try once more after `delay_s`. `burns`: the try counts against max_attempts."""

    error_class: ErrorClass
    again: bool
    burns: bool
    retry_after_s: float | None = None


def classify(error: BaseException) -> Verdict:
    match error:
        case RateLimited():
            return Verdict(ErrorClass.RATE_LIMITED, again=True, burns=False, retry_after_s=error.retry_after_s)
        case ResourceExhausted():
            return Verdict(ErrorClass.RESOURCE, again=True, burns=False, retry_after_s=error.retry_after_s)
        case DiskFull() | DatabaseUnwritable() | MemoryError():
            return Verdict(ErrorClass.RESOURCE, again=True, burns=False, retry_after_s=RESOURCE_RETRY_S)
        # However often the database goes away, that is no fault of the job.
        case WriteConflict() | DatabaseBusy() | DatabaseUnavailable():
            return Verdict(ErrorClass.TRANSIENT, again=True, burns=False, retry_after_s=error.retry_after_s)
        case OSError(errno=number) | Unavailable(__cause__=OSError(errno=number)) if number in EXHAUSTED:
            return Verdict(ErrorClass.RESOURCE, again=True, burns=False, retry_after_s=RESOURCE_RETRY_S)
        case ItemFailed():
            return Verdict(ErrorClass.ITEM, again=False, burns=True)
        case Unavailable() | ConnectionError() | TimeoutError():
            return Verdict(ErrorClass.TRANSIENT, again=True, burns=True)
        case _ if isinstance(error, _PERMANENT):
            return Verdict(ErrorClass.PERMANENT, again=False, burns=True)
        case BaseExceptionGroup():
            return _worst([classify(inner) for inner in error.exceptions])
        case _:
            return Verdict(ErrorClass.UNKNOWN, again=True, burns=True)


def _worst(verdicts: list[Verdict]) -> Verdict:
    """Of errors that came together: what cannot be retried decides, then what burns an attempt, then the longest wait."""
    return max(verdicts, key=lambda verdict: (not verdict.again, verdict.burns, verdict.retry_after_s or 0.0))


def delay_s(failures: int, *, chance: float, retry_after_s: float | None = None) -> float:
    """Seconds until the next try after `failures` failures (from 1); `chance` is uniform in [0, 1)."""
    waited = chance * min(_CAP_S, _BASE_S * 2.0 ** min(failures, 30))
    return max(waited, retry_after_s or 0.0)


def circuit_open(failed: int, processed: int) -> bool:
    """Whether so many items failed that the job itself must be wrong."""
    return failed > max(_CIRCUIT_ITEMS, _CIRCUIT_SHARE * processed)


def failure_of(error: BaseException, verdict: Verdict) -> Failure:
    """What to write into the row: for errors of ours their sentence, for others their type and first line.

    What follows the first line of a database error is its statement, which says nothing to a user.
    """
    if isinstance(error, BaseExceptionGroup):
        return failure_of(error.exceptions[0], verdict)
    if isinstance(error, SemantikError):
        code = error.reason_code if isinstance(error, ItemFailed) and error.reason_code else error.code
        return Failure(str(verdict.error_class), code, error.detail)
    return Failure(str(verdict.error_class), "internal", f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"[:500])
