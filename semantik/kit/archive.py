"""A file of members, as a strict subset of tar (POSIX ustar): written in one go, read only when it is whole.

    manifest.json   what the file is; first
    ...             members, each below 8 GiB by the format's own field, or beyond by its binary form
    end.json        what was written, and the SHA-256 of every byte before it; last

Any tar program lists and unpacks one. Ours takes regular files only, under names that the caller's pattern allows, so that
a made-up archive can neither name a path nor grow while it is read: nothing in it is compressed.
"""

from __future__ import annotations

import hashlib
import json
import re
import tarfile
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, TypeVar

from pydantic import BaseModel, ValidationError

from semantik.kit.errors import InvalidInput
from semantik.kit.files import PIECE_BYTES

MANIFEST, END = "manifest.json", "end.json"

_BLOCK = 512
_MAX_JSON_BYTES = 4 * 1024 * 1024

M = TypeVar("M", bound=BaseModel)


class ArchiveDamaged(InvalidInput):
    """It is no archive of ours, was cut short, or some of its bytes are not those that were written."""

    code = "archive_damaged"
    title = "The archive cannot be used"
    default_hint = "Take another copy of it; this one was not touched, and nothing was read into anything."


@dataclass(frozen=True, slots=True)
class Member:
    """`offset`: of its first byte in the file; `next`: where the member after it begins."""

    name: str
    size: int
    offset: int

    @property
    def next(self) -> int:
        return self.offset + _padded(self.size)


def checked(shape: type[M], found: Mapping[str, Any], what: str) -> M:
    """What an archive says, in the shape it must have. Raises `ArchiveDamaged`, which names the place and never a value."""
    try:
        return shape.model_validate(found)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise ArchiveDamaged(f"{what} has no usable {'.'.join(map(str, problem['loc']))}") from error


class Framer:
    """Turns members into the bytes of an archive. Every byte goes through it once, in order, so that it can sum them up."""

    def __init__(self) -> None:
        self._sum = hashlib.sha256()

    def member(self, name: str, content: bytes) -> bytes:
        return self.head(name, len(content)) + self.body(content) + self.pad(len(content))

    def head(self, name: str, size: int) -> bytes:
        """Begins a member whose `size` bytes follow by `body`, then `pad`."""
        return self.body(_header(name, size))

    def body(self, piece: bytes) -> bytes:
        self._sum.update(piece)
        return piece

    def pad(self, size: int) -> bytes:
        return self.body(bytes(_padded(size) - size))

    def end(self, facts: Mapping[str, Any]) -> bytes:
        """The last member and the two empty blocks that end a tar file."""
        content = json.dumps({**facts, "sha256": self._sum.hexdigest()}, ensure_ascii=False).encode()
        return self.member(END, content) + bytes(2 * _BLOCK)


class Archive:
    """Reads an archive from a file that can be sought in. Every method raises `ArchiveDamaged`."""

    def __init__(self, file: BinaryIO, names: re.Pattern[str]) -> None:
        """`names`: which members there may be, besides the first and the last."""
        self._file = file
        self._names = names

    def manifest(self) -> dict[str, Any]:
        first = next(self.members(), None)
        if first is None or first.name != MANIFEST:
            raise ArchiveDamaged("the file is no archive of Semantik: it does not begin with a manifest")
        return self._json(first)

    def members(self, start: int = 0) -> Iterator[Member]:
        """Members from the offset on (0, or some member's `next`), up to the end."""
        at = start
        while (found := self._at(at)) is not None:
            yield found
            at = found.next

    def verify(self) -> dict[str, Any]:
        """Reads the whole file and returns what its last member says; only then may it be believed."""
        summed, at = hashlib.sha256(), 0
        while True:
            found = self._at(at)
            if found is None:
                raise ArchiveDamaged("the archive was cut short: it has no end")
            if found.name == END:
                break
            for piece in self._span(at, found.next):
                summed.update(piece)
            at = found.next
        facts = self._json(found)
        if facts.get("sha256") != summed.hexdigest():
            raise ArchiveDamaged("the archive is damaged: its bytes do not have the checksum that it ends with")
        self._file.seek(found.next)
        if self._file.read(3 * _BLOCK) != bytes(2 * _BLOCK):
            raise ArchiveDamaged("the archive is damaged: something follows its end")
        return facts

    def pieces(self, member: Member) -> Generator[bytes, None, None]:
        yield from self._span(member.offset, member.offset + member.size)

    def read(self, member: Member, *, most: int) -> bytes:
        if member.size > most:
            raise ArchiveDamaged(f"{member.name} has {member.size:,} bytes, and such a member has {most:,} at most")
        return b"".join(self.pieces(member))

    def _at(self, at: int) -> Member | None:
        self._file.seek(at)
        block = self._file.read(_BLOCK)
        if not block or block == bytes(_BLOCK):
            return None
        try:
            # Checks the sum of the header; no extension of the format is followed.
            head = tarfile.TarInfo.frombuf(block, "ascii", "strict")
        except (tarfile.HeaderError, UnicodeDecodeError, ValueError) as error:
            words = f"the archive is damaged at byte {at:,}" if at else "the file is no archive of Semantik, or damaged at its beginning"
            raise ArchiveDamaged(words) from error
        if head.type != tarfile.REGTYPE or head.linkname or head.size < 0:
            raise ArchiveDamaged(f"the archive holds something else than plain files at byte {at:,}")
        if head.name not in (MANIFEST, END) and self._names.fullmatch(head.name) is None:
            raise ArchiveDamaged(f"the archive holds a member that does not belong there at byte {at:,}")
        return Member(head.name, head.size, at + _BLOCK)

    def _span(self, start: int, end: int) -> Iterator[bytes]:
        while start < end:
            self._file.seek(start)
            piece = self._file.read(min(PIECE_BYTES, end - start))
            if not piece:
                raise ArchiveDamaged("the archive was cut short")
            start += len(piece)
            yield piece

    def _json(self, member: Member) -> dict[str, Any]:
        try:
            found = json.loads(self.read(member, most=_MAX_JSON_BYTES))
        except (ValueError, RecursionError) as error:
            raise ArchiveDamaged(f"{member.name} of the archive cannot be read") from error
        if not isinstance(found, dict):
            raise ArchiveDamaged(f"{member.name} of the archive cannot be read")
        return found


def _header(name: str, size: int) -> bytes:
    made = tarfile.TarInfo(name)
    made.mode = 0o600
    block = bytearray(made.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict"))
    # Beyond eleven octal digits every tar takes the number in binary, marked by the first bit.
    block[124:136] = b"%011o\0" % size if size < 8**11 else b"\x80" + size.to_bytes(11, "big")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def _padded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK
