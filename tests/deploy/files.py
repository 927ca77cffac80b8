"""Reads the files of deploy/ as their tools do, and asks Semantik whether it knows what they name."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer.main
import yaml  # type: ignore[import-untyped] # its stubs are one more package in the lock

from semantik.entrypoints.cli.main import app
from semantik.kit import metrics
from tests.house.source import ROOT

DEPLOY = ROOT / "deploy"

_VARIABLE = re.compile(r"\$\$|\$\{(?P<name>[A-Z_]+)(?:(?P<how>:-|:\?)(?P<rest>[^}]*))?\}")
_SAMPLE = re.compile(r"\bsemantik_[a-z_]+")


class VariableMissing(Exception):
    pass


def load(name: str) -> Any:
    return yaml.safe_load((DEPLOY / name).read_text(encoding="utf-8"))


def filled_in(value: Any, variables: Mapping[str, str]) -> Any:
    """A part of a Compose file with its variables filled in; raises `VariableMissing` where Compose would refuse."""
    if isinstance(value, dict):
        return {key: filled_in(one, variables) for key, one in value.items()}
    if isinstance(value, list):
        return [filled_in(one, variables) for one in value]
    if not isinstance(value, str):
        return value

    def one(match: re.Match[str]) -> str:
        if match["name"] is None:
            return "$"
        given = variables.get(match["name"], "")
        if given or match["how"] is None:
            return given
        if match["how"] == ":?":
            raise VariableMissing(match["name"])
        return match["rest"]

    return _VARIABLE.sub(one, value)


def named_variables(text: str) -> dict[str, set[str]]:
    """Every variable that a Compose file reads, with how: `:?` (needed), `:-` (has a default) or nothing."""
    found: dict[str, set[str]] = {}
    for match in _VARIABLE.finditer(text):
        if match["name"]:
            found.setdefault(match["name"], set()).add(match["how"] or "")
    return found


def is_a_command(arguments: Sequence[str]) -> None:
    """Raises click's usage error unless `semantik ARGUMENTS` is understood. Runs nothing."""
    group: Any = typer.main.get_command(app)
    context = group.make_context("semantik", list(arguments), resilient_parsing=False)
    name, command, rest = group.resolve_command(context, list(arguments))
    command.make_context(name, rest, parent=context)


def declared_metrics() -> dict[str, set[str]]:
    """Each sample that the metrics of kit/metrics make, with the names of its labels."""
    made: dict[str, set[str]] = {}
    for metric in vars(metrics).values():
        if not hasattr(metric, "_labelnames") or isinstance(metric, type):
            continue
        labels = set(metric._labelnames)
        for family in metric.describe():
            match family.type:
                case "counter":
                    made[f"{family.name}_total"] = labels
                case "histogram":
                    made |= {f"{family.name}_bucket": labels | {"le"}, f"{family.name}_sum": labels, f"{family.name}_count": labels}
                case _:
                    made[family.name] = labels
    return made


def samples(expression: str) -> Iterator[tuple[str, set[str]]]:
    """Each sample of ours that a PromQL expression reads, with the labels that it is selected by."""
    for match in _SAMPLE.finditer(expression):
        selector = re.match(r"\{([^}]*)\}", expression[match.end() :])
        yield match[0], set(re.findall(r"(\w+)\s*[=!]", selector[1])) if selector else set()


def tool(name: str) -> str | None:
    """Where a linter is: beside this Python, or on the path."""
    return shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)


def is_root() -> bool:
    return os.geteuid() == 0


def without_settings() -> dict[str, str]:
    """The environment of this process without the settings of Semantik in it."""
    return {name: value for name, value in os.environ.items() if not name.startswith("SEMANTIK_")}
