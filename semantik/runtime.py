"""Opens every engine named in the settings, once, and closes them in reverse. The only module that chooses a backend."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, assert_never

from semantik import migrations
from semantik.engines import blobs as blob_backends
from semantik.engines import embedding as embedding_backends
from semantik.engines import events as event_backends
from semantik.engines import extract as extract_backends
from semantik.engines import limits as limits_backends
from semantik.engines import vectors as vector_backends
from semantik.engines.blobs import location
from semantik.engines.blobs.base import BlobStore
from semantik.engines.embedding.base import Encoder, TextModel
from semantik.engines.events.base import EventBus
from semantik.engines.extract.base import Extractor, Limits
from semantik.engines.limits.base import Buckets
from semantik.engines.limits.memory import MemoryBuckets
from semantik.engines.vectors.base import Space, VectorStore
from semantik.engines.weights import catalog
from semantik.kit import logs, registry, scratch, traces
from semantik.kit.concurrency import Loops, cpu_count, end, run_cpu
from semantik.kit.database import Database, open_database
from semantik.kit.errors import SemantikError, Unavailable
from semantik.kit.secrets import Keyring, open_keyring
from semantik.kit.settings import Settings
from semantik.rows import moves

log = logs.get(__name__)

T = TypeVar("T")


class Bell(Protocol):
    """Tells of ready jobs. A ring is a hint, "look into this queue": lost, late or doubled, it does no harm."""

    def ring(self, queue: str, n: int = 1) -> None:
        """Wakes up to `n` workers of the queue. Returns at once, never raises; whatever goes wrong, somebody looks anyway."""
        ...

    async def check(self) -> None:
        """Raises `BellUnheard` when rings do not get through, within two seconds."""
        ...


class BellUnheard(Unavailable):
    """Nothing is lost: workers look for themselves, and find new jobs some seconds later."""

    code = "broker_unavailable"


class SilentBell(Bell):
    """For processes that only enqueue: the workers' own look into the table finds the job."""

    def ring(self, queue: str, n: int = 1) -> None:
        """Does nothing."""

    async def check(self) -> None:
        """There is nothing that could be away."""


@dataclass(slots=True)
class Runtime:
    """Every opened engine. Handlers and routes take the ones they use; `bell` is set by whoever composes the process."""

    settings: Settings
    database: Database
    keyring: Keyring
    blobs: BlobStore
    vectors: VectorStore
    extractor: Extractor
    events: EventBus
    bell: Bell = field(default_factory=SilentBell)
    buckets: Buckets = field(default_factory=MemoryBuckets)
    # What runs in the background of this process; whoever can end it for a dead loop puts an owner of its own here.
    loops: Loops = field(default_factory=Loops)
    _encoders: dict[str, asyncio.Task[Encoder]] = field(default_factory=dict)
    _text_models: dict[str, asyncio.Task[TextModel]] = field(default_factory=dict)
    _warming: asyncio.Task[None] | None = None
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def encoder(self, model: str) -> Encoder:
        """The encoder of a model, opened on first use and shared. Raises `ModelMissing`."""
        return await _once(self._encoders, model, self._open_encoder)

    def only_encoder(self) -> tuple[str, Encoder] | None:
        """The one model that is open, with its encoder, if it runs here: embedding with it costs nobody anything but time."""
        if len(self._encoders) != 1:
            return None
        ((model, opening),) = self._encoders.items()
        if catalog.engine_of(model) == "remote" or not opening.done() or opening.cancelled() or opening.exception() is not None:
            return None
        return model, opening.result()

    async def text_model(self, model: str) -> TextModel:
        """The spec and the tokenizer of a model, without waiting until it can embed. Raises `ModelMissing`."""
        if catalog.engine_of(model) not in embedding_backends.TEXT_MODELS:
            return await self.encoder(model)
        return await _once(self._text_models, model, self._open_text_model)

    async def space(self, model: str) -> Space:
        """The vector space of a model's vectors."""
        spec = (await self.text_model(model)).spec
        return Space.of_model(spec.key, spec.dimensions)

    def warm(self) -> None:
        """Starts to open in the background what the first search and the first document would wait for."""
        if self._warming is None:
            self._warming = asyncio.create_task(self._warm(), name="warm")

    async def _warm(self) -> None:
        model = self.settings.embedding_model
        try:
            await self.encoder(model)
        except SemantikError as error:
            # Whoever needs the model is told; until then there is nothing that fails.
            log.warning("the default model cannot be opened", model=model, code=error.code, reason=error.detail)
        else:
            log.info("model ready", model=model)
        if not self.settings.server_mode:
            # Jobs run in this process. Imported here: who only looks at rows needs no numpy.
            from semantik.engines.embedding import language

            await run_cpu(language.load)

    def limits(self) -> Limits:
        settings = self.settings
        return Limits(
            timeout_s=settings.extract_timeout_s,
            memory_bytes=settings.extract_memory_bytes,
            max_chars=settings.extract_max_chars,
            ocr=settings.ocr,
            ocr_languages=settings.ocr_languages,
            ocr_max_pages=settings.ocr_max_pages,
            ocr_page_timeout_s=settings.ocr_page_timeout_s,
            max_depth=settings.archive_max_depth,
            members_left=settings.archive_max_members,
            member_bytes_left=settings.archive_max_bytes,
        )

    async def close(self) -> None:
        await end(self._warming)
        for task in self._encoders.values():
            if task.done() and not task.cancelled() and task.exception() is None:
                await task.result().close()
            else:
                task.cancel()
        await self._stack.aclose()

    async def _open_encoder(self, model: str) -> Encoder:
        settings = self.settings
        engine = catalog.engine_of(model)
        # Importing a backend takes its libraries with it, some tenths of a second: on a thread.
        opener = await run_cpu(registry.load, "embedding", embedding_backends.BACKENDS, engine)
        encoder: Encoder
        match engine:
            case "local":
                tokenizer = (await self.text_model(model)).tokenizer
                threads = settings.embedding_threads
                encoder = await opener(model, models_dir=settings.data_dir / "models", threads=threads, tokenizer=tokenizer)
            case "remote":
                key = settings.remote_embedding_key
                encoder = await opener(
                    model,
                    url=settings.remote_embedding_url,
                    key=key.get_secret_value() if key else None,
                    buckets=self.buckets,
                    requests_per_minute=settings.remote_embedding_requests_per_minute,
                    tokens_per_minute=settings.remote_embedding_tokens_per_minute,
                )
            case _:
                encoder = await opener(model)
        return encoder

    async def _open_text_model(self, model: str) -> TextModel:
        table = embedding_backends.TEXT_MODELS
        describe = await run_cpu(registry.load, "embedding", table, catalog.engine_of(model))
        described: TextModel = await describe(model, models_dir=self.settings.data_dir / "models")
        return described


async def _once(tasks: dict[str, asyncio.Task[T]], key: str, open_: Callable[[str], Coroutine[Any, Any, T]]) -> T:
    """What `open_` gives for the key, opened by the first who asks and shared."""

    def forget_a_failure(task: asyncio.Task[T]) -> None:
        # The model may be installed by the next call.
        if (task.cancelled() or task.exception() is not None) and tasks.get(key) is task:
            del tasks[key]

    if key not in tasks:
        tasks[key] = asyncio.create_task(open_(key))
        tasks[key].add_done_callback(forget_a_failure)
    return await asyncio.shield(tasks[key])


async def open_runtime(settings: Settings) -> Runtime:
    """Opens what the settings name. The caller owns or shares the data folder and has brought the schema up to date."""
    await run_cpu(scratch.sweep)
    async with AsyncExitStack() as stack:
        if settings.traces != "off":
            await run_cpu(traces.start, settings.traces)
            stack.push_async_callback(run_cpu, traces.stop)
        database = open_sql(settings)
        stack.push_async_callback(database.close)
        blobs = await open_blobs(settings)
        stack.push_async_callback(blobs.close)
        events: EventBus = open_events(settings)
        stack.push_async_callback(events.close)
        buckets: Buckets = _open_buckets(settings)
        stack.push_async_callback(buckets.close)
        vectors: VectorStore = open_vectors(settings)
        stack.push_async_callback(vectors.close)
        extractor: Extractor = registry.load("extract", extract_backends.BACKENDS, "pool")(workers=settings.extract_workers or cpu_count())
        stack.push_async_callback(extractor.close)
        given = settings.secret_key.get_secret_value() if settings.secret_key else None
        return Runtime(
            settings=settings,
            database=database,
            keyring=open_keyring(settings.data_dir, given),
            blobs=blobs,
            vectors=vectors,
            extractor=extractor,
            events=events,
            buckets=buckets,
            _stack=stack.pop_all(),
        )


def prepare_schema(settings: Settings) -> None:
    """Embedded mode brings its own SQLite database up to date; a server database must be migrated on purpose.

    Refuses a database that `semantik migrate` has not filled to the end.
    """
    if settings.database_url is None:
        migrations.upgrade(settings.sqlalchemy_url)
    else:
        migrations.require_head(settings.sqlalchemy_url)
    moves.require_usable(settings.sqlalchemy_url)


async def open_blobs(settings: Settings, *, read_only: bool = False) -> BlobStore:
    """The store of originals alone. `read_only`: opening it leaves no trace in it, and only reading is asked of it."""
    match location.parse(settings.blobs_url) if settings.blobs_url else location.FolderPlace(settings.data_dir / "blobs"):
        case location.FolderPlace(path=path):
            store: BlobStore = registry.load("blobs", blob_backends.BACKENDS, "files")(path, read_only=read_only)
        case location.BucketPlace() as place:
            access, secret = settings.blobs_access_key, settings.blobs_secret_key
            store = await registry.load("blobs", blob_backends.BACKENDS, "s3")(
                place,
                access_key=access.get_secret_value() if access else None,
                secret_key=secret.get_secret_value() if secret else None,
                copies_dir=settings.data_dir / "blob-copies",
                copies_bytes=settings.blobs_copies_bytes,
                read_only=read_only,
            )
        case other:
            assert_never(other)
    return store


def open_sql(settings: Settings) -> Database:
    """The database alone; connects lazily."""
    return open_database(
        settings.sqlalchemy_url,
        pool_size=settings.database_pool_size,
        max_overflow=settings.database_max_overflow,
        pool_timeout_s=settings.database_pool_timeout_s,
        pool_recycle_s=settings.database_pool_recycle_s,
        statement_timeout_s=settings.database_statement_timeout_s,
        lock_timeout_s=settings.database_lock_timeout_s,
        idle_transaction_timeout_s=settings.database_idle_transaction_timeout_s,
        slow_query_s=settings.database_slow_query_s,
    )


def open_events(settings: Settings) -> EventBus:
    """The bus alone, for a process that opens nothing else of a runtime."""
    if settings.redis_url is None:
        bus: EventBus = registry.load("events", event_backends.BACKENDS, "memory")()
    else:
        bus = registry.load("events", event_backends.BACKENDS, "redis")(settings.redis_url.get_secret_value())
    return bus


def _open_buckets(settings: Settings) -> Buckets:
    if settings.redis_url is None:
        buckets: Buckets = registry.load("limits", limits_backends.BACKENDS, "memory")()
    else:
        # A quarter each while Redis is down: the workers cannot be counted without it, and a provider punishes too many requests.
        buckets = registry.load("limits", limits_backends.BACKENDS, "redis")(settings.redis_url.get_secret_value(), workers=4)
    return buckets


def open_vectors(settings: Settings) -> VectorStore:
    """The vector store alone; the embedded one takes its folder with the first call."""
    if settings.qdrant_url is None:
        store: VectorStore = registry.load("vectors", vector_backends.BACKENDS, "edge")(settings.data_dir / "index")
    else:
        store = registry.load("vectors", vector_backends.BACKENDS, "qdrant")(
            settings.qdrant_url.get_secret_value(),
            timeout_s=settings.qdrant_timeout_s,
            grpc_port=settings.qdrant_grpc_port,
            quantise=settings.qdrant_quantise,
            on_disk=settings.qdrant_on_disk,
            shards=settings.qdrant_shards,
            replicas=settings.qdrant_replicas,
        )
    return store
