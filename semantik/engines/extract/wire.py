"""Frames between the pool and its children: JSON headers and UTF-8 text, never anything that runs when it is read.

    frame     kind (1 byte), length of the header (4), length of the body (4), header (JSON), body (UTF-8 text)
    to child  R  request
    to pool   S  what the file is, before its reader starts
              P  part (body = text)     M  member     O  outcome     W  an OCR page begins (seconds > 0: its own clock) or ends (0)
              T  where the child was when it met an error nobody foresaw, before it dies

The nursery's control socket has frames of fixed size:

    to nursery   F + descriptor: fork a worker that serves this socket     K + pid: kill its group and reap it
    to pool      pid, 0, 0                                                 pid, wait status, peak resident kB
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from semantik.engines.extract.base import Heading, Limits, Member, Outcome, Part, Verdict

HEAD = struct.Struct("<cII")
COMMAND = struct.Struct("<ci")
REPLY = struct.Struct("<iiq")
FORK, KILL = b"F", b"K"
# 256 Ki code points of four bytes make 1 MiB, the offsets of as many rows some more; anything larger is a broken child.
MAX_FRAME = 16 * 1024**2

REQUEST, START, PART, MEMBER, OUTCOME, WORK, TRACE = b"R", b"S", b"P", b"M", b"O", b"W", b"T"


def frame(kind: bytes, header: object, body: bytes = b"") -> bytes:
    packed = json.dumps(header, ensure_ascii=True, separators=(",", ":")).encode("ascii")
    return HEAD.pack(kind, len(packed), len(body)) + packed + body


def header_of(packed: bytes) -> dict[str, Any]:
    header = json.loads(packed)
    if not isinstance(header, dict):
        raise ValueError("a header is an object")
    return header


def request(path: Path, name: str, limits: Limits, scratch: Path, password: str | None) -> bytes:
    return frame(REQUEST, {"path": str(path), "name": name, "limits": asdict(limits), "scratch": str(scratch), "password": password})


def part(value: Part) -> bytes:
    header: dict[str, Any] = {}
    if value.headings:
        header["h"] = [(heading.offset, heading.level, heading.title) for heading in value.headings]
    for key in ("page", "slide", "sheet"):
        if getattr(value, key) is not None:
            header[key] = getattr(value, key)
    if value.rows:
        header["rows"] = value.rows
    if value.ocr:
        header["ocr"] = True
    if value.media_type is not None:
        header["type"] = value.media_type
    return frame(PART, header, value.text.encode("utf-8"))


def part_of(header: Mapping[str, Any], body: bytes) -> Part:
    return Part(
        text=body.decode("utf-8"),
        headings=tuple(Heading(int(offset), int(level), str(title)) for offset, level, title in header.get("h", ())),
        page=header.get("page"),
        slide=header.get("slide"),
        sheet=header.get("sheet"),
        rows=tuple((int(offset), int(row)) for offset, row in header.get("rows", ())),
        ocr=bool(header.get("ocr", False)),
        media_type=header.get("type"),
    )


def member(value: Member) -> bytes:
    path = None if value.path is None else str(value.path)
    return frame(MEMBER, {"name": value.name, "path": path, "size": value.size_bytes, "problem": value.problem})


def member_of(header: Mapping[str, Any]) -> Member:
    problem = header["problem"]
    return Member(
        name=header["name"],
        path=None if header["path"] is None else Path(header["path"]),
        size_bytes=header["size"],
        problem=None if problem is None else (problem[0], problem[1], problem[2]),
    )


def outcome(value: Outcome, *, peak_bytes: int) -> bytes:
    return frame(OUTCOME, {**asdict(value), "peak_bytes": peak_bytes})


def outcome_of(header: Mapping[str, Any]) -> tuple[Outcome, int]:
    """The outcome and the most memory the child ever held."""
    fields = dict(header)
    peak = int(fields.pop("peak_bytes"))
    fields["verdict"] = Verdict(fields["verdict"])
    fields["warnings"] = tuple(fields["warnings"])
    return Outcome(**fields), peak
