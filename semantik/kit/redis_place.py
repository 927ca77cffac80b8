"""Where a Redis is, as an address says it: one server, or the sentinels that know which of several leads. Pure.

    redis://[[user]:password@]host[:6379][/database]
    rediss://...                                            the same over TLS
    redis+sentinel://[[user]:password@]host[:26379],host...[/service[/database]]
    rediss+sentinel://...                                   servers and sentinels over TLS

    ?sentinel_password=...      where the sentinels ask for one
    ?ssl_ca_certs=/path         trust this authority instead of the system's; ssl_certfile, ssl_keyfile: our own certificate
    ?ssl_cert_reqs=none         trust any certificate; ssl_check_hostname=false: of any host

A database of its own in the same place is `beside(url)`.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit, urlunsplit

_SCHEMES = ("redis", "rediss", "redis+sentinel", "rediss+sentinel")
_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_OPTIONS = (*_FILES, "ssl_cert_reqs", "ssl_check_hostname", "sentinel_password")
_SERVICE = "mymaster"
_ASK_S = 1.0


class NoPlace(ValueError):
    """The address cannot be understood; the sentence holds nothing of it that is secret."""


@dataclass(frozen=True, slots=True)
class RedisPlace:
    """`service`: what the sentinels at `hosts` call it; None when the one host is the server itself. `tls`: options of its sockets."""

    hosts: tuple[tuple[str, int], ...]
    service: str | None = None
    database: int = 0
    username: str | None = None
    password: str | None = None
    sentinel_password: str | None = None
    tls: dict[str, Any] | None = None


def parse(url: str) -> RedisPlace:
    """Raises `NoPlace`."""
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES:
        raise NoPlace(f"a Redis is named by {', '.join(_SCHEMES)}, not by {parts.scheme or 'nothing'}")
    sentinels = parts.scheme.endswith("+sentinel")
    credentials, _, hosts = parts.netloc.rpartition("@")
    username, _, password = credentials.partition(":")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if unknown := sorted(set(options).difference(_OPTIONS)):
        raise NoPlace(f"a Redis has no option {unknown[0]}; there are {', '.join(_OPTIONS)}")
    path = [part for part in parts.path.split("/") if part]
    service = (path.pop(0) if path and not path[0].isdecimal() else _SERVICE) if sentinels else None
    if len(path) > 1 or (path and not path[0].isdecimal()):
        raise NoPlace("the database of a Redis is a number")
    names = tuple(_host(one, 26379 if sentinels else 6379) for one in hosts.split(","))
    if len(names) > 1 and not sentinels:
        raise NoPlace("several hosts are sentinels: redis+sentinel://")
    return RedisPlace(
        hosts=names,
        service=service,
        database=int(path[0]) if path else 0,
        username=unquote(username) or None,
        password=unquote(password) or None,
        sentinel_password=options.get("sentinel_password") or None,
        tls=_tls(options) if parts.scheme.startswith("rediss") else None,
    )


def _host(text: str, port: int) -> tuple[str, int]:
    parts = SplitResult("", text, "", "", "")
    try:
        return parts.hostname or "127.0.0.1", parts.port or port
    except ValueError:
        raise NoPlace("the port of a Redis is a number") from None


def _tls(options: dict[str, str]) -> dict[str, Any]:
    trusts_any = options.get("ssl_cert_reqs", "required").lower().removeprefix("cert_") == "none"
    any_host = options.get("ssl_check_hostname", "true").lower() in ("false", "no", "0")
    return {
        "ssl_cert_reqs": ssl.CERT_NONE if trusts_any else ssl.CERT_REQUIRED,
        "ssl_check_hostname": not (trusts_any or any_host),
        **{name: options[name] for name in _FILES if name in options},
    }


def beside(url: str) -> str:
    """The address of the next database in the same place. Raises `NoPlace`."""
    place = parse(url)
    parts = urlsplit(url)
    path = f"/{place.service}/{place.database + 1}" if place.service is not None else f"/{place.database + 1}"
    return urlunsplit(parts._replace(path=path))


def for_kombu(url: str) -> tuple[str, dict[str, Any], dict[str, Any] | None]:
    """The same in Celery's words: the address of the broker, options of its transport, and TLS."""
    if urlsplit(url).scheme not in _SCHEMES:
        return url, {}, None
    place = parse(url)
    parts = urlsplit(url)
    credentials = parts.netloc.rpartition("@")[0] + "@" if "@" in parts.netloc else ""
    kind = "redis" if place.service is None else "sentinel"
    named = [f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in place.hosts]
    address = ";".join(f"{kind}://{credentials}{one}/{place.database}" for one in named)
    if place.service is None:
        return address, {}, place.tls
    # A sentinel is asked, never waited for: one that is frozen must leave time to ask the next.
    asked: dict[str, Any] = {"socket_timeout": _ASK_S, "socket_connect_timeout": _ASK_S, "password": place.sentinel_password}
    if place.tls is not None:
        asked |= {"ssl": True, **place.tls}
    return address, {"master_name": place.service, "sentinel_kwargs": asked}, place.tls
