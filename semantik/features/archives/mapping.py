"""A bundle's rows as rows of ours: new ids, this tenant's, nothing believed that a made-up bundle could abuse. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from semantik.engines.embedding.base import Tokenizer
from semantik.features.archives.bundle import Manifest
from semantik.features.ingestion import projection
from semantik.kit.archive import ArchiveDamaged, checked
from semantik.kit.clock import now
from semantik.kit.ids import derived_id
from semantik.kit.settings import Settings
from semantik.rows import lines
from semantik.tables.base import metadata

# Marks of documents while their bundle comes in; no reader looks at them, for their collection is under its tombstone.
COMING, TO_READ = "import", "import:read"
_ENDED = ("indexed", "partial", "skipped", "failed")
_MOST_PATH = 32_000
# A version is counted on from, in columns of 32 bits.
_MOST_NUMBER = 2_000_000_000
# No disk holds a file as large as this.
_MOST_BYTES = 2**60
# What we write ourselves lies two deep; far below what Python can still write as an answer.
_MOST_DEPTH = 8

Row = dict[str, Any]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


def _shallow(value: Any) -> Any:
    layer, depth = [value], 0
    while layer:
        depth += 1
        if depth > _MOST_DEPTH:
            raise ValueError(f"nested more than {_MOST_DEPTH} deep")
        layer = [inner for one in layer if isinstance(one, dict | list) for inner in (one.values() if isinstance(one, dict) else one)]
    return value


def _placed(position: dict[str, Any]) -> dict[str, Any]:
    for name, value in position.items():
        if type(value) is not _PLACES.get(name, type(value)) or (type(value) is int and not 0 <= value <= _MOST_NUMBER):
            raise ValueError(f"no usable {name}")
    return position


_PLACES = {"page": int, "page_end": int, "slide": int, "sheet": str, "row_start": int, "row_end": int, "ocr": bool}

_Open = Annotated[dict[str, Any], AfterValidator(_shallow)]
_Place = Annotated[int, Field(ge=0, le=_MOST_NUMBER)]


class _Heading(BaseModel):
    title: str
    level: _Place
    start: _Place
    page: _Place | None = None


class _DocumentShape(_Shape):
    """What the JSON columns of a document hold."""

    warnings: list[str]
    outline: list[_Heading] | None
    tags: list[str] = Field(max_length=1000)
    metadata: _Open


class _ChunkShape(_Shape):
    heading_path: list[str] = Field(max_length=100)
    position: Annotated[dict[str, str | int | bool], AfterValidator(_placed)]


_Container = TypeAdapter(dict[str, int])


@dataclass(frozen=True, slots=True)
class Destination:
    """Where the rows go. `same`: the vectors of the bundle are those that this installation would compute."""

    job_id: str
    collection_id: str
    manifest: Manifest
    same: bool
    settings: Settings

    def id_of(self, kind: str, given: str) -> str:
        return derived_id("import", self.job_id, kind, given)


def collection_id_of(job_id: str) -> str:
    return derived_id("import", job_id, "collection")


def read(name: str, block: bytes) -> list[Row]:
    """The rows of a block as they were written, every column of its type. Raises `ArchiveDamaged`."""
    names, rows = lines.read(metadata.tables[name], block)
    # JSON writes a NUL as an escape only, and no text of ours has one: PostgreSQL could not take it. A text may speak of
    # that escape: then its backslash is written as two.
    if b"\\u0000" in block.replace(b"\\\\", b""):
        raise ArchiveDamaged(f"a row of {name} holds a NUL character")
    return [dict(zip(names, row, strict=True)) for row in rows]


def sources(into: Destination, rows: Sequence[Row]) -> list[Row]:
    """Every source comes as what it held: its folder or service is not here, so its documents are uploads from now on."""
    return [
        {
            "id": into.id_of("source", _text(row, "id")),
            "collection_id": into.collection_id,
            "kind": "upload",
            "name": _text(row, "name")[:200],
            "settings": {},
            "created_at": now(),
        }
        for row in rows
    ]


def documents(into: Destination, rows: Sequence[Row]) -> list[Row]:
    return [_document(into, row) for row in rows]


def embeddings(into: Destination, rows: Sequence[Row]) -> list[Row]:
    model = into.manifest.model
    found = []
    for row in rows:
        if row.get("model_key") != model.key:
            raise ArchiveDamaged("the bundle holds vectors of another model than it says")
        vector = row.get("vector")
        if not isinstance(vector, bytes) or not projection.is_vector(vector, model.dimensions):
            raise ArchiveDamaged("the bundle holds a vector that is none")
        found.append({"model_key": model.key, "text_hash": _hash(row, "text_hash"), "vector": vector, "created_at": now()})
    return found


def chunks(into: Destination, rows: Sequence[Row], tokenizer: Tokenizer) -> list[Row]:
    """Under the ids that reading them here would give. A text that is not what was embedded is refused."""
    return [_chunk(into, row, tokenizer) for row in rows]


def _document(into: Destination, row: Row) -> Row:
    path = _text(row, "path")
    if not 0 < len(path) <= _MOST_PATH or path.startswith("/") or ".." in path.split("/"):
        raise ArchiveDamaged("a document of the bundle has no usable path")
    shown = _shaped(_DocumentShape, row)
    state, content = row.get("state"), row.get("content_hash")
    content = None if content is None else _hash(row, "content_hash")
    if state not in (*_ENDED, "pending"):
        raise ArchiveDamaged(f"a document of the bundle is in the state {str(state)[:20]!r}")
    fate: Row
    if content is None and (state == "pending" or row.get("due") is not None):
        reason = "it had not been read when the bundle was made"
        fate = {"state": "failed", "code": "not_in_bundle", "reason": reason, "hint": "Upload the file.", "due": COMING}
    elif content is not None and (not into.same or row.get("due") is not None or state == "pending"):
        fate = {"state": "pending", "code": None, "reason": None, "hint": None, "due": TO_READ}
    else:
        fate = {name: row.get(name) for name in ("state", "code", "reason", "hint")} | {"due": COMING}
    read = fate["due"] == COMING and fate["code"] != "not_in_bundle"
    parent = row.get("parent_id")
    at = now()
    return {
        "id": into.id_of("document", _text(row, "id")),
        "collection_id": into.collection_id,
        "source_id": into.id_of("source", _text(row, "source_id")),
        "parent_id": None if parent is None else into.id_of("document", parent),
        "path": path,
        "path_hash": hashlib.sha256(path.encode()).hexdigest(),
        "name": _text(row, "name")[:_MOST_PATH],
        **fate,
        **shown,
        "version": _number(row, "version") if read else 0,
        "signature": content,
        "container": _container(into.settings, row.get("container")),
        "content_hash": content,
        "pipeline_key": row.get("pipeline_key") if read else None,
        "text_hash": _hash(row, "text_hash") if read and row.get("text_hash") is not None else None,
        "chunk_count": _number(row, "chunk_count") if read else 0,
        "text_chars": _number(row, "text_chars") if read else 0,
        # What the stored file has is put in its place when the file comes.
        "size_bytes": _number(row, "size_bytes", most=_MOST_BYTES) if content is not None or row.get("size_bytes") is not None else None,
        "pages": _maybe(row, "pages"),
        **{name: row.get(name) for name in ("media_type", "language", "title", "modified_at")},
        "indexed_at": row.get("indexed_at") if read else None,
        "created_at": row.get("created_at") or at,
        "updated_at": at,
    }


def _chunk(into: Destination, row: Row, tokenizer: Tokenizer) -> Row:
    document = into.id_of("document", _text(row, "document_id"))
    version, ordinal = _number(row, "version"), _number(row, "ordinal")
    generation = into.manifest.collection.generation
    shown = _shaped(_ChunkShape, row)
    made = {
        "id": derived_id(document, version, generation, ordinal),
        "collection_id": into.collection_id,
        "document_id": document,
        "version": version,
        "generation": generation,
        "ordinal": ordinal,
        "text": _text(row, "text"),
        **{name: _number(row, name) for name in ("start", "end", "tokens")},
        "page": _maybe(row, "page"),
        **shown,
        "language": row.get("language"),
        "embedding_hash": _hash(row, "embedding_hash"),
    }
    if made["end"] - made["start"] != len(made["text"]):
        raise ArchiveDamaged("a text of the bundle is not as long as from its start to its end")
    if projection.embedding_hash(projection.embedded_text(made, tokenizer)) != made["embedding_hash"]:
        raise ArchiveDamaged("a text of the bundle is not the one that its vector was made of")
    return made


def _shaped(shape: type[BaseModel], row: Row) -> Row:
    return checked(shape, {name: row.get(name) for name in shape.model_fields}, "a row of the bundle").model_dump()


def _container(settings: Settings, given: Any) -> Mapping[str, int] | None:
    """How deep a member lies and what its archive may still unpack: never more than this installation allows."""
    if given is None:
        return None
    try:
        found = _Container.validate_python(given, strict=True)
        return {
            "depth": max(0, found["depth"]),
            "members_left": max(0, min(found["members_left"], settings.archive_max_members)),
            "member_bytes_left": max(0, min(found["member_bytes_left"], settings.archive_max_bytes)),
        }
    except (ValidationError, KeyError) as error:
        raise ArchiveDamaged("a document of the bundle lies in no usable archive") from error


def _text(row: Row, name: str) -> str:
    found = row.get(name)
    if not isinstance(found, str):
        raise ArchiveDamaged(f"a row of the bundle has no {name}")
    return found


def _number(row: Row, name: str, *, most: int = _MOST_NUMBER) -> int:
    found = row.get(name)
    if type(found) is not int or not 0 <= found <= most:
        raise ArchiveDamaged(f"a row of the bundle has no usable {name}")
    return found


def _maybe(row: Row, name: str) -> int | None:
    return None if row.get(name) is None else _number(row, name)


def _hash(row: Row, name: str) -> str:
    found = _text(row, name)
    if len(found) != 64 or not set(found) <= set("0123456789abcdef"):
        raise ArchiveDamaged(f"a row of the bundle has no usable {name}")
    return found
