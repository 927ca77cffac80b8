"""RFC 9457: every error leaves as `application/problem+json`, with the code, the sentence and the request's id."""

from __future__ import annotations

import errno
import json
import math
import re
import tempfile
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.requests import HTTPConnection
from fastapi.responses import JSONResponse, Response
from fastapi.websockets import WebSocket
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from semantik.http import sockets
from semantik.http.idempotency import AnsweredBefore, replay
from semantik.kit import logs
from semantik.kit.errors import (
    NO_ROOM,
    RESOURCE_RETRY_S,
    DiskFull,
    InvalidInput,
    NotFound,
    RateLimited,
    SemantikError,
    TooLarge,
    Unavailable,
)

log = logs.get(__name__)

MEDIA_TYPE = "application/problem+json"
_MAX_ERRORS = 20
# What Starlette's form parser says past its limit; it has no exception of its own for that.
_TOO_MANY = re.compile(r"Too many (files|fields)\. Maximum number of \w+ is (\d+)")
# Somebody has to make room first.
_SHOWN_CHARS = 100
# Fields whose values are never repeated, wherever in the pointer the word stands.
_FIELDS = "Correct the value that is named; /docs says what each field takes."
_SECRET = re.compile(r"pass|pwd|dsn|sealed|secret|token|key|credential|authorization|cookie|header", re.IGNORECASE)
_ADDRESS_WITH_PASSWORD = re.compile(r"://[^/\s]*@")


class WrongMediaType(InvalidInput):
    code = "wrong_media_type"
    status = 415
    title = "This media type is not understood here"
    default_hint = "Send JSON with Content-Type: application/json."


class InvalidJson(InvalidInput):
    code = "invalid_json"
    title = "The body is not valid JSON"
    default_hint = "Check quotes, commas and brackets around the character that is named, and that the whole body was sent."


class UnreadableBody(InvalidInput):
    code = "unreadable_body"
    status = 400
    title = "The body cannot be read"
    default_hint = "Send what the Content-Type names: JSON in UTF-8, or a form as an HTTP library builds it."


class UploadUnkept(Unavailable):
    code = "upload_unkept"
    default_retry_after_s = RESOURCE_RETRY_S
    title = "The upload cannot be kept while it arrives"
    default_hint = "Let this user write the temporary folder, or point TMPDIR at one that can be written, and start the process anew."


class TooManyParts(TooLarge):
    code = "too_many_parts"
    title = "The form holds too many files or fields"
    default_hint = "Send the rest in another request."


class MethodNotAllowed(InvalidInput):
    code = "method_not_allowed"
    status = 405
    title = "This method is not allowed here"
    default_hint = "See /docs for the methods of each address."


class RouteUnknown(NotFound):
    code = "route_unknown"
    title = "There is nothing at this address"
    default_hint = "See /docs for every address of the API."


class FieldError(BaseModel):
    """One field that does not fit. `pointer` is a JSON pointer into the body, or query.<name>, path.<name>."""

    pointer: str
    message: str
    type: str


class Problem(BaseModel):
    """An error as RFC 9457 wants it; more members may follow, named by the code's documentation."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="Address of the code's documentation.", examples=["/docs/errors#not_found"])
    title: str = Field(description="The kind of problem, the same each time.", examples=["Not found"])
    status: int = Field(description="The HTTP status.", examples=[404])
    code: str = Field(description="Stable name for programs.", examples=["not_found"])
    detail: str = Field(description="What happened, with the values in it.", examples=["there is no document 0199-..."])
    hint: str | None = Field(None, description="What to do about it, where we know.")
    instance: str = Field(description="The address that was asked.", examples=["/api/v1/documents/0199-..."])
    request_id: str = Field(description="Name it when you report the problem; the log has it too.")
    errors: list[FieldError] | None = Field(None, description="Field by field, for requests that do not validate.")


class Refused(HTTPException):
    """A problem raised where FastAPI lets only its own exceptions through: while the body is being read."""

    def __init__(self, problem: SemantikError) -> None:
        super().__init__(problem.status, problem.detail)
        self.problem = problem


def install(app: FastAPI) -> None:
    """Turns every error of the app into a problem. What nobody named is caught by `middleware.RequestBoundary`."""
    # Starlette types a handler for requests or for sockets; this one serves both.
    app.add_exception_handler(SemantikError, _of_ours)  # type: ignore[arg-type]
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(AnsweredBefore, _replayed)


def respond(connection: HTTPConnection, error: SemantikError, headers: Mapping[str, str] | None = None, **extra: Any) -> JSONResponse:
    """The answer for an error; returned instead of raised where the transaction must commit all the same."""
    hidden = error.status == 500
    body: dict[str, Any] = {
        "type": f"/docs/errors#{error.code}",
        "title": error.title,
        "status": error.status,
        "code": error.code,
        "detail": "the request failed on our side; the log has the reason under this request id" if hidden else error.detail,
        "hint": error.hint,
        "instance": connection.scope["path"],
        "request_id": request_id(connection),
    }
    if not hidden:
        body.update({key: value for key, value in error.data.items() if key not in body})
    body.update(extra)
    sent = dict(headers or {})
    if isinstance(error, RateLimited | Unavailable) and error.retry_after_s is not None:
        sent["Retry-After"] = str(max(1, math.ceil(error.retry_after_s)))
    if error.status == HTTPStatus.UNAUTHORIZED:
        sent.setdefault("WWW-Authenticate", "Bearer")
    return JSONResponse(_plain(body), status_code=error.status, headers=sent, media_type=MEDIA_TYPE)


def internal(connection: HTTPConnection) -> JSONResponse:
    """The answer for what nobody foresaw: it never carries the exception's text."""
    return respond(connection, SemantikError("unforeseen"))


def request_id(connection: HTTPConnection) -> str:
    return str(connection.scope.get("semantik.request_id", ""))


async def _of_ours(connection: HTTPConnection, error: Exception) -> JSONResponse | None:
    """Also for sockets, whose answer is a refusal or a close code that is sent here."""
    assert isinstance(error, SemantikError)
    if error.status >= 500:
        log.error("request failed", code=error.code, detail=error.detail, exc_info=error if error.status == 500 else None)
    answer = respond(connection, error)
    if isinstance(connection, WebSocket):
        await sockets.refuse(connection, error, answer)
        return None
    return answer


async def _replayed(request: Request, error: Exception) -> Response:
    """No problem at all: the answer of the request that this one repeats."""
    assert isinstance(error, AnsweredBefore)
    return replay(error)


async def _of_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    match error:
        case Refused(problem=problem):
            return respond(request, problem, error.headers)
        case HTTPException(status_code=404):
            ours: SemantikError = RouteUnknown(f"there is nothing at {request.scope['path']}")
        # The web UI's catch-all takes any GET, so another method on an unknown address reaches us as 405.
        case HTTPException(status_code=405) if getattr(request.scope.get("route"), "path", "") == "/{path:path}":
            ours = RouteUnknown(f"there is nothing at {request.scope['path']}")
        case HTTPException(status_code=405):
            ours = MethodNotAllowed(f"{request.method} is not allowed here")
        case HTTPException(status_code=413):
            ours = TooLarge("the request is larger than is taken here")
        case HTTPException(status_code=400) if found := _TOO_MANY.match(str(error.detail)):
            ours = TooManyParts(f"a request may carry at most {int(found[2]):,} {found[1]}", max_parts=int(found[2]))
        case HTTPException(status_code=400, __cause__=OSError() as cause):
            ours = _unkept(cause)
        case HTTPException(status_code=400):
            ours = UnreadableBody("the body cannot be read as what its Content-Type says")
        case _:
            ours = _Other(error.status_code, str(error.detail))
    return respond(request, ours, error.headers)


def _unkept(error: OSError) -> SemantikError:
    """A form's file of more than 1 MB lies in the temporary folder until its route takes it."""
    if error.errno in (*NO_ROOM, errno.EFBIG):
        folder = tempfile.gettempdir()
        return DiskFull(
            f"the upload cannot be kept while it arrives: no space left in the temporary folder {folder}",
            hint="Free some space there, or point TMPDIR at a folder that has it and start the process anew. Nothing was kept.",
        )
    return UploadUnkept(f"the upload cannot be kept in the temporary folder: {error.strerror}")


class _Other(SemantikError):
    """A status that the framework chose and that has no name of ours."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else "Error"
        # Per instance: the class holds for every status.
        self.status, self.title, self.code = status, phrase, f"http_{status}"  # type: ignore[misc]


async def _of_validation(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    if any(one["type"] == "json_invalid" for one in found):
        position = found[0]["loc"][-1]
        reason = found[0].get("ctx", {}).get("error", "")
        return respond(request, InvalidJson(f"the body is not valid JSON at character {position}: {reason}"))
    if isinstance(error.body, bytes) and any(one["loc"] == ("body",) for one in found):
        sent = request.headers.get("content-type", "")
        return respond(request, WrongMediaType(f"the body came as {sent[:100]!r}" if sent else "the body came without a Content-Type"))
    errors = [{"pointer": (at := _pointer(one["loc"])), "message": _said(at, one), "type": str(one["type"])} for one in found[:_MAX_ERRORS]]
    first = errors[0]
    return respond(request, InvalidInput(f"{first['pointer']}: {first['message']}", hint=_FIELDS), errors=errors)


def _said(pointer: str, problem: Mapping[str, Any]) -> str:
    """What is wrong with a field, and the value that was sent: none that is a secret or holds one, and of a long one its beginning."""
    message, value = str(problem["msg"]), problem.get("input")
    # A field that is not known may be a secret with a slip in its name.
    if problem["type"] in ("missing", "extra_forbidden") or not isinstance(value, str | int | float | None) or _SECRET.search(pointer):
        return message
    if isinstance(value, str) and _ADDRESS_WITH_PASSWORD.search(value):
        return message
    shown = json.dumps(value, ensure_ascii=False)
    return f"{message} (sent: {shown if len(shown) <= _SHOWN_CHARS else shown[:_SHOWN_CHARS] + '...'})"


def _pointer(location: tuple[int | str, ...]) -> str:
    place, *rest = location or ("body",)
    if place == "body":
        return "/" + "/".join(str(part).replace("~", "~0").replace("/", "~1") for part in rest)
    return ".".join(str(part) for part in location)


def _plain(value: Any) -> Any:
    """JSON can say neither NaN nor a lone surrogate, and an error may quote both."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if isinstance(value, bool | int) or value is None:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value).encode("utf-8", "replace").decode()
