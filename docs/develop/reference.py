"""Writes the generated pages of docs/reference/: settings, metrics, errors, jobs, document states, command line.

`make docs` runs it. A test compares `pages()` with what is committed, so a new setting or metric is never undocumented.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "reference"
NOTE = "<!-- Written by `make docs`. Edit the code it is taken from. -->"

OUTCOMES = {
    "archive_bomb": "unpacking it would give far more bytes than it has; nothing of it was read",
    "archive_too_deep": "an archive within archives, deeper than SEMANTIK_ARCHIVE_MAX_DEPTH",
    "archive_too_many": "an archive with more members than SEMANTIK_ARCHIVE_MAX_MEMBERS; those before the limit were read",
    "crashed": "the reader died on it; nothing else was touched",
    "damaged": "its structure is broken",
    "empty_file": "no bytes",
    "encrypted_body": "an encrypted mail",
    "entity_refused": "XML that defines entities or refers to files: refused",
    "executable": "a program, not a document",
    "gone": "listed by its source, and no longer there when it was to be read",
    "image_too_large": "more pixels than a reader should open",
    "link_outside": "a link that leads out of its source's folder; it was not followed",
    "lfs_pointer": "a pointer of Git LFS: the file itself was never fetched",
    "memory_limit": "reading it needs more than SEMANTIK_EXTRACT_MEMORY_BYTES",
    "needs_ocr": "pages without text that OCR did not read: it is off, or they lie beyond SEMANTIK_OCR_MAX_PAGES",
    "needs_password": "locked; give the password with retry",
    "nesting_limit": "nested deeper than any sound document",
    "no_text": "it holds no text",
    "not_a_file": "a pipe, a socket or a device in a folder",
    "output_limit": "more text than SEMANTIK_EXTRACT_MAX_CHARS; the beginning was read",
    "pages_failed": "some pages could not be read; the others were",
    "timeout": "reading took longer than SEMANTIK_EXTRACT_TIMEOUT_S",
    "too_large": "larger than the limit for its kind",
    "truncated": "cut off; what was there was read",
    "unknown_type": "not recognised, and no text",
    "unreadable": "the operating system refused to read it",
    "unsafe_member": "a name in the archive that points outside of it",
    "unsupported_type": "recognised, but a kind that is not read (video, sound, database ...)",
    "wrong_password": "the password that was given does not open it",
}


def page(name: str) -> str:
    return f"{NOTE}\n\n{_PAGES[name]()}"


def pages() -> dict[str, str]:
    return {f"{name}.md": page(name) for name in _PAGES}


def _settings() -> str:
    from semantik.kit.settings import PREFIX, Settings, origins

    lines = [
        "# Settings",
        "",
        "Environment, then `.env` in the working folder, then the default. A secret can also come from the file named in",
        f"`{PREFIX}<NAME>_FILE`. An unknown `{PREFIX}` variable is an error that names the nearest one. `semantik config show` prints",
        "every value with where it came from. Times are seconds, sizes bytes.",
        "",
        "| Variable | Default | Meaning |",
        "|---|---|---|",
    ]
    for row in origins({}, None):
        default = "" if Settings.model_fields[row.name].default is None else f"`{row.default}`"
        lines.append(f"| `{row.variable}`{' (secret)' if row.secret else ''} | {default} | {_cell(row.description)} |")
    return _join(lines)


def _metrics() -> str:
    from prometheus_client import Counter, Gauge, Histogram

    from semantik.kit import metrics

    lines = [
        "# Metrics",
        "",
        "`GET /metrics`, in the Prometheus text format; closed until `SEMANTIK_METRICS_TOKEN` is set.",
        "",
        "| Metric | Kind | Labels | Meaning |",
        "|---|---|---|---|",
    ]
    for value in vars(metrics).values():
        if isinstance(value, Counter | Gauge | Histogram):
            family = next(iter(value.collect()))
            name = family.name + ("_total" if family.type == "counter" else "")
            labels = ", ".join(f"`{label}`" for label in value._labelnames)
            lines.append(f"| `{name}` | {family.type} | {labels} | {_cell(family.documentation)} |")
    return _join(lines)


def _errors() -> str:
    from semantik.kit.errors import SemantikError

    _import_all()
    lines = [
        "# Errors",
        "",
        "Every error of the API is `application/problem+json` (RFC 9457) with `type`, `title`, `status`, `code`, `detail`, `hint`,",
        "`instance` and `request_id`. `code` is stable; `detail` is a sentence for people and may change.",
        "",
        "| Code | Status | Title | What to do |",
        "|---|---|---|---|",
    ]
    known = {kind.code: kind for kind in sorted(_descendants(SemantikError), key=lambda kind: (kind.__qualname__, kind.__module__))}
    lines += [
        f"| `{code}` | {kind.status} | {_cell(kind.title)} | {_cell(kind.default_hint or '')} |" for code, kind in sorted(known.items())
    ]
    return _join(lines)


def _jobs() -> str:
    from semantik.features.activity.words import MEANINGS
    from semantik.jobs.states import TRANSITIONS, Status
    from semantik.jobs.values import JobArgs

    _import_all()
    lines = ["# Jobs", "", "## States", "", "| State | May become |", "|---|---|"]
    for state in Status:
        following = ", ".join(f"`{after}`" for after in sorted(TRANSITIONS[state]))
        lines.append(f"| `{state}` | {following or 'nothing: this is an end'} |")
    lines += ["", "## Kinds", "", "| Kind | Queue | Attempts | What it does |", "|---|---|---|---|"]
    for kind in sorted(_descendants(JobArgs), key=lambda kind: str(getattr(kind, "kind", ""))):
        if kind.__module__.startswith("semantik.features"):
            meaning = (kind.__doc__ or "").strip().splitlines()[0] if kind.__doc__ else ""
            lines.append(f"| `{kind.kind}` | `{kind.queue}` | {kind.max_attempts} | {_cell(meaning)} |")
    lines += ["", "## Events", "", "What `/api/v1/jobs/{id}/events` and the sockets tell; see [the API guide](../guide/api.md).", ""]
    lines += ["| Type | Meaning |", "|---|---|", *(f"| `{name}` | {_cell(meaning)} |" for name, meaning in MEANINGS.items())]
    return _join(lines)


def _documents() -> str:
    lines = [
        "# Document states and codes",
        "",
        "A source lists documents; each is then `indexed`, `partial`, `skipped`, `failed` or still `pending`, and the five add up to what",
        "was listed. All but `indexed` and `pending` carry a code:",
        "",
        "| Code | Meaning |",
        "|---|---|",
    ]
    return _join([*lines, *(f"| `{code}` | {meaning} |" for code, meaning in sorted(OUTCOMES.items()))])


def _cli() -> str:
    from typer.main import get_command

    from semantik.entrypoints.cli.console import EXIT_CODES
    from semantik.entrypoints.cli.main import app

    lines = ["# The command line", "", "stdout is data, stderr is the log. `--json` prints one JSON document for machines.", ""]
    lines += ["| Exit code | Meaning |", "|---|---|", *(f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items()), ""]
    for path, command in _commands(get_command(app), ()):
        if not getattr(command, "hidden", False):
            lines += [f"## `{' '.join(('semantik', *path))}`", "", (command.help or "").strip().replace("\b\n", ""), ""]
            lines += _options(command)
    return _join(lines)


def _options(command: Any) -> list[str]:
    rows = []
    for option in command.params:
        if getattr(option, "hidden", False) or option.name == "help":
            continue
        words = [*option.opts, *option.secondary_opts] if option.param_type_name == "option" else [(option.metavar or option.name).upper()]
        names = " ".join(f"`{word}`" for word in words)
        kind = getattr(getattr(option, "type_descriptor", None), "annotation", None)
        choices = [f"`{choice}`" for choice in get_args(kind)] if get_origin(kind) is Literal else []
        meaning = " ".join([getattr(option, "help", None) or "", f"One of {', '.join(choices)}." if choices else ""])
        rows.append(f"| {names} | {_cell(meaning)} |")
    return ["| Option | Meaning |", "|---|---|", *rows, ""] if rows else []


def _commands(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, command
    for name, child in sorted(getattr(command, "commands", {}).items()):
        yield from _commands(child, (*path, name))


_NOT_OF_THE_API = ("semantik.testing", "semantik.entrypoints.cli")


def _import_all() -> None:
    import semantik

    for module in pkgutil.walk_packages(semantik.__path__, "semantik."):
        # Shipped test suites need pytest, and versions of the schema are no modules to import.
        if not module.name.startswith(("semantik.migrations", "semantik.sample", *_NOT_OF_THE_API)):
            importlib.import_module(module.name)


def _descendants(kind: type[Any]) -> Iterator[type[Any]]:
    """The classes of the API; the command line has some that no answer carries, and a test may define its own."""
    for child in kind.__subclasses__():
        if child.__module__.startswith("semantik.") and not child.__module__.startswith(_NOT_OF_THE_API):
            yield child
        yield from _descendants(child)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _join(lines: list[str]) -> str:
    return "\n".join(lines).rstrip() + "\n"


_PAGES: dict[str, Callable[[], str]] = {
    "settings": _settings,
    "metrics": _metrics,
    "errors": _errors,
    "jobs": _jobs,
    "documents": _documents,
    "cli": _cli,
}


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for file_name, content in pages().items():
        (FOLDER / file_name).write_text(content, encoding="utf-8")
        print(f"docs/reference/{file_name}", file=sys.stderr)
