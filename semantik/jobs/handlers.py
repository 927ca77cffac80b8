"""Which function does which kind of job: `@handles(Args)` on an async function or on a class of items.

A function is one piece of work that checkpoints by itself, through `ctx.step`:

    @handles(RebuildIndex)
    async def rebuild_index(ctx: JobContext, args: RebuildIndex) -> dict | None: ...

A class of items leaves the cursor, the counters, interruption, retries and quarantine to the engine:

    @handles(CountWords)
    class CountWordsJob:
        def items(self, ctx, args, cursor) -> AsyncIterator[Item]: ...
        async def process(self, ctx, args, item) -> Effect | None: ...
        async def total(self, ctx, args) -> int | None: ...       # optional
        async def cost(self, ctx, args, item) -> dict: ...        # optional: what the item may use up, by meter
        async def finish(self, ctx, args) -> dict | None: ...     # optional; its answer is the job's result
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from pydantic import ValidationError

from semantik.jobs.retry import PermanentFailure
from semantik.jobs.values import Effect, Item, Job, JobArgs

if TYPE_CHECKING:
    from semantik.jobs.context import JobContext

A = TypeVar("A", bound=JobArgs)
H = TypeVar("H")

Run = Callable[["JobContext", Any], Awaitable[dict[str, Any] | None]]


class Items(Protocol):
    """A kind of job made of items. `total`, `cost` and `finish` may be left out."""

    def items(self, ctx: JobContext, args: Any, cursor: Any) -> AsyncIterator[Item]:
        """Yields the items after `cursor` (None: from the start), in an order that is the same each time."""
        ...

    async def process(self, ctx: JobContext, args: Any, item: Item) -> Effect | None:
        """Does the slow work outside any transaction; what it returns is awaited in the checkpoint's transaction."""
        ...


@dataclass(frozen=True, slots=True)
class Handler:
    """Exactly one of `run` and `items` is set."""

    args: type[JobArgs]
    run: Run | None = None
    items: Callable[[], Items] | None = None


class ArgumentsUnreadable(PermanentFailure):
    code = "job_arguments_unreadable"


_handlers: dict[str, Handler] = {}


def handles(args: type[JobArgs]) -> Callable[[H], H]:
    """Registers the decorated function or class for the kind of `args`. A kind has one handler."""

    def register(handler: H) -> H:
        assert args.kind not in _handlers, f"two handlers for jobs of kind {args.kind}"
        if isinstance(handler, type):
            _handlers[args.kind] = Handler(args, items=cast(Callable[[], Items], handler))
        else:
            _handlers[args.kind] = Handler(args, run=cast(Run, handler))
        return handler

    return register


def forget(kind: str) -> None:
    """Takes a kind out again, for tests that define their own."""
    _handlers.pop(kind, None)


def known_kinds() -> list[str]:
    """The kinds that this process can run; it leaves jobs of other kinds to others."""
    return sorted(_handlers)


def kinds_of(queue: str) -> list[str]:
    """The known kinds whose jobs wait in this queue."""
    return sorted(kind for kind, handler in _handlers.items() if handler.args.queue == queue)


def handler_of(kind: str) -> Handler | None:
    return _handlers.get(kind)


def arguments(handler: Handler, job: Job) -> JobArgs:
    """The job's arguments in their present form. Raises `ArgumentsUnreadable`, which fails the job for good."""
    params = job.params
    if job.params_version > handler.args.version:
        raise ArgumentsUnreadable(
            f"job {job.id} was written by a newer version of Semantik (arguments {job.params_version}, known {handler.args.version})",
            hint="Upgrade this worker.",
        )
    if job.params_version < handler.args.version:
        params = handler.args.migrate(params, job.params_version)
    try:
        return handler.args.model_validate(params)
    except ValidationError as error:
        raise ArgumentsUnreadable(
            f"the arguments of job {job.id} do not fit its kind {job.kind}: {error.error_count()} problems"
        ) from error
