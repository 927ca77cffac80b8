"""One client for two roads: a running server over HTTP, or the same app in this process over an in-process transport."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn, TypeVar

import httpx2

from semantik.entrypoints.cli import console, lookup
from semantik.entrypoints.cli.options import chosen
from semantik.kit import logs, ownership
from semantik.kit import settings as settings_module
from semantik.kit.errors import InvalidInput, Misconfigured, SemantikError, Unavailable
from semantik.kit.settings import Settings

if TYPE_CHECKING:
    from semantik.entrypoints.opened import Opened
    from semantik.jobs.dispatch import Dispatcher

T = TypeVar("T")


class Problem(SemantikError):
    """What the server answered instead, as the sentence it sent."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(str(body.get("detail") or body.get("title") or f"the server answered {status}"), hint=body.get("hint"))
        self.answered_status = status
        self.answered_code = str(body.get("code", ""))


class ServerSilent(Unavailable):
    code = "server_silent"


class Client:
    """Paths are below /api/v1. Raises `Problem` for every answer that is one."""

    def __init__(self, http: httpx2.AsyncClient, dispatcher: Dispatcher | None = None) -> None:
        """`dispatcher`: that of the app in this very process, when that is who runs the jobs."""
        self._http = http
        self._dispatcher = dispatcher

    @property
    def runs_jobs(self) -> bool:
        """Whether jobs end with this process, so that a command has to wait for its own."""
        return self._dispatcher is not None

    async def work(self) -> None:
        """Has jobs run: this process does nothing for them while it only reads. Elsewhere they run without being asked."""
        if self._dispatcher is not None:
            await self._dispatcher.at_work()

    async def get(self, path: str, **query: Any) -> Any:
        return await self._call("GET", path, params={name: value for name, value in query.items() if value is not None})

    async def health(self) -> Any:
        """The state of every part; lies beside the API, not in it. An answer that a part is down is an answer."""
        return await self._call("GET", "/health/full", prefix="", answers=(503,))

    async def post(self, path: str, body: Any = None, **query: Any) -> Any:
        return await self._call("POST", path, json=body, params={name: value for name, value in query.items() if value is not None})

    async def patch(self, path: str, body: Any) -> Any:
        return await self._call("PATCH", path, json=body)

    async def delete(self, path: str) -> Any:
        return await self._call("DELETE", path)

    async def upload(self, path: str, files: Mapping[str, Path]) -> Any:
        """`files` by the path that each is to have in the collection."""
        with contextlib.ExitStack() as stack:
            parts = [("files", (name.rpartition("/")[2], stack.enter_context(open(file, "rb")))) for name, file in files.items()]
            return await self._call("POST", path, files=parts, data={"path": list(files)})

    async def send_file(self, path: str, file: Path, **form: str | None) -> Any:
        try:
            with open(file, "rb") as content:
                data = {name: value for name, value in form.items() if value is not None}
                return await self._call("POST", path, files={"file": (file.name, content)}, data=data)
        except OSError as error:
            raise InvalidInput(f"{file} cannot be read: {error.strerror}") from error

    async def download(self, path: str, target: Path) -> int:
        with open(target, "wb") as file:
            return await self.download_into(path, file)

    async def download_into(self, path: str, file: BinaryIO) -> int:
        """Returns how many bytes came. Raises `ServerSilent` when the answer breaks off."""
        size = 0
        try:
            async with self._http.stream("GET", "/api/v1" + path) as answer:
                if answer.status_code >= 400:
                    await answer.aread()
                    _refuse(answer)
                async for piece in answer.aiter_bytes():
                    size += file.write(piece)
        except httpx2.TransportError as error:
            raise ServerSilent(f"the answer of the server broke off after {size:,} bytes ({type(error).__name__})") from error
        return size

    async def every(self, path: str, **query: Any) -> AsyncIterator[dict[str, Any]]:
        """All items of a list, page by page."""
        cursor = None
        while True:
            page = await self.get(path, cursor=cursor, limit=200, **query)
            for item in page["items"]:
                yield item
            cursor = page["next_cursor"]
            if cursor is None:
                return

    async def _call(self, method: str, path: str, *, prefix: str = "/api/v1", answers: tuple[int, ...] = (), **options: Any) -> Any:
        """`answers`: statuses whose body is what was asked for, unless it is a problem."""
        try:
            answer = await self._http.request(method, prefix + path, **options)
        except httpx2.TransportError as error:
            raise ServerSilent(f"the server at {self._http.base_url} does not answer ({type(error).__name__})") from error
        problem = answer.headers.get("content-type", "").startswith("application/problem")
        if answer.status_code >= 400 and (problem or answer.status_code not in answers):
            _refuse(answer)
        return answer.json() if answer.content else None


def run(work: Callable[[Client], Awaitable[T]]) -> T:
    """Runs a command's work with a client, and turns what goes wrong into a sentence and an exit code."""
    return guarded(connected(work))


async def connected(work: Callable[[Client], Awaitable[T]]) -> T:
    async with connect(chosen_settings()) as client:
        return await work(client)


def guarded(work: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(work)
    except SemantikError as error:
        fail(error)
    except KeyboardInterrupt:
        console.note("Interrupted. What was done so far is kept; the same command goes on from there.")
        sys.exit(console.INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output has gone (| head): nothing is wrong.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(console.OK)


def fail(error: SemantikError) -> NoReturn:
    console.note(f"error: {console.printable(error.detail)}")
    # What is listed by a page elsewhere is listed by a command here.
    hint = (lookup.hint_for(error.answered_code) if isinstance(error, Problem) else None) or error.hint
    if hint:
        console.note(f"  {console.printable(hint)}")
    if isinstance(error, Misconfigured):
        sys.exit(console.CONFIGURATION)
    status = error.answered_status if isinstance(error, Problem) else error.status
    if status == 422:
        sys.exit(console.USAGE)
    sys.exit(console.UNAVAILABLE if status in (429, 502, 503, 504) else console.PROBLEM)


def chosen_settings(**overrides: Any) -> Settings:
    """The settings with the command line's own options on top; sets up logging too."""
    settings = settings_module.load(data_dir=chosen.data_dir, server_url=chosen.server, **overrides)
    logs.configure("debug" if chosen.verbose else settings.log_level if chosen.serving else "error", settings.log_format)
    return settings


@asynccontextmanager
async def connect(settings: Settings) -> AsyncIterator[Client]:
    """The server that is named, else the one that owns the data folder, else this process itself."""
    if settings.server_url is not None:
        key = settings.api_key.get_secret_value() if settings.api_key else None
        if key is None:
            raise Misconfigured(f"the server {settings.server_url} needs an API key", hint="Set SEMANTIK_API_KEY or SEMANTIK_API_KEY_FILE.")
        async with _remote(settings.server_url, key) as client:
            yield client
        return
    owner = ownership.present_owner(settings.data_dir)
    if owner is not None and owner.address and owner.token:
        async with _remote(owner.address, owner.token) as client:
            yield client
        return
    from semantik.entrypoints.opened import open_all

    async with open_all(settings, at_work=False) as opened, in_process(opened) as client:
        if client.runs_jobs:
            await _index_rebuilt(client)
        yield client


async def _index_rebuilt(client: Client) -> None:
    """A command that opens the app for itself would be gone before a rebuild in the background is done, so it waits for it."""
    page = await client.get("/jobs", kind="rebuild_index", limit=5)
    due = [job for job in page["items"] if job["finished_at"] is None]
    if due:
        await client.work()
        console.note("The search index is incomplete; filling it again from the database ...")
    while due:
        await asyncio.sleep(0.2)
        due = [job for job in [await client.get(f"/jobs/{job['id']}") for job in due] if job["finished_at"] is None]


@asynccontextmanager
async def in_process(opened: Opened) -> AsyncIterator[Client]:
    """A client of the app in this very process, as the machine's owner."""
    from semantik.http.local import as_local

    transport = httpx2.ASGITransport(app=as_local(opened.app, opened.actor))
    async with httpx2.AsyncClient(transport=transport, base_url="http://semantik", timeout=None) as http:
        yield Client(http, None if opened.runtime.settings.server_mode else opened.dispatcher)


@asynccontextmanager
async def _remote(address: str, bearer: str) -> AsyncIterator[Client]:
    timeout = httpx2.Timeout(connect=5, read=300, write=300, pool=5)
    async with httpx2.AsyncClient(
        base_url=address, headers={"Authorization": f"Bearer {bearer}"}, timeout=timeout, trust_env=False
    ) as http:
        yield Client(http)


def _refuse(answer: httpx2.Response) -> NoReturn:
    try:
        body = answer.json()
    except ValueError:
        body = {}
    raise Problem(answer.status_code, body if isinstance(body, dict) else {})
