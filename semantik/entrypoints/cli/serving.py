"""`semantik serve` and `semantik demo`: one process with everything in it, on the port that is free."""

from __future__ import annotations

import errno
import os
import signal
import socket
import sys
from pathlib import Path

import uvicorn

from semantik import sample
from semantik.entrypoints.api import WEB_UI
from semantik.entrypoints.cli import client, console, ingesting, searching
from semantik.entrypoints.cli.options import chosen
from semantik.entrypoints.opened import Opened, open_all
from semantik.features.accounts.startup import ensure_setup_token
from semantik.kit.errors import Misconfigured
from semantik.kit.settings import Settings

_PORTS_TRIED = 50


class AddressUnusable(Misconfigured):
    code = "address_unusable"


def serve(host: str | None, port: int | None) -> None:
    chosen.serving = True

    async def work() -> None:
        settings = client.chosen_settings(host=host, port=port)
        async with open_all(settings) as opened:
            await _listen(opened, settings)

    client.guarded(work())


def demo(host: str | None, port: int | None) -> None:
    """Uses a data folder of its own, `.demo-data`, unless one is named."""
    chosen.data_dir = chosen.data_dir or Path(".demo-data")

    async def work() -> None:
        settings = client.chosen_settings(host=host, port=port)
        async with open_all(settings) as opened:
            async with client.in_process(opened) as local:
                indexed = [one async for one in local.every("/collections", q=sample.COLLECTION) if one["ledger"]["indexed"]]
                console.note("Looking whether the sample corpus has changed ..." if indexed else "Indexing the sample corpus ...")
                await ingesting.into(local, [sample.FOLDER], collection=sample.COLLECTION, include=[], exclude=None, wait=True)
                console.note()
                console.say(f"Question: {sample.QUESTION}")
                found = await searching.find(local, sample.QUESTION, collections=[], wanted={"limit": 3})
                searching.show(found)
            if sys.stdout.isatty():
                await _listen(opened, settings)
            else:
                command = os.path.relpath(sys.argv[0])
                console.note("Standard output is no terminal, so the demo ends here.")
                console.note(f"`{command} --data-dir {chosen.data_dir} serve` goes on.")

    client.guarded(work())


async def _listen(opened: Opened, settings: Settings) -> None:
    listening = _bind(settings.host, settings.port)
    opened.runtime.warm()
    port = listening.getsockname()[1]
    shown_host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104 - compared, not bound
    address = f"http://[{shown_host}]:{port}" if ":" in shown_host else f"http://{shown_host}:{port}"
    if settings.port not in (0, port):
        console.note(f"Port {settings.port} is taken; using {port} instead.")
    token = await ensure_setup_token(opened.runtime.database)
    opened.owner.announce(address)
    console.say(f"Semantik is ready at {settings.public_url or address}")
    if token is not None:
        console.say(f"Create the first account: {settings.public_url or address}/setup#token={token}")
    if not (WEB_UI / "index.html").is_file():
        console.note("The web UI was not built into this installation; the API and /docs work.")
    sys.stdout.flush()
    config = uvicorn.Config(
        opened.app,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=5,
        ws_max_size=64 * 1024,
    )
    # Once it has shut down, uvicorn raises the signal again under the handler it found. The default one would end the process
    # here, before jobs have given back their leases.
    signal.signal(signal.SIGTERM, _ended_by_uvicorn)
    await uvicorn.Server(config).serve(sockets=[listening])


def _ended_by_uvicorn(*_: object) -> None:
    """SIGTERM has been followed already."""


def _bind(host: str, port: int) -> socket.socket:
    """A listening socket on `port` or the next free one. Raises `AddressUnusable`."""
    try:
        family = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][0]
    except OSError as error:
        raise AddressUnusable(
            f"cannot listen on {host}: {error.strerror}", hint="Set SEMANTIK_HOST to an address of this machine."
        ) from error
    for candidate in range(port, port + _PORTS_TRIED) if port else (0,):
        # With the protocol named, asyncio turns Nagle's delay off; without it every answer waits 40 ms for an ACK.
        listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, candidate))
            # From here on a caller waits instead of being refused, however long the app takes until it accepts.
            listening.listen(2048)
            return listening
        except OSError as error:
            listening.close()
            if error.errno != errno.EADDRINUSE:
                raise AddressUnusable(
                    f"cannot listen on {host}:{candidate}: {error.strerror}",
                    hint="Set SEMANTIK_HOST and SEMANTIK_PORT to what this user may use.",
                ) from error
    raise AddressUnusable(f"ports {port} to {port + _PORTS_TRIED - 1} of {host} are all taken", hint="Set SEMANTIK_PORT.")
