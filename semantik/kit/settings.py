"""Every setting, typed, with where its value came from: environment > `.env` > default.

Each field is the environment variable `SEMANTIK_<NAME>`. A secret field is also read from the file named in
`SEMANTIK_<NAME>_FILE`. A `SEMANTIK_` variable that is no setting is an error naming the nearest one;
`SEMANTIK_TEST_*` belongs to the test suite and is left alone.
"""

from __future__ import annotations

import difflib
import ipaddress
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from semantik.kit import redis_place
from semantik.kit.errors import Misconfigured
from semantik.kit.redis_place import NoPlace

PREFIX = "SEMANTIK_"
_IGNORED_PREFIX = "SEMANTIK_TEST_"
# What shares less than this with every setting, by difflib, is no slip of the pen: `foo` is not `ocr`.
_NEAR = 0.6

Positive = Annotated[int, Field(gt=0)]


class UnknownSetting(Misconfigured):
    code = "unknown_setting"


class Settings(BaseModel):
    """Immutable; made once by `load()` and handed down. Times in seconds, sizes in bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    server_url: str | None = Field(
        None, description="Server that the command line talks to. Unset: the one that owns the data folder, or none."
    )
    api_key: SecretStr | None = Field(None, description="API key for the command line, with SEMANTIK_SERVER_URL.")

    data_dir: Path = Field(Path("~/.semantik"), description="Folder that holds the database, the index, originals, models and keys.")
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on; the next free one is taken when it is busy.")
    public_url: str | None = Field(None, description="Address users see, when a proxy stands in front; used for cookies and links.")
    cors_origins: list[str] = Field([], description="Origins allowed to call the API from a browser, comma separated. Empty: none.")

    database_url: SecretStr | None = Field(None, description="SQLAlchemy URL of the database. Unset: SQLite in the data folder.")
    database_pool_size: Positive = Field(20, description="Connections to PostgreSQL that a process keeps open.")
    database_max_overflow: int = Field(40, ge=0, description="Connections to PostgreSQL beyond that, under load.")
    database_pool_timeout_s: Positive = Field(10, description="Wait for a free connection; then the answer is 503 with Retry-After.")
    database_pool_recycle_s: Positive = Field(3600, description="Age at which a connection to PostgreSQL is replaced.")
    database_statement_timeout_s: Positive = Field(120, description="Longest time that PostgreSQL may take for one statement.")
    database_lock_timeout_s: Positive = Field(20, description="Longest time that a statement waits for a lock of PostgreSQL.")
    database_idle_transaction_timeout_s: Positive = Field(
        300, description="Longest time that a transaction of PostgreSQL may stand still; in a worker the lease at most, or 30 seconds."
    )
    database_slow_query_s: float = Field(1.0, gt=0, description="Statements that take so long are logged, by the function that asked.")
    redis_url: SecretStr | None = Field(
        None,
        description="Redis that carries live events and rate limits: redis://, rediss:// (TLS), redis+sentinel://host,host/service/0. "
        "On PostgreSQL with it, jobs run in `semantik worker` processes.",
    )
    broker_url: SecretStr | None = Field(
        None, description="Redis that carries doorbells to workers. Unset: the next database number of SEMANTIK_REDIS_URL."
    )
    qdrant_url: SecretStr | None = Field(None, description="Qdrant server or cluster. Unset: the embedded vector engine.")

    qdrant_grpc_port: int = Field(
        0, ge=0, le=65535, description="Port of Qdrant's gRPC interface, usually 6334. 0: REST, as its client does by default."
    )
    qdrant_timeout_s: Positive = Field(5, description="Longest time that a search waits for Qdrant, all tries together.")
    qdrant_quantise: bool = Field(
        False, description="Keep int8 copies of vectors in memory and read full ones again for the best; for indexes made from now on."
    )
    qdrant_on_disk: bool = Field(
        False, description="Keep Qdrant's vectors and graphs on disk instead of in memory; for indexes made from now on."
    )
    qdrant_shards: Positive = Field(1, description="Shards of an index on a Qdrant cluster; for indexes made from now on.")
    qdrant_replicas: Positive = Field(1, description="Copies of each shard on a Qdrant cluster; for indexes made from now on.")
    blobs_url: str | None = Field(
        None,
        description="Where originals and texts lie: s3://bucket/prefix?endpoint=https://host&region=name, "
        "or file:///folder that all hosts share. Unset: in the data folder.",
    )
    blobs_access_key: SecretStr | None = Field(None, description="Access key of the bucket. Unset: as the AWS environment has it.")
    blobs_secret_key: SecretStr | None = Field(None, description="Secret key of the bucket, with SEMANTIK_BLOBS_ACCESS_KEY.")
    blobs_copies_bytes: Positive = Field(2 * 1024**3, description="Local copies kept of files in a bucket; those in use come on top.")

    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severe event that is logged.")
    log_format: Literal["auto", "json", "console"] = Field("auto", description="auto: readable in a terminal, JSON otherwise.")

    traces: Literal["off", "otlp"] = Field(
        "off", description="otlp: send spans of requests, jobs and engines to the collector that the OTEL_ variables name."
    )

    secret_key: SecretStr | None = Field(
        None, description="Root key for tokens and sealed credentials, 32 bytes or more. Unset: generated into the data folder."
    )
    access_token_ttl_s: Positive = Field(900, description="Lifetime of an access token.")
    refresh_token_ttl_s: Positive = Field(30 * 86400, description="Lifetime of a browser session without use.")
    metrics_token: SecretStr | None = Field(None, description="Bearer token that opens /metrics. Unset: /metrics is closed.")
    login_attempts_per_minute: Positive = Field(10, description="Failed logins allowed for one address and e-mail in a minute.")

    source_roots: list[Path] | None = Field(
        None,
        description="Folders that directory sources may lie in, comma separated. "
        "Unset: any folder while the server listens on loopback only, none otherwise.",
    )
    upload_max_bytes: Positive = Field(2 * 1024**3, description="Largest file that can be uploaded.")
    request_max_bytes: Positive = Field(4 * 1024**2, description="Largest JSON request body.")

    embedding_model: str = Field("multilingual-e5-small", description="Model of new collections, a name from `semantik models list`.")
    embedding_threads: int = Field(0, ge=0, description="Threads that embed documents. 0: one for each core.")
    remote_embedding_url: str | None = Field(None, description="OpenAI-compatible embeddings endpoint of the model named remote:<model>.")
    remote_embedding_key: SecretStr | None = Field(None, description="Bearer key for the remote embeddings endpoint.")
    remote_embedding_requests_per_minute: int = Field(
        0, ge=0, description="Requests sent to the remote embeddings endpoint in a minute, by all workers together. 0: no limit of ours."
    )
    remote_embedding_tokens_per_minute: int = Field(
        0, ge=0, description="Tokens sent to the remote embeddings endpoint in a minute, by all workers together. 0: no limit of ours."
    )
    remote_embedding_price: float | None = Field(
        None,
        ge=0,
        description="Price of a million tokens at the remote embeddings endpoint, for estimates and budgets. Unset: tokens only.",
    )

    extract_workers: int = Field(0, ge=0, description="Child processes that read documents. 0: one for each core.")
    extract_timeout_s: Positive = Field(120, description="Longest time one document may take to read, OCR apart.")
    extract_memory_bytes: Positive = Field(1024**3, description="Address space of a child that reads documents.")
    extract_max_chars: Positive = Field(50_000_000, description="Most characters kept of one document; the rest makes it partial.")
    ocr: bool = Field(True, description="Read images and pages without a text layer by OCR.")
    ocr_languages: str = Field("eng", description="Tesseract languages, joined by +; `semantik doctor` names those installed.")
    ocr_max_pages: int = Field(20, ge=0, description="Pages of one document that OCR may read; those beyond say needs OCR.")
    ocr_page_timeout_s: Positive = Field(60, description="Longest time OCR may take for one page.")
    archive_max_depth: Positive = Field(3, description="Archives inside archives that are opened.")
    archive_max_members: Positive = Field(10_000, description="Members read of one archive, nested ones included.")
    archive_max_bytes: Positive = Field(400 * 1024**2, description="Unpacked bytes read of one archive, nested ones included.")

    job_concurrency: int = Field(0, ge=0, description="Jobs that run at once in this process. 0: two.")
    job_lease_ttl_s: Positive = Field(30, description="Time after which the job of a silent worker is taken back.")

    worker_concurrency: int = Field(
        0, ge=0, description="Jobs that one `semantik worker` runs at once, never more than the cores less one. 0: that many."
    )
    worker_recycle_after: Positive = Field(200, description="Doorbells that a child of a prefork worker answers before it is replaced.")
    worker_memory_bytes: Positive = Field(
        1536 * 1024**2, description="Resident memory at which a child of a prefork worker is replaced, between two doorbells."
    )
    worker_deaf_s: Positive = Field(
        60, description="Time after which an idle worker that hears none of the doorbells waiting for it ends with code 70."
    )
    worker_metrics_port: int | None = Field(
        None, ge=1, le=65535, description="Port of a worker's /metrics on SEMANTIK_HOST, opened by SEMANTIK_METRICS_TOKEN. Unset: none."
    )
    flower_password: SecretStr | None = Field(None, description="Password of the user semantik in `semantik flower`, which needs one.")

    @field_validator("data_dir", mode="after")
    @classmethod
    def _expand(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("source_roots", mode="after")
    @classmethod
    def _expand_roots(cls, value: list[Path] | None) -> list[Path] | None:
        return None if value is None else [root.expanduser().resolve() for root in value]

    @field_validator("cors_origins", "source_roots", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("redis_url")
    @classmethod
    def _is_a_place(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and urlsplit(value.get_secret_value()).scheme != "unix":
            redis_place.parse(value.get_secret_value())
        return value

    @property
    def sqlalchemy_url(self) -> str:
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.data_dir / 'semantik.db'}"

    @property
    def server_mode(self) -> bool:
        """Whether jobs run in processes of their own: on PostgreSQL, with a Redis to ring them through."""
        return self.redis_url is not None and not self.sqlalchemy_url.startswith("sqlite")

    @property
    def broker(self) -> str:
        """The Redis of the doorbells, apart from that of the events: one may be wiped without the other.

        Raises `Misconfigured` when it is neither named nor to be told from SEMANTIK_REDIS_URL.
        """
        if self.broker_url is not None:
            return self.broker_url.get_secret_value()
        try:
            return redis_place.beside(self.redis_url.get_secret_value() if self.redis_url is not None else "")
        except NoPlace as error:
            raise Misconfigured(
                f"no Redis for doorbells can be told from SEMANTIK_REDIS_URL: {error}",
                hint="Set SEMANTIK_BROKER_URL, for example to redis://127.0.0.1:6379/1.",
            ) from error

    @property
    def loopback_only(self) -> bool:
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the value of one setting came from: `command line`, `environment`, `.env`, `file` or `default`."""

    name: str
    variable: str
    origin: str
    value: Any
    default: Any
    description: str
    secret: bool


def load(environ: Mapping[str, str] | None = None, env_file: Path | None = Path(".env"), **overrides: Any) -> Settings:
    """Reads the settings; `overrides` (from the command line) win over all.

    Raises `UnknownSetting` for a stray `SEMANTIK_` variable, `Misconfigured` for a value that does not fit,
    naming the variable but never a secret's value.
    """
    raw = {name: value for name, (value, _) in _raw(environ, env_file).items()}
    raw.update({name: value for name, value in overrides.items() if value is not None})
    try:
        return Settings(**raw)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
        name = str(problem["loc"][0])
        shown = "" if _is_secret(name) else f" to {raw.get(name)!r}"
        raise Misconfigured(
            f"{PREFIX}{name.upper()} is set{shown}: {problem['msg']}",
            hint=f"See `semantik config explain {name}`.",
        ) from None


def origins(environ: Mapping[str, str] | None = None, env_file: Path | None = Path(".env"), **overrides: Any) -> list[Origin]:
    """Every setting in order of declaration with its value and where it came from; secrets are masked."""
    settings = load(environ, env_file, **overrides)
    raw = _raw(environ, env_file) | {name: (value, "command line") for name, value in overrides.items() if value is not None}
    rows = []
    for name, field in Settings.model_fields.items():
        value = getattr(settings, name)
        secret = _is_secret(name)
        rows.append(
            Origin(
                name=name,
                variable=PREFIX + name.upper(),
                origin=raw[name][1] if name in raw else "default",
                value="(set, hidden)" if secret and value is not None else _plain(value),
                default=_plain(field.default),
                description=field.description or "",
                secret=secret,
            )
        )
    return rows


def _raw(environ: Mapping[str, str] | None, env_file: Path | None) -> dict[str, tuple[Any, str]]:
    environ = os.environ if environ is None else environ
    found: dict[str, tuple[Any, str]] = {}
    from_file = dotenv_values(env_file) if env_file is not None and env_file.is_file() else {}
    for origin, variables in ((".env", from_file), ("environment", environ)):
        for variable, value in variables.items():
            if not variable.startswith(PREFIX) or variable.startswith(_IGNORED_PREFIX) or value is None:
                continue
            name, file_variant = _setting_of(variable)
            if value == "" and not file_variant:
                continue
            found[name] = (_read_secret(variable, value), f"file ({origin})") if file_variant else (value, origin)
    return found


def _setting_of(variable: str) -> tuple[str, bool]:
    name = variable.removeprefix(PREFIX).lower()
    if name in Settings.model_fields:
        return name, False
    base = name.removesuffix("_file")
    if name.endswith("_file") and base in Settings.model_fields and _is_secret(base):
        return base, True
    near = difflib.get_close_matches(name, Settings.model_fields, n=1, cutoff=_NEAR)
    meant = f"Did you mean {PREFIX}{near[0].upper()}? " if near else ""
    raise UnknownSetting(f"{variable} is not a setting of Semantik", hint=f"{meant}`semantik config show` lists all.")


def _read_secret(variable: str, path: str) -> str:
    try:
        return Path(path).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{variable} names {path}, which cannot be read: {type(error).__name__}") from error


def _is_secret(name: str) -> bool:
    return name in Settings.model_fields and "SecretStr" in str(Settings.model_fields[name].annotation)


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=str))
