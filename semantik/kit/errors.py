"""The one family of errors that users see: code, HTTP status, sentence, what to do.

    SemantikError
      InvalidInput 422   Unauthenticated 401   Forbidden 403   NotFound 404   Conflict 409
      TooLarge 413       RateLimited 429       Unavailable 503 (a dependency, a full disk, a busy lock)
      Misconfigured      the process cannot start as configured (exit code 78)

Define an error beside the code that raises it, as a subclass with its own `code`. The HTTP boundary turns
each into RFC 9457 `application/problem+json`; the CLI prints `detail` and `hint`.
"""

from __future__ import annotations

import errno
from typing import ClassVar

# What the system says where disk or quota have no room, and beside that what a machine may lack for a while.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
EXHAUSTED = (*NO_ROOM, errno.ENOMEM, errno.EROFS)
# None of it changes within seconds.
RESOURCE_RETRY_S = 30.0


class SemantikError(Exception):
    """Carries a sentence with the values in it, an optional `hint` (what to do) and machine-readable `data`."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Something failed on our side"
    default_hint: ClassVar[str | None] = None

    def __init__(self, detail: str, *, hint: str | None = None, **data: object) -> None:
        super().__init__(detail)
        self.detail = detail
        self.hint = hint if hint is not None else self.default_hint
        self.data = data


class InvalidInput(SemantikError):
    code = "invalid_input"
    status = 422
    title = "The request holds a value that cannot be used"
    default_hint = "Correct the value that is named."


class Unauthenticated(SemantikError):
    code = "unauthenticated"
    status = 401
    title = "Log in first"


class Forbidden(SemantikError):
    code = "forbidden"
    status = 403
    title = "Not allowed"


class NotFound(SemantikError):
    code = "not_found"
    status = 404
    title = "Not found"


class Conflict(SemantikError):
    code = "conflict"
    status = 409
    title = "The request does not fit the present state"


class TooLarge(SemantikError):
    code = "too_large"
    status = 413
    title = "Too large"
    default_hint = "Send less at once. SEMANTIK_REQUEST_MAX_BYTES and SEMANTIK_UPLOAD_MAX_BYTES set what is taken."


class RateLimited(SemantikError):
    """`retry_after_s` becomes the Retry-After header."""

    code = "rate_limited"
    status = 429
    title = "Too many requests"

    def __init__(self, detail: str, *, retry_after_s: float, hint: str | None = None, **data: object) -> None:
        super().__init__(detail, hint=hint, retry_after_s=retry_after_s, **data)
        self.retry_after_s = retry_after_s


class Unavailable(SemantikError):
    """A dependency is down or a resource is exhausted; the same call may work later.

    `retry_after_s`, where we can say it, becomes the Retry-After header.
    """

    code = "unavailable"
    status = 503
    title = "Not available at the moment"

    default_retry_after_s: ClassVar[float | None] = None

    def __init__(self, detail: str, *, retry_after_s: float | None = None, hint: str | None = None, **data: object) -> None:
        super().__init__(detail, hint=hint, **data)
        self.retry_after_s = self.default_retry_after_s if retry_after_s is None else retry_after_s


class DiskFull(Unavailable):
    code = "disk_full"
    title = "The disk is full"
    default_retry_after_s = RESOURCE_RETRY_S
    default_hint = "Free some space; nothing was lost, and work goes on from where it stopped."


class Misconfigured(SemantikError):
    """The process cannot start or go on as configured. The CLI exits with 78 (EX_CONFIG)."""

    code = "misconfigured"
    # Not 500: what a person has to set is said to whoever asks, not hidden as a fault of ours.
    status = 503
    title = "The configuration cannot be used"
