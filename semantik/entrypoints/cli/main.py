"""The `semantik` command: options for all, the first commands a person types, and the groups."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from semantik import __version__
from semantik.entrypoints.cli import collections, config, documents, jobs, keys, models, schedules, sources, workers
from semantik.entrypoints.cli.options import Mode, Wait, chosen, day, language, media_type, share, whole

# numpy's BLAS would start a thread a core in every process, spinning for 60 ms of CPU, and we multiply nothing large with it.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


class _Main(TyperGroup):
    """Says where the options that hold for every command stand, to those who wrote one behind the command."""

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]  # Typer's own name of the context it hands over.
        try:
            return super().invoke(ctx)
        except typer.TyperException as error:
            misplaced = getattr(error, "option_name", None)
            if misplaced in {word for param in self.params for word in param.opts} and error.message.startswith("No such option"):
                error.message += f". It holds for every command and stands before it: semantik {misplaced} ... {ctx.invoked_subcommand}"
            raise


app = typer.Typer(
    name="semantik",
    cls=_Main,
    help="A self-hosted evidence workspace: index your files, search them by meaning and keyword.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    # Plain help: drawing it would import rich with its Markdown parser, a quarter of a second for each --help.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for group in (
    collections.app,
    sources.app,
    documents.app,
    jobs.app,
    schedules.app,
    workers.queues,
    workers.workers,
    keys.app,
    models.app,
    config.app,
):
    app.add_typer(group)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"semantik {__version__}")
        raise typer.Exit


@app.callback()
def options(
    data_dir: Annotated[Path | None, typer.Option("--data-dir", help="Data folder, instead of SEMANTIK_DATA_DIR.")] = None,
    server: Annotated[str | None, typer.Option("--server", help="Talk to this server, with SEMANTIK_API_KEY.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of words.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what happens, on stderr.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")] = False,
) -> None:
    chosen.data_dir, chosen.server, chosen.as_json, chosen.verbose = data_dir, server, as_json, verbose


Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of words.")]


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port; the next free one is taken when it is busy.")] = None,
) -> None:
    """Serve the web UI and the API, and run jobs."""
    from semantik.entrypoints.cli import serving

    serving.serve(host, port)


@app.command()
def worker(
    queues: Annotated[str | None, typer.Option(help="Queues to work on: io,cpu,gpu,llm,maintenance. All by default.")] = None,
    pool: Annotated[str, typer.Option(help="prefork (reading, embedding), threads (waiting for networks) or solo (one GPU).")] = "prefork",
    concurrency: Annotated[int | None, typer.Option(help="Jobs at once, instead of SEMANTIK_WORKER_CONCURRENCY.")] = None,
    autoscale: Annotated[str | None, typer.Option(help="Most and least children of a prefork pool, such as 10,2.")] = None,
) -> None:
    """Run jobs of a server (PostgreSQL, Redis and Qdrant), beside other workers and API replicas."""
    from semantik.entrypoints.cli import processes

    processes.worker(queues, pool, concurrency, autoscale)


@app.command()
def scheduler() -> None:
    """Fire schedules and take back lost jobs of a server, for those who want that apart from the workers."""
    from semantik.entrypoints.cli import processes

    processes.scheduler()


@app.command()
def flower(
    host: Annotated[str, typer.Option(help="Address to listen on. Its /metrics asks for no password: keep it private.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 5555,
) -> None:
    """Show a server's workers and waiting doorbells in Flower, for the user semantik with SEMANTIK_FLOWER_PASSWORD."""
    from semantik.entrypoints.cli import processes

    processes.flower(host, port)


@app.command()
def demo(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port; the next free one is taken when it is busy.")] = None,
) -> None:
    """Index the sample corpus, search it, and serve it when this is a terminal."""
    from semantik.entrypoints.cli import serving

    serving.demo(host, port)


@app.command()
def ingest(
    paths: Annotated[list[Path], typer.Argument(help="Folders (kept as sources) and files (uploaded).")],
    collection: Annotated[str, typer.Option("--collection", "-c", help="Name of the collection, made if there is none.")] = "Documents",
    include: Annotated[list[str] | None, typer.Option(help="Only files that match this glob; may be repeated.")] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="Leave out files that match this glob; may be repeated.")] = None,
    wait: Wait = True,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what the folders will take, and do nothing.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 3 when any document of what is named failed.")] = False,
    as_json: Json = False,
) -> None:
    """Make folders and files searchable. Run it again to take in what changed."""
    from semantik.entrypoints.cli import ingesting

    if dry_run:
        ingesting.plan(paths, collection=collection, include=include or [], exclude=exclude, as_json=as_json or chosen.as_json)
        return
    ingesting.ingest(
        paths,
        collection=collection,
        include=include or [],
        exclude=exclude,
        wait=wait,
        strict=strict,
        as_json=as_json or chosen.as_json,
    )


@app.command()
def search(
    query: Annotated[str, typer.Argument(help="A question or words, in any language.")],
    collection: Annotated[list[str] | None, typer.Option("--collection", "-c", help="Only this collection; may be repeated.")] = None,
    mode: Annotated[Mode, typer.Option(help="By meaning and by words (hybrid), by meaning (dense) or by words (sparse).")] = "hybrid",
    limit: Annotated[int, typer.Option("--limit", "-n", help="Most hits, 1 to 100.", parser=whole(1, 100))] = 10,
    min_score: Annotated[float | None, typer.Option(help="Only hits with at least this score, 0 to 1.", parser=share)] = None,
    languages: Annotated[
        list[str] | None, typer.Option("--language", parser=language, help="Only passages in this language (en, de ...); may be repeated.")
    ] = None,
    media_types: Annotated[
        list[str] | None,
        typer.Option("--media-type", parser=media_type, help="Only documents of this type (application/pdf ...); may be repeated."),
    ] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Only documents with this tag; may be repeated.")] = None,
    after: Annotated[str | None, typer.Option(parser=day, help="Only documents modified on this day or later (2025-03-15).")] = None,
    before: Annotated[str | None, typer.Option(parser=day, help="Only documents modified before this day.")] = None,
    passages: Annotated[bool, typer.Option("--passages", help="Every passage is a hit, not the best one of each document.")] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Say why each hit stands where it stands.")] = False,
    as_json: Json = False,
) -> None:
    """Search by meaning and by keyword."""
    from semantik.entrypoints.cli import searching

    filters = {
        "languages": languages or [],
        "media_types": media_types or [],
        "tags": tag or [],
        "modified_after": after,
        "modified_before": before,
    }
    wanted = {
        "mode": mode,
        "limit": limit,
        "explain": explain,
        "min_score": min_score,
        "group_by": "none" if passages else "document",
        "filters": filters,
    }
    searching.search(query, collections=collection or [], wanted=wanted, as_json=as_json or chosen.as_json)


@app.command()
def doctor(
    fix: Annotated[bool, typer.Option("--fix", help="Mend what does not agree; without it nothing is changed.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Ask which files are there, and do not read them through.")] = False,
    as_json: Json = False,
) -> None:
    """Check the parts of this installation, and whether database, originals, vectors and index agree."""
    from semantik.entrypoints.cli import checking

    checking.doctor(fix=fix, quick=quick, as_json=as_json or chosen.as_json)


@app.command()
def migrate(
    to: Annotated[
        list[str],
        typer.Option(
            help="What changes: postgresql://..., sqlite:///file, http(s)://... of Qdrant, s3://... or file:///folder of originals, "
            "a folder for everything embedded, or a file of settings. May be repeated."
        ),
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would move and how long it takes, and write nothing.")] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Only compare again what was moved.")] = False,
    as_json: Json = False,
) -> None:
    """Carry this installation to another database, store or index, and prove it. Its server must be stopped; it is not changed."""
    from semantik.entrypoints.cli import migrating

    migrating.migrate(to, dry_run=dry_run, verify=verify, as_json=as_json or chosen.as_json)


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="File to write. It appears when it is whole; one of that name is never replaced.")],
    keys: Annotated[Path | None, typer.Option(help="Also write the keys to this second file. Keep it apart from the first.")] = None,
) -> None:
    """Write database, originals and vectors of this whole installation into one file, while it serves."""
    from semantik.entrypoints.cli import archiving

    archiving.backup(file, keys)


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="A file that `semantik backup` wrote.")],
    keys: Annotated[Path | None, typer.Option(help="The file of keys that was written with it.")] = None,
) -> None:
    """Fill an empty installation, on SQLite or PostgreSQL, from a backup. Nothing is embedded."""
    from semantik.entrypoints.cli import archiving

    archiving.restore(file, keys)


@app.command("migrate-schema")
def migrate_schema() -> None:
    """Bring the schema of a server database up to date."""
    from semantik.entrypoints.cli import checking

    checking.migrate_schema()


def main() -> None:
    app()


if __name__ == "__main__":
    main()
